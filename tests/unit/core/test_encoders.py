"""The least that is wished of an encoder is told to its device; the last wish gone, it is as before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from gateway.base.errors import PeerError
from gateway.core.encoders import Encoders
from gateway.core.stream import LiveStream


@dataclass
class AnOffer:
    encoder: Callable[[int], Awaitable[None]] | None = None


@dataclass
class AStream:
    id: str = "kit1/cam/sub"
    offer: AnOffer = field(default_factory=AnOffer)


def a_stream(told: list[int], fails: list[str]) -> LiveStream:
    async def encoder(bps: int) -> None:
        await asyncio.sleep(0)
        if fails:
            raise PeerError(fails[0])
        told.append(bps)

    return cast(LiveStream, AStream(offer=AnOffer(encoder)))


async def test_the_least_wish_counts_and_the_last_gone_gives_it_back() -> None:
    encoders, told, fails = Encoders(), list[int](), list[str]()
    stream = a_stream(told, fails)
    assert await encoders.limit(stream, "a", 300)
    assert await encoders.limit(stream, "b", 500)
    assert await encoders.limit(stream, "b", 200)
    assert told == [300, 200]
    encoders.release(stream, "b")
    encoders.release(stream, "a")
    await encoders.close()
    assert told[-1] == 0 and not encoders._encoders
    encoders.release(stream, "a")
    await encoders.close()
    # Many at once: the last word is the least.
    assert all(await asyncio.gather(*(encoders.limit(stream, n, 1000 - n) for n in range(20))))
    assert told[-1] == 981


async def test_a_device_that_refuses_is_asked_again() -> None:
    encoders, told, fails = Encoders(), list[int](), list[str]()
    stream = a_stream(told, fails)
    fails.append("no")
    assert not await encoders.limit(stream, "a", 300)
    fails.clear()
    assert await encoders.limit(stream, "a", 300)
    # It is not there when it is to be given back; what it does then is not known.
    fails.append("away")
    assert not await encoders.limit(stream, "a", 0)
    fails.clear()
    assert await encoders.limit(stream, "a", 300)
    assert told == [300, 300]


async def test_what_can_not_be_told_is_not() -> None:
    assert not await Encoders().limit(cast(LiveStream, AStream()), "a", 300)
