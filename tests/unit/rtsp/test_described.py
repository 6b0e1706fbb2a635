"""Descriptions of cameras and senders read, and ours written."""

from __future__ import annotations

import pytest

from adapters.rtsp.protocol.described import read_description
from adapters.rtsp.protocol.describing import aac_config, described, write_description
from adapters.rtsp.pull import ways_of
from gateway.base.errors import RemoteProtocolError, Unsupported
from gateway.base.url import parse_url
from gateway.model.media import Codec, Track, TrackKind
from gateway.wire.digest import Verdict
from gateway.wire.rtsp import Credentials, Guard, RtspRequest, RtspResponse, join_control, parse_session, track_of
from gateway.wire.rtsp.transport import parse_transports
from gateway.wire.textmsg import Headers

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=Cam\r\nt=0 0\r\n"


def read(text: str, base: str = "rtsp://c/x/") -> list[tuple[str, str, list[tuple[int, str, int, str]]]]:
    found = read_description((HEAD + text).encode(), base)
    return [(t.kind, t.control, [(p.pt, p.codec, p.clock_hz, p.fmtp) for p in t.payloads]) for t in found.tracks]


def test_the_first_picture_and_the_first_sound_that_can_be_taken() -> None:
    text = (
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 sprop-vps=QA==\r\na=control:trackID=1\r\n"
        "m=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=control:trackID=4\r\n"
        "m=audio 0 RTP/AVP 104\r\na=rtpmap:104 G726-32/8000\r\na=control:trackID=2\r\n"
        "m=audio 0 RTP/AVP 8\r\na=control:trackID=3\r\n"
        "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
    )
    assert read(text) == [
        ("video", "rtsp://c/x/trackID=1", [(96, "h265", 90_000, "sprop-vps=QA==")]),
        ("audio", "rtsp://c/x/trackID=3", [(8, "pcma", 8000, "")]),
    ]
    passed = read_description((HEAD + text).encode(), "rtsp://c/x/").passed_over
    assert passed == ("video H264", "audio G726-32", "application VND.ONVIF.METADATA")


def test_slips_that_are_forgiven() -> None:
    assert read("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/9000\r\n")[0][2][0][2] == 90_000
    wrong_number = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:97 packetization-mode=1\r\n"
    assert read(wrong_number)[0][2][0][3] == "packetization-mode=1"
    assert read("m=video 0 RTP/AVP 33\r\n")[0][2][0][1] == "ts"


def test_back_channels_are_told_apart_from_sound() -> None:
    text = (
        "m=audio 0 RTP/AVP 0\r\na=control:t1\r\na=recvonly\r\n"
        "m=audio 0 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=control:t2\r\na=sendonly\r\n"
    )
    found = read_description((HEAD + text).encode(), "rtsp://c/x")
    assert [t.control for t in found.tracks] == ["rtsp://c/x/t1"]
    assert found.talk is not None and found.talk.control == "rtsp://c/x/t2"
    assert [p.codec for p in found.talk.payloads] == ["pcmu", "pcma"]
    announced = read_description((HEAD + text).encode(), "rtsp://c/x", sends=True)
    assert announced.talk is None and len(announced.tracks) == 1


@pytest.mark.parametrize(("text", "code"), [("", "source-codec"), ("m=video\r\n", "rtsp-sdp")])
def test_what_can_not_be_taken(text: str, code: str) -> None:
    with pytest.raises((RemoteProtocolError, Unsupported)) as raised:
        read_description((HEAD + text).encode(), "rtsp://c/x")
    assert raised.value.code == code


def test_what_can_not_be_taken_has_the_names_that_people_know() -> None:
    picture = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    for sound, name in (("18", "G729"), ("97\r\na=rtpmap:97 AC3/48000", "AC-3")):
        found = read_description(f"{HEAD}{picture}m=audio 0 RTP/AVP {sound}\r\n".encode(), "rtsp://c/x")
        assert found.missing == name
    with pytest.raises(Unsupported, match=r"^H263$"):
        read_description(f"{HEAD}m=video 0 RTP/AVP 34\r\n".encode(), "rtsp://c/x")


def test_mpeg_by_number_and_by_name() -> None:
    for text in ("32", "32\r\na=rtpmap:32 MPV/90000", "96\r\na=rtpmap:96 MPV/90000"):
        ((payload,),) = [
            t.payloads for t in read_description(f"{HEAD}m=video 0 RTP/AVP {text}\r\n".encode(), "x").tracks
        ]
        assert (payload.codec, payload.clock_hz) == ("mpeg2video", 90_000)
    for text in ("14", "97\r\na=rtpmap:97 mpa/90000"):
        ((payload,),) = [
            t.payloads for t in read_description(f"{HEAD}m=audio 0 RTP/AVP {text}\r\n".encode(), "x").tracks
        ]
        assert (payload.codec, payload.clock_hz) == ("mp2", 90_000)


