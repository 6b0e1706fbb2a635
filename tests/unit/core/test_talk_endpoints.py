"""What adapters offer to be talked to: opened while needed, tried again, let go; and numbers that are dialled."""

from __future__ import annotations

import asyncio
from typing import cast

from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.base.metrics import Metrics
from gateway.contract.voice import CallHandler, KeyedBy
from gateway.core import gauges
from gateway.core.calls import Hold
from gateway.core.facts import Missed
from gateway.model.ids import DeviceId
from gateway.model.principal import Principal
from gateway.model.voice import CallState, CallStatus, GroupId, MemberKind, MemberState, VoiceId
from tests.fakes.loop import advance, settle
from tests.unit.core.house import VIEWER, House, housed
from tests.unit.core.talkers import OPS, RADIO, Channel, member, members, rules, seated, turn

BALL = VoiceId("kit1/ball-1/ch1")


@housed
async def test_a_radio_sits_in_every_group_that_wants_radios(house: House) -> None:
    rules(house, "fire", members=["kind:radio"])
    radio = Channel(house)
    house.core.talk.offer(radio.offer())
    await settle()
    assert radio.opened == 1, "a channel that must be heard is opened at once"
    async with seated(house, "sip:1") as one, seated(house, "sip:2", group="kit1/talk/fire") as two:
        one.seat.press()
        assert house.engine.hears(radio.voice) == {one.voice} and radio.transmits == [True]
        one.seat.release()
        assert radio.transmits == [True, False]
        radio.line.press()
        assert house.engine.hears(one.voice) == house.engine.hears(two.voice) == {radio.voice}
        assert [str(word.answer) for word in radio.words] == ["granted", "granted"], "one for each group"
        radio.line.release()
        radio.line.tx_inhibit("device-busy", "squelch open")
        assert member(house, RADIO).code == "device-busy"
        radio.line.tx_inhibit("")
        assert member(house, RADIO).code == ""
    house.core.talk.withdraw(RADIO)
    await settle()
    assert radio.closed == 1 and RADIO not in members(house) and not house.engine.hears(radio.voice)


@housed
async def test_a_loudspeaker_is_opened_when_somebody_speaks_and_let_go_after_the_last_word(house: House) -> None:
    rules(house, members=["ball-1/ch1"])
    ball = Channel(house, BALL, MemberKind.LOUDSPEAKER)
    house.core.talk.offer(ball.offer(on_demand=True, talks=False, idle_close_s=10.0))
    async with seated(house, "sip:1") as one:
        await settle()
        assert ball.opened == 0 and member(house, BALL).state is MemberState.IDLE
        one.seat.press()
        await settle()
        assert ball.opened == 1 and house.engine.hears(ball.voice) == {one.voice}
        one.seat.release()
        await advance(9.0)
        one.seat.press()
        one.seat.release()
        await advance(9.0)
        assert ball.closed == 0
        await advance(1.1)
        assert ball.closed == 1 and member(house, BALL).state is MemberState.IDLE


@housed
async def test_an_endpoint_that_fails_is_tried_again_and_says_why(house: House) -> None:
    rules(house, members=["ball-1/ch1"])
    ball = Channel(house, BALL, MemberKind.LOUDSPEAKER, failing=PeerError("603", code="invite-refused"))
    house.core.talk.offer(ball.offer(on_demand=True, talks=False))
    async with seated(house, "sip:1") as one, seated(house, "sip:2") as two:
        one.seat.press()
        await settle()
        shown = member(house, BALL)
        assert (shown.state, shown.code, shown.detail) == (MemberState.WAITING, "invite-refused", "603")
        assert house.engine.hears(two.voice) == {one.voice}, "the others hear what they hear"
        await advance(1.0)
        assert ball.opened == 2
        await advance(10.0)
        opened = ball.opened
        assert 4 <= opened <= 6, "waits double"
        ball.failing = None
        await advance(16.0)
        assert member(house, BALL).state is MemberState.UP and house.engine.hears(ball.voice) == {one.voice}


@housed
async def test_an_endpoint_that_never_opens_is_given_up_and_tried_again(house: House) -> None:
    radio = Channel(house, silent=True)
    house.core.talk.offer(radio.offer())
    await settle()
    assert member(house, RADIO).state is MemberState.CONNECTING
    await advance(60.1)
    assert (member(house, RADIO).code, radio.closed) == ("endpoint-timeout", 1)
    radio.silent = False
    await advance(2.0)
    assert member(house, RADIO).state is MemberState.UP


