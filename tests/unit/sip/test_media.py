"""Offer and answer between two calls' media: sockets, keys, voices, hold, codecs, video, moves; nothing left over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adapters.sip.dtls import Identity
from adapters.sip.engine import NO_VIDEO, VideoWish
from adapters.sip.media import CallMedia
from adapters.sip.media_formats import h265_fmtp, picture_codecs, profile_level_id
from adapters.sip.routing import MediaPolicy
from gateway.base.errors import RemoteProtocolError
from gateway.core.mediaplane import MediaPlane
from gateway.model.media import Codec as StreamCodec
from gateway.model.media import Track, TrackKind
from gateway.wire.sdp import NotAcceptable, Sdp
from tests.unit.sip.fakes import SwitchEngine, media_plane

IDENTITY = Identity()


@dataclass
class Rig:
    engine: SwitchEngine
    plane: MediaPlane
    made: list[CallMedia] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    changes: list[CallMedia] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def media(
        self, *, video: VideoWish = NO_VIDEO, host: str = "127.0.0.1", peer: str = "", **policy: Any
    ) -> CallMedia:
        def on_change() -> None:
            self.changes.append(media)
            self.changed.set()

        def on_trouble(code: str, words: str) -> None:
            self.troubles.append(code)
            self.changed.set()

        rules = MediaPolicy(**{"srtp": "off", **policy})
        media = CallMedia(
            self.plane,
            rules,
            host,
            identity=(lambda: IDENTITY) if rules.srtp not in ("off", "sdes") else None,
            changed=on_change,
            trouble=on_trouble,
            video=video,
            peer=peer,
        )
        self.made.append(media)
        return media

    def agree(self, one: CallMedia, two: CallMedia) -> None:
        one.answered(two.answer(one.offer()))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    with media_plane() as (engine, plane):
        made = Rig(engine, plane)
        yield made
        for media in made.made:
            media.close()
        assert not engine.sessions and not engine.voices and not plane._sessions


def codec(voice: dict[str, Any]) -> str:
    return str(voice["send"][0])


async def test_a_plain_call_is_armed_both_ways_and_has_voices(rig: Rig) -> None:
    one, two = rig.media(audio=("pcma", "pcmu")), rig.media(audio=("pcma",))
    rig.agree(one, two)
    assert one.media.audio == two.media.audio == "pcma"
    assert one.media.voice in rig.engine.voices and two.media.voice in rig.engine.voices
    ports = set(rig.engine.bound.values())
    for armed in rig.engine.armed.values():
        assert (armed["host"], armed["port"]) in ports and armed["keys"] is None and armed["latch"] == "first"
    assert one.takes_digits and one.media.secure == ""


@pytest.mark.parametrize(
    ("peer", "latch"), [("127.0.0.1", "host"), ("192.0.2.7", "first"), ("::1", "first"), ("", "first")]
)
async def test_a_stranger_is_kept_out_unless_the_phone_is_behind_nat(rig: Rig, peer: str, latch: str) -> None:
    one, two = rig.media(latch="auto", peer=peer), rig.media(latch="strict")
    rig.agree(one, two)
    assert sorted({armed["latch"] for armed in rig.engine.armed.values()}) == sorted((latch, "strict"))


async def test_keys_of_sdes_meet(rig: Rig) -> None:
    one, two = rig.media(srtp="sdes"), rig.media(srtp="optional")
    rig.agree(one, two)
    first, second = (armed["keys"] for armed in rig.engine.armed.values())
    assert first[0] == second[0] and first[1:3] == second[3:5] and first[3:5] == second[1:3]
    assert one.media.secure == two.media.secure == "sdes"


@pytest.mark.parametrize("video", [False, True])
async def test_dtls_keys_meet_on_every_line(rig: Rig, video: bool) -> None:
    wish = VideoWish(send=True, receive=True) if video else NO_VIDEO
    one, two = rig.media(srtp="dtls", video=wish), rig.media(srtp="optional", video=wish)
    rig.agree(one, two)
    assert not rig.engine.armed
    lines = 4 if video else 2
    async with asyncio.timeout(5):
        while len(rig.engine.armed) < lines:
            rig.changed.clear()
            await rig.changed.wait()
    keys = sorted(armed["keys"][1:3] for armed in rig.engine.armed.values())
    assert keys == sorted(armed["keys"][3:5] for armed in rig.engine.armed.values())
    assert one.media.secure == two.media.secure == "dtls" and not rig.troubles


async def test_dtls_that_comes_before_the_answer_waits_for_it(rig: Rig) -> None:
    one, two = rig.media(srtp="dtls"), rig.media(srtp="dtls")
    answer = two.answer(one.offer())  # two is active: its ClientHello is under way before the 200 is
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rig.engine.sent
    one.answered(answer)
    async with asyncio.timeout(5):
        while len(rig.engine.armed) < 2:
            rig.changed.clear()
            await rig.changed.wait()


async def test_a_certificate_of_somebody_else_ends_the_call(rig: Rig) -> None:
    one, two = rig.media(srtp="dtls"), rig.media(srtp="dtls")
    answer = two.answer(one.offer()).decode()
    prefix = "a=fingerprint:sha-256 "
    at = answer.index(prefix) + len(prefix)
    one.answered((answer[:at] + ":".join(["AB"] * 32) + answer[at + 95 :]).encode())
    async with asyncio.timeout(5):
        while not rig.troubles:
            rig.changed.clear()
            await rig.changed.wait()
    assert rig.troubles == ["dtls-failed"] and not any(a["keys"] for a in rig.engine.armed.values())


@pytest.mark.parametrize(("offers", "takes"), [("off", "required"), ("sdes", "off"), ("off", "sdes"), ("dtls", "off")])
async def test_ciphering_that_does_not_fit_is_refused_in_words(rig: Rig, offers: str, takes: str) -> None:
    one, two = rig.media(srtp=offers), rig.media(srtp=takes)
    with pytest.raises(NotAcceptable, match=r"(?i)srtp|cipher|encrypt|sdes|dtls"):
        two.answer(one.offer())


async def test_no_common_codec_is_refused_in_words(rig: Rig) -> None:
    one, two = rig.media(audio=("opus",)), rig.media(audio=("pcma",))
    with pytest.raises(NotAcceptable, match=r"(?i)opus"):
        two.answer(one.offer())
    assert not rig.engine.voices


@pytest.mark.parametrize("junk", [b"", b"\x00\xff", b"v=0\r\n", b"v=0\r\nm=audio x RTP/AVP 8\r\n"])
async def test_an_offer_that_is_none_changes_nothing(rig: Rig, junk: bytes) -> None:
    media = rig.media()
    with pytest.raises(RemoteProtocolError):
        media.answer(junk)
    assert media.media.voice is None and not rig.engine.armed


async def test_our_hold_withdraws_the_voice_and_never_sends(rig: Rig) -> None:
    one, two = rig.media(), rig.media()
    rig.agree(one, two)
    voice = one.media.voice
    one.hold(True)
    rig.agree(one, two)
    assert one.media.held and one.media.voice is None and two.media.held_by_peer and two.media.voice is None
    assert rig.engine.voices[voice or 0].settings["transmit"] == "never"
    one.hold(False)
    rig.agree(one, two)
    again, theirs = one.media, two.media
    assert again.voice == voice and not again.held and not theirs.held_by_peer
    assert rig.engine.voices[voice or 0].settings["transmit"] == "always"


async def test_the_old_style_of_hold_is_understood(rig: Rig) -> None:
    one, two = rig.media(), rig.media()
    rig.agree(one, two)
    two.answer(one.offer().replace(b"c=IN IP4 127.0.0.1", b"c=IN IP4 0.0.0.0"))
    assert two.media.held_by_peer and two.media.voice is None


async def test_an_owner_lets_go_of_the_voice_before_it_is_silenced(rig: Rig) -> None:
    one, two = rig.media(), rig.media()
    rig.agree(one, two)
    rig.engine.orders.clear()
    seen: list[tuple[Any, int]] = []
    two._on_change = lambda: seen.append((two.media.voice, len(rig.engine.did("set_voice"))))
    one.hold(True)
    rig.agree(one, two)
    assert seen[0] == (None, 0)


async def test_a_codec_that_changes_makes_a_new_voice_with_the_same_source(rig: Rig) -> None:
    one, two = rig.media(audio=("pcma", "pcmu")), rig.media(audio=("pcma", "pcmu"))
    rig.agree(one, two)
    before = two.media.voice
    ssrc = rig.engine.voices[before or 0].given["ssrc"]
    offer = one.offer().replace(b" RTP/AVP 8 0 ", b" RTP/AVP 0 ").replace(b"a=rtpmap:8 PCMA/8000\r\n", b"")
    two.answer(offer)
    after = two.media.voice
    assert after != before and two.media.audio == "pcmu"
    assert rig.engine.voices[after or 0].given["ssrc"] == ssrc
    one.rolled_back()


async def test_the_same_codec_again_keeps_the_voice(rig: Rig) -> None:
    one, two = rig.media(), rig.media()
    rig.agree(one, two)
    voices = (one.media.voice, two.media.voice)
    rig.agree(two, one)
    assert (one.media.voice, two.media.voice) == voices


async def test_video_is_a_second_line_near_the_stream_that_goes_out(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    one = rig.media(video=VideoWish(receive=True, send=True))
    two = rig.media(video=VideoWish(send=True, near=stream))
    rig.agree(one, two)
    line = two.media.video
    assert line is not None and line.send and not line.receive and line.codec == "h264"
    assert one.media.video is not None and one.media.video.receive and not one.media.video.send
    assert rig.engine.did("open_rtp_session")[-1]["stream"] == stream


async def test_video_that_we_do_not_want_is_refused_and_the_line_keeps_its_place(rig: Rig) -> None:
    one, two = rig.media(video=VideoWish(receive=True)), rig.media()
    answer = two.answer(one.offer())
    one.answered(answer)
    assert [media.port == 0 for media in Sdp.parse(answer).media] == [False, True]
    assert one.media.video is None and one.media.no_video and two.media.video is None


async def test_video_comes_and_goes_by_re_invite(rig: Rig) -> None:
    one, two = rig.media(), rig.media(video=VideoWish(send=True))
    rig.agree(one, two)
    assert not one.media.video
    one.want_video(VideoWish(receive=True))
    rig.agree(one, two)
    ours, theirs = one.media.video, two.media.video
    assert ours is not None and theirs is not None and theirs.send
    session = ours.session
    one.want_video(NO_VIDEO)
    rig.agree(one, two)
    assert one.media.video is None and two.media.video is None
    assert session not in rig.engine.sessions


async def test_a_move_makes_new_lines_that_take_over_with_the_answer(rig: Rig) -> None:
    one, two = rig.media(), rig.media()
    rig.agree(one, two)
    old_voice, old = one.media.voice, set(rig.engine.sessions)
    one.move("127.0.0.2")
    offer = one.offer()
    assert b"127.0.0.2" in offer and old <= set(rig.engine.sessions)
    answer = two.answer(offer)
    assert one.media.voice == old_voice, "until the peer has agreed, the old way is used"
    one.answered(answer)
    assert one.media.voice not in (None, old_voice) and len(rig.engine.sessions) == 2
    assert old_voice not in rig.engine.voices


async def test_a_move_that_is_refused_is_offered_again(rig: Rig) -> None:
    one, two = rig.media(), rig.media()
    rig.agree(one, two)
    voice = one.media.voice
    one.move("127.0.0.2")
    one.offer()
    one.rolled_back()
    assert one.media.voice == voice
    one.move("127.0.0.3")
    rig.agree(one, two)
    assert b"127.0.0.3" in one.offer() and one.media.voice != voice
    one.rolled_back()


async def test_a_late_offer_is_ours_to_make(rig: Rig) -> None:
    callee, caller = rig.media(video=VideoWish(send=True)), rig.media(video=VideoWish(receive=True))
    rig.agree(callee, caller)
    assert callee.media.voice and callee.media.video is not None and callee.media.video.send


async def test_closed_in_the_middle_of_an_offer_nothing_is_left(rig: Rig) -> None:
    one = rig.media(video=VideoWish(receive=True))
    one.offer()
    one.move("127.0.0.2")
    one.close()
    one.close()
    assert not rig.engine.sessions


HIGH = Track(TrackKind.VIDEO, StreamCodec.H264, 90000, profile="high@4.0")


def fmtps(body: bytes) -> list[str]:
    return next(one for one in Sdp.parse(body).media if one.kind == "video").attributes_of("fmtp")


async def test_an_offer_says_profile_and_level_of_the_stream_and_what_every_phone_has(rig: Rig) -> None:
    one = rig.media(video=VideoWish(send=True, tracks=lambda: [HIGH]))
    said = fmtps(one.offer())
    assert [f.partition("profile-level-id=")[2][:6] for f in said if "profile-level" in f][:2] == ["640028", "42e028"]
    assert len({f.split()[0] for f in said}) == len(said)


async def test_an_answer_keeps_to_the_peer_s_profile_and_to_its_level_without_asymmetry(rig: Rig) -> None:
    one = rig.media(video=VideoWish(send=True, tracks=lambda: [HIGH]))
    two = rig.media(video=VideoWish(receive=True))
    offer = two.offer().replace(b"42e01f", b"640016")
    assert "profile-level-id=640028;" in fmtps(one.answer(offer))[0], "its profile; both may differ in level"
    three = rig.media(video=VideoWish(send=True, tracks=lambda: [HIGH]))
    strict = offer.replace(b";level-asymmetry-allowed=1", b"")
    assert fmtps(three.answer(strict))[0].endswith("profile-level-id=640016;packetization-mode=1")


SETS = "Z0IAH9oBQBbo,aM4PyA=="  # baseline at level 3.1 in all its freedom: constraint_set1 is not set
H265_SETS = "QAEMAf//,QgEBAWA=,RAHA"


async def test_offer_and_answer_carry_the_parameter_sets_and_the_profile_that_they_say(rig: Rig) -> None:
    stream = Track(TrackKind.VIDEO, StreamCodec.H264, 90000, profile="baseline@3.1", sprop=SETS)
    one = rig.media(video=VideoWish(send=True, tracks=lambda: [stream]))
    said = [f for f in fmtps(one.offer()) if "profile-level" in f]
    assert [f.partition("profile-level-id=")[2][:6] for f in said] == ["42001f", "42e01f"] * 2
    assert all(f.endswith(f";sprop-parameter-sets={SETS}") for f in said)
    two = rig.media(video=VideoWish(receive=True))
    three = rig.media(video=VideoWish(send=True, tracks=lambda: [stream]))
    assert fmtps(three.answer(two.offer()))[0].endswith(f";sprop-parameter-sets={SETS}")


@pytest.mark.parametrize(("sprop", "plid"), [(SETS, "42001f"), ("aM4PyA==", "640028"), ("=,Z2Q,Z0I=", "640028")])
def test_a_profile_comes_of_a_whole_sps_only(sprop: str, plid: str) -> None:
    codecs = picture_codecs(("h264",), [replace(HIGH, sprop=sprop)])
    assert f"profile-level-id={plid};" in codecs[0].fmtp


def test_h265_sets_stand_by_kind() -> None:
    stream = Track(TrackKind.VIDEO, StreamCodec.H265, 90000, profile="main@4.0", sprop=f"{H265_SETS},RAHB")
    (codec,) = picture_codecs(("h265",), [stream])
    sets = "sprop-vps=QAEMAf//;sprop-sps=QgEBAWA=;sprop-pps=RAHA,RAHB"
    assert codec.fmtp == f"profile-id=1;level-id=120;{sets}"


async def test_our_parameter_sets_are_not_taken_for_the_peer_s(rig: Rig) -> None:
    stream = Track(TrackKind.VIDEO, StreamCodec.H264, 90000, sprop=SETS)
    one = rig.media(video=VideoWish(send=True, receive=True, tracks=lambda: [stream]))
    two = rig.media(video=VideoWish(send=True, receive=True))
    lines = two.offer().split(b"\r\n")
    one.answer(b"\r\n".join(line for line in lines if b"profile-level-id" not in line))
    assert one.media.video is not None and one.media.video.receive
    assert not any(SETS in coming.codec.fmtp for coming in one.media.video.receive)


async def test_a_stream_that_becomes_known_in_the_call_changes_no_number_of_it(rig: Rig) -> None:
    known: list[Track] = []
    one, two = rig.media(video=VideoWish(send=True, tracks=lambda: known)), rig.media(video=VideoWish(receive=True))
    rig.agree(one, two)
    agreed = one.media.video
    known.append(replace(HIGH, sprop=SETS))
    rig.agree(one, two)
    assert one.media.video == agreed
    offer = fmtps(one.offer())
    assert len({f.split()[0] for f in offer}) == len(offer)
    one.rolled_back()


@pytest.mark.parametrize(
    ("words", "h264", "h265"),
    [
        ("high@4.0", "640028", ""),
        ("baseline@3.1", "42e01f", ""),
        ("baseline@1b", "42f00b", ""),
        ("high@1b", "640009", ""),
        ("main@4.1", "4d0029", "profile-id=1;level-id=123"),
        ("main10@5.0", "", "profile-id=2;level-id=150"),
        ("", "", ""),
        ("high@", "", ""),
        ("high@99.9", "", ""),
        ("profile-77@4.0", "", ""),
    ],
)
def test_profiles_in_the_words_of_sdp(words: str, h264: str, h265: str) -> None:
    assert (profile_level_id(words), h265_fmtp(words)) == (h264, h265)


def test_h265_says_the_stream_s_profile() -> None:
    stream = Track(TrackKind.VIDEO, StreamCodec.H265, 90000, profile="main@4.0")
    codecs = picture_codecs(("h264", "h265"), [stream])
    assert [c.fmtp for c in codecs if c.name == "h265"] == ["profile-id=1;level-id=120"]
    assert all("42e01f" in c.fmtp for c in codecs if c.name == "h264")
