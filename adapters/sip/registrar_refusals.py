"""How somebody who proved nothing is turned away: told to the technician, slowed, answered late or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from adapters.sip.registrar_auth import Refused
from gateway.wire.sip import Hop
from gateway.wire.sip.hop import format_address

MAX_SLOWED = 256
"""Answers kept back at one time; beyond that a guesser gets none, since even waiting for him has a cost."""

Knock = Callable[[str, str, str, str], None]
"""(source, address, code, detail): shown to the technician."""


class Answer(Protocol):
    def __call__(self, status: int, reason: str | None = None, *, headers: Iterable[tuple[str, str]] = ()) -> None: ...


class Refusals:
    def __init__(self, knock: Knock) -> None:
        self._knock = knock
        self._slowed = 0
        self.count = 0

    async def refuse(self, judged: Refused, hop: Hop, method: str, answer: Answer, drop: Callable[[], None]) -> None:
        """`answer` and `drop` are the request's own."""
        if judged.code:
            self.count += 1
        if judged.user:
            # By its source, not by the name it tried: guessing names shall not push real devices off that list.
            self._knock(hop.remote[0], format_address(hop.remote), judged.code, f"{method} as {judged.user}")
        if judged.status == 0:
            drop()
            return
        if judged.late_s > 0:
            if self._slowed >= MAX_SLOWED:
                drop()
                return
            self._slowed += 1
            try:
                await asyncio.sleep(judged.late_s)
            finally:
                self._slowed -= 1
        answer(judged.status, judged.reason, headers=judged.headers)