@housed
async def test_its_device_goes_and_comes_back(house: House) -> None:
    talk, radio, device = house.core.talk, Channel(house), DeviceId("kit1/radio-1")
    talk.endpoint_online(device, False, "keepalive-lost")
    talk.offer(radio.offer())
    await settle()
    assert (member(house, RADIO).state, member(house, RADIO).code) == (MemberState.OFFLINE, "keepalive-lost")
    talk.endpoint_online(device, True)
    await settle()
    assert radio.opened == 1 and member(house, RADIO).state is MemberState.UP


@housed
async def test_a_key_that_is_held_when_the_endpoint_ends_is_let_go(house: House) -> None:
    radio = Channel(house)
    house.core.talk.offer(radio.offer())
    async with seated(house, "sip:1") as one:
        await settle()
        line, voice = radio.line, radio.voice
        line.press()
        assert house.engine.hears(one.voice) == {voice}
        house.core.talk.endpoint_online(DeviceId("kit1/radio-1"), False, "device-offline")
        house.core.talk.withdraw(RADIO)
        await settle()
        assert house.engine.hears(one.voice) == set() and house.core.talk.status(OPS).floor.holder == ""


@housed
async def test_an_offer_replaced_keeps_its_voice_and_changes_its_rights(house: House) -> None:
    radio = Channel(house)
    house.core.talk.offer(radio.offer())
    async with seated(house, "sip:1") as one:
        await settle()
        radio.line.press()
        house.core.talk.offer(radio.offer(talks=False))
        await settle()
        assert radio.opened == 1 and house.engine.hears(one.voice) == set()
        radio.line.release()
        radio.line.press()
        assert radio.words[-1].code == "listen-only"


class Phone:
    """A dialer whose calls ring until the test answers or ends them."""

    def __init__(self, house: House, failing: GatewayError | None = None) -> None:
        self.house = house
        self.failing = failing
        self.dialled: list[tuple[str, str, str | None]] = []
        self.hung_up = 0
        self.call: Hold | None = None

    async def dial(self, who: Principal, number: str, group: GroupId | None, video: bool) -> str:
        self.dialled.append((who.name, number, group))
        if self.failing is not None:
            raise self.failing
        status = CallStatus("", "sip", False, CallState.CALLING, number, target=group or "")
        self.call = self.house.core.calls.open(status, cast(CallHandler, self))
        return self.call.id

    async def hang_up(self, who: Principal) -> None:
        self.hung_up += 1
        assert self.call is not None
        self.call.end("viewer-left")


@housed
async def test_a_number_is_dialled_when_its_group_is_used_and_hung_up_after(house: House) -> None:
    phone = Phone(house)
    house.core.calls.dialer("sip", phone.dial)
    rules(house, members=["sip:8001"])
    assert (member(house, "sip:8001").state, phone.dialled) == (MemberState.IDLE, [])
    async with seated(house, "sip:1") as one:
        one.seat.press()
        await settle()
        assert phone.dialled == [("system", "8001", OPS)]
        assert member(house, "sip:8001").state is MemberState.CONNECTING
        async with seated(house, "sip:8001") as called:
            assert house.engine.hears(called.voice) == {one.voice} and member(house, "sip:8001").state is MemberState.UP
            assert len([m for m in members(house) if m == "sip:8001"]) == 1
            one.seat.release()
            called.seat.press()
            await advance(30.0)
            called.seat.release()
            await advance(house.config.talk.dialled_idle + 0.1)
            assert phone.hung_up == 1
        await settle()
        assert member(house, "sip:8001").state is MemberState.IDLE


@housed
async def test_a_number_nobody_answers_rings_again_later_and_not_at_once(house: House) -> None:
    phone = Phone(house, LinkDown("486 busy", code="invite-refused"))
    house.core.calls.dialer("sip", phone.dial)
    rules(house, members=["sip:8001"], talk_timer=0.0)
    async with seated(house, "sip:1") as one:
        one.seat.press()
        await advance(3.0)
        assert len(phone.dialled) == 1 and member(house, "sip:8001").code == "invite-refused"
        await advance(4.0)
        assert len(phone.dialled) == 2
    rules(house, members=[])
    await settle()
    assert "sip:8001" not in members(house)


