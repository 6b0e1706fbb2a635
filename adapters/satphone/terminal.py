"""One terminal or phone: its port opened again and again, its link and its place as a carrier told how it stands."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from adapters.satphone.config import PhoneConfig
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.adapter import Context
from gateway.contract.link import LinkSeat
from gateway.contract.texts import CarrierSeat, Progress, TextSent
from gateway.model.link import NO_SIGNAL, BearerFacts, BearerKind, LinkPhase, Signal
from gateway.model.texts import CarrierKind, TextOut

log = logging.getLogger(__name__)

AGAIN_FIRST_S, AGAIN_MOST_S = 1.0, 60.0


class Terminal(ABC):
    """Runs until cancelled; a port that goes is opened anew, later each time up to a minute."""

    carries: CarrierKind

    def __init__(self, name: str, config: PhoneConfig, context: Context) -> None:
        self.name, self.config, self.context = name, config, context
        self.device = ""
        self.facts: BearerFacts | None = None
        """How it stands, as told last."""
        self._link: LinkSeat | None = None
        self._seat: CarrierSeat | None = None
        self._down = ""
        self._alive = False

    @abstractmethod
    async def live(self) -> None:
        """From an open port to its end; raises what ended it."""

    @abstractmethod
    async def send(self, text: TextOut, progress: Progress) -> TextSent:
        """As `contract.texts.Send`."""

    async def run(self) -> None:
        again_s = AGAIN_FIRST_S
        with (
            self.context.links.offer(self.name, BearerKind.SATPHONE) as self._link,
            self.context.texts.carrier(self.name, self.carries, self.send, cost=self.config.cost) as self._seat,
        ):
            while True:
                self._alive = False
                try:
                    await self.live()
                except GatewayError as exc:
                    if exc.code != self._down:
                        log.info("%s: %s (%s)", self.name, exc, exc.code)
                    self._down = exc.code
                    self.tell(LinkPhase.ABSENT, exc.code, str(exc))
                again_s = AGAIN_FIRST_S if self._alive else min(again_s * 2, AGAIN_MOST_S)
                await asyncio.sleep(again_s)

    def tell(
        self,
        phase: LinkPhase,
        code: str,
        detail: str = "",
        *,
        ready: bool = False,
        again_in_s: float = 0.0,
        signal: Signal = NO_SIGNAL,
        text_code: str = "",
    ) -> None:
        """How it stands: to the links, and to whoever sends messages."""
        if phase is not LinkPhase.ABSENT:
            self._alive, self._down = True, ""
        facts = BearerFacts(phase, code=code, detail=detail[:200], signal=signal, metered=True, device=self.device)
        self.facts = facts
        if self._link is not None:
            self._link.tell(facts)
        if self._seat is not None:
            why = "" if ready else text_code or code
            self._seat.tell(ready, why, "" if ready else detail, again_in_s=again_in_s)

    @property
    def seat(self) -> CarrierSeat:
        if self._seat is None:
            raise LinkDown(f"{self.name} does not run", code="text-carrier-down")
        return self._seat