@pytest.mark.parametrize(
    ("base", "control", "whole"),
    [
        ("rtsp://c/a/", "trackID=1", "rtsp://c/a/trackID=1"),
        ("rtsp://c/a", "trackID=1", "rtsp://c/a/trackID=1"),
        ("rtsp://c/a?x=1", "trackID=1", "rtsp://c/a?x=1/trackID=1"),
        ("rtsp://c/a?x=1/", "trackID=1", "rtsp://c/a?x=1/trackID=1"),
        ("rtsp://c/a", "*", "rtsp://c/a"),
        ("rtsp://c/a", None, "rtsp://c/a"),
        ("rtsp://c:554/a", "/b", "rtsp://c:554/b"),
        ("rtsp://c/a", "RTSP://d/e", "RTSP://d/e"),
    ],
)
def test_controls(base: str, control: str | None, whole: str) -> None:
    assert join_control(base, control) == whole


def test_which_track_a_setup_means() -> None:
    controls = ["rtsp://a/x/trackID=0", "rtsp://a/x/trackID=1"]
    assert track_of("rtsp://other:8554/x/trackID=1", controls) == 1
    assert track_of("rtsp://a/x/y/trackID=0/", controls) == 0
    assert track_of("rtsp://a/x", controls) is None


def test_transports_that_devices_write() -> None:
    one = parse_transports('RTP/AVP/TCP;interleaved=0-1;ssrc= 1A2B ;mode="play"')[0]
    assert (one.tcp, one.channel, one.ssrc) == (True, 0, 0x1A2B)
    assert parse_transports("RTP/AVP;unicast;interleaved=2-3")[0].tcp
    assert parse_transports("RTP/AVP;unicast;client_port=5000")[0].client_port == (5000, 5001)
    assert parse_transports("RTP/AVP;unicast;client_port=70000-x")[0].client_port == (0, 0)
    assert parse_transports("RAW/RAW/UDP;unicast, RTP/SAVP;unicast")[0].secure
    assert parse_session("1234 ;timeout=0") is not None and parse_session(";timeout=5") is None


def test_ours_reads_back() -> None:
    sprop = "Z0LAH9oBQBbpKEAAAAwBAAADABDIPGDKgA==,aM4PyA=="
    tracks = (
        Track(TrackKind.VIDEO, Codec.H264, 90_000, sprop=sprop),
        Track(TrackKind.AUDIO, Codec.AAC, 44_100, channels=2),
    )
    body = write_description(described(tracks), "fieldgate/ball-1/ch1", "192.0.2.1")
    assert b"s=fieldgate-ball-1-ch1" in body
    found = read_description(body, "rtsp://g/x/")
    video, audio = found.tracks
    assert video.control == "rtsp://g/x/trackID=0" and "profile-level-id=42c01f" in video.payloads[0].fmtp
    assert audio.payloads[0].clock_hz == 44_100 and "config=1210" in audio.payloads[0].fmtp
    hevc = described([Track(TrackKind.VIDEO, Codec.H265, 90_000, sprop="QAEM,QgEB,RAHA")])
    assert hevc[0].payload.fmtp == "sprop-vps=QAEM;sprop-sps=QgEB;sprop-pps=RAHA"
    assert (aac_config(48_000, 2), aac_config(8000, 1)) == ("1190", "1588")


def test_ways() -> None:
    assert ways_of(parse_url("rtsp://c/x")) == ("tcp", "udp")
    assert ways_of(parse_url("rtsp://c/x#transport=udp")) == ("udp", "tcp")
    assert ways_of(parse_url("rtsps://c/x#transport=udp")) == ("tcp",), "no media beside the cipher"
    with pytest.raises(RemoteProtocolError):
        ways_of(parse_url("rtsp://c/x#transport=pigeon"))


def test_our_challenges_are_answered_and_basic_over_tls_only() -> None:
    guard = Guard("Fieldgate", ["SHA-256", "MD5"])
    lines = guard.challenges(1000.0, basic=False)
    assert [line.startswith("Digest") for line in lines] == [True, True]
    answer = RtspResponse(401, Headers([("WWW-Authenticate", line) for line in lines]))
    credentials = Credentials("wall", "pass-word")
    assert credentials.learn(answer)
    signed = credentials.sign(RtspRequest("DESCRIBE", "rtsp://g/x"))
    assert guard.judge(signed, 1001.0, lambda user: "pass-word", basic=False).verdict is Verdict.OK
    assert guard.judge(signed, 1001.0, lambda user: "another", basic=False).verdict is Verdict.WRONG
    assert guard.judge(signed, 1001.0, lambda user: None, basic=False).verdict is Verdict.WRONG
    assert guard.judge(signed, 9999.0, lambda user: "pass-word", basic=False).verdict is Verdict.STALE
    assert not credentials.learn(answer), "the same challenge again: it was wrong"
    basic = RtspRequest("DESCRIBE", "rtsp://g/x", Headers([("Authorization", "Basic d2FsbDpw")]))
    assert guard.judge(basic, 0.0, lambda user: "p", basic=False).user == ""
    assert guard.judge(basic, 0.0, lambda user: "p", basic=True).password == "p"
