"""Whose picture a new JT/T 1078 connection brings: the head of its first frame (JT/T 1078-2016 table 19)."""

from __future__ import annotations

from dataclasses import dataclass

MAGIC = b"\x30\x31\x63\x64"
HEAD_BYTES = 16
"""Up to the number of the channel; terminals of 2019 that write ten bytes of SIM need four more."""

MAX_SEARCH = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """`phones`: the number read with six bytes of SIM, and with ten; the channel behind either."""

    phones: tuple[tuple[str, int], ...]


def _digits(bcd: bytes) -> str:
    text = bcd.hex()
    return (text.lstrip("0") or "0") if text.isdecimal() else ""


def read_caller(data: bytes) -> Caller | None:
    """None while there is not enough to tell. Raises ValueError when nothing of JT/T 1078 stands in the first 4 KiB."""
    at = data.find(MAGIC)
    if at < 0:
        if len(data) > MAX_SEARCH:
            raise ValueError("no frame of JT/T 1078 in 4 KiB")
        return None
    head = data[at : at + HEAD_BYTES + 4]
    if len(head) < HEAD_BYTES + 4:
        return None
    # magic 4, V/P/X/CC 1, M/PT 1, sequence 2, then SIM BCD[6] or BCD[10] and the channel.
    found = [(_digits(head[8:14]), head[14]), (_digits(head[8:18]), head[18])]
    return Caller(tuple((phone, channel) for phone, channel in found if phone))
