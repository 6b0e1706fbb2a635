"""Each fault changes the wire as it promises, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.sim.encoder import VideoEncoder, VideoSettings
from gateway.sim.faults import BIG_FRAME_BYTES, FAULTS, Faults
from gateway.sim.faults import Path as WirePath
from gateway.sim.ps import H264, H265
from gateway.sim.replay import one_gop
from gateway.sim.rtp import RtpPacketizer, framed

SMALL = VideoSettings(width=320, height=240, gop_s=0.2)
FRAMES = one_gop(SMALL)


def payload(*names: str, frame: int = 0) -> bytes:
    faults = Faults.read(names)
    settings = faults.settings(SMALL)
    return faults.payload(FRAMES[frame], settings, faults.ps_options(settings))


def test_without_faults_a_pack_is_as_the_standard_has_it() -> None:
    whole = payload()
    assert whole.startswith(b"\x00\x00\x01\xba") and b"\x00\x00\x01\xbb" in whole and b"\x00\x00\x01\xbc" in whole


def test_psm_faults() -> None:
    assert b"\x00\x00\x01\xbc" not in payload("no-psm")
    assert Faults.read(["wrong-psm"]).ps_options(SMALL).video_type == H265
    both = Faults.read(["wrong-psm", "h265"])
    assert both.ps_options(both.settings(SMALL)).video_type == H264


def test_pes_of_length_zero() -> None:
    whole = payload("pes-zero-length")
    at = whole.index(b"\x00\x00\x01\xe0")
    assert whole[at + 4 : at + 6] == b"\x00\x00" and FRAMES[0].data in whole


def test_big_frame_grows_key_frames_only() -> None:
    assert BIG_FRAME_BYTES <= len(payload("big-frame")) < BIG_FRAME_BYTES + 2000
    assert payload("big-frame", frame=1) == payload(frame=1)
    assert FRAMES[0].data in payload("big-frame") or len(FRAMES[0].data) > 65000


def test_private_stream_has_no_start_code() -> None:
    whole = payload("private-stream")
    assert whole.startswith(b"\x01\x00\x00\x00") and b"\xe2\x42" in whole[:16]
    assert b"\x00\x00\x01\xba" not in whole


def test_codec_faults() -> None:
    assert Faults.read(["h265"]).settings(SMALL).codec == "h265"
    settings = Faults.read(["b-frames"]).settings(SMALL)
    assert VideoEncoder(settings).settings.b_frames == 2


def packets(count: int) -> list[bytes]:
    return [bytes([n]) for n in range(count)]


def test_loss_and_reordering_keep_to_their_share_and_their_seed() -> None:
    lossy = WirePath(Faults.read(["rtp-loss=0.25"]), seed=1)
    kept = [len(lossy.carry(packets(100))) for _ in range(20)]
    assert 1400 < sum(kept) < 1600
    mixed = WirePath(Faults.read(["rtp-reorder=0.2"]), seed=1).carry(packets(100))
    assert mixed != packets(100) and sorted(mixed) == packets(100)
    assert max(abs(at - packet[0]) for at, packet in enumerate(mixed)) <= 6
    assert mixed == WirePath(Faults.read(["rtp-reorder=0.2"]), seed=1).carry(packets(100))
    assert WirePath(Faults(), seed=1).carry(packets(10)) == packets(10)


def test_names_and_values() -> None:
    faults = Faults.read(["rtp-loss", "vanish=0.5", "busy-once"])
    assert (faults["rtp-loss"], faults["vanish"]) == (0.02, 0.5)
    assert faults.once("busy-once") and not faults.once("busy-once") and not faults.once("no-ssrc")
    for wrong in ("nonsense", "no-psm=1", "vanish=soon"):
        with pytest.raises(ValueError, match=wrong.partition("=")[0]):
            Faults.read([wrong])


def test_readme_documents_every_fault() -> None:
    text = (Path(__file__).parents[3] / "gateway/sim/README.md").read_text()
    assert [name for name in FAULTS if f"`{name}" not in text] == []


def test_rtp_of_a_frame_shares_time_and_ends_with_a_marker() -> None:
    made = RtpPacketizer(0x01020304, seq=0xFFFF).packets(bytes(3000), (1 << 32) + 7)
    assert [int.from_bytes(p[2:4], "big") for p in made] == [0xFFFF, 0, 1]
    assert [p[1] >> 7 for p in made] == [0, 0, 1] and {p[1] & 0x7F for p in made} == {96}
    assert {p[4:8] for p in made} == {bytes((0, 0, 0, 7))} and {p[8:12] for p in made} == {bytes((1, 2, 3, 4))}
    assert framed(b"abc") == b"\x00\x03abc"
