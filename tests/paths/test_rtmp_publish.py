"""Senders: FFmpeg publishes into a real core, by every way of saying who it is; and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.paths.rtmp_rig import CONFIG, KEY, Program, a_rig, frames, reader, sender


@pytest.mark.parametrize(
    "path",
    [f"live/drone-1?key={KEY}", f"live/drone-1?user=drone-1&pass={KEY}", f"drone-1/{KEY}", f"live/{KEY}"],
)
async def test_ffmpeg_publishes_and_ffmpeg_plays(tmp_path: Path, path: str) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url(path)))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        status = rig.status("drone-1/main")
        assert {t.codec.value for t in status.tracks} == {"h264", "aac"}
        assert status.source.protocol == "rtmp"
        assert "Lavf" in status.source.software
        said = await (await Program.start(*reader(rig.url("live/drone-1?user=wall&pass=look-at-it")))).said()
        found = frames(said)
        assert found.get(0, 0) >= 40, said
        assert found.get(1, 0) >= 80, said
        await publisher.stop()
        await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")


async def test_a_key_in_the_path_is_no_name_where_no_key_is_needed(tmp_path: Path) -> None:
    site = {"site": {"publish": ["*"], "without_password_from": ["127.0.0.0/8"]}}
    async with a_rig(tmp_path, program=CONFIG["program"] | site) as rig:
        first = await Program.start(*sender(rig.url(f"drone-1/{KEY}"), audio=False))
        second = await Program.start(*sender(rig.url("live/cam-7/thermal-camera"), audio=False))
        await rig.until(lambda: rig.state("drone-1/main") == "live" and rig.state("cam-7/thermal-camera") == "live")
        assert not any(KEY in status.id for status in rig.core.streams.all()), "a key is shown to all as a name"
        await first.stop()
        await second.stop()


@pytest.mark.parametrize(("codec", "found"), [("pcm_alaw", "pcma"), ("pcm_mulaw", "pcmu")])
async def test_g711_comes_in_and_a_player_hears_it(tmp_path: Path, codec: str, found: str) -> None:
    async with a_rig(tmp_path) as rig:
        more = ["-c:a", codec, "-ar", "8000", "-ac", "1"]
        publisher = await Program.start(*sender(rig.url(f"live/drone-1?key={KEY}"), *more, b_frames=2))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        await rig.until(lambda: {t.codec.value for t in rig.status("drone-1/main").tracks} == {"h264", found})
        said = await (await Program.start(*reader(rig.url("live/drone-1?user=wall&pass=look-at-it")))).said()
        assert frames(said).get(0, 0) >= 40, said
        assert frames(said).get(1, 0) >= 20, said
        await publisher.stop()


@pytest.mark.parametrize("codec", ["libmp3lame", "pcm_s16le"])
async def test_sound_that_is_not_taken_leaves_the_picture(tmp_path: Path, codec: str) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url(f"live/drone-1?key={KEY}"), "-c:a", codec, "-ar", "44100"))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        assert [t.codec.value for t in rig.status("drone-1/main").tracks] == ["h264"]
        await publisher.stop()
