"""Talk groups with members and the media plane in memory: who is heard by whom, and what is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.base.errors import Busy, Denied, NotFound
from gateway.contract.voice import KeyedBy
from gateway.model.alarm import AlarmSeverity
from gateway.model.principal import SYSTEM
from gateway.model.voice import FloorState, MemberKind, MemberState
from tests.fakes.loop import advance, settle
from tests.unit.core.house import AUDITOR, OPERATOR, VIEWER, House, housed
from tests.unit.core.talkers import OPS, member, members, routes, rules, seated, spurts, turn


@housed
async def test_the_holder_is_heard_by_the_others_at_once(house: House) -> None:
    async with seated(house, "sip:1") as one, seated(house, "sip:2") as two, seated(house, "sip:3") as three:
        assert house.engine.hears(two.voice) == set()
        one.seat.press()
        # No turn of the loop lies between the key and the route.
        assert house.engine.hears(two.voice) == house.engine.hears(three.voice) == {one.voice}
        assert house.engine.hears(one.voice) == set()
        status = house.core.talk.status(OPS)
        assert (status.floor.state, status.floor.holder) == (FloorState.TAKEN, "sip:1")
        assert member(house, "sip:1").talking
        one.seat.release()
        assert house.engine.hears(two.voice) == set()
        assert one.said == ["granted", "released"] and two.said == []


@housed
async def test_a_newcomer_hears_who_talks(house: House) -> None:
    async with seated(house, "sip:1") as one:
        one.seat.press()
        async with seated(house, "sip:2") as late:
            assert house.engine.hears(late.voice) == {one.voice} and late.transmits == [True]
            one.seat.release()
            assert late.transmits == [True, False]


@housed
async def test_rights_to_talk_and_to_listen(house: House) -> None:
    async with (
        seated(house, "sip:1") as one,
        seated(house, "browser:v", principal=VIEWER, kind=MemberKind.BROWSER) as viewer,
        seated(house, "sip:deaf", may_listen=False) as deaf,
    ):
        viewer.seat.press()
        assert viewer.said == ["denied listen-only"] and house.engine.hears(one.voice) == set()
        one.seat.press()
        assert house.engine.hears(viewer.voice) == {one.voice} and house.engine.hears(deaf.voice) == set()
        assert deaf.transmits == []
    with pytest.raises(Denied) as refused:
        async with seated(house, "browser:a", principal=AUDITOR):
            pass
    assert refused.value.code == "talk-denied"
    with pytest.raises(NotFound):
        async with seated(house, "sip:1", group="kit1/talk/none"):
            pass


@housed
async def test_scopes_end_at_their_group(house: House) -> None:
    async with seated(house, "browser:1", principal=replace(OPERATOR, scope="kit1/talk/ops")) as one:
        one.seat.press()
        assert one.said == ["granted"]
    with pytest.raises(Denied):
        async with seated(house, "browser:1", principal=replace(OPERATOR, scope="kit1/ball-1")):
            pass


@housed
async def test_keyed_by_voice(house: House) -> None:
    async with (
        seated(house, "sip:1", keyed_by=KeyedBy.VOICE) as one,
        seated(house, "sip:2", keyed_by=KeyedBy.VOICE) as two,
    ):
        house.engine.talking(one.voice)
        await turn()
        assert house.engine.hears(two.voice) == {one.voice}
        house.engine.talking(two.voice)
        await turn()
        assert two.said == ["queued"]
        house.engine.quiet(one.voice)
        await turn()
        assert house.engine.hears(one.voice) == {two.voice}, "who waited has it now"
        # Its packets stop without a last word: the floor does not stay with it.
        house.engine.stopped(two.voice)
        await turn()
        assert two.said[-1] == "released" and house.engine.hears(one.voice) == set()


@housed
async def test_keyed_by_digit(house: House) -> None:
    async with seated(house, "sip:1", keyed_by=KeyedBy.DIGIT) as one, seated(house, "sip:2") as two:
        for digit, heard in (("5", False), ("*", True), ("#", False), ("#", False)):
            house.engine.dtmf(one.voice, digit)
            await turn()
            assert (house.engine.hears(two.voice) == {one.voice}) is heard, digit


@housed
async def test_cues_go_to_the_member_concerned_only(house: House) -> None:
    async with (
        seated(house, "sip:1") as one,
        seated(house, "sip:2") as two,
        seated(house, "radio:1", kind=MemberKind.RADIO) as radio,
    ):
        one.seat.press()
        two.seat.press()
        radio.seat.press()
        cues = {voice: len(made.cues) for voice, made in house.engine.voices.items()}
        assert cues == {one.voice: 1, two.voice: 1, radio.voice: 0}, "no tone goes on the air"
        one.seat.press()
        two.seat.press()
        assert len(house.engine.did("cue")) == 2, "a key that is held says nothing twice"


@housed
async def test_a_radio_keys_while_somebody_else_is_heard(house: House) -> None:
    async with seated(house, "radio:1", kind=MemberKind.RADIO) as radio, seated(house, "sip:1") as one:
        one.seat.press()
        assert radio.transmits == [True]
        house.engine.stopped(one.voice)
        await turn()
        assert radio.transmits == [True, False], "the talker's packets stopped"
        house.engine.voice_event(one.voice, "media", detail="pcma")
        await turn()
        assert radio.transmits == [True, False, True] and member(house, "sip:1").codec == "pcma"
        one.seat.release()
        radio.seat.press()
        assert radio.transmits[-1] is False, "it does not key for itself"


@housed
async def test_a_stuck_key_ends_with_the_talk_timer(house: House) -> None:
    async with seated(house, "radio:1", kind=MemberKind.RADIO) as radio, seated(house, "sip:1") as one:
        radio.seat.press()
        await advance(house.config.talk.group["ops"].talk_timer + 0.1)
        assert radio.said == ["granted", "revoked talk-timer"] and house.engine.hears(one.voice) == set()
        for _ in range(5):
            radio.seat.press()
        assert len(radio.said) == 2 and not member(house, "radio:1").talking
        one.seat.press()
        assert house.engine.hears(radio.voice) == {one.voice}
        one.seat.release()
        radio.seat.release()
        await advance(1.0)
        radio.seat.press()
        assert radio.said[-1] == "granted"


@housed
async def test_a_member_that_vanishes_while_it_holds(house: House) -> None:
    async with seated(house, "sip:2") as two:
        async with seated(house, "sip:1") as one:
            one.seat.press()
            two.seat.press()
            await advance(2.0)
        assert two.said == ["queued", "granted"] and members(house) == {"sip:2"}
        await turn()
    kept = await spurts(house)
    assert {(s.member, s.ended_by) for s in kept} == {("sip:1", "gone"), ("sip:2", "gone")}
    first = next(s for s in kept if s.member == "sip:1")
    assert 1.9 < first.ended - first.began < 2.5 and first.kind is MemberKind.SIP


@housed
async def test_a_voice_that_the_media_plane_closes(house: House) -> None:
    async with seated(house, "sip:1") as one, seated(house, "sip:2") as two:
        heard: list[str] = []
        two.seat.heard(lambda event: heard.append(event.state))
        one.seat.press()
        house.engine.voice_closed(one.voice, "link-down")
        house.engine.stopped(two.voice)
        await turn()
        assert one.said == ["granted", "released"] and member(house, "sip:1").code == "link-down"
        assert heard == ["stopped"], "its owner hears its events"
        # A new voice after a re-INVITE: the old one has left the room, nothing of it is heard any more.
        fresh = house.engine.a_voice()
        one.seat.voice(fresh)
        house.engine.talking(one.voice)
        await turn()
        assert not routes(house, one.voice) and member(house, "sip:1").state is MemberState.UP
        one.seat.press()
        assert house.engine.hears(two.voice) == {fresh} and one.said[-1] == "granted"
        house.engine.close_voice(fresh)


@housed
async def test_hold_is_neither_heard_nor_hears(house: House) -> None:
    async with seated(house, "sip:1") as one, seated(house, "sip:2") as two:
        one.seat.press()
        one.seat.say("held", held=True)
        assert member(house, "sip:1").state is MemberState.HELD and house.engine.hears(two.voice) == set()
        one.seat.say("")
        assert house.engine.hears(two.voice) == {one.voice}


@housed
async def test_group_full_and_a_second_seat_of_the_same_id(house: House) -> None:
    rules(house, max_members=2)
    async with seated(house, "sip:1") as one, seated(house, "sip:2"):
        with pytest.raises(Busy) as full:
            async with seated(house, "sip:3"):
                pass
        assert full.value.code == "group-full"
        async with seated(house, "sip:1") as again:
            assert one.ends == [("session-replaced", "")] and members(house) == {"sip:1", "sip:2"}
            one.seat.press()
            assert one.said == [], "what was replaced does nothing any more"
            again.seat.press()
            assert again.said == ["granted"]


@housed
async def test_an_emergency_is_told_to_all(house: House) -> None:
    async with (
        seated(house, "sip:1") as one,
        seated(house, "browser:1", kind=MemberKind.BROWSER, emergency=True) as two,
        seated(house, "sip:3") as three,
    ):
        one.seat.press()
        two.seat.press(emergency=True)
        assert house.engine.hears(three.voice) == {two.voice}, "at once"
        assert one.said == ["granted", "revoked emergency"] and two.said == ["granted"]
        assert house.core.talk.status(OPS).emergency
        assert len(house.engine.voices[three.voice].cues) == 1
        two.seat.release()
        assert house.core.talk.status(OPS).emergency, "until somebody clears it"


@housed
async def test_two_groups_do_not_hear_each_other(house: House) -> None:
    rules(house, "fire", number="601")
    async with (
        seated(house, "sip:1") as one,
        seated(house, "sip:2") as two,
        seated(house, "sip:1", group="kit1/talk/fire") as other,
        seated(house, "sip:4", group="kit1/talk/fire") as four,
    ):
        one.seat.press()
        other.seat.press()
        assert house.engine.hears(two.voice) == {one.voice} and house.engine.hears(four.voice) == {other.voice}
        assert house.core.talk.resolve("601") == "kit1/talk/fire" == house.core.talk.resolve("fire")


@housed
async def test_configuration_changes_under_those_who_talk(house: House) -> None:
    rules(house, "fire", number="601")
    async with seated(house, "sip:1") as one, seated(house, "sip:2", group="kit1/talk/fire") as two:
        one.seat.press()
        del house.config.talk.group["fire"]
        rules(house, talk_timer=5.0)
        assert two.ends == [("group-removed", "")] and one.ends == []
        assert one.said == ["granted"] and house.engine.rooms, "a talk under way goes on"
        await advance(5.1)
        assert one.said[-1] == "revoked talk-timer"
        with pytest.raises(NotFound):
            house.core.talk.resolve("601")


@housed
async def test_changes_are_told_once_a_turn_latest_wins(house: House) -> None:
    seen: list[FloorState] = []

    async def watch() -> None:
        async for status in house.core.talk.changes(OPS):
            seen.append(status.floor.state)

    async with house.core.bus.subscribe(VIEWER, types=["talk"]) as events, seated(house, "sip:1") as one:
        watcher = asyncio.create_task(watch())
        await settle()
        one.seat.press()
        one.seat.release()
        one.seat.press()
        await settle()
        assert seen[-1] is FloorState.TAKEN and len(seen) <= 3
        told = []
        async for event in events:
            told.append(event)
            if event.data.floor.state is FloorState.TAKEN:  # type: ignore[union-attr]
                break
        assert len(told) <= 4 and all(event.subject == OPS for event in told)  # type: ignore[union-attr]
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


@housed
async def test_full_duplex_all_hear_all(house: House) -> None:
    rules(house, mode="full")
    async with (
        seated(house, "sip:1") as one,
        seated(house, "sip:2") as two,
        seated(house, "radio:1", kind=MemberKind.RADIO) as radio,
    ):
        assert house.engine.hears(one.voice) == {two.voice, radio.voice}
        assert radio.transmits == [], "a radio keys only when somebody speaks"
        house.engine.talking(one.voice)
        await turn()
        assert radio.transmits == [True] and member(house, "sip:1").talking
        await advance(1.0)
        house.engine.quiet(one.voice)
        house.engine.talking(two.voice)
        house.engine.quiet(two.voice)
        await turn()
        assert radio.transmits[-1] is False
    await turn()
    (spurt,) = await spurts(house)
    assert spurt.member == "sip:1", "a cough is no spurt"


@housed
async def test_an_emergency_is_an_alarm_that_is_kept(house: House) -> None:
    async with (
        house.core.bus.subscribe(SYSTEM, types=["alarm"]) as events,
        seated(house, "browser:1", kind=MemberKind.BROWSER, emergency=True) as one,
    ):
        one.seat.press(emergency=True)
        told = await asyncio.wait_for(anext(aiter(events)), 5)
    (alarm,) = await house.core.alarms.recent(SYSTEM)
    assert told.data == alarm
    assert (alarm.device, alarm.channel, alarm.kind) == ("kit1/talk", "ops", "emergency-call")
    assert alarm.severity is AlarmSeverity.CRITICAL
    assert "browser:1" in alarm.description
