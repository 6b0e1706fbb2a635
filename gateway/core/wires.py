"""Events of wires: handed to their owner, or kept for one who has yet to learn the handle.

`bind_in` and `bind_out` give a wire another handle; what the media plane says of that one may come before Python has
said whose it is, and a wire of a listener (SRT) is told of to the listener's owner. What nobody asks for is bounded:
the wires that came first are forgotten first, and the media plane closes them by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable

from gateway import codecs

log = logging.getLogger(__name__)

WIRES = 256
EVENTS = 64
"""Kept of one wire; a peer that says more before anybody listens loses the wire."""
GONE = 1024

Heard = Callable[[codecs.WireEvent], None]


class Wires:
    """On the event loop only."""

    def __init__(self, failed: Callable[[codecs.WireEvent], None]) -> None:
        """`failed` is told of an event whose handler raised, within that exception."""
        self._failed = failed
        self._owners: dict[int, Heard] = {}
        self._kept: OrderedDict[int, deque[codecs.WireEvent]] = OrderedDict()
        self._gone: OrderedDict[int, None] = OrderedDict()

    @property
    def kept(self) -> int:
        """Events that wait for an owner."""
        return sum(len(events) for events in self._kept.values())

    def own(self, wire: int, handler: Heard) -> None:
        self._owners[wire] = handler
        self._gone.pop(wire, None)
        if wire in self._kept:
            # Not within this call: its caller is hardly ready to be called back. Later ones queue up behind.
            asyncio.get_running_loop().call_soon(self._flush, wire)

    def forget(self, wire: int) -> None:
        self._owners.pop(wire, None)
        self._kept.pop(wire, None)
        # Events under way still name it: they are not kept, since nobody will come for them.
        self._gone[wire] = None
        while len(self._gone) > GONE:
            self._gone.popitem(last=False)

    def give(self, event: codecs.WireEvent) -> None:
        wire = event.parent if event.state == "incoming" else event.wire
        if wire in self._gone:
            return
        owner = self._owners.get(wire)
        if owner is not None and wire not in self._kept:
            owner(event)
            return
        events = self._kept.setdefault(wire, deque())
        if len(events) >= EVENTS:
            log.warning("wire %d said more than %d things before anybody listened: forgotten", wire, EVENTS)
            self.forget(wire)
            return
        events.append(event)
        while len(self._kept) > WIRES:
            self.forget(next(iter(self._kept)))

    def _flush(self, wire: int) -> None:
        while (owner := self._owners.get(wire)) is not None and self._kept.get(wire):
            event = self._kept[wire].popleft()
            try:
                owner(event)
            except Exception:
                self._failed(event)
        if not self._kept.get(wire):
            self._kept.pop(wire, None)
