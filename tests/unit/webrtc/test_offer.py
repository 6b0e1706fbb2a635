"""Which sections and codecs are taken, why none, and what the answer says."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription

from adapters.webrtc.offer import (
    ABS_SEND_TIME,
    MID,
    TRANSPORT_CC,
    Local,
    LocalCandidate,
    Sources,
    Way,
    make_answer,
    make_plan,
)
from adapters.webrtc.sdp import parse_offer
from gateway.base.errors import RemoteProtocolError, Unsupported
from tests.unit.webrtc.client import CHROMIUM_OFFER

ALL = ["h264", "h265", "opus", "pcma", "pcmu", "g722"]
LOCAL = Local(
    "ourufragourf",
    "ourpwdourpwdourpwdourpwd",
    "sha-256 AA:BB",
    (
        LocalCandidate("192.0.2.2", 8189, 2130706431),
        LocalCandidate("203.0.113.1", 8189, 1694498815, ("192.0.2.2", 8189)),
    ),
)
SOURCES = Sources("cname", "stream", 1111, 2222, 3333)


def plan_of(text: str = CHROMIUM_OFFER, way: Way = "send", codecs: list[str] | None = None):  # type: ignore[no-untyped-def]
    return make_plan(parse_offer(text.encode()), codecs or ALL, way)


def test_takes_every_flavour_that_can_carry_a_camera() -> None:
    plan = plan_of()
    assert [(one.pt, one.codec, one.rtx_pt) for one in plan.video.payloads] == [
        (102, "h264", 103),
        (106, "h264", 107),
        (108, "h265", 109),
    ]
    assert [(one.pt, one.codec) for one in plan.audio.payloads] == [
        (111, "opus"),
        (8, "pcma"),
        (0, "pcmu"),
        (9, "g722"),
    ]
    assert (plan.video.extension(MID), plan.video.extension(ABS_SEND_TIME), plan.video.extension(TRANSPORT_CC)) == (
        9,
        2,
        4,
    )
    assert plan.remote.role == "server"


def test_preferences_order_and_limit() -> None:
    plan = plan_of(codecs=["h265", "h264", "pcma"])
    assert [one.codec for one in plan.video.payloads] == ["h265", "h264", "h264"]
    assert [one.codec for one in plan.audio.payloads] == ["pcma"]


def test_feedback_is_what_both_sides_know() -> None:
    plan = plan_of()
    assert plan.video.payloads[0].feedback == ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")
    assert plan.video.payloads[2].feedback == ("nack", "nack pli")


def test_a_browser_without_our_codecs_is_told_what_it_offered() -> None:
    text = CHROMIUM_OFFER.replace("H264", "VP8").replace("H265", "AV1")
    with pytest.raises(Unsupported) as caught:
        plan_of(text[: text.index("m=audio")])
    assert caught.value.code == "codec-unsupported"
    assert "VP8" in str(caught.value) and "H264" in str(caught.value)


def test_packetization_mode_0_is_refused_in_words() -> None:
    text = CHROMIUM_OFFER.replace("packetization-mode=1", "packetization-mode=0").replace("H265", "VP8")
    with pytest.raises(Unsupported, match="packetization-mode 0"):
        plan_of(text[: text.index("m=audio")])


def test_one_playable_section_is_enough() -> None:
    plan = plan_of(CHROMIUM_OFFER.replace("H264", "VP8").replace("H265", "AV1"))
    assert plan.video is None and plan.audio is not None
    answer = make_answer(plan, LOCAL, session=5, sources=SOURCES)
    assert "m=video 0 " in answer and "a=group:BUNDLE 1\r\n" in answer
    assert answer.index("a=candidate") > answer.index("m=audio 9 ")


def test_directions_must_fit() -> None:
    with pytest.raises(Unsupported):
        plan_of(way="receive")  # it only wants to receive
    plan = plan_of(CHROMIUM_OFFER.replace("a=recvonly", "a=sendonly"), way="receive")
    answer = make_answer(plan, LOCAL, session=5)
    assert answer.count("a=recvonly") == 2 and "a=ssrc" not in answer


def test_a_publisher_may_send_more_than_level_3_1_and_is_asked_no_transport_feedback() -> None:
    plan = plan_of(CHROMIUM_OFFER.replace("a=recvonly", "a=sendonly"), way="receive")
    assert "profile-level-id=42e034" in {one.pt: one.fmtp for one in plan.video.payloads}[106]
    assert plan.video.extension(TRANSPORT_CC) == 0
    assert all("transport-cc" not in one.feedback for one in plan.video.payloads)


def test_what_is_not_bundled_is_refused() -> None:
    plan = plan_of(CHROMIUM_OFFER.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"))
    assert plan.video is not None and plan.audio is None


def test_what_is_offered_with_the_others_or_not_at_all_is_no_refusal() -> None:
    """`bundlePolicy: "max-bundle"`: port 0 and a=bundle-only (RFC 9143 §6)."""
    head, sound = CHROMIUM_OFFER.split("m=audio 9 ")
    bundled = f"{head}m=audio 0 {sound}a=bundle-only\r\n"
    assert [one.mid for one in plan_of(bundled).chosen] == [one.mid for one in plan_of().chosen]
    assert "m=audio 9 " in make_answer(plan_of(bundled), LOCAL, session=1, sources=SOURCES)
    assert len(plan_of(f"{head}m=audio 0 {sound}").chosen) == 1, "without it port 0 takes the section back"


def test_a_peer_that_insists_on_passive_makes_us_active() -> None:
    plan = plan_of(CHROMIUM_OFFER.replace("a=setup:actpass", "a=setup:passive"))
    assert plan.remote.role == "client"
    assert "a=setup:active" in make_answer(plan, LOCAL, session=5, sources=SOURCES)


@pytest.mark.parametrize("gone", ["a=ice-ufrag:Qx7h", "a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=setup:actpass"])
def test_missing_transport_parameters_are_bad_sdp(gone: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        plan_of(CHROMIUM_OFFER.replace(gone, "a=nothing"))
    assert caught.value.code == "bad-sdp"


def test_fingerprint_must_be_strong() -> None:
    with pytest.raises(RemoteProtocolError):
        plan_of(CHROMIUM_OFFER.replace("fingerprint:sha-256", "fingerprint:sha-1"))


def test_the_answer_reads_back() -> None:
    plan = plan_of()
    text = make_answer(plan, LOCAL, session=5, sources=SOURCES)
    read = SessionDescription.parse(text)  # by somebody else's parser
    video, audio = read.media
    assert [codec.payloadType for codec in video.rtp.codecs] == [102, 103, 106, 107, 108, 109]
    assert (video.direction, video.rtp.muxId, video.dtls.role, video.ice.usernameFragment) == (
        "sendonly",
        "0",
        "server",
        "ourufragourf",
    )
    assert [one.ip for one in video.ice_candidates] == ["192.0.2.2", "203.0.113.1"]
    assert video.ice_candidates[1].relatedAddress == "192.0.2.2"
    assert [one.ssrc for one in video.ssrc] == [1111, 2222] and [one.ssrc for one in audio.ssrc] == [3333]
    assert {(one.id, one.uri) for one in video.rtp.headerExtensions} == {
        (9, MID),
        (2, ABS_SEND_TIME),
        (4, TRANSPORT_CC),
    }
    assert [one.semantic for one in read.group] == ["BUNDLE"]
