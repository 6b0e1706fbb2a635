"""A modem as a carrier of short messages: what lies in it is handed in, then taken off; what is handed out is sent."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress

from adapters.modem.face import CellularModem, Report, Stored
from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.contract.texts import CarrierSeat, Progress, TextSent
from gateway.model.texts import Arrived, TextOut

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""What lies there is fetched when the modem says so, and as often as this: its word may have been lost."""

MAX_LEFT = 128
"""Of those that the modem told and stores nowhere; more than a full disk's minute brings."""


class TextCarrier:
    def __init__(self, name: str, modem: CellularModem) -> None:
        self._name = name
        self._modem = modem
        self._seat: CarrierSeat | None = None
        self._ready = False
        self._going = 0
        self._news = asyncio.Event()
        self._left: deque[Stored] = deque(maxlen=MAX_LEFT)
        self._stays: dict[str, Stored] = {}
        """What is kept here and could not be taken off the modem, by place."""

    def sit(self, seat: CarrierSeat) -> None:
        self._seat = seat

    def on_text(self) -> None:
        self._news.set()

    def on_ready(self, ready: bool, code: str, detail: str) -> None:
        if ready and not self._ready:
            self._news.set()  # some may have come meanwhile
        self._ready = ready
        if self._seat is not None:
            self._seat.tell(ready, code, detail)

    async def send(self, text: TextOut, progress: Progress) -> TextSent:
        if not self._ready:
            raise LinkDown(f"{self._name} is not ready", code="text-carrier-down")
        self._going += 1
        try:
            return await self._modem.send_text(text, progress)
        finally:
            self._going -= 1

    def sending(self) -> bool:
        return self._going > 0

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            self._news.clear()
            if self._ready:
                try:
                    await self.fetch()
                except GatewayError as exc:
                    log.warning("%s: short messages stay where they lie: %s", self._name, exc)

    async def fetch(self) -> None:
        """Hand in all that lies there. A message leaves the modem only after it is kept here; what lies nowhere (the
        modem told it, and stores nothing) is kept here until it is."""
        seat = self._seat
        if seat is None:
            return
        found = [*self._left, *await self._modem.texts()]
        self._left.clear()
        stays: dict[str, Stored] = {}
        trouble: GatewayError | None = None
        at = 0
        try:
            for at, stored in enumerate(found):  # noqa: B007
                if self._stays.get(stored.place) != stored:
                    await self._hand_in(seat, stored.what)
                try:
                    await self._modem.delete_text(stored.place)
                except PeerError as exc:  # those behind it are not held up
                    stays[stored.place], trouble = stored, exc
        except BaseException:
            self._left.extend(one for one in found[at:] if not one.place)
            raise
        self._stays = stays
        if trouble is not None:
            raise trouble

    async def _hand_in(self, seat: CarrierSeat, what: Arrived | Report | None) -> None:
        if isinstance(what, Arrived):
            await seat.take(what)
        elif isinstance(what, Report) and what.final:
            detail = "" if what.delivered else f"status {what.status:#04x}"
            code = "" if what.delivered else "text-undelivered"
            await seat.report(what.reference, what.delivered, code, detail)
