"""Short names for devices as they are admitted: `ball-1`, `cam-2`, or what the technician says."""

from __future__ import annotations

import re
from collections.abc import Container

from gateway.model.ids import is_slug
from gateway.model.voice import TALK

# GB/T 28181-2016 annex D.1: digits 11 to 13 of a device's id are its type.
_TYPES = {"111": "dvr", "118": "nvr", "131": "cam", "132": "cam", "200": "platform"}
_WORDS = {"球": "ball", "ball": "ball", "无人机": "drone", "记录仪": "body", "摄像": "cam", "camera": "cam"}


def slug_for(wish: str, name: str, external_id: str, taken: Container[str]) -> str:
    """The wish if it can be one, the name if it can, else a word for the kind of device and a number."""
    for text in (wish, re.sub(r"[\s_]+", "-", name.strip().lower())):
        if text and may_be_slug(text) and text not in taken:
            return text
    return numbered(_kind(name, external_id), taken)


def may_be_slug(text: str) -> bool:
    """True for what a device may be called. `talk` is taken: ids of talk groups have it in a device's place."""
    return is_slug(text) and text != TALK


def numbered(word: str, taken: Container[str]) -> str:
    number = 1
    while f"{word}-{number}" in taken:
        number += 1
    return f"{word}-{number}"


def _kind(name: str, external_id: str) -> str:
    for part, word in _WORDS.items():
        if part in name.lower():
            return word
    if len(external_id) == 20 and external_id.isdecimal():
        return _TYPES.get(external_id[10:13], "ball")
    return "dev"
