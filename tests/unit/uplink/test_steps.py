"""Links thin out: a kit goes over to a smaller picture beside the one shown, says what it gave up, and comes back."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from adapters.uplink import giving, ladder
from adapters.uplink.bundle import Bundle
from adapters.uplink.config import UplinkConfig
from adapters.uplink.feeds import Feed
from gateway.contract.media import Offer, Publication
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import KitState
from gateway.model.media import StreamState
from tests.unit.uplink.rig import VERA, Pair, a_pair, until

MAIN, SUB = StreamId("kit7/cam-1/main"), StreamId("kit7/cam-1/sub")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "PRESSED_S", 0.0)
    monkeypatch.setattr(ladder, "WAIT_S", 0.5)


def a_camera(pair: Pair, told: list[int] | None = None) -> None:
    """`told`: what its encoder is told; None where it can not be."""

    async def encoder(bps: int) -> None:
        assert told is not None
        told.append(bps)

    async def open_(publication: Publication) -> None:
        leg = publication.rtp(None)
        live(pair, publication.stream)
        await leg.ended()

    for stream, larger in ((MAIN, None), (SUB, MAIN)):
        offer = Offer(stream, DeviceId("kit7/cam-1"), stream, open_, larger=larger)
        pair.kit.core.streams.offer(offer if told is None else replace(offer, encoder=encoder))


def live(pair: Pair, stream: str) -> None:
    engine = pair.kit.engine
    leg = engine.newest_leg(stream)
    engine.media(leg)
    engine.track(engine.legs[leg])


def center_leg(pair: Pair, count: int) -> int:
    """The leg of the newest flow, with its first picture in it."""
    engine = pair.center.engine
    legs = [given["handle"] for given in engine.did("open_frames_in")]
    assert len(legs) == count
    engine.media(legs[-1], "frames")
    engine.track(engine.legs[legs[-1]])
    return int(legs[-1])


async def test_down_to_the_sub_stream_and_back(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        a_camera(pair)
        streams, center, kit = pair.center.core.streams, pair.center.engine, pair.kit.engine
        await until("it is offered", lambda: streams.has(MAIN))
        async with streams.view(MAIN, VERA, "whep") as viewing:
            await until("the first flow", lambda: len(center.did("open_frames_in")) == 1)
            first = center_leg(pair, 1)
            await until("live", lambda: viewing.status.state is StreamState.LIVE)
            side = pair.net.kits["kit7"]
            side.stats = {"usable_bps": 1_300_000, "wanted_bps": 4_200_000}
            await until("a flow beside it", lambda: len(center.did("open_frames_in")) == 2)
            assert first in center.legs, "the old picture is shown until the new one is there"
            assert pair.kit.core.streams.status(SUB).viewers == 1
            center_leg(pair, 2)
            await until("the old one is let go", lambda: first not in center.legs)
            await until("its reader too", lambda: len(kit.did("unsubscribe")) == 1)
            assert (viewing.status.state, viewing.status.code) == (StreamState.LIVE, "link-sub")
            shown = pair.center.core.fleet.kit(VERA, "kit7")
            assert shown.state is KitState.DEGRADED and (shown.gave_up[0].stream, shown.gave_up[0].code) == (
                MAIN,
                "link-sub",
            )
            side.stats = {}
            await until("a third flow", lambda: len(center.did("open_frames_in")) == 3)
            center_leg(pair, 3)
            await until("nothing is said any more", lambda: viewing.status.code == "")
            assert pair.center.core.fleet.kit(VERA, "kit7").gave_up == ()
            await until("the smaller one is let go", lambda: pair.kit.core.streams.status(SUB).viewers == 0)


async def test_a_step_that_never_shows_a_picture_is_gone_over_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.uplink.taking.OVER_S", 0.2)
    monkeypatch.setattr(giving, "OVER_S", 5.0)
    async with a_pair(tmp_path) as pair:
        a_camera(pair)
        streams, center = pair.center.core.streams, pair.center.engine
        await until("it is offered", lambda: streams.has(MAIN))
        async with streams.view(MAIN, VERA, "whep"):
            await until("the first flow", lambda: len(center.did("open_frames_in")) == 1)
            first = center_leg(pair, 1)
            pair.net.kits["kit7"].stats = {"usable_bps": 1_300_000, "wanted_bps": 4_200_000}
            await until("the second", lambda: len(center.did("open_frames_in")) == 2)
            await until("the first is let go", lambda: first not in center.legs)


async def test_a_cameras_encoder_is_told_to_send_less(tmp_path: Path) -> None:
    told: list[int] = []
    async with a_pair(tmp_path, kit={"encoders": True}) as pair:
        a_camera(pair, told)
        streams, center = pair.center.core.streams, pair.center.engine
        await until("it is offered", lambda: streams.has(MAIN))
        async with streams.view(MAIN, VERA, "whep") as viewing:
            await until("the first flow", lambda: len(center.did("open_frames_in")) == 1)
            center_leg(pair, 1)
            pair.net.kits["kit7"].stats = {"usable_bps": 450_000, "wanted_bps": 4_200_000}
            await until("a flow beside it", lambda: len(center.did("open_frames_in")) == 2)
            assert told == [260_000]
            assert pair.kit.core.streams.status(SUB).viewers == 1, "nothing is converted: it is the camera's own"
            center_leg(pair, 2)
            await until("it is said", lambda: viewing.status.code == "link-low")
        streams.withdraw(MAIN)
        await until("it is as before", lambda: told == [260_000, 0])


@pytest.mark.parametrize(
    ("step", "klass", "playout_ms"),
    [
        (ladder.Step.MAIN, "video", 400),
        (ladder.Step.LOW, "video", 400),
        (ladder.Step.PICTURES, "video", 2500),
        (ladder.Step.STILLS, "still", 0),
    ],
)
async def test_what_comes_seldom_may_take_its_time(step: ladder.Step, klass: str, playout_ms: int) -> None:
    """A still of 6 kB takes a second at 64 kb/s: with the play-out of moving pictures none would ever be shown."""
    opened: list[tuple[str, int]] = []

    def open_flow(fd: int, _carries: str, klass: str, _mode: str, playout_ms: int) -> int:
        os.close(fd)
        opened.append((klass, playout_ms))
        return 7

    def open_frames_out(_handle: int, fd: int) -> int:
        os.close(fd)
        return 1

    def bundle_join(bundle: int, flow: int, handle: int, *, way: str) -> None:
        joined.append((bundle, flow, handle, way))

    joined: list[tuple[int, int, int, str]] = []
    engine = SimpleNamespace(open_frames_out=open_frames_out, bundle_join=bundle_join)
    bundle = SimpleNamespace(open_flow=open_flow, engine=engine, handle=5)
    flow = giving.Flow(cast(Bundle, bundle), Feed(step, 3, AsyncExitStack()), UplinkConfig())
    assert (flow.number, opened) == (7, [(klass, playout_ms)])
    assert joined == [(5, 7, 1, "out")]


async def test_without_the_ladder_steps_stay(tmp_path: Path) -> None:
    async with a_pair(tmp_path, kit={"ladder": False}) as pair:
        a_camera(pair)
        streams, center = pair.center.core.streams, pair.center.engine
        await until("it is offered", lambda: streams.has(MAIN))
        async with streams.view(MAIN, VERA, "whep"):
            await until("the first flow", lambda: len(center.did("open_frames_in")) == 1)
            pair.net.kits["kit7"].stats = {"usable_bps": 1_000, "wanted_bps": 4_200_000}
            await asyncio.sleep(2.5)
            assert len(center.did("open_frames_in")) == 1
