"""Items as datagrams of a size that links bear, and back: what RTP's payload formats do, without codecs."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator

ROOM = 1180
_HEAD = struct.Struct("!IHH")  # which, index, of how many
_KEPT = 512


class Cutter:
    def __init__(self) -> None:
        self._next = 0

    def cut(self, item: bytes) -> Iterator[bytes]:
        which, self._next = self._next, self._next + 1
        count = -(-len(item) // ROOM)
        for index in range(count):
            yield _HEAD.pack(which, index, count) + item[index * ROOM : (index + 1) * ROOM]


class Joiner:
    """Keeps the newest 512 unfinished items."""

    def __init__(self) -> None:
        self._parts: OrderedDict[int, dict[int, bytes]] = OrderedDict()
        self._done: OrderedDict[int, None] = OrderedDict()

    def take(self, datagram: bytes) -> bytes | None:
        """The whole item with its last missing part."""
        which, index, count = _HEAD.unpack_from(datagram)
        if which in self._done:
            return None
        parts = self._parts.setdefault(which, {})
        parts[index] = datagram[_HEAD.size :]
        if len(parts) < count:
            while len(self._parts) > _KEPT:
                self._parts.popitem(last=False)
            return None
        del self._parts[which]
        self._done[which] = None
        while len(self._done) > _KEPT:
            self._done.popitem(last=False)
        return b"".join(parts[number] for number in range(count))
