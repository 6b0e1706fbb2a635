"""SDP as devices write it, y= and f= kept, media indexes stable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.sdp import MAX_SDP_BYTES, Media, RtpMap, Sdp

FOLDER = Path(__file__).parents[2] / "vectors" / "sdp"


def read(name: str) -> Sdp:
    return Sdp.parse((FOLDER / name).read_bytes())


def test_live_offer_reads_and_writes_back_byte_for_byte() -> None:
    sdp = read("play.sdp")
    assert (sdp.name, sdp.y, sdp.ssrc, sdp.f) == ("Play", "0100000001", 100000001, "v/2/4/25/1/4096a/1/8/1")
    (media,) = sdp.media
    assert (media.kind, media.port, media.tcp, media.direction) == ("video", 30000, False, "recvonly")
    assert media.rtpmaps == (RtpMap(96, "PS", 90000), RtpMap(97, "MPEG4", 90000), RtpMap(98, "H264", 90000))
    assert media.attribute("streamnumber") == "0" and sdp.address_of(media) == "192.0.2.1"
    assert bytes(sdp) == (FOLDER / "play.sdp").read_bytes()


def test_sloppy_answer() -> None:
    """LF, blanks before a line, no t=, no last line end."""
    sdp = read("tcp-answer.sdp")
    (media,) = sdp.media
    assert (media.tcp, media.setup, media.direction, sdp.ssrc) == (True, "active", "sendonly", 999999999)
    assert sdp.connection == "192.0.2.2" and sdp.time == (0, 0) and sdp.f == ""


def test_playback() -> None:
    sdp = read("playback.sdp")
    assert sdp.uri == "34020000001310000001:0" and sdp.time == (1700000000, 1700003600)
    assert sdp.media[0].port == 0 and sdp.media[0].attribute("filesize") == "123456"


def test_call_with_two_media_keeps_indexes_and_unknown_lines() -> None:
    sdp = read("call.sdp")
    audio, video = sdp.media
    assert (audio.port, audio.port_count, audio.connection) == (49170, 2, "224.2.1.1/127")
    assert [m.encoding for m in audio.rtpmaps] == ["PCMU", "PCMA", "OPUS"] and audio.rtpmaps[2].channels == 2
    assert sdp.address_of(video) == "2001:db8::1" and video.direction == "inactive"
    assert ("b", "AS:64") in sdp.lines and ("b", "AS:20") in audio.lines and ("z", "0 0") in video.lines
    assert sdp.name == "-", "a blank name"
    assert Sdp.parse(bytes(sdp)) == sdp


def test_offer_and_answer_keep_the_index() -> None:
    """RFC 3264 §6: refused media stands at its index with port 0."""
    offer = read("call.sdp")
    answer = replace(offer, media=tuple(replace(m, port=0 if m.kind == "audio" else 5004) for m in offer.media))
    assert [(m.kind, m.port) for m in Sdp.parse(bytes(answer)).media] == [("audio", 0), ("video", 5004)]


@pytest.mark.parametrize(
    ("y", "ssrc"),
    [
        ("0999999999", 999999999),
        ("1", 1),
        ("4294967295", 2**32 - 1),
        ("4294967296", None),
        ("01000000010100000001", None),
        ("٣", None),
        ("", None),
        ("abc", None),
    ],
)
def test_y_as_ssrc(y: str, ssrc: int | None) -> None:
    assert Sdp(y=y).ssrc == ssrc and Sdp.parse(f"v=0\r\ny={y}\r\n").ssrc == ssrc


def test_y_anywhere_is_the_sessions_and_the_first_stands() -> None:
    sdp = Sdp.parse("v=0\r\ny=0000000001\r\nm=video 1 RTP/AVP 96\r\ny=0000000002\r\nf=v/////a///\r\n")
    assert (sdp.ssrc, sdp.f) == (1, "v/////a///")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"m=video\r\n",
        b"m=video x RTP/AVP 96\r\n",
        b"m=video 70000 RTP/AVP 96\r\n",
        b"v" * (MAX_SDP_BYTES + 1),
        b"a=\n" * 3000,
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Sdp.parse(data)


def test_malformed_rtpmap_is_left_out() -> None:
    media = Media("video", 1, formats=("96", "8"), attributes=(("rtpmap", "96 PS"), ("rtpmap", "999 X/1")))
    assert media.rtpmaps == (RtpMap(8, "PCMA", 8000),)


def test_line_ends_can_not_be_smuggled_in() -> None:
    with pytest.raises(LocalProtocolError):
        bytes(Sdp(name="x\r\na=evil"))
