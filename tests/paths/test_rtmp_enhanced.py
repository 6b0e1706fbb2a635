"""Enhanced RTMP with FFmpeg 8: H.265 and Opus in and out, AV1 told apart; a player of H.264 alone gets a conversion."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.paths.rtmp_rig import KEY, PATIENCE_S, VECTORS, Program, Rig, a_rig, frames, reader
from tests.paths.rtmp_rig import sender as h264

WALL = "live/drone-1?user=wall&pass=look-at-it"
AV8 = (sys.executable, "-m", "tests.paths.rtmp_av8")


async def sending(rig: Rig, file: str, times: int = 20) -> Program:
    return await Program.start(*AV8, "send", rig.url(f"live/drone-1?key={KEY}"), str(VECTORS / file), str(times))


async def test_h265_and_opus_go_in_and_out_as_they_are(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        sender = await sending(rig, "fmp4_h265_opus.mp4")
        await rig.until(lambda: rig.state("drone-1/main") == "live" and len(rig.status("drone-1/main").tracks) == 2)
        assert {t.codec.value for t in rig.status("drone-1/main").tracks} == {"h265", "opus"}
        said = await (await Program.start(*AV8, "read", rig.url(WALL), "2")).said()
        found = json.loads(said.splitlines()[-1])
        assert found["hevc"] >= 20, said
        assert found["opus"] >= 80, said
        await sender.stop()


async def test_av1_is_told_apart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with a_rig(tmp_path) as rig:
        sender = await sending(rig, "flv_av1.flv")
        codes: set[str] = set()

        def told() -> bool:
            if rig.state("drone-1/main"):
                codes.add(rig.status("drone-1/main").code)
            return "av1" in codes

        await rig.until(told, f"av1 of {codes}")
        await sender.stop()


async def test_a_player_of_h264_alone_gets_a_conversion(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        sender = await sending(rig, "fmp4_h265_opus.mp4")
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        said = await (await Program.start(*reader(rig.url(WALL), seconds=2))).said()
        assert frames(said).get(0, 0) >= 20, said
        assert frames(said).get(1, 0) >= 60, said
        await sender.stop()


async def test_a_sender_that_comes_back_with_another_codec_keeps_its_player(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        first = await Program.start(*h264(rig.url(f"live/drone-1?key={KEY}")))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        player = await Program.start(*reader(rig.url(WALL), seconds=120))
        times = await pictures(player, 20)
        await first.stop()
        await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")
        second = await sending(rig, "fmp4_h265_opus.mp4", times=60)
        await rig.until(lambda: any(t.codec.value == "h265" for t in rig.status("drone-1/main").tracks))
        # After the gap comes H.264 again, made of it (at its 12.5 pictures a second, not 25); and its time goes on.
        while len(others := [b - a for a, b in pairwise(times) if b - a > 1]) < 20:
            times += await pictures(player, 5)
        assert max(others) < 25 * PATIENCE_S, others
        assert times == sorted(set(times))
        assert player.process.returncode is None
        await player.stop()
        await second.stop()


async def pictures(player: Program, count: int) -> list[int]:
    """The times of that many more."""
    times: list[int] = []
    assert player.process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while len(times) < count:
            line = (await player.process.stdout.readline()).decode()
            assert line, "the player ended"
            if line.startswith("0,"):
                times.append(int(line.split(",")[2]))
    return times
