"""What each kind of source is: it runs until it fails, and shows each report as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapters.mesh.protocol.meshtastic import Placed
from adapters.mesh.protocol.report import Report
from gateway.base.errors import LinkDown
from gateway.base.tasks import beat
from gateway.model.mesh import MeshText


@dataclass(slots=True)
class Show:
    """Where a source puts what it learned. `silent`: seconds without a word after which a source that is not asked but
    listened to counts as silent."""

    report: Callable[[Report], None]
    texts: Callable[[Sequence[MeshText]], None] = field(default=lambda _texts: None)
    placed: Callable[[Placed], None] = field(default=lambda _placed: None)
    silent: float = 10.0


class MeshReader(Protocol):
    async def run(self, show: Show) -> None:
        """Until cancelled; raises GatewayError. It is run anew after a pause."""


ASK_S = 20.0
"""Longer than any radio takes that is of use: one that trickles its answers is as good as silent."""


async def each(every_s: float, ask: Callable[[], Awaitable[None]]) -> None:
    """`ask` on the beat: those who ask as often ask at the same moments."""
    while True:
        try:
            async with asyncio.timeout(ASK_S):
                await ask()
        except TimeoutError:
            raise LinkDown(f"no whole answer within {ASK_S:g} s", code="mesh-silent") from None
        await beat(every_s)
