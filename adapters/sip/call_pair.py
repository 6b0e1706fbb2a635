"""Two calls that are one for the people in them: back to back, until one of them ends or goes elsewhere.

Whichever ends takes the other with it. Digits heard of the one are sent to the other: they do not pass the mix.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.sip.engine import LegEnd
from gateway.base.errors import Busy, GatewayError

if TYPE_CHECKING:
    from adapters.sip.call import Call

LET_GO_S = 5.0
"""A referrer that was told 200 and stays is hung up after this long."""


def bind(one: Call, other: Call) -> None:
    """From now on they end together."""
    one.partner, other.partner = other, one
    one.on_digit, other.on_digit = relay(other), relay(one)


def part(call: Call) -> Call | None:
    """They are two calls again; returns the one it was with."""
    other, call.partner = call.partner, None
    if other is not None:
        other.partner = None
        call.on_digit = other.on_digit = _ignore
    return other


def end_with(call: Call, end: LegEnd) -> None:
    """`call` is over, and so is the other one."""
    other = part(call)
    if other is not None:
        with suppress(Busy):
            call.ground.start(other.end(end.code, end.detail), f"end of {other.id}")


async def let_go(call: Call, detail: str = "") -> None:
    """A call whose peer asked to be replaced hangs up by itself; one that stays is hung up."""
    try:
        async with asyncio.timeout(LET_GO_S):
            await call.ended()
    except TimeoutError:
        await call.end("transferred", detail)


def relay(to: Call) -> Callable[[str], None]:
    async def send(digit: str) -> None:
        with suppress(GatewayError):
            if to.leg is not None:
                await to.leg.digits(digit)

    def told(digit: str) -> None:
        with suppress(Busy):
            to.ground.start(send(digit), f"digit to {to.id}")

    return told


def _ignore(_digit: str) -> None:
    return None
