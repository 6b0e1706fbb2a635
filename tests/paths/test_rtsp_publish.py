"""Senders and readers of others at our own port: FFmpeg by TCP and UDP, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.paths.rtsp_rig import DRONE, WALL, Program, a_rig, frames, reader, sender


async def test_ffmpegs_latm(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url("drone-1", DRONE), "-rtpflags", "latm"))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        await rig.until(lambda: {t.codec.value for t in rig.status("drone-1/main").tracks} == {"h264", "aac"})
        found = frames(said := await (await Program.start(*reader(rig.url("drone-1", WALL)))).said())
        assert found.get(0, 0) >= 40 and found.get(1, 0) >= 80, said
        await publisher.stop()


@pytest.mark.parametrize("udp", [False, True])
async def test_a_track_that_is_not_taken_is_left_out_by_name(tmp_path: Path, udp: bool) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url("drone-1", DRONE), audio="libspeex", udp=udp))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        status = rig.status("drone-1/main")
        assert (status.code, status.detail) == ("track-left-out", "SPEEX")
        assert [t.codec.value for t in status.tracks] == ["h264"]
        found = frames(said := await (await Program.start(*reader(rig.url("drone-1", WALL)))).said())
        assert found.get(0, 0) >= 40 and set(found) == {0}, said
        assert rig.status("drone-1/main").code == "track-left-out"
        await publisher.stop()
        await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")


@pytest.mark.parametrize(("sound", "udp"), [("mp2", False), ("libmp3lame", True)])
@pytest.mark.parametrize("b_frames", [0, 2])
async def test_mpeg_2_and_mpeg_audio_are_converted_by_need(
    tmp_path: Path, sound: str, udp: bool, b_frames: int
) -> None:
    async with a_rig(tmp_path) as rig:
        line = sender(rig.url("drone-1", DRONE), audio=sound, video="mpeg2video -b:v 1M", b_frames=b_frames, udp=udp)
        publisher = await Program.start(*line)
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        await rig.until(lambda: {t.codec.value for t in rig.status("drone-1/main").tracks} == {"mpeg2video", "mp2"})
        assert rig.status("drone-1/main").code == ""
        found = frames(said := await (await Program.start(*reader(rig.url("drone-1", WALL)))).said())
        assert found.get(0, 0) >= 40 and found.get(1, 0) >= 80, said
        await publisher.stop()


@pytest.mark.parametrize(("in_udp", "out_udp"), [(False, False), (True, True), (False, True), (True, False)])
async def test_ffmpeg_publishes_and_ffmpeg_reads(tmp_path: Path, in_udp: bool, out_udp: bool) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url("drone-1", DRONE), udp=in_udp))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        status = rig.status("drone-1/main")
        await rig.until(lambda: {t.codec.value for t in rig.status("drone-1/main").tracks} == {"h264", "aac"})
        assert status.source.protocol == "rtsp"
        assert "Lavf" in status.source.software
        said = await (await Program.start(*reader(rig.url("drone-1", WALL), udp=out_udp))).said()
        found = frames(said)
        assert found.get(0, 0) >= 40, said
        assert found.get(1, 0) >= 80, said
        await publisher.stop()
        await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")
