"""The GSM 7 bit default alphabet and its packing into octets (3GPP TS 23.038 §6.1.2.1, §6.2.1)."""

from __future__ import annotations

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_MORE = dict(
    zip((0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65), "\f^{}\\[~]|€", strict=True),
)
ESCAPE = 0x1B
_CODES: dict[str, tuple[int, ...]] = {char: (code,) for code, char in enumerate(_BASIC) if code != ESCAPE}
_CODES.update({char: (ESCAPE, code) for code, char in _MORE.items()})


def septets(text: str) -> list[tuple[int, ...]] | None:
    """One or two septets for each character; None when the alphabet lacks one."""
    out = [_CODES.get(char) for char in text]
    found = [codes for codes in out if codes is not None]
    return found if len(found) == len(out) else None


def characters(codes: list[int]) -> str:
    """Septets to text. An unknown one behind an escape is shown as the plain one (TS 23.038 §6.2.1.1, note 1)."""
    out: list[str] = []
    escaped = False
    for code in codes:
        if escaped:
            out.append(_MORE.get(code, _BASIC[code]) if code != ESCAPE else " ")
            escaped = False
        elif code == ESCAPE:
            escaped = True
        else:
            out.append(_BASIC[code])
    return "".join(out)


def pack(codes: list[int], fill: int = 0) -> bytes:
    """`fill` zero bits go before the first septet, so that it begins at one behind a header."""
    out = bytearray()
    held, bits = 0, fill
    for code in codes:
        held |= code << bits
        bits += 7
        while bits >= 8:
            out.append(held & 0xFF)
            held >>= 8
            bits -= 8
    if bits > 0 and codes:
        out.append(held & 0xFF)
    return bytes(out)


def unpack(data: bytes, count: int, fill: int = 0) -> list[int]:
    """At most `count` septets; fewer when `data` has no more."""
    out: list[int] = []
    held, bits, skip = 0, 0, fill
    for octet in data:
        held |= octet << bits
        bits += 8
        if skip:
            held >>= skip
            bits -= skip
            skip = 0
        while bits >= 7 and len(out) < count:
            out.append(held & 0x7F)
            held >>= 7
            bits -= 7
    return out
