"""Seats in a kit's talk group, and its loudspeakers in groups and conversations of ours."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from gateway.base.errors import Busy, Denied, LinkDown, NotFound
from gateway.contract.voice import KeyedBy
from gateway.model.ids import DeviceId
from gateway.model.principal import Principal, Role
from gateway.model.voice import FloorAnswer, GroupMode, MemberState, Spurt
from tests.fakes.loop import advance, settle
from tests.unit.core.a_kit import FAR_OPS, FRONT, LOUDSPEAKER, OPS_STATUS, a_kit
from tests.unit.core.house import AUDITOR, OPERATOR, VIEWER, House, housed
from tests.unit.core.talkers import seated


@housed
async def test_groups_of_kits_are_listed_and_found(house: House) -> None:
    hold, bundle = await a_kit(house)
    view = house.core.services("1", None, None).talk  # type: ignore[arg-type]
    assert [group.id for group in view.groups(VIEWER)] == ["kit1/talk/ops", FAR_OPS]
    assert view.group(VIEWER, "7600") == view.group(VIEWER, FAR_OPS) == OPS_STATUS
    assert house.core.talk.resolve("7600") == FAR_OPS and house.core.talk.status(FAR_OPS) == OPS_STATUS
    with pytest.raises(Denied):
        view.group(Principal("lena", Role.VIEWER, "s", scope="kit8"), FAR_OPS)
    with pytest.raises(NotFound):
        view.group(VIEWER, "kit7/talk/other")
    spurt = Spurt("01S", FAR_OPS, "sip:8001", "sip", "Gate", "normal", False, 1.0, 2.0, "release")  # type: ignore[arg-type]
    bundle.answers([{**{name: getattr(spurt, name) for name in Spurt.__dataclass_fields__}}])
    (told,) = await view.spurts(VIEWER, FAR_OPS, limit=5)
    assert told.name == "Gate" and bundle.asked[0][0].query == "limit=5"
    assert view.levels(VIEWER, FAR_OPS) == {}
    hold.down("kit-offline")
    assert view.group(VIEWER, FAR_OPS).floor.holder == "" and await view.spurts(VIEWER, FAR_OPS) == ()


@housed
async def test_the_floor_is_the_kits(house: House) -> None:
    _, bundle = await a_kit(house)
    async with seated(house, "browser:1", group=FAR_OPS, principal=OPERATOR) as otto:
        await settle()
        (line,) = bundle.lines
        assert otto.seat.member == "browser:1@kit1" and otto.seat.group == FAR_OPS
        assert house.engine.hears(otto.voice) == {line.voice} and house.engine.hears(line.voice) == set()
        otto.seat.press()
        await settle()
        assert line.pressed == ["press"] and line.sends == [False], "nothing is sent before the kit says so"
        line.says(FloorAnswer.QUEUED)
        assert house.engine.hears(line.voice) == set()
        line.says(FloorAnswer.GRANTED)
        assert house.engine.hears(line.voice) == {otto.voice} and line.sends == [False, True]
        line.says(FloorAnswer.REVOKED, "talk-timer")
        assert house.engine.hears(line.voice) == set() and line.sends[-1] is False
        otto.seat.release()
        await settle()
        assert line.pressed == ["press", "release"]
        assert otto.said == ["queued", "granted", "revoked talk-timer"]
        line.hears(True)
        line.hears(False)
        assert otto.transmits == [True, False]
    acts = [(row.act, row.target) for row in await house.core.audit.read(AUDITOR) if row.act.startswith("talk.")]
    assert acts == [("talk.join", FAR_OPS), ("talk.leave", FAR_OPS)]


@housed
async def test_words_reach_the_browser_of_whom_they_are_for(house: House) -> None:
    _, bundle = await a_kit(house)
    async with (
        house.core.bus.subscribe(OPERATOR, types=["floor"]) as mine,
        house.core.bus.subscribe(VIEWER, types=["floor"]) as others,
        seated(house, "browser:1", group=FAR_OPS, principal=OPERATOR),
    ):
        await settle()
        bundle.lines[0].says(FloorAnswer.GRANTED)
        event = await asyncio.wait_for(anext(aiter(mine)), 5)
        assert event.subject == FAR_OPS and event.data.answer is FloorAnswer.GRANTED  # type: ignore[union-attr]
        assert not others._waiting


@housed
async def test_a_phone_that_is_keyed_by_voice_or_digit(house: House) -> None:
    _, bundle = await a_kit(house)
    async with (
        seated(house, "sip:1", group=FAR_OPS, keyed_by=KeyedBy.VOICE) as voice,
        seated(house, "sip:2", group=FAR_OPS, keyed_by=KeyedBy.DIGIT) as digit,
    ):
        await settle()
        house.engine.talking(voice.voice)
        house.engine.dtmf(digit.voice, "*")
        await settle()
        house.engine.quiet(voice.voice)
        house.engine.dtmf(digit.voice, "#")
        await settle()
        assert [line.pressed for line in bundle.lines] == [["press", "release"], ["press", "release"]]


@housed
async def test_a_press_that_does_not_reach_the_kit_is_denied_in_words(house: House) -> None:
    _, bundle = await a_kit(house)
    async with seated(house, "browser:1", group=FAR_OPS, principal=OPERATOR) as otto:
        await settle()
        bundle.lines[0].failing = LinkDown("no answer", code="kit-unreachable")
        otto.seat.press()
        await settle()
        assert otto.said == ["denied kit-unreachable"]


@housed
async def test_a_seat_outlives_the_link(house: House) -> None:
    hold, bundle = await a_kit(house)
    async with seated(house, "browser:1", group=FAR_OPS, principal=OPERATOR) as otto:
        await settle()
        bundle.lines[0].says(FloorAnswer.GRANTED)
        hold.reachable(False, "kit-unreachable")
        bundle.lines[0].end("kit-unreachable", "no path")
        await settle()
        assert otto.seat.shown_state is MemberState.HELD and otto.seat.code == "kit-unreachable"
        await advance(30.0)
        assert len(bundle.lines) == 1 and otto.ends == []
        hold.reachable(True)
        bundle.failing = Busy("full", code="group-full")
        await advance(1.0)
        assert otto.seat.code == "group-full"
        bundle.failing = None
        await advance(1.0)
        first, second = bundle.lines
        assert otto.seat.shown_state is MemberState.UP and otto.seat.code == ""
        assert house.engine.hears(otto.voice) == {second.voice} and house.engine.hears(second.voice) == set()
        assert first.voice != second.voice


@housed
async def test_who_is_put_out_by_the_kit_is_out(house: House) -> None:
    _, bundle = await a_kit(house)
    async with seated(house, "browser:1", group=FAR_OPS, principal=OPERATOR) as otto:
        await settle()
        bundle.lines[0].end("talk-removed", "by wang")
        await settle()
        assert otto.ends == [("talk-removed", "by wang")]


@housed
async def test_who_may_not_and_where_nobody_answers(house: House) -> None:
    hold, bundle = await a_kit(house)
    for who in (AUDITOR, replace(OPERATOR, scope="kit7/ball-1")):
        with pytest.raises(Denied):
            async with seated(house, "browser:1", group=FAR_OPS, principal=who):
                pass
    async with seated(house, "browser:1", group=FAR_OPS, principal=VIEWER):
        assert bundle.wishes[-1].may_talk is False
    bundle.failing = Denied("the center may only listen", code="talk-denied")
    with pytest.raises(Denied):
        async with seated(house, "browser:1", group=FAR_OPS, principal=OPERATOR):
            pass
    hold.down("kit-offline")
    with pytest.raises(LinkDown) as away:
        async with seated(house, "browser:1", group=FAR_OPS, principal=OPERATOR):
            pass
    assert away.value.code == "kit-offline"


@housed
async def test_a_loudspeaker_of_a_kit_is_talked_to(house: House) -> None:
    hold, bundle = await a_kit(house)
    async with seated(house, "browser:1", group=FRONT, principal=OPERATOR, converse=True) as otto:
        await settle()
        (line,) = bundle.lines
        assert bundle.wishes[0].principal is not None and bundle.opened == [], "no picture for its sound"
        house.engine.talking(otto.voice)
        house.engine.talking(line.voice)
        await settle()
        assert house.engine.hears(line.voice) == {otto.voice} and house.engine.hears(otto.voice) == {line.voice}
        assert line.sends == [True]
    (endpoint,) = house.core.talk.members.endpoints()
    assert endpoint.online
    hold.reachable(False, "kit-unreachable")
    assert not endpoint.online
    hold.voices([])
    await settle()
    assert house.core.talk.members.endpoints() == []


@housed
async def test_a_voice_whose_device_is_away_at_home_is_shown_so(house: House) -> None:
    hold, _ = await a_kit(house)
    hold.voices([replace(LOUDSPEAKER, online=False)])
    await settle()
    (endpoint,) = house.core.talk.members.endpoints()
    assert not endpoint.online and endpoint.device == DeviceId("kit7/ball-1")
    assert OPS_STATUS.mode is GroupMode.HALF and json.dumps([]) == "[]"
