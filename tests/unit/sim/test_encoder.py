"""Pictures on demand: key frames when asked, a thread only while someone looks, the group replayed in time."""

from __future__ import annotations

import asyncio
import itertools
import threading

import av
import pytest

from gateway.sim.encoder import Frame, LiveEncoder, VideoEncoder, VideoSettings
from gateway.sim.head import Head
from gateway.sim.replay import Replay, one_gop
from gateway.sim.scene import Scene, View
from gateway.sim.sound import alaw, tone

SMALL = VideoSettings(width=320, height=240, gop_s=4.0)


def nal_types(data: bytes) -> list[int]:
    return [
        part[0] & 0x1F for part in data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01") if part
    ]


def h265_types(data: bytes) -> list[int]:
    return [
        part[0] >> 1 & 0x3F
        for part in data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
        if part
    ]


def encoded(settings: VideoSettings, keys: set[int], count: int = 12) -> list[Frame]:
    encoder, scene = VideoEncoder(settings), Scene(settings.width, settings.height)
    out: list[Frame] = []
    for n in range(count):
        out += encoder.encode(scene.render(n, "", View()), key=n in keys)
    return out


def test_key_frame_on_demand_is_an_idr_with_its_parameter_sets() -> None:
    frames = encoded(SMALL, {0, 7})
    assert [n for n, frame in enumerate(frames) if frame.key] == [0, 7]
    assert {7, 8, 5} <= set(nal_types(frames[7].data))


def test_h265_key_frame_on_demand() -> None:
    frames = encoded(VideoSettings(codec="h265", width=320, height=240, gop_s=4.0), {0, 5}, 8)
    assert [n for n, frame in enumerate(frames) if frame.key] == [0, 5]
    types = set(h265_types(frames[5].data))
    assert {32, 33, 34} <= types and types & {19, 20}  # VPS, SPS, PPS, IDR


def test_baseline_has_no_b_frames_and_one_frame_in_gives_one_out() -> None:
    frames = encoded(SMALL, set())
    assert len(frames) == 12 and all(frame.pts == frame.dts for frame in frames)
    sps = next(part for part in frames[0].data.split(b"\x00\x00\x01") if part[:1] and part[0] & 0x1F == 7)
    assert sps[1] == 66  # profile_idc: baseline


def test_each_frame_has_its_share_of_sound() -> None:
    assert sum(len(frame.audio) for frame in one_gop(VideoSettings(width=320, height=240, gop_s=1.0))) == 8000
    assert tone(7990, 20) == tone(7990, 10) + tone(0, 10)


def test_alaw_is_g711() -> None:
    codec = av.CodecContext.create("pcm_alaw", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate, codec.format, codec.layout = 8000, "s16", "mono"
    samples = [*range(-32768, 32768, 97), 0, -1, 1, 32767]
    frame = av.AudioFrame("s16", "mono", len(samples))
    frame.sample_rate = 8000
    frame.planes[0].update(b"".join(s.to_bytes(2, "little", signed=True) for s in samples))
    wanted = b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
    differ = sum(a != b for a, b in zip(wanted, map(alaw, samples), strict=True))
    # FFmpeg encodes from a table, which rounds a few values at the edges of steps to the neighbour.
    assert differ <= len(samples) * 0.05


async def first_frames(source: LiveEncoder | Replay, count: int) -> list[Frame]:
    got: asyncio.Queue[Frame] = asyncio.Queue()
    source.attach(got.put_nowait)
    try:
        async with asyncio.timeout(20):
            return [await got.get() for _ in range(count)]
    finally:
        source.detach(got.put_nowait)


async def test_live_encoder_serves_two_and_stops_with_the_last() -> None:
    encoder = LiveEncoder(SMALL, Head(), "TEST")
    one, two = asyncio.Queue[Frame](), asyncio.Queue[Frame]()
    encoder.attach(one.put_nowait)
    async with asyncio.timeout(20):
        first = await one.get()
        assert first.key
        encoder.attach(two.put_nowait)
        while not (await two.get()).key:
            pass
        encoder.detach(one.put_nowait)
        assert encoder.running
        encoder.want_key()
        while not (await two.get()).key:
            pass
    (worker,) = [t for t in threading.enumerate() if t.name == "encoder TEST"]
    encoder.detach(two.put_nowait)
    await asyncio.to_thread(worker.join, 10)
    assert not worker.is_alive() and not encoder.running


async def test_replay_starts_with_a_key_frame_and_time_goes_on() -> None:
    frames = await first_frames(Replay(VideoSettings(width=320, height=240, fps=25, gop_s=0.2)), 12)
    assert [f.key for f in frames] == [True, False, False, False, False] * 2 + [True, False]
    assert {b.dts - a.dts for a, b in itertools.pairwise(frames)} == {3600}


@pytest.mark.parametrize("size", [(63, 64), (100, 101), (8000, 100)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="picture of"):
        Scene(*size)
