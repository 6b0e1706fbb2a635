"""The Session and Public headers (RFC 2326 §12.37, §12.28)."""

from __future__ import annotations

from dataclasses import dataclass

TIMEOUT_S = 60.0
"""RFC 2326 §12.37: what is meant when nothing is said."""


@dataclass(frozen=True, slots=True)
class SessionHeader:
    id: str
    timeout_s: float = TIMEOUT_S


def parse_session(value: str | None) -> SessionHeader | None:
    """None without an id."""
    id_, _, rest = (value or "").partition(";")
    id_ = id_.strip()[:256]
    if not id_:
        return None
    timeout = TIMEOUT_S
    for part in rest.split(";"):
        name, _, text = part.partition("=")
        text = text.strip()
        if name.strip().lower() == "timeout" and text.isascii() and text.isdigit() and len(text) <= 6:
            # 0 and the like are what some devices write for "none".
            timeout = float(text) if 5 <= int(text) <= 3600 else timeout
    return SessionHeader(id_, timeout)


def parse_public(value: str | None) -> frozenset[str]:
    return frozenset(part.strip().upper() for part in (value or "").split(",")[:64] if part.strip())
