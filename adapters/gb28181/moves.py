"""A device that speaks from another address: has NAT moved it, or does somebody else use its id?

MESSAGE and NOTIFY carry no password (GB/T 28181-2022 §9.3), so a new address is asked, and so is the old one:

message from a new address ─► kept ─► we ask both places ─► the old one answers ───────► refused, REGISTER is awaited
                                                          └ only the new one answers ─► moved; what was kept is done

REGISTER, which has a password, moves it at once (`DeviceLink.registered`), and ends a refusal.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto

from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol import orders
from gateway.base.errors import GatewayError, PeerError
from gateway.wire.sip import Hop
from gateway.wire.sip.hop import format_address

log = logging.getLogger(__name__)

ANSWER_S = 2.0
"""Wait for an answer; a question over UDP is repeated twice in that time (RFC 3261 §17.1.2.2)."""

REFUSE_S = 60.0
"""So long an address that proved to be somebody else's is refused without asking again."""

PAUSE_S = 5.0
"""Between two questions to new addresses of one device: forged messages must not have us ask at their rate."""

MAX_HELD = 16
MAX_REFUSED = 64
_NOT_ME = (403, 404, 481)


class Place(Enum):
    """Where a message came from, seen from its device."""

    KNOWN = auto()
    BESIDE = auto()  # another connection from the device's own host: it is heard, and followed if the old one is dead
    NEW = auto()
    REFUSED = auto()


class Moves:
    """The questions about one device's new addresses: one at a time, few, and what waits for their answers."""

    def __init__(self, link: DeviceLink) -> None:
        self._link = link
        self._asking: Hop | None = None
        self._held: list[Callable[[], None]] = []
        self._refused: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._next_at = 0.0

    def place(self, hop: Hop) -> Place:
        link = self._link
        if link.is_at(hop):
            return Place.KNOWN
        if hop.transport == "tcp" and link.alive and link.hop is not None and link.hop.remote[0] == hop.remote[0]:
            return Place.BESIDE
        until = self._refused.get(hop.remote, 0.0)
        return Place.REFUSED if until > link.station.clock.monotonic() else Place.NEW

    def hold(self, hop: Hop, act: Callable[[], None]) -> bool:
        """Have `act` done when the device has proved to be there. False: there is no room, or it is not the time."""
        if self._asking is None:
            now = self._link.station.clock.monotonic()
            if now < self._next_at:
                return False
            self._asking, self._next_at = hop, now + PAUSE_S
            if not self._link.crew.start(self._ask(hop), "asking a new address"):
                self._asking = None
                return False
        elif self._asking.remote != hop.remote or len(self._held) >= MAX_HELD:
            return False
        self._held.append(act)
        return True

    def follow(self, hop: Hop) -> None:
        """Ask about a connection beside the known one; nothing waits for it."""
        self.hold(hop, lambda: None)

    async def _ask(self, hop: Hop) -> None:
        held: list[Callable[[], None]] = []
        try:
            stays, there = await self._answers(hop)
        finally:
            held, self._held, self._asking = self._held, [], None
        link = self._link
        if not link.is_at(hop):
            if stays:
                self._refuse(hop)
                return
            if not there:
                log.info("%s: nobody answers at %s, from where its id was used", link, format_address(hop.remote))
                return
            self._next_at = 0.0
            link.heard(hop)
        if link.is_at(hop):  # not if it has signed off
            for act in held:
                act()

    async def _answers(self, hop: Hop) -> tuple[bool, bool]:
        """Whether somebody answers to the device's id where it was, and at `hop`."""
        link = self._link
        old = link.hop if link.alive else None
        new = asyncio.create_task(self._answer(hop))
        try:
            stays = old is not None and await self._answer(old)
            return stays, not stays and await new
        finally:
            new.cancel()
            await asyncio.gather(new, return_exceptions=True)

    async def _answer(self, hop: Hop) -> bool:
        link = self._link
        text = orders.query("DeviceStatus", link.next_sn(), link.external_id)
        body = orders.encode(text, link.charset)
        try:
            await link.station.line.message(hop, link.external_id, body, timeout=ANSWER_S)
        except PeerError as exc:
            # Any other refusal is an answer too: not every device knows the question.
            return exc.status not in _NOT_ME
        except GatewayError:
            return False
        return True

    def _refuse(self, hop: Hop) -> None:
        link = self._link
        old = link.hop
        if old is not None and hop.transport == "tcp" and old.remote[0] == hop.remote[0]:
            return  # beside, and the old one lives: both are its own
        link.once(
            "moved",
            "somebody at %s speaks with its id while it still answers at %s: refused until it registers from there",
            format_address(hop.remote),
            link.address,
        )
        self._refused[hop.remote] = link.station.clock.monotonic() + REFUSE_S
        self._refused.move_to_end(hop.remote)
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)