@housed
async def test_without_a_dialer_it_is_said(house: House) -> None:
    rules(house, members=["sip:8001"])
    async with seated(house, "sip:1") as one:
        one.seat.press()
        await settle()
        assert member(house, "sip:8001").code == "no-dialer"


@housed
async def test_voices_are_asked_for_after_events_were_lost(house: House) -> None:
    async with (
        seated(house, "sip:1", keyed_by=KeyedBy.VOICE) as one,
        seated(house, "sip:2") as two,
        seated(house, "sip:3") as gone,
    ):
        house.engine.talking(one.voice)
        await turn()
        assert house.engine.hears(two.voice) == {one.voice}
        house.engine.voice_counters[one.voice] = {"packets": 50, "level_in_db": -90.0, "codec_in": "opus"}
        house.engine.voice_counters[two.voice] = {"packets": 10, "level_in_db": -90.0, "codec_in": "pcma"}
        house.engine.close_voice(gone.voice)
        recheck = house.core.recheck
        assert not await recheck.once(), "whether packets still come needs a second look"
        assert house.engine.hears(two.voice) == set(), "its quiet was lost: the floor is free"
        assert member(house, "sip:3").code == "link-down"
        house.engine.voice_counters[one.voice] = {"packets": 99, "level_in_db": -10.0, "codec_in": "opus"}
        assert await recheck.once()
        assert house.engine.hears(two.voice) == {one.voice}
        house.engine.voice_counters[two.voice] = {"packets": 20, "level_in_db": -90.0}
        await recheck.once()
        await recheck.once()
        assert member(house, "sip:2").codec == "pcma" and house.engine.hears(two.voice) == set(), "one has stopped"


@housed
async def test_an_owner_that_fails_to_listen_does_not_stop_the_group(house: House) -> None:
    def broken(_: object) -> None:
        raise ValueError("a mistake")

    async with seated(house, "sip:1") as one, seated(house, "sip:2") as two:
        one.seat.on_word(broken)
        one.seat.on_transmit(broken)
        one.seat.heard(broken)
        two.seat.press()
        one.seat.press()
        house.engine.stopped(one.voice)
        await turn()
        assert house.engine.hears(one.voice) == {two.voice}


@housed
async def test_ending_while_it_is_open_leaves_nothing(house: House) -> None:
    radio = Channel(house)
    house.core.talk.offer(radio.offer())
    async with seated(house, "sip:1") as one:
        await settle()
        one.seat.press()
        closing = asyncio.ensure_future(house.core.talk.close())
        await settle()
        assert one.ends == [("stopping", "")] and closing.done() and radio.closed == 1
        assert house.engine.rooms == {}


@housed
async def test_figures_and_events_of_endpoints(house: House) -> None:
    metrics = Metrics()
    gauges.register(metrics, house.core, list)
    radio = Channel(house)
    async with house.core.bus.subscribe(VIEWER, types=["endpoint"]) as events, seated(house, "sip:1"):
        house.core.talk.offer(radio.offer())
        await settle()
        await house.core.figures.once()
        text = metrics.render().decode()
        assert 'core_talk_members{kind="radio",state="up"} 1' in text and "media_rooms 1" in text
        assert 'core_talk_members{kind="sip",state="up"} 1' in text and "media_voices 2" in text
        house.core.talk.offer(radio.offer(listens=False))
        house.core.talk.withdraw(RADIO)
        states = []
        async for event in events:
            assert not isinstance(event, Missed) and event.subject == RADIO
            states.append(event.data.state)
            if event.gone:
                break
        assert "up" in states


@housed
async def test_what_is_offered_is_told_though_nobody_wants_it_yet(house: House) -> None:
    """A page that is open, and a center that has this kit, hear of a loudspeaker that comes later."""
    radio = Channel(house)
    async with house.core.bus.subscribe(VIEWER, types=["endpoint"]) as events:
        house.core.talk.offer(radio.offer())
        event = await anext(aiter(events))
        assert not isinstance(event, Missed)
        assert (event.subject, event.gone) == (RADIO, False)
