"""A call manager on stand-ins, for tests of calls; nothing may be left over in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from adapters.sip.calls import CallManager
from gateway.model.reason import REASONS
from gateway.model.voice import GroupId
from gateway.wire.sdp import Codec, PayloadType
from tests.unit.sip.fake_legs import FakeIncoming, FakeLeg, FakeSip
from tests.unit.sip.fakes import (
    WHO,
    FakeContext,
    FakeHold,
    FakeRouting,
    SwitchEngine,
)

VIDEO_OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\nm=video 4002 RTP/AVP 96\r\n"
)
H264 = PayloadType(96, Codec("h264", 90000))


@dataclass
class Rig:
    engine: SwitchEngine
    context: FakeContext
    routing: FakeRouting
    sip: FakeSip
    manager: CallManager

    async def arrive(self, incoming: FakeIncoming | None = None) -> FakeIncoming:
        incoming = incoming or FakeIncoming()
        await self.manager.handler(cast(Any, Endpoint(self)))(cast(Any, incoming))
        return incoming

    async def comes(self, incoming: FakeIncoming | None = None) -> tuple[FakeHold, FakeLeg]:
        """A call that came in and has its leg."""
        first, legs = len(self.context.calls.all), len(self.sip.legs)
        await self.arrive(incoming)
        return await self.context.calls.number(first), await self.sip.leg(legs)

    async def dial(self, number: str = "8002", group: str = "", video: bool = False) -> FakeHold:
        ident = await self.context.calls.dial(WHO, number, GroupId(group) if group else None, video)
        return next(hold for hold in self.context.calls.all if hold.id == ident)


class Endpoint:
    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.found: Any = None

    def find_call(self, replaces: Any) -> Any:
        leg = next((one for one in self.rig.sip.legs if one.dialog == replaces and one.end is None), None)
        return None if leg is None else type("Call", (), {"dialog_ids": leg.dialog})()


def left_over(rig: Rig) -> None:
    """Nothing is."""
    assert not rig.context.talk.seats and not rig.context.streams.viewings and not rig.context.streams.published
    assert rig.routing.taken == rig.routing.given_back
    assert rig.sip.standing() == 0 and rig.manager.figures()["calls"] == 0
    for hold in rig.context.calls.all:
        assert hold.ended is not None and hold.ended[0] in REASONS, hold.ended
    for seat in rig.context.talk.ever:
        assert seat.taken_away or not seat.voices or seat.now is None
    assert not rig.engine.subscriptions


async def until_over(hold: FakeHold) -> tuple[str, str]:
    async with asyncio.timeout(5):
        await hold.over.wait()
    assert hold.ended is not None
    return hold.ended
