"""The values of an answer's line: `+COPS: 0,2,"46000",7` to `["0", "2", "46000", "7"]`."""

from __future__ import annotations

MAX_FIELDS = 64


def fields(line: str) -> list[str]:
    """What stands behind the first colon, cut at commas outside quotes, quotes left out. Never raises."""
    _, colon, rest = line.partition(":")
    out: list[str] = []
    held: list[str] = []
    quoted = False
    for char in rest if colon else "":
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            out.append("".join(held).strip())
            held.clear()
            if len(out) >= MAX_FIELDS:
                return out
        else:
            held.append(char)
    if out or held:
        out.append("".join(held).strip())
    return out


def text(values: list[str], at: int) -> str:
    return values[at] if at < len(values) else ""


def number(values: list[str], at: int) -> int | None:
    """A whole number of at most nine digits, or None."""
    told = text(values, at)
    digits = told[1:] if told[:1] in ("-", "+") else told
    return int(told) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None


def real(values: list[str], at: int) -> float | None:
    told = text(values, at)
    digits = told[1:] if told[:1] in ("-", "+") else told
    whole, _, part = digits.partition(".")
    is_one = whole.isascii() and whole.isdigit() and (not part or (part.isascii() and part.isdigit()))
    return float(told) if is_one and len(told) <= 20 else None


def hexadecimal(values: list[str], at: int) -> int | None:
    told = text(values, at).removeprefix("0x").removeprefix("0X")
    return int(told, 16) if 0 < len(told) <= 9 and all(c in "0123456789abcdefABCDEF" for c in told) else None
