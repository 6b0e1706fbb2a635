"""Pictures of streams to order: the core on the real media plane, with the real worker."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import av
import pytest

from gateway.base.errors import Denied, LinkDown
from gateway.core import snapshots
from gateway.model.media import StreamState
from gateway.model.principal import Principal, Role
from tests.unit.core.house import AUDITOR, VIEWER
from tests.unit.core.test_transcode import House, a_house


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(snapshots, "HOLD_S", 3.0)
    monkeypatch.setattr(snapshots, "IDLE_S", 1.0)
    async for made in a_house(tmp_path, snapshot_every="300ms"):
        yield made


def size(jpeg: bytes) -> tuple[int, int]:
    decoder = av.CodecContext.create("mjpeg", "r")
    (frame,) = [*decoder.decode(av.Packet(jpeg)), *decoder.decode(None)]  # type: ignore[attr-defined]
    return frame.width, frame.height


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
async def test_a_stream_that_nobody_watches(house: House, codec: str) -> None:
    ball, take = house.ball("ball-1", codec=codec), house.core.snapshots.take
    first = await take(ball.id, VIEWER)
    assert size(first.jpeg) == (640, 360) == (first.width, first.height) and 0 <= first.age_s < 5
    small = await take(ball.id, VIEWER, height=180, quality=40)
    assert size(small.jpeg) == (320, 180) and len(small.jpeg) < len(first.jpeg)
    # A series is one viewing in the record, and one worker.
    rows = [row for row in await house.core.audit.read(AUDITOR) if row.act == "view.start"]
    assert [row.detail for row in rows] == ["snapshot"]
    process = house.core.snapshots._process
    assert process is not None
    # Then the source is let go, and the worker ends.
    await house.until("nobody looks", lambda: house.core.streams.status(ball.id).viewers == 0)
    await house.until("the worker ended", lambda: not Path(f"/proc/{process.pid}").exists())


async def test_the_rate_is_bounded_and_many_who_ask_share_one(house: House) -> None:
    ball, core = house.ball("ball-1"), house.core
    got = await asyncio.gather(*(core.snapshots.take(ball.id, VIEWER) for _ in range(20)))
    assert core.snapshots.made == 1 and len({one.made_at for one in got}) == 1
    assert (await core.snapshots.take(ball.id, VIEWER)).made_at == got[0].made_at
    await asyncio.sleep(0.35)
    assert (await core.snapshots.take(ball.id, VIEWER)).made_at > got[0].made_at


async def test_a_long_group_of_pictures_is_run_through_to_the_newest(house: House) -> None:
    ball = house.ball("ball-1", gop=100_000)
    view = await house.view(ball)
    await house.until("live", lambda: view.status.state is StreamState.LIVE)
    await asyncio.sleep(2.5)
    made = await house.core.snapshots.take(ball.id, VIEWER)
    assert made.age_s < 2.0


async def test_a_worker_that_dies_costs_one_picture(house: House) -> None:
    ball, take = house.ball("ball-1"), house.core.snapshots.take
    kept = await take(ball.id, VIEWER)
    process = house.core.snapshots._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await process.over
    await asyncio.sleep(0.35)
    again = await take(ball.id, VIEWER)
    assert again.made_at > kept.made_at


async def test_what_can_not_be_had_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PATIENCE_S", 1.0)
    ball, take = house.ball("ball-1"), house.core.snapshots.take
    kept = await take(ball.id, VIEWER)
    house.core.streams.device_online(ball.offer.device, False, "device-offline")
    assert ball.camera is not None
    ball.camera.close()
    await house.until("it is offline", lambda: house.core.streams.status(ball.id).state is StreamState.OFFLINE)
    await asyncio.sleep(0.35)
    with pytest.raises(LinkDown) as refused:
        await take(ball.id, VIEWER)
    assert refused.value.code == "device-offline"
    # A tile may show the last one all the same: its age is told.
    assert (await take(ball.id, VIEWER, last=True)).made_at == kept.made_at
    for nobody in (AUDITOR, Principal("far", Role.VIEWER, "s-far", scope="kit1/other")):
        with pytest.raises(Denied):
            await take(ball.id, nobody)


async def test_a_picture_that_the_device_makes_itself(house: House) -> None:
    """It opens no stream, is shared and recorded; where it does not come, one is made of the stream."""
    ball, core = house.ball("ball-1"), house.core
    live = core.streams.found(ball.id)
    assert live is not None
    answers: list[bytes | Exception] = [
        bytes.fromhex("ffd8ffc0000b080168028001011100ffd9"),
        LinkDown("gone"),
        b"no picture at all",
    ]
    asked = []

    async def still() -> bytes:
        asked.append(1)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    core.streams.offer(replace(live.offer, still=still))
    first = await core.snapshots.take(ball.id, VIEWER)
    assert (first.width, first.height) == (640, 360) and core.streams.status(ball.id).state is StreamState.IDLE
    rows = [row for row in await core.audit.read(AUDITOR) if row.act == "view.start"]
    assert [row.detail for row in rows] == ["still"]
    with pytest.raises(Denied):
        await core.snapshots.take(ball.id, Principal("x", Role.VIEWER, "s", scope="kit1/other"))
    for expected in (2, 3):
        await asyncio.sleep(0.35)
        made = await core.snapshots.take(ball.id, VIEWER)
        assert size(made.jpeg) == (640, 360) and len(asked) >= 2, expected
