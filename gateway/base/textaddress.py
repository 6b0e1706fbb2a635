"""How the far side of a short message is written: "+8613800000000", "bd:0412345", "sbd:"."""

from __future__ import annotations

import re

_PHONE = re.compile(r"\+?[0-9]{3,15}")
_CARD = re.compile(r"bd:[0-9]{1,8}")
_ROOM = str.maketrans("", "", " -()\t")


def address(text: str) -> str | None:
    """As it is kept and compared; None when it is none."""
    told = text[:64].translate(_ROOM).lower()
    if told.startswith("tel:"):
        told = told[4:]
    if told.startswith("00"):
        told = f"+{told[2:]}"
    if told.startswith("bd:"):
        return f"bd:{int(told[3:]):07}" if _CARD.fullmatch(told) else None
    if told == "sbd:":
        return told
    return told if _PHONE.fullmatch(told) else None
