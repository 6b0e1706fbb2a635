"""A satellite terminal with what it sees of the gateway, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from gateway.base.errors import GatewayError
from gateway.contract.texts import Send
from gateway.model.link import BearerFacts, LinkPhase
from gateway.model.texts import Arrived, CarrierKind, TextOut

PATIENCE_S = 60.0


@dataclass
class Rig:
    """`context` is the adapter's; `told` what it said of its link, `came` what it handed in."""

    told: list[BearerFacts] = field(default_factory=list)
    came: list[Arrived] = field(default_factory=list)
    reports: list[tuple[str, bool]] = field(default_factory=list)
    fixes: list[Any] = field(default_factory=list)
    ready: bool = False
    code: str = ""
    full: GatewayError | None = None  # the disk: nothing is kept while it is set

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()
        self.context: Any = SimpleNamespace(
            links=SimpleNamespace(offer=self._offer),
            texts=SimpleNamespace(carrier=self._carrier),
            kit=SimpleNamespace(
                fix=lambda *fix: self.fixes.append(fix), no_source=lambda source: None, no_fix=lambda *a: None
            ),
            ready=lambda: None,
        )

    @contextmanager
    def _offer(self, name: str, kind: object, **_: object) -> Iterator[Any]:
        yield SimpleNamespace(name=name, tell=lambda facts: self._note(self.told.append(facts)))

    @contextmanager
    def _carrier(self, name: str, kind: CarrierKind, send: Send, **_: object) -> Iterator[Any]:
        async def take(one: Arrived) -> bool:
            if self.full is not None:
                self._note(None)
                raise self.full
            self._note(self.came.append(one))
            return True

        async def report(reference: str, delivered: bool, code: str = "", detail: str = "") -> None:
            self._note(self.reports.append((reference, delivered)))

        def tell(ready: bool, code: str = "", detail: str = "", *, again_in_s: float = 0.0) -> None:
            self.ready, self.code = ready, code
            self._note(None)

        yield SimpleNamespace(tell=tell, take=take, report=report)

    def _note(self, _done: None) -> None:
        self._changed.set()

    @property
    def phase(self) -> LinkPhase | None:
        return self.told[-1].phase if self.told else None

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                self._changed.clear()
                await self._changed.wait()


def out(to: str, body: str, number: int = 1) -> TextOut:
    return TextOut("id", to, body, number=number)


async def progress(done: int, parts: int) -> None:
    pass
