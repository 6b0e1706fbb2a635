"""What a kit tells all who listen to a broker: as far as the narrowest of their rights goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from adapters.mqtt.facts import Change, Gone, Missed
from adapters.mqtt.kit_facts import DaemonFacts
from adapters.mqtt.protocol.messages import Birth
from gateway.base.clock import Clock
from gateway.contract.home import Told
from gateway.model.device import Channel, Device
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import CenterState, LinkState
from gateway.model.media import StreamState, StreamStatus
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import Principal
from tests.unit.mqtt.rig import CONDITION, device

BALL = replace(device("kit7", "ball-1"), channels=(Channel("ch1", "1", "one"), Channel("ch2", "2", "two")))
OTHER = device("kit7", "ball-10")


def place(name: str, channel: str = "") -> Position:
    return Position(DeviceId(f"kit7/{name}"), channel, 1.0, 2.0, Datum.WGS84, PositionSource.GNSS, 1.0, 2.0)


class Home:
    """As much of `contract.home.Home` and of its context as the facts use. Cuts devices as the directory does."""

    gateway = "kit7"

    def __init__(self, *told: Told) -> None:
        self._told = told

    @property
    def home(self) -> Home:
        return self

    @property
    def kit(self) -> Home:
        return self

    condition = CONDITION

    @property
    def fleet(self) -> Home:
        return self

    def centers(self) -> Sequence[CenterState]:
        return [CenterState("county"), CenterState("city", links=(LinkState("lte-1"), LinkState("lte-2")))]

    def streams(self, who: Principal) -> Sequence[StreamStatus]:
        ids = [StreamId("kit7/ball-1/ch1"), StreamId("kit7/ball-1/ch2")]
        return [StreamStatus(one, BALL.id, "one", StreamState.LIVE) for one in ids if one.startswith(who.scope)]

    def devices(self, who: Principal) -> Sequence[Device]:
        if not who.scope:
            return [BALL, OTHER]
        if who.scope == "kit7/ball-1/ch1":
            return [replace(BALL, channels=BALL.channels[:1])]
        return []

    @asynccontextmanager
    async def events(self, who: Principal, types: Sequence[str]) -> AsyncIterator[AsyncIterator[Told]]:
        async def each() -> AsyncIterator[Told]:
            for one in self._told:
                yield one

        yield each()


def facts(scope: str, *told: Told) -> DaemonFacts:
    context: Any = Home(*told)
    return DaemonFacts(context, Clock(), {}, {}, lambda: Birth(True, 1, 0, ""), scope)


async def heard(scope: str) -> list[Change]:
    told = (
        Told("device", BALL.id, BALL),
        Told("device", OTHER.id, OTHER),
        Told("position", "kit7/ball-1", place("ball-1", "ch1")),
        Told("position", "kit7/ball-1", place("ball-1", "ch2")),
        Told("device", OTHER.id, OTHER, True),
        Told("missed"),
    )
    async with facts(scope, *told).changes() as changes:
        return [change async for change in changes]


async def test_where_all_may_see_all_it_is_told() -> None:
    assert facts("").devices() == [BALL, OTHER]
    everything = [BALL, OTHER, place("ball-1", "ch1"), place("ball-1", "ch2"), Gone(OTHER.id), Missed()]
    assert await heard("") == everything


async def test_what_one_of_them_may_not_see_is_told_to_none() -> None:
    scope = "kit7/ball-1/ch1"
    ((ball),) = facts(scope).devices()
    assert [one.key for one in ball.channels] == ["ch1"]
    assert await heard(scope) == [ball, place("ball-1", "ch1"), Gone(OTHER.id), Missed()]
    assert await heard("-") == [Gone(OTHER.id), Missed()]


def test_how_the_kit_stands_is_for_those_who_see_all_of_it() -> None:
    assert facts("").condition() == CONDITION and facts("kit7/ball-1/ch1").condition() is None


def test_telemetry_tells_links_and_how_the_kit_is_doing() -> None:
    whole, part = facts(""), facts("kit7/ball-1/ch1")
    assert [link.name for link in whole.links()] == ["lte-1", "lte-2"]
    figures = whole.figures()
    assert (figures["devices"], figures["devices_online"], figures["streams"], figures["streams_live"]) == (2, 2, 2, 2)
    assert figures["rss_mb"] > 1 and figures["memory_free_mb"] > 1 and figures["cpu"] >= 0
    assert part.figures()["devices"] == part.figures()["streams_live"] == 1, "as far as all may see"
