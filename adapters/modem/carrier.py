"""A modem as a carrier of short messages: what lies in it is handed in, then taken off; what is handed out is sent."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from adapters.modem.face import CellularModem
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.texts import CarrierSeat, Progress, TextSent
from gateway.model.texts import TextOut
from gateway.net.texts_inbox import TextInbox

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""What lies there is fetched when the modem says so, and as often as this: its word may have been lost."""


class TextCarrier:
    def __init__(self, name: str, modem: CellularModem) -> None:
        self._name = name
        self._modem = modem
        self._seat: CarrierSeat | None = None
        self._ready = False
        self._going = 0
        self._news = asyncio.Event()
        self._inbox = TextInbox(name, modem.texts, modem.delete_text)
        self._stays = ""

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
                    self._stays = ""
                except GatewayError as exc:
                    # Each minute the same: said once.
                    level = logging.DEBUG if exc.code == self._stays else logging.WARNING
                    log.log(level, "%s: short messages stay where they lie: %s (%s)", self._name, exc, exc.code)
                    self._stays = exc.code

    async def fetch(self) -> None:
        """Hand in all that lies there. Raises GatewayError."""
        if self._seat is not None:
            await self._inbox.hand_in(self._seat)
