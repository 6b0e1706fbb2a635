from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from adapters.gb28181.config import Gb28181Config
from adapters.gb28181.line import Line
from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol.ids import SsrcPool
from adapters.gb28181.station import Station
from adapters.gb28181.subscriptions import REST_S, Subscriptions
from gateway.base.clock import Clock
from gateway.base.errors import LinkDown, PeerError
from gateway.contract.device import Admitted
from gateway.model.ids import DeviceId
from gateway.wire.sip import Hop, SipResponse
from tests.unit.gb28181.scripted import BALL, PLATFORM, value

HOP = Hop("udp", ("127.0.0.1", 5060), ("127.0.0.1", 6000))


class FakeSubscription:
    def __init__(self, line: FakeLine, hop: Hop, event: str, expires: int) -> None:
        self.call_id = f"sub{len(line.made)}"
        self.hop = hop
        self.expires_s = expires
        self._line = line
        self.event = event

    async def refresh(self, expires_s: int, **more: Any) -> SipResponse:
        assert dict(more["headers"])["Event"] == self.event
        self._line.refreshed.append(self.call_id)
        return SipResponse(self._line.refresh_status)

    def drop(self) -> None:
        self._line.open.remove(self.call_id)


class FakeLine:
    platform = PLATFORM

    def __init__(self) -> None:
        self.made: list[str] = []
        self.refreshed: list[str] = []
        self.open: set[str] = set()
        self.refuse: set[str] = set()
        self.dead = False
        self.refresh_status = 200

    async def subscribe(self, hop: Hop, user: str, event: str, expires: int, body: bytes, heard: Any) -> Any:
        if self.dead:
            raise LinkDown("no answer")
        kind = value(body, "CmdType")
        if kind in self.refuse:
            raise PeerError("no", status=489)
        self.made.append(kind)
        made = FakeSubscription(self, hop, event, expires)
        self.open.add(made.call_id)
        return made


class Bench:
    def __init__(self) -> None:
        self.now = 100.0
        self.line = FakeLine()
        station = Station(
            Gb28181Config(),
            cast(Any, None),
            cast(Line, self.line),
            SsrcPool(PLATFORM),
            Clock(lambda: self.now, lambda: self.now),
        )
        self.link = DeviceLink(station, Admitted(DeviceId("kit1/ball-1"), BALL, "ball", "secret"))
        self.link.registered(HOP, 3600, "")

        async def heard(incoming: object) -> None: ...

        self.subscriptions = Subscriptions(heard)

    async def keep(self) -> float:
        return await self.subscriptions.keep(self.link)


async def test_all_three_then_a_refresh_before_they_run_out() -> None:
    bench = Bench()
    assert await bench.keep() == pytest.approx(480.0)
    assert bench.line.made == ["Catalog", "Alarm", "MobilePosition"]
    bench.now += 481
    await bench.keep()
    assert len(bench.line.made) == 3 and len(bench.line.refreshed) == 3


async def test_one_that_the_device_forgot_is_made_anew() -> None:
    bench = Bench()
    await bench.keep()
    bench.now += 481
    bench.line.refresh_status = 481
    await bench.keep()
    assert len(bench.line.made) == 6


async def test_after_nat_moved_it_a_new_dialog_is_made() -> None:
    bench = Bench()
    await bench.keep()
    bench.now += 481
    bench.link.heard(replace(HOP, remote=("127.0.0.1", 7000)))
    await bench.keep()
    assert len(bench.line.made) == 6 and bench.line.refreshed == []


async def test_a_refusal_is_taken_until_it_comes_anew() -> None:
    bench = Bench()
    bench.line.refuse = {"Catalog", "Alarm", "MobilePosition"}
    assert await bench.keep() == REST_S
    bench.line.refuse = set()
    await bench.keep()
    assert bench.line.made == []
    bench.subscriptions.forget()
    await bench.keep()
    assert len(bench.line.made) == 3


async def test_no_answer_is_told_and_what_the_device_ends_is_made_again() -> None:
    bench = Bench()
    bench.line.dead = True
    with pytest.raises(LinkDown):
        await bench.keep()
    bench.line.dead = False
    await bench.keep()
    assert bench.subscriptions.ended("sub2") and not bench.subscriptions.ended("sub2")
    await bench.keep()
    assert bench.line.made == ["Catalog", "Alarm", "MobilePosition", "Alarm"]


async def test_what_is_held_no_more_leaves_no_dialog() -> None:
    bench = Bench()
    await bench.keep()
    bench.subscriptions.forget()
    assert bench.line.open == set()
    await bench.keep()
    bench.now += 481
    bench.line.refresh_status = 481
    await bench.keep()
    assert bench.line.open == {"sub7", "sub8", "sub9"}
    assert bench.subscriptions.ended("sub8") and bench.line.open == {"sub7", "sub9"}
