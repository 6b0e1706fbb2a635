"""Somebody at a center talks into a kit's group and to a ball there: the floor is the kit's, sound goes both ways."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.base.errors import GatewayError
from gateway.contract.voice import KeyedBy, SeatWish, VoiceLine, VoiceOffer
from gateway.core.talk_party import Party
from gateway.model.command import Action
from gateway.model.ids import DeviceId
from gateway.model.principal import Role
from gateway.model.voice import FloorAnswer, FloorWord, GroupId, MemberKind, MemberState, VoiceId
from tests.unit.uplink.rig import FRONT, OTTO, VERA, Pair, a_pair, until

OPS = GroupId("kit7/talk/ops")


def wish(words: list[FloorWord], member: str = "browser:1", **more: object) -> SeatWish:
    made = SeatWish(member, MemberKind.BROWSER, "Otto", KeyedBy.ORDER, principal=OTTO, on_word=words.append)
    return replace(made, **more)  # type: ignore[arg-type]


async def sit(pair: Pair, stack: AsyncExitStack, seat_wish: SeatWish) -> tuple[Party, int]:
    await until("the group is known", lambda: any(g.id == OPS for g in pair.center.core.fleet.groups()))
    seat = await stack.enter_async_context(pair.center.core.talk.seat(OPS, seat_wish))
    voice = pair.center.engine.a_voice()
    seat.voice(voice)
    return seat, voice  # type: ignore[return-value]


async def test_the_word_is_the_kits_and_the_sound_goes_both_ways(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair, AsyncExitStack() as stack:
        words: list[FloorWord] = []
        seat, voice = await sit(pair, stack, wish(words))
        kit_group = pair.kit.core.talk.group(OPS)
        assert seat.member == "browser:1@county" and seat.member in kit_group.places
        place = kit_group.places[seat.member]
        assert place.party.wish.name == "Otto@county" and place.party.wish.principal.role is Role.OPERATOR  # type: ignore[union-attr]
        # One flow each way, of datagrams, twice over the best links.
        for side in (pair.kit, pair.center):
            out, took = side.engine.did("bundle_flow")
            assert {out["way"], took["way"]} == {"out", "in"}
            sent = out if out["way"] == "out" else took
            assert (sent["carries"], sent["klass"], sent["mode"], sent["playout_ms"]) == (
                "datagrams",
                "voice",
                "duplicate",
                200,
            )
        # A press from the console is an order; the kit's floor grants it.
        result = await pair.center.order(Action.TALK_REQUEST, OPS, member=seat.member)
        assert result.data["answer"] == "granted"
        await until("the word comes back", lambda: words)
        assert words[0].answer is FloorAnswer.GRANTED and kit_group.floor.holder == seat.member
        line = next(v for v in pair.center.engine.voices.values() if v.what == "open_voice_session")
        assert line.settings["transmit"] == "always"
        await until("the floor is shown at the center", lambda: _floor(pair) == seat.member)
        # Somebody at the kit must wait.
        kit_words: list[FloorWord] = []
        lena = await stack.enter_async_context(
            pair.kit.core.talk.seat(OPS, wish(kit_words, "sip:8001", principal=None))
        )
        lena.voice(pair.kit.engine.a_voice())
        lena.press()
        assert kit_words[0].answer is FloorAnswer.QUEUED
        await pair.center.order(Action.TALK_RELEASE, OPS, member=seat.member)
        await until("the floor moves on", lambda: kit_group.floor.holder == "sip:8001")
        await until("released", lambda: words[-1].answer is FloorAnswer.RELEASED)
        assert line.settings["transmit"] == "never"
        kit_leg = next(v for v in pair.kit.engine.voices.values() if v.what == "open_voice_session")
        await until("the kit sends what is heard", lambda: kit_leg.settings["transmit"] == "always")
        assert voice in pair.center.engine.voices
    assert not [v for v in pair.kit.engine.voices.values() if v.what == "open_voice_session"]


async def test_a_seat_is_taken_back_when_the_session_is(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair, AsyncExitStack() as stack:
        words: list[FloorWord] = []
        seat, _ = await sit(pair, stack, wish(words))
        pair.net.down("kit7", "link-down")
        await until("it waits", lambda: seat.shown_state is MemberState.HELD)
        group = pair.kit.core.talk.group(OPS)
        await until("the kit lets it go", lambda: seat.member not in group.places)
        pair.net.connect("kit7")
        await until("it sits again", lambda: seat.member in group.places and seat.shown_state is MemberState.UP)


async def test_an_order_without_a_seat_and_a_wish_that_is_refused(tmp_path: Path) -> None:
    async with a_pair(tmp_path, role=Role.VIEWER) as pair, AsyncExitStack() as stack:
        words: list[FloorWord] = []
        seat, _ = await sit(pair, stack, wish(words))
        place = pair.kit.core.talk.group(OPS).places[seat.member]
        assert not place.talks, "the center may only listen there"
        refused = await pair.center.order(Action.TALK_REQUEST, OPS, member=seat.member)
        assert refused.code == "denied"
        with pytest.raises(GatewayError):
            async with pair.center.core.talk.seat(OPS, wish(words, principal=replace(VERA, scope="kit8"))):
                pass


async def test_a_balls_loudspeaker_is_opened_over_the_bundle(tmp_path: Path) -> None:
    opened: list[VoiceLine] = []

    async def open_(line: VoiceLine) -> None:
        opened.append(line)
        line.voice(pair.kit.engine.a_voice())
        await asyncio.get_running_loop().create_future()

    async with a_pair(tmp_path) as pair, AsyncExitStack() as stack:
        device, voice = DeviceId("kit7/ball-1"), VoiceId(FRONT)
        pair.kit.core.talk.offer(VoiceOffer(voice, device, "Ball 1", MemberKind.LOUDSPEAKER, open_, talks=False))
        await until("it is offered at the center", lambda: pair.center.core.talk.members.find(FRONT))
        otto: list[FloorWord] = []
        seat = await stack.enter_async_context(pair.center.core.talk.converse(FRONT, wish(otto)))
        mine = pair.center.engine.a_voice()
        seat.voice(mine)
        await until("the ball is rung", lambda: opened)
        center = pair.center.engine
        (far,) = [h for h, v in center.voices.items() if v.what == "open_voice_session"]
        await until("both are heard", lambda: center.hears(far) == {mine} and center.hears(mine) == {far})
        groups = [group for group in pair.kit.core.talk.groups() if group.spec.adhoc]
        assert len(groups) == 1 and FRONT in groups[0].places
        await stack.aclose()
        await until("the conversation at the kit ends", lambda: groups[0].gone)


def _floor(pair: Pair) -> str:
    group = pair.center.core.fleet.group(OPS)
    return group.floor.holder if group is not None else ""
