"""How many devices were told, and a sum over what was told of them: alike at both ends when nothing is missing between.

A broker hands on what it retains, and what changes, without a number on it: whatever it leaves out, nobody misses. So a
kit says with its telemetry what it has told, and its center compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32


class Tally:
    """The order in which devices were told does not count, nor does how often."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}
        self.sum = 0

    def put(self, device: str, message: bytes) -> None:
        new = _of(device, message)
        self.sum ^= self._of.get(device, 0) ^ new
        self._of[device] = new

    def drop(self, device: str) -> None:
        self.sum ^= self._of.pop(device, 0)

    def has(self, device: str, message: bytes) -> bool:
        """It was put last with that message; of another one with the same sum it is said too, once in 4 billion."""
        return self._of.get(device) == _of(device, message)

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __contains__(self, device: object) -> bool:
        return device in self._of


def _of(device: str, message: bytes) -> int:
    return crc32(message, crc32(device.encode()))
