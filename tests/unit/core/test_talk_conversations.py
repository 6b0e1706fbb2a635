"""Conversations: with a device's channel, for a call that rings, and how they end."""

from __future__ import annotations

import pytest

from gateway.base.errors import Busy, Denied, NotFound, PeerError
from gateway.model.ids import StreamId
from gateway.model.voice import GroupMode, MemberKind, MemberState, VoiceId
from tests.fakes.loop import advance, settle
from tests.unit.core.house import AUDITOR, OPERATOR, VIEWER, House, housed
from tests.unit.core.talkers import RADIO, Channel, Person, member, members, rules, seated, turn
from tests.unit.core.test_streams import STREAM, Source, goes_live

BALL = VoiceId(STREAM)
MIC = f"{STREAM}:mic"


def tap(house: House) -> int:
    return next(voice for voice, made in house.engine.voices.items() if made.what == "open_voice_tap")


def where(person: Person) -> str:
    return person.seat.group


@housed
async def test_a_person_and_a_ball_hear_each_other(house: House) -> None:
    house.core.streams.offer(Source().offer())
    ball = Channel(house, BALL, MemberKind.LOUDSPEAKER)
    house.core.talk.offer(ball.offer(on_demand=True, talks=False, idle_close_s=5.0))
    async with seated(
        house, "browser:1", converse=True, group="ball-1/ch1", kind=MemberKind.BROWSER, principal=OPERATOR
    ) as one:
        await settle()
        group = where(one)
        assert group == "kit1/talk/call-1" and house.core.talk.status(one.seat.group).mode is GroupMode.FULL
        assert members(house, group) == {"browser:1", BALL, MIC} and ball.opened == 1
        microphone = tap(house)
        assert house.engine.hears(one.voice) == {microphone} and one.voice in house.engine.hears(ball.voice)
        assert house.engine.guards == {microphone: ball.voice}, "the echo guard stands between the two"
        # What the microphone says alone is not sent to its own loudspeaker.
        house.engine.talking(microphone)
        await turn()
        assert house.engine.hears(ball.voice) == {one.voice} and ball.transmits == []
        house.engine.talking(one.voice)
        await turn()
        assert house.engine.hears(ball.voice) == {one.voice} and ball.transmits == [True]
        assert house.core.streams.status(STREAM).viewers >= 1
    await settle()
    await advance(house.config.streams.idle_close + 6.0)
    assert ball.closed == 1 and house.engine.rooms == {} and house.engine.voices == {}
    assert house.core.streams.status(STREAM).viewers == 0
    with pytest.raises(NotFound):
        house.core.talk.resolve(group)


@housed
async def test_a_loudspeaker_that_does_not_open_ends_nothing(house: House) -> None:
    house.core.streams.offer(Source().offer())
    ball = Channel(house, BALL, MemberKind.LOUDSPEAKER, failing=PeerError("no", code="invite-refused"))
    house.core.talk.offer(ball.offer(on_demand=True, talks=False))
    async with seated(house, "sip:1", converse=True, group=STREAM) as one:
        await settle()
        shown = member(house, BALL, where(one))
        assert (shown.state, shown.code) == (MemberState.WAITING, "invite-refused") and one.ends == []
        assert house.engine.hears(one.voice) == {tap(house)}


@housed
async def test_whom_one_brings_into_a_conversation(house: House) -> None:
    house.core.streams.offer(Source().offer())
    house.core.streams.offer(Source().offer(StreamId("kit1/ball-2/ch1")))
    other = Channel(house, VoiceId("kit1/ball-2/ch1"), MemberKind.LOUDSPEAKER)
    house.core.talk.offer(other.offer(on_demand=True, talks=False))
    async with seated(house, "sip:1", converse=True, group=STREAM) as one:
        group = house.core.talk.group(where(one))
        house.core.talk.members.invite(group, house.core.talk.members.endpoints()[0])
        await settle()
        house.core.talk.members.reconcile()
        assert members(house, group.id) == {"sip:1", MIC, other.id, f"{other.id}:mic"}
        async with seated(house, "sip:2", group=group.id):
            pass
        assert one.ends == [], "it goes on with the ball"
        with pytest.raises(Busy):
            async with seated(house, other.id, group=group.id):
                pass
        assert other.id in members(house, group.id)


@housed
async def test_a_viewer_listens_only(house: House) -> None:
    house.core.streams.offer(Source().offer())
    ball = Channel(house, BALL, MemberKind.LOUDSPEAKER)
    house.core.talk.offer(ball.offer(on_demand=True, talks=False))
    async with seated(house, "browser:1", converse=True, group=STREAM, principal=VIEWER) as one:
        await settle()
        assert ball.opened == 0 and members(house, where(one)) == {"browser:1", MIC}
        assert not member(house, "browser:1", where(one)).may_talk
    for who, wrong in ((AUDITOR, STREAM), (OPERATOR, "ball-9/ch1"), (OPERATOR, "what is this")):
        with pytest.raises((Denied, NotFound)):
            async with seated(house, "browser:1", converse=True, group=wrong, principal=who):
                pass
    await turn()
    rows = [row.act for row in await house.core.audit.read(AUDITOR)]
    assert "view.start" in rows and "talk.join" in rows and "talk.leave" in rows


