"""Offer and answer of calls: what comes out of every kind of m-line, and what stays over re-offers."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from itertools import count

import pytest

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.sdp import (
    Agreed,
    Fingerprint,
    LocalMedia,
    Negotiation,
    NotAcceptable,
    Sdp,
    SrtpPolicy,
    audio_codecs,
    video_codecs,
)

PRINT = Fingerprint("sha-256", ":".join(["AB"] * 32))
OTHER = Fingerprint("sha-256", ":".join(["CD"] * 32))
AUDIO = LocalMedia("audio", "192.0.2.1", 4000, audio_codecs(("opus", "g722", "pcma", "pcmu")), ssrc=7, cname="kit")
VIDEO = LocalMedia("video", "192.0.2.1", 4002, video_codecs(("h264", "h265")))


def chance() -> object:
    """Random bytes that are different each time and the same in each run."""
    numbers = count(1)
    return lambda size: bytes((next(numbers) * 7 + i) % 256 for i in range(size))


def us(*media: LocalMedia, srtp: SrtpPolicy = "optional", **more: object) -> Negotiation:
    return Negotiation(media or (AUDIO, VIDEO), srtp=srtp, random=chance(), **more)  # type: ignore[arg-type]


def text(*lines: str, host: str = "198.51.100.9") -> bytes:
    head = ["v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP{6 if ':' in host else 4} {host}", "t=0 0"]
    return ("\r\n".join([*head, *lines]) + "\r\n").encode()


def audio(n: Negotiation) -> Agreed:
    assert n.agreement is not None
    line = n.agreement.of("audio")
    assert line is not None
    return line


def video(n: Negotiation) -> Agreed:
    assert n.agreement is not None
    line = n.agreement.of("video")
    assert line is not None
    return line


def test_two_of_us_agree_on_everything() -> None:
    a, b = us(avpf=True), us(replace(AUDIO, host="198.51.100.9"), replace(VIDEO, host="198.51.100.9", port=5002))
    a.answered(b.answer(a.offer()))
    for n, host, port in ((a, "198.51.100.9", 5002), (b, "192.0.2.1", 4002)):
        assert [p.codec.name for p in audio(n).send[:4]] == ["opus", "g722", "pcma", "pcmu"]
        assert (audio(n).direction, audio(n).rtcp_mux, audio(n).secure, audio(n).ssrcs) == ("sendrecv", True, "", (7,))
        assert (video(n).host, video(n).port, video(n).profile) == (host, port, "RTP/AVPF")
        assert video(n).send[0].codec.name == "h264" and video(n).feedback == {"nack pli", "ccm fir"}
        assert (audio(n).sent("telephone-event") or audio(n).send[0]).pt == 102, "the one of Opus's clock"


def test_payload_types_of_each_side_are_honoured() -> None:
    n = us(AUDIO)
    offered = Sdp.parse(n.offer()).media[0]
    opus = next(m.pt for m in offered.rtpmaps if m.encoding == "OPUS")
    line = "m=audio 6000 RTP/AVP 120 0 121"
    n.answered(
        text(line, "a=rtpmap:120 opus/48000/2", "a=fmtp:120 maxplaybackrate=16000", "a=rtpmap:121 telephone-event/8000")
    )
    assert [p.pt for p in audio(n).send] == [120, 0, 121]
    assert audio(n).send[0].codec.fmtp == "maxplaybackrate=16000"
    heard = {p.pt: p.codec.name for p in audio(n).receive}
    assert heard == {opus: "opus", 0: "pcmu", 101: "telephone-event", 120: "opus", 121: "telephone-event"}


def test_answers_with_the_offers_numbers_and_keeps_them() -> None:
    n = us(AUDIO)
    offer = text("m=audio 6000 RTP/AVP 107 8", "a=rtpmap:107 opus/48000/2")
    first = Sdp.parse(n.answer(offer))
    assert first.media[0].formats == ("107", "8")
    again = Sdp.parse(n.offer())
    assert {m.pt: m.encoding for m in again.media[0].rtpmaps}[107] == "OPUS"
    n.answered(text("m=audio 6000 RTP/AVP 107", "a=rtpmap:107 opus/48000/2"))
    assert again.origin_id == first.origin_id and int(again.origin_version) == int(first.origin_version) + 1


def test_static_types_need_no_rtpmap_and_g722_may_say_16000() -> None:
    n = us(AUDIO)
    n.answer(text("m=audio 6000 RTP/AVP 9 13", "a=rtpmap:9 G722/16000"))
    assert [(p.pt, p.codec.name) for p in audio(n).send] == [(9, "g722"), (13, "cn")]


def test_lines_that_are_not_ours_are_refused_in_their_place() -> None:
    n = us()
    answer = Sdp.parse(
        n.answer(
            text(
                "m=application 5070 UDP/BFCP *",
                "m=video 6002 RTP/AVP 96",
                "a=rtpmap:96 H264/90000",
                "a=fmtp:96 profile-level-id=42e01f;packetization-mode=1",
                "m=text 6008 RTP/AVP 98",
                "m=audio 6000 RTP/AVP 0",
                "m=video 6004 RTP/AVP 97",
                "a=rtpmap:97 H264/90000",
                "m=image 6010 udptl t38",
            )
        )
    )
    assert [m.kind for m in answer.media] == ["application", "video", "text", "audio", "video", "image"]
    assert [bool(m.port) for m in answer.media] == [False, True, False, True, False, False]
    assert answer.media[0].formats == ("*",) and answer.media[5].proto == "udptl"
    again = Sdp.parse(n.offer())
    assert [m.kind for m in again.media] == [m.kind for m in answer.media]
    assert [bool(m.port) for m in again.media] == [bool(m.port) for m in answer.media]


def test_nothing_common_is_said_in_words() -> None:
    for lines, word, warning in (
        (("m=audio 6000 RTP/AVP 18 3",), "g729", 305),
        (("m=image 6000 udptl t38",), "image not available here", 304),
        (("m=audio 6000 TCP/RTP/AVP 0",), "TCP/RTP/AVP is not spoken", 302),
        (("m=audio 6000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"), "no common codec", 305),
        (("m=audio 6000 RTP/AVP 0", "c=IN IP6 2001:db8::1"), "IPv6", 301),
    ):
        n = us(AUDIO)
        with pytest.raises(NotAcceptable, match=word) as caught:
            n.answer(text(*lines))
        assert caught.value.warning == warning and n.agreement is None


def test_a_refused_reoffer_leaves_what_stands() -> None:
    n = us(AUDIO)
    n.answer(text("m=audio 6000 RTP/AVP 0"))
    before = n.agreement
    with pytest.raises(NotAcceptable):
        n.answer(text("m=audio 6000 RTP/AVP 18"))
    assert n.agreement is before
    n.hold(True)
    n.offer()
    n.rolled_back()
    assert n.agreement is before and not n.offering
    assert Sdp.parse(n.offer()).media[0].direction == "sendonly"


@pytest.mark.parametrize(
    ("theirs", "answer", "held"),
    [("sendrecv", "sendrecv", False), ("sendonly", "recvonly", True), ("inactive", "inactive", True),
     ("recvonly", "sendonly", False)],
)  # fmt: skip
def test_hold_by_direction(theirs: str, answer: str, held: bool) -> None:
    n = us(AUDIO)
    said = Sdp.parse(n.answer(text("m=audio 6000 RTP/AVP 0", f"a={theirs}")))
    assert said.media[0].direction == answer == audio(n).direction and audio(n).held_by_peer is held


def test_hold_by_zero_address_and_resume() -> None:
    n = us(AUDIO)
    n.answer(text("m=audio 6000 RTP/AVP 0", host="0.0.0.0"))
    assert audio(n).held_by_peer and (audio(n).host, audio(n).port) == ("", 0) and audio(n).direction == "recvonly"
    n.answer(text("m=audio 6000 RTP/AVP 0"))
    assert not audio(n).held_by_peer and audio(n).direction == "sendrecv"


def test_session_level_direction_counts() -> None:
    n = us(AUDIO)
    n.answer(text("a=inactive", "m=audio 6000 RTP/AVP 0"))
    assert audio(n).direction == "inactive"


def test_our_hold_and_resume() -> None:
    a, b = us(AUDIO), us(replace(AUDIO, host="198.51.100.9"))
    a.answered(b.answer(a.offer()))
    a.hold(True)
    a.answered(b.answer(a.offer()))
    assert (audio(a).direction, audio(b).direction, audio(b).held_by_peer) == ("sendonly", "recvonly", True)
    a.hold(False)
    a.answered(b.answer(a.offer()))
    assert audio(a).direction == audio(b).direction == "sendrecv"


def test_video_is_added_and_dropped_without_moving_lines() -> None:
    a, b = us(AUDIO), us(replace(AUDIO, host="198.51.100.9"), replace(VIDEO, host="198.51.100.9"))
    a.answered(b.answer(a.offer()))
    a.change("video", VIDEO)
    a.answered(b.answer(a.offer()))
    assert video(a).index == video(b).index == 1
    a.change("video", None)
    offer = Sdp.parse(a.offer())
    assert [(m.kind, bool(m.port)) for m in offer.media] == [("audio", True), ("video", False)]
    a.answered(b.answer(bytes(offer)))
    assert b.agreement is not None and b.agreement.of("video") is None
    b.change("video", replace(VIDEO, host="198.51.100.9", port=7002))
    a.change("video", VIDEO)
    b.answered(a.answer(b.offer()))
    assert video(a).index == 1 and video(a).port == 7002, "the dead line's place is used again"


# — video —


def h264(*fmtp: str) -> bytes:
    lines = [f"m=video 6002 RTP/AVP {' '.join(str(96 + i) for i in range(len(fmtp)))}"]
    for i, value in enumerate(fmtp):
        lines += [f"a=rtpmap:{96 + i} H264/90000", f"a=fmtp:{96 + i} {value}"]
    return text(*lines)


def test_h264_modes_must_match_and_profile_ranks() -> None:
    n = us(replace(VIDEO, codecs=video_codecs(("h264",), h264_profile="64001f", h264_modes=(1,))))
    n.answer(h264("profile-level-id=42e01f;packetization-mode=1", "profile-level-id=640c29;packetization-mode=1",
                  "profile-level-id=640028;packetization-mode=1", "profile-level-id=64001f"))  # fmt: skip
    assert [p.pt for p in video(n).send] == [98], "the same profile in the same mode"
    with pytest.raises(NotAcceptable):
        us(replace(VIDEO, codecs=video_codecs(("h264",), h264_modes=(1,)))).answer(h264("profile-level-id=42e01f"))


def test_h264_of_another_profile_is_passed_through_or_refused() -> None:
    high = replace(VIDEO, codecs=video_codecs(("h264",), h264_profile="64001f"))
    n = us(high)
    answer = Sdp.parse(n.answer(h264("profile-level-id=42e01f;packetization-mode=1"))).media[0]
    assert "profile-level-id=42e01f" in (answer.attribute("fmtp") or "")
    again = Sdp.parse(n.offer()).media[0]
    assert "96 profile-level-id=42e01f" in again.attributes_of("fmtp")[0], "a re-offer keeps number and profile"
    with pytest.raises(NotAcceptable):
        us(high, any_profile=False).answer(h264("profile-level-id=42e01f;packetization-mode=1"))


def test_h264_level_asymmetry() -> None:
    ours = replace(VIDEO, codecs=video_codecs(("h264",), h264_profile="42e028", h264_sprop="Z0LA,aM4="))
    for extra, level in ((";level-asymmetry-allowed=1", "28"), ("", "1f")):
        n = us(ours)
        fmtp = (
            Sdp.parse(n.answer(h264("profile-level-id=42e01f;packetization-mode=1" + extra))).media[0].attribute("fmtp")
        )
        assert fmtp is not None and f"profile-level-id=42e0{level}" in fmtp and "sprop-parameter-sets=Z0LA,aM4=" in fmtp


def test_h265_and_its_modes() -> None:
    n = us(VIDEO)
    n.answer(text("m=video 6002 RTP/AVP 99", "a=rtpmap:99 H265/90000", "a=fmtp:99 profile-id=1;sprop-vps=QAEM"))
    assert video(n).send[0].codec.fmtp == "profile-id=1;sprop-vps=QAEM"
    with pytest.raises(NotAcceptable):
        us(VIDEO).answer(text("m=video 6002 RTP/AVP 99", "a=rtpmap:99 H265/90000", "a=fmtp:99 tx-mode=MRMT"))


def test_feedback_rtcp_bandwidth_and_ssrcs() -> None:
    n = us(replace(VIDEO, rtcp_port=4010, rtcp_mux=False, bandwidth_kbps=900))
    answer = Sdp.parse(
        n.answer(
            text(
                "m=video 6002 RTP/AVPF 96", "b=TIAS:512000", "a=rtpmap:96 H264/90000", "a=rtcp-fb:* nack pli",
                "a=rtcp-fb:96 goog-remb", "a=rtcp:6100 IN IP4 198.51.100.10", "a=rtcp-mux", "a=ssrc:12 cname:x",
                "a=ssrc:12 label:y", "a=ssrc:bad", "a=ssrc:4294967296 z",
            )
        )
    ).media[0]  # fmt: skip
    line = video(n)
    assert (line.rtcp_host, line.rtcp_port, line.rtcp_mux) == ("198.51.100.10", 6100, False)
    assert line.bandwidth_kbps == 512 and line.ssrcs == (12,) and "nack pli" in line.feedback
    assert answer.attributes_of("rtcp-fb") == ["96 nack pli"] and answer.attribute("rtcp") == "4010"
    assert answer.lines == (("b", "AS:900"),) and answer.attribute("rtcp-mux") is None


@pytest.mark.parametrize(
    ("lines", "ms"),
    [(("a=ptime:40",), 40), (("a=ptime:30",), 20), (("a=ptime:60", "a=maxptime:40"), 40), (("a=ptime:10",), 20),
     (("a=ptime:x",), 20), ((), 20)],
)  # fmt: skip
def test_ptime_is_what_the_media_plane_can(lines: tuple[str, ...], ms: int) -> None:
    n = us(AUDIO)
    n.answer(text("m=audio 6000 RTP/AVP 0", *lines))
    assert audio(n).ptime_ms == ms


# — bounds and order —


def test_ipv6_addresses() -> None:
    n = us(replace(AUDIO, host="2001:db8::1"))
    answer = n.answer(text("m=audio 6000 RTP/AVP 0", host="2001:db8::9"))
    assert b"c=IN IP6 2001:db8::1" in answer and audio(n).host == "2001:db8::9"


def test_hostile_descriptions_are_bounded() -> None:
    n = us(AUDIO)
    with pytest.raises(NotAcceptable, match="at most 32"):
        n.answer(text(*["m=audio 6000 RTP/AVP 0"] * 33))
    key = b64encode(bytes(30)).decode()
    junk = [f"a=crypto:{i} NULL inline:x" for i in range(16)]
    with pytest.raises(NotAcceptable):
        n.answer(text("m=audio 6000 RTP/SAVP 0", *junk, f"a=crypto:99 AES_CM_128_HMAC_SHA1_80 inline:{key}"))
    n.answer(text("m=audio 6000 RTP/AVP " + " ".join(["999", "x", "-1", "0"] * 20)))
    assert [p.pt for p in audio(n).send] == [0]


def test_answers_that_do_not_fit_their_offer() -> None:
    for answer in (
        text("m=audio 6000 RTP/AVP 0", "m=video 0 RTP/AVP 96", "m=audio 6000 RTP/AVP 0"),
        text("m=video 6000 RTP/AVP 96"),
        b"nothing",
    ):
        n = us()
        n.offer()
        with pytest.raises(RemoteProtocolError):
            n.answered(answer)
        assert n.agreement is None and not n.offering
    with pytest.raises(RemoteProtocolError, match="without an offer"):
        us().answered(text("m=audio 6000 RTP/AVP 0"))
    n = us()
    n.offer()
    n.answered(text("m=audio 6000 RTP/AVP 0"))
    assert n.agreement is not None and n.agreement.of("video") is None, "a line left out counts as refused"


def test_offers_do_not_cross() -> None:
    n = us()
    n.offer()
    with pytest.raises(LocalProtocolError):
        n.offer()
    with pytest.raises(RemoteProtocolError, match="cross"):
        n.answer(text("m=audio 6000 RTP/AVP 0"))


def test_the_version_grows_only_with_a_change() -> None:
    n = us(AUDIO)
    first = n.answer(text("m=audio 6000 RTP/AVP 0"))
    assert n.answer(text("m=audio 6000 RTP/AVP 0")) == first
    second = n.answer(text("m=audio 6000 RTP/AVP 8"))
    assert int(Sdp.parse(second).origin_version) == int(Sdp.parse(first).origin_version) + 1
