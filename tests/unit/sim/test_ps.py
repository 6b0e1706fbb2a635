"""The ball's program stream, against FFmpeg and against the letters of the standard."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.sim.encoder import Frame, VideoEncoder, VideoSettings
from gateway.sim.ps import H264, H265, PsOptions, crc32_mpeg, mux, pack_header, pes_packets, program_stream_map
from gateway.sim.replay import one_gop
from tests.unit.sim.peers import probe_video


@pytest.mark.peer
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_ffmpeg_reads_every_frame(codec: str, tmp_path: Path) -> None:
    settings = VideoSettings(codec=codec, width=320, height=240, gop_s=1.0, audio=False)
    options = PsOptions(video_type=H265 if codec == "h265" else H264, audio=False)
    path = tmp_path / "ball.ps"
    path.write_bytes(b"".join(frame.pack(options) for frame in one_gop(settings)))
    video = probe_video(path)
    assert video["codec_name"] == {"h264": "h264", "h265": "hevc"}[codec]
    assert (video["width"], video["height"]) == (320, 240)
    assert int(str(video["nb_read_frames"])) == 25
    assert video["has_b_frames"] == 0


def test_the_g711_stands_beside_the_picture_in_its_own_pes() -> None:
    (frame, *_) = one_gop(VideoSettings(width=320, height=240, gop_s=0.2))
    assert frame.pack(PsOptions()).endswith(
        b"\x00\x00\x01\xc0" + (328).to_bytes(2, "big") + _timed(frame.dts) + frame.audio
    )


def _timed(dts: int) -> bytes:
    return pes_packets(0xC0, b"", dts, dts)[6:]


@pytest.mark.peer
def test_b_frames_come_in_decode_order_with_both_times(tmp_path: Path) -> None:
    settings = VideoSettings(width=320, height=240, gop_s=1.0, b_frames=2, audio=False)
    frames = one_gop(settings)
    assert any(frame.pts != frame.dts for frame in frames)
    assert [f.dts for f in frames] == sorted(f.dts for f in frames) and min(f.dts for f in frames) > 0
    path = tmp_path / "ball.ps"
    path.write_bytes(b"".join(frame.pack(PsOptions(audio=False)) for frame in frames))
    video = probe_video(path)
    assert int(str(video["has_b_frames"])) > 0 and int(str(video["nb_read_frames"])) == len(frames)


def test_times_of_33_bits_survive() -> None:
    top = (1 << 33) - 1
    scr = int.from_bytes(pack_header(top)[4:10], "big")
    assert (scr >> 43 & 7) << 30 | (scr >> 27 & 0x7FFF) << 15 | scr >> 11 & 0x7FFF == top
    assert scr >> 46 == 1 and scr >> 42 & 1 and scr >> 26 & 1 and scr >> 10 & 1 and scr & 1
    stamp = pes_packets(0xE0, b"x", top, top)[9:14]
    assert (stamp[0] >> 1 & 7) << 30 | (stamp[1] << 8 | stamp[2]) >> 1 << 15 | (stamp[3] << 8 | stamp[4]) >> 1 == top
    assert stamp[0] >> 4 == 2 and stamp[0] & stamp[2] & stamp[4] & 1


def test_a_large_picture_is_split_and_only_the_first_part_has_time() -> None:
    payload = bytes(200_000)
    out = pes_packets(0xE0, payload, 90_000, 90_000)
    at, carried, timed = 0, 0, []
    while at < len(out):
        assert out[at : at + 4] == b"\x00\x00\x01\xe0"
        length = int.from_bytes(out[at + 4 : at + 6], "big")
        timed.append(out[at + 7] >> 6)
        carried += length - 3 - out[at + 8]
        at += 6 + length
    assert (carried, timed) == (200_000, [2, 0, 0, 0])


def test_map_has_a_right_check_sum_and_names_both_streams() -> None:
    made = program_stream_map(H265, audio=True)
    assert crc32_mpeg(made) == 0
    assert made[12:16] == bytes((0x24, 0xE0, 0, 0)) and made[16:20] == bytes((0x90, 0xC0, 0, 0))


def test_only_key_frames_carry_system_header_and_map() -> None:
    key = mux(b"k", b"", 1, 1, key=True, options=PsOptions())
    other = mux(b"d", b"", 1, 1, key=False, options=PsOptions())
    assert b"\x00\x00\x01\xbb" in key and b"\x00\x00\x01\xbc" in key
    assert b"\x00\x00\x01\xbb" not in other and b"\x00\x00\x01\xbc" not in other


def test_a_pack_is_made_once_for_all_who_ask_alike() -> None:
    frame = Frame(b"\x00\x00\x00\x01\x65", True, 90_000, 90_000)
    assert frame.pack(PsOptions()) is frame.pack(PsOptions())
    assert frame.pack(PsOptions(psm=False)) != frame.pack(PsOptions())


def test_settings_are_met_by_the_encoder() -> None:
    assert VideoEncoder(VideoSettings(gop_s=0.5)).settings.gop == 12
