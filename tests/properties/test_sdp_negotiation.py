"""Offer and answer over any offer: as many lines in the same order, or a clear refusal; payload types that stay."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sdp import LocalMedia, Media, Negotiation, NotAcceptable, Sdp, audio_codecs, video_codecs

AUDIO = LocalMedia("audio", "192.0.2.1", 4000, audio_codecs(("opus", "g722", "pcma", "pcmu", "l16")))
VIDEO = LocalMedia("video", "192.0.2.1", 4002, video_codecs(("h264", "h265")))
NAMES = [
    "opus/48000/2",
    "PCMA/8000",
    "G729/8000",
    "telephone-event/8000",
    "H264/90000",
    "H265/90000",
    "L16/16000",
    "CN/8000",
]
FMTP = [
    "packetization-mode=1;profile-level-id=42e01f",
    "packetization-mode=0",
    "0-16",
    "",
    "profile-level-id=zz",
    "a;b=;=c",
]
PT = st.integers(0, 130).map(str)
ATTRIBUTES = st.lists(
    st.tuples(st.just("rtpmap"), st.builds("{} {}".format, PT, st.sampled_from(NAMES)))
    | st.tuples(st.just("fmtp"), st.builds("{} {}".format, PT, st.sampled_from(FMTP)))
    | st.tuples(st.sampled_from(["sendonly", "recvonly", "inactive", "sendrecv", "rtcp-mux"]), st.none())
    | st.tuples(st.just("setup"), st.sampled_from(["active", "passive", "actpass", "holdconn"]))
    | st.tuples(st.just("crypto"), st.just("1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40))
    | st.tuples(st.sampled_from(["rtcp", "ptime", "ssrc", "fingerprint"]), st.text("0123456789: xAF", max_size=12)),
    max_size=8,
).map(tuple)
LINE = st.builds(
    Media,
    st.sampled_from(["audio", "video", "application", "image", "text"]),
    st.sampled_from([0, 9, 6000, 65535]),
    st.sampled_from(["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "TCP/RTP/AVP", "udptl"]),
    st.lists(PT | st.sampled_from(["0", "8", "96", "*", "t38"]), max_size=5).map(tuple),
    ATTRIBUTES,
    st.none() | st.sampled_from(["198.51.100.9", "0.0.0.0", "2001:db8::1", "host.example"]),
)
OFFER = st.lists(LINE, max_size=6).map(lambda lines: Sdp(connection="198.51.100.9", media=tuple(lines)))
POLICY = st.sampled_from(["off", "optional", "sdes", "required"])
KINDS = st.sampled_from([(AUDIO,), (VIDEO,), (AUDIO, VIDEO), (VIDEO, AUDIO)])


def us(media: tuple[LocalMedia, ...], policy: str = "optional") -> Negotiation:
    numbers = count()
    return Negotiation(media, srtp=policy, random=lambda size: bytes([next(numbers) % 256]) * size)  # type: ignore[arg-type]


def numbers_of(line: Media) -> dict[str, int]:
    fmtp = {v.partition(" ")[0]: v.partition(" ")[2] for v in line.attributes_of("fmtp")}
    return {
        f"{m.encoding}/{m.clock_hz} {fmtp.get(str(m.pt), '') if m.encoding == 'H264' else ''}": m.pt
        for m in line.rtpmaps
    }


@given(OFFER, KINDS, POLICY)
def test_any_offer_is_answered_line_by_line_or_refused_in_words(
    offer: Sdp, media: tuple[LocalMedia, ...], policy: str
) -> None:
    n = us(media, policy)
    try:
        answer = Sdp.parse(n.answer(bytes(offer)))
    except NotAcceptable as refusal:
        assert str(refusal) and 300 <= refusal.warning <= 399 and n.agreement is None
        return
    assert [m.kind for m in answer.media] == [m.kind for m in offer.media]
    assert n.agreement is not None
    for theirs, ours, line in zip(offer.media, answer.media, n.agreement.lines, strict=True):
        assert ours.proto == theirs.proto and line.active == bool(ours.port)
        assert theirs.port or not ours.port, "a line refused by the offerer stays refused"
        if line.active:
            assert line.send and not line.send[0].codec.auxiliary
            assert set(ours.formats) <= set(theirs.formats), "an answer uses the numbers of its offer"
            assert (policy in ("sdes", "required")) <= (line.secure == "sdes")
            assert policy != "off" or line.secure == ""


@given(OFFER, KINDS)
def test_a_reoffer_keeps_lines_and_numbers(offer: Sdp, media: tuple[LocalMedia, ...]) -> None:
    n = us(media)
    try:
        answer = Sdp.parse(n.answer(bytes(offer)))
    except RemoteProtocolError:
        return
    again = Sdp.parse(n.offer())
    assert len(again.media) >= len(answer.media)
    for before, after in zip(answer.media, again.media, strict=False):
        assert before.kind == after.kind
        if before.port:
            old, new = numbers_of(before), numbers_of(after)
            assert all(new[name] == pt for name, pt in old.items() if name in new)
            assert len(set(after.formats)) == len(after.formats), "no number means two things"
            taken = {pt: name for name, pt in new.items()}
            assert all(taken[pt].split(" ")[0] == name.split(" ")[0] for name, pt in old.items() if pt in taken)


@given(
    KINDS,
    KINDS,
    st.lists(st.sampled_from(["a offers", "b offers", "a holds", "b resumes", "a drops video"]), max_size=6),
)
def test_two_of_us_always_come_to_terms(
    mine: tuple[LocalMedia, ...], other: tuple[LocalMedia, ...], steps: list[str]
) -> None:
    a, b = us(mine), us(other)
    try:
        a.answered(b.answer(a.offer()))
    except NotAcceptable:
        assert not {m.kind for m in mine} & {m.kind for m in other}
        return
    for step in steps:
        if step == "a holds":
            a.hold(True)
        elif step == "b resumes":
            b.hold(False)
        elif step == "a drops video" and len(mine) > 1:
            a.change("video", None)
        first, second = (b, a) if step.startswith("b") else (a, b)
        try:
            first.answered(second.answer(first.offer()))
        except NotAcceptable:
            first.rolled_back()
            continue
        assert first.agreement is not None and second.agreement is not None
        for one, two in zip(first.agreement.lines, second.agreement.lines, strict=True):
            assert one.active == two.active
            sends = one.direction in ("sendrecv", "sendonly")
            assert sends == (two.direction in ("sendrecv", "recvonly"))