@housed
async def test_a_tap_that_closes_is_opened_anew(house: House) -> None:
    house.core.streams.offer(Source().offer())
    async with seated(house, "sip:1", converse=True, group=STREAM) as one:
        await goes_live(house)
        first = tap(house)
        house.engine.voice_closed(first, "stream-panic")
        await turn()
        assert first not in house.engine.voices
        await advance(3.0)
        assert house.engine.hears(one.voice) == {tap(house)} and tap(house) != first


@housed
async def test_the_stream_is_withdrawn_under_it(house: House) -> None:
    house.core.streams.offer(Source().offer())
    async with seated(house, "sip:1", converse=True, group=STREAM) as one:
        await settle()
        house.core.streams.withdraw(StreamId(STREAM))
        for voice, made in list(house.engine.voices.items()):
            if made.what == "open_voice_tap":
                house.engine.voice_closed(voice)
        await turn()
        await advance(3.0)
        assert one.ends == [] and member(house, MIC, where(one)).state is MemberState.WAITING


@housed
async def test_with_a_radio_channel_there_is_no_stream_to_view(house: House) -> None:
    radio = Channel(house)
    house.core.talk.offer(radio.offer())
    async with seated(house, "browser:1", converse=True, group="radio-1/ch1", principal=OPERATOR) as one:
        await settle()
        assert members(house, where(one)) == {"browser:1", RADIO}
        radio.line.press()
        assert radio.voice in house.engine.hears(one.voice)
        house.engine.talking(one.voice)
        await turn()
        assert radio.transmits == [True]


@housed
async def test_a_call_that_rings_waits_for_a_person_and_is_over_when_one_leaves(house: House) -> None:
    async with seated(house, "sip:9", waiting=True, group="from the gate") as caller:
        group = where(caller)
        assert house.core.talk.status(caller.seat.group).adhoc and caller.ends == []
        async with seated(house, "browser:1", group=group, principal=OPERATOR) as one:
            assert house.engine.hears(caller.voice) == {one.voice}
            async with seated(house, "sip:8", group=group) as third:
                assert house.engine.hears(third.voice) == {one.voice, caller.voice}
            assert caller.ends == [] and one.ends == [], "two are left"
        assert caller.ends == [("conversation-over", "")]
        with pytest.raises(NotFound):
            house.core.talk.resolve(group)


@housed
async def test_conversations_are_bounded_and_ids_are_not_used_twice(house: House) -> None:
    object.__setattr__(house.config, "talk", house.config.talk.model_copy(update={"max_conversations": 1}))
    async with seated(house, "sip:1", waiting=True, group="one") as one:
        with pytest.raises(Busy) as many:
            async with seated(house, "sip:2", waiting=True, group="two"):
                pass
        assert many.value.code == "too-many" and where(one) == "kit1/talk/call-1"
    async with seated(house, "sip:1", waiting=True, group="one") as one:
        assert where(one) == "kit1/talk/call-2"


@housed
async def test_a_channels_microphone_in_a_group(house: House) -> None:
    house.core.streams.offer(Source().offer())
    rules(house, members=["ball-1/ch1"])
    async with seated(house, "sip:1"):
        assert MIC not in members(house), "half duplex: only where the configuration says so"
        rules(house, talks=["ball-1/ch1"])
        await settle()
        assert member(house, MIC).kind is MemberKind.DEVICE
    async with seated(house, "sip:1") as one:
        await settle()
        microphone = tap(house)
        assert house.engine.hears(one.voice) == set()
        house.engine.talking(microphone)
        await turn()
        assert (
            house.engine.hears(one.voice) == {microphone} and house.core.talk.status(one.seat.group).floor.holder == MIC
        )
        house.engine.quiet(microphone)
        await turn()
        assert house.engine.hears(one.voice) == set()
    await settle()
    assert house.engine.voices == {}, "nobody listens: it is let go"
    rules(house, mode="full", talks=[])
    async with seated(house, "sip:1") as one:
        await settle()
        assert house.engine.hears(one.voice) == {tap(house)}, "full duplex: every channel of the members"


@housed
async def test_an_offer_that_comes_later_joins_its_group(house: House) -> None:
    rules(house, mode="full", members=["ball-1/ch1"])
    async with seated(house, "sip:1") as one:
        await settle()
        assert members(house) == {"sip:1"}
        house.core.streams.offer(Source().offer())
        ball = Channel(house, BALL, MemberKind.LOUDSPEAKER)
        house.core.talk.offer(ball.offer(on_demand=True, talks=False))
        await settle()
        assert members(house) == {"sip:1", BALL, MIC} and house.engine.hears(one.voice) == {tap(house)}
        house.core.talk.withdraw(BALL)
        await settle()
        assert members(house) == {"sip:1", MIC} and house.engine.guards == {}
