"""Orders about talk groups: who may, what follows, what the record says of it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.facts import Missed
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.principal import Principal
from gateway.model.voice import MemberKind, VoiceId
from gateway.store.rows import AuditRow
from tests.fakes.loop import advance, settle
from tests.unit.core.house import ADMIN, AUDITOR, OPERATOR, OTHER, TECHNICIAN, VIEWER, House, housed
from tests.unit.core.talkers import OPS, RADIO, Channel, member, members, rules, seated, turn


async def order(house: House, by: Principal, action: Action, target: str = "ops", /, **args: Any) -> CommandResult:
    command = Command(uuid.uuid4().hex, by, action, target, house.clock.wall() + 10, args)
    return await house.core.commands.execute(command)


def browser(house: House, id_: str, who: Principal = OPERATOR, **more: Any) -> Any:
    return seated(house, id_, kind=MemberKind.BROWSER, principal=who, **more)


async def record(house: House) -> list[AuditRow]:
    return list(await house.core.audit.read(AUDITOR))


@housed
async def test_press_and_release_by_order(house: House) -> None:
    async with browser(house, "browser:1") as one, seated(house, "sip:2") as two:
        done = await order(house, OPERATOR, Action.TALK_REQUEST, member="browser:1")
        assert (done.outcome, done.data["answer"]) == (Outcome.DONE, "granted")
        assert house.engine.hears(two.voice) == {one.voice}
        two.seat.press()
        assert two.said == ["queued"]
        done = await order(house, OPERATOR, Action.TALK_RELEASE)
        assert done.data["answer"] == "released" and two.said == ["queued", "granted"]
        denied = await order(house, OPERATOR, Action.TALK_REQUEST)
        assert denied.data["answer"] == "queued" and denied.data["position"] == 1
    assert not [row for row in await record(house) if row.act in ("talk.request", "talk.release")]
    waiting = await house.core.store.results.get(done.id)
    assert waiting is None, "a press is not kept on the disk"


@housed
async def test_a_press_does_not_wait_for_the_disk(house: House) -> None:
    def stuck(*_: object) -> Any:
        raise AssertionError("the store was asked")

    async with browser(house, "browser:1") as one, seated(house, "sip:2") as two:
        for name in ("read", "write"):
            setattr(house.core.store.db, name, stuck)
        assert (await order(house, OPERATOR, Action.TALK_REQUEST)).data["answer"] == "granted"
        assert house.engine.hears(two.voice) == {one.voice}
        for name in ("read", "write"):
            delattr(house.core.store.db, name)


@housed
async def test_a_browser_that_goes_silent_loses_the_floor(house: House) -> None:
    async with browser(house, "browser:1") as one, seated(house, "sip:2") as two:
        for _ in range(4):
            await order(house, OPERATOR, Action.TALK_REQUEST)
            await advance(1.0)
        assert house.engine.hears(two.voice) == {one.voice}
        await advance(house.config.talk.press_timeout)
        assert house.engine.hears(two.voice) == set() and one.said == ["granted", "released"]
        assert (await order(house, OPERATOR, Action.TALK_REQUEST)).data["answer"] == "granted"


@housed
async def test_words_of_the_floor_go_to_their_own_principal(house: House) -> None:
    bus = house.core.bus
    async with (
        browser(house, "browser:1", ADMIN),
        bus.subscribe(ADMIN, types=["floor"]) as own,
        bus.subscribe(OPERATOR, types=["floor", "talk"]) as others,
    ):
        await order(house, ADMIN, Action.TALK_REQUEST)
        async for event in own:
            assert not isinstance(event, Missed) and event.data.answer == "granted" and event.subject == OPS
            break
        await settle()
        async for event in others:
            assert not isinstance(event, Missed) and event.type == "talk"
            if event.data.floor.holder:
                break


@housed
async def test_nobody_presses_for_somebody_else(house: House) -> None:
    async with browser(house, "browser:1") as one, seated(house, "sip:2"):
        for who, args, code in (
            (OTHER, {"member": "browser:1"}, "talk-denied"),
            (OPERATOR, {"member": "sip:2"}, "talk-denied"),
            (OPERATOR, {"member": "nobody"}, "no-such-member"),
            (OTHER, {}, "no-such-member"),
            (VIEWER, {}, "denied"),
            (AUDITOR, {}, "denied"),
            (replace(OPERATOR, scope="kit1/ball-1"), {}, "denied"),
            (OPERATOR, {"emergency": "yes"}, "bad-request"),
        ):
            done = await order(house, who, Action.TALK_REQUEST, **args)
            assert (done.outcome is not Outcome.DONE, done.code) == (True, code), args
        assert (await order(house, OPERATOR, Action.TALK_REQUEST, "none")).code == "not-found"
        assert one.said == []
        async with browser(house, "browser:2"):
            two_seats = await order(house, OPERATOR, Action.TALK_REQUEST)
            assert two_seats.outcome is Outcome.REFUSED and "name one" in two_seats.detail


@housed
async def test_a_dispatcher_barges_revokes_mutes_removes(house: House) -> None:
    async with browser(house, "browser:1") as one, seated(house, "sip:2") as two, seated(house, "sip:3") as three:
        two.seat.press()
        assert (await order(house, OPERATOR, Action.TALK_BARGE, on=True)).data["answer"] == "granted"
        assert house.engine.hears(three.voice) == {one.voice, two.voice}
        assert house.core.talk.status(OPS).floor.barging == ("browser:1",)
        await order(house, OPERATOR, Action.TALK_BARGE, on=False)
        assert house.engine.hears(three.voice) == {two.voice}
        taken = await order(house, OPERATOR, Action.TALK_REVOKE)
        assert taken.data == {"holder": "sip:2"} and two.said == ["granted", "revoked floor-taken-back"]
        await order(house, OPERATOR, Action.TALK_MUTE, member="sip:2", on=True)
        two.seat.release()
        two.seat.press()
        assert two.said[-1] == "denied muted" and member(house, "sip:2").muted
        await order(house, OPERATOR, Action.TALK_MUTE, member="sip:2", on=False)
        two.seat.release()
        two.seat.press()
        assert two.said[-1] == "granted"
        await order(house, OPERATOR, Action.TALK_REMOVE, member="sip:2")
        assert two.ends[0][0] == "talk-removed" and members(house) == {"browser:1", "sip:3"}
        assert house.engine.hears(three.voice) == set()
    acts = [row.act for row in await record(house)]
    for act in ("talk.barge", "talk.revoke", "talk.mute", "talk.remove"):
        assert act in acts, act


@housed
async def test_who_is_listened_to_hears_it_and_the_record_says_so(house: House) -> None:
    async with browser(house, "browser:1") as one, seated(house, "sip:2") as two:
        assert (await order(house, OPERATOR, Action.TALK_MONITOR, on=True)).outcome is Outcome.DONE
        assert len(house.engine.voices[two.voice].cues) == 1 and not house.engine.voices[one.voice].cues
        assert member(house, "sip:2").monitored and not member(house, "browser:1").monitored
        assert (await order(house, OPERATOR, Action.TALK_REQUEST)).data["code"] == "listen-only"
        two.seat.press()
        assert house.engine.hears(one.voice) == {two.voice}
        await order(house, OPERATOR, Action.TALK_MONITOR, on=False)
        assert not member(house, "sip:2").monitored
    assert [row.name for row in await record(house) if row.act == "talk.monitor"] == ["otto", "otto"]


@housed
async def test_an_emergency_is_declared_and_cleared(house: House) -> None:
    async with browser(house, "browser:1", emergency=True) as one, seated(house, "sip:2") as two:
        two.seat.press()
        done = await order(house, OPERATOR, Action.TALK_REQUEST, emergency=True)
        assert done.data["answer"] == "granted" and house.core.talk.status(OPS).emergency
        assert house.engine.hears(two.voice) == {one.voice}
        await order(house, OPERATOR, Action.TALK_RELEASE)
        await order(house, OTHER, Action.TALK_EMERGENCY, on=False)
        assert not house.core.talk.status(OPS).emergency
        await order(house, OTHER, Action.TALK_EMERGENCY, on=True)
        assert house.core.talk.status(OPS).emergency
    rows = [(row.name, row.act) for row in await record(house) if row.act == "talk.emergency"]
    assert rows == [("otto", "talk.emergency"), ("olga", "talk.emergency"), ("olga", "talk.emergency")]


@housed
async def test_one_to_all(house: House) -> None:
    rules(house, "fire", number="601")
    rules(house, "medical", number="602")
    async with (
        browser(house, "browser:1") as one,
        seated(house, "sip:2") as two,
        seated(house, "sip:3", group="kit1/talk/fire") as three,
        seated(house, "sip:4", group="kit1/talk/medical", emergency=True) as four,
        seated(house, "sip:5", group="kit1/talk/medical") as five,
    ):
        three.seat.press()
        four.seat.press(emergency=True)
        done = await order(house, OPERATOR, Action.TALK_ALL, groups="fire,602")
        assert done.data["groups"] == "kit1/talk/ops,kit1/talk/fire,kit1/talk/medical"
        assert house.engine.hears(two.voice) == house.engine.hears(three.voice) == {one.voice}
        assert three.said[-1] == "revoked preempted"
        assert house.engine.hears(five.voice) == {one.voice, four.voice}, "beside an emergency, not in its place"
        assert house.engine.hears(one.voice) == set(), "it speaks there, and does not listen"
        await order(house, OPERATOR, Action.TALK_ALL, on=False)
        assert house.engine.hears(two.voice) == set() and house.engine.hears(five.voice) == {four.voice}
        assert members(house, "kit1/talk/fire") == {"sip:3"} and members(house) >= {"browser:1", "sip:2"}
        outside = await order(house, replace(OPERATOR, scope="kit1/talk/ops"), Action.TALK_ALL, groups="fire")
        assert outside.code == "denied"
        for number in range(8):
            rules(house, f"g{number}")
        many = await order(house, OPERATOR, Action.TALK_ALL)
        assert many.code == "too-many" and members(house, "kit1/talk/g0") == set()


@housed
async def test_invite_a_channel_and_take_it_out_again(house: House) -> None:
    rules(house, members=[])
    ball = Channel(house, VoiceId("kit1/ball-1/ch1"), MemberKind.LOUDSPEAKER)
    house.core.talk.offer(ball.offer(on_demand=True, talks=False))
    radio = Channel(house)
    house.core.talk.offer(radio.offer())
    async with seated(house, "sip:1") as one:
        assert (await order(house, OPERATOR, Action.TALK_INVITE, who="ball-1/ch1")).data == {"member": ball.id}
        await settle()
        assert ball.opened == 1 and ball.id in members(house), "opened at once, so that a failure is said"
        one.seat.press()
        assert house.engine.hears(ball.voice) == {one.voice}
        rules(house, talk_timer=30.0)
        assert ball.id in members(house), "the configuration's changes leave it there"
        assert (await order(house, OPERATOR, Action.TALK_REMOVE, member="ball-1/ch1")).outcome is Outcome.DONE
        assert ball.id not in members(house) and not house.engine.hears(ball.voice)
        rules(house, members=["kind:radio"])
        kept = await order(house, OPERATOR, Action.TALK_REMOVE, member=RADIO)
        assert kept.code == "unsupported" and RADIO in members(house)
        for who, code in (
            ("ball-9/ch1", "not-found"),
            ("8001", "no-dialer"),
            ("", "bad-request"),
            ("a b", "bad-request"),
        ):
            assert (await order(house, OPERATOR, Action.TALK_INVITE, who=who)).code == code, who
    await turn()


@housed
async def test_every_role_and_action(house: House) -> None:
    talk = [action for action in Action if action.value.startswith(("talk.", "call."))]
    assert len(talk) == 16
    for action in talk:
        for who in (VIEWER, AUDITOR):
            assert (await order(house, who, action)).code == "denied", action
        assert (await order(house, TECHNICIAN, action)).code != "denied", action


@pytest.mark.parametrize("scope", ["kit1/talk/fire", "kit1/ball-1"])
def test_scopes_bind_orders(tmp_path: Any, scope: str) -> None:
    @housed
    async def check(house: House) -> None:
        bound = replace(ADMIN, scope=scope)
        for action in (Action.TALK_REVOKE, Action.TALK_EMERGENCY, Action.TALK_MUTE, Action.CALL_PLACE):
            assert (await order(house, bound, action, member="x", number="1")).code == "denied", action

    check(tmp_path)
