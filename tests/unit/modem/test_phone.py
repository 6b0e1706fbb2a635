"""A modem as a telephone, by hand: what stands from before, who rings, one call at a time, no way for the sound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.modem import call_sound as sounds
from adapters.modem.at_modem import AtModem
from adapters.modem.call import LOST_S
from adapters.modem.call_check import budget_finding
from adapters.modem.config import OneModem
from adapters.modem.phone import LOOK_S, Phone, dialled
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, Unsupported
from gateway.contract.adapter import Context
from gateway.model.doctor import Grade
from gateway.model.principal import SYSTEM
from gateway.model.voice import CallState
from gateway.net import at
from tests.fakes.loop import by_hand
from tests.fakes.modem import EC25, ME909, Chip, FakeModem
from tests.unit.modem.rig import MemoryLine, pass_time
from tests.unit.sip.fakes import FakeCalls, FakeTalk

FAR, OPS = "13900001111", "kit1/talk/ops"


class FakeSound:
    """A port of samples that is there, or not."""

    def __init__(self) -> None:
        self.there = True
        self.opened = 0
        self.levels_db = -20.0
        self.voices: list[int] = []

    @asynccontextmanager
    async def pcm_line(self, address: str, *, owner: str, rate_hz: int) -> AsyncIterator[Any]:
        if not self.there:
            raise LinkDown(f"{address} is not there", code="serial-lost")
        self.opened += 1
        self.lost = asyncio.get_running_loop().create_future()
        end = SimpleNamespace(detach=lambda: 0)
        yield SimpleNamespace(plane_end=end, lost=self.lost, records=0, dropped_in=2, dropped_out=1)

    # — the engine's part —

    def open_voice_pcm(self, fd: int, *, rate_hz: int) -> int:
        self.voices.append(7)
        return 7

    def close_voice(self, voice: int) -> None:
        self.voices.remove(voice)

    def set_voice(self, voice: int, **given: Any) -> None: ...

    def levels(self, voices: list[int]) -> dict[int, tuple[float, float]]:
        return dict.fromkeys(voices, (self.levels_db, -127.0))


class Rig:
    def __init__(self, modem: FakeModem, line: MemoryLine, phone: Phone, sound: FakeSound) -> None:
        self.modem, self.line, self.phone, self.sound = modem, line, phone, sound
        self.calls = cast(FakeCalls, phone.context.calls)
        self.talk = cast(FakeTalk, phone.context.talk)
        self.registered = True

    def dial(self, number: str = FAR) -> str:
        return dialled([self.phone], SYSTEM, number, OPS)

    async def up(self) -> None:
        self.dial()
        await pass_time(2)
        self.modem.far_answers()
        await pass_time(3)
        assert self.calls.all[-1].status.state is CallState.UP, self.calls.all[-1]


@asynccontextmanager
async def rig(
    monkeypatch: pytest.MonkeyPatch, chip: Chip = EC25, before: str = "", kept: Path | None = None, **more: Any
) -> AsyncIterator[Rig]:
    modem, sound = FakeModem(chip), FakeSound()
    if before:
        modem.ring(before).stat = 0
        modem.sound = "nmea"
    line = MemoryLine(modem)
    monkeypatch.setattr(at, "open_serial", line.open_serial)
    monkeypatch.setattr(sounds, "pcm_line", sound.pcm_line)
    calls = {"audio": "pcm:usb:1-1.3:1", "to": [FAR], "callers": [FAR], **more}
    one = OneModem.model_validate({"backend": "at", "port": "usb:1-1.3:2", "calls": calls})
    driven = AtModem("lte0", one)
    media = SimpleNamespace(engine=sound)
    context = SimpleNamespace(gateway="kit1", state_dir=kept, calls=FakeCalls(), talk=FakeTalk(), media=media)
    phone = Phone("lte0", driven, one, cast(Context, context), lambda: made.registered)
    driven.on_change(lambda change: phone.on_call())
    made = Rig(modem, line, phone, sound)
    opened = asyncio.ensure_future(driven.open())
    await pass_time(3)
    await opened
    task = asyncio.ensure_future(phone.run())
    try:
        yield made
    finally:
        task.cancel()
        await pass_time(2)
        await asyncio.gather(task, return_exceptions=True)
        assert not modem.calls and not sound.voices
        await driven.close()


@by_hand
async def test_what_stands_from_before_is_hung_up_and_its_sound_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(monkeypatch, before="10086") as it:
        assert it.modem.sound == "" and it.modem.sounds == ["0"]
        await pass_time(LOOK_S + 1)
        assert not it.modem.calls and not it.calls.all


@by_hand
async def test_it_is_on_while_the_call_is_up_and_off_before_it_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(monkeypatch) as it:
        await it.up()
        assert it.modem.sounds == ["0", "1,0"]
        (seat,) = it.talk.seats
        assert (seat.member, seat.now) == (f"tel:{FAR}", 7)
        assert CallState.RINGING in it.calls.all[0].states
        tones = asyncio.ensure_future(it.calls.all[0].handler.digits(SYSTEM, "1#"))
        await pass_time(1)
        await tones
        assert [line for line in it.line.heard if "VTS" in line] == ["AT+VTS=1", "AT+VTS=#"]
        order = len(it.line.heard)
        hung = asyncio.ensure_future(it.calls.all[0].handler.hang_up(SYSTEM))
        await pass_time(2)
        await hung
        told = [line for line in it.line.heard[order:] if "CLCC" not in line]
        assert told == ["AT+QPCMV=0", "AT+CHUP"]
        assert it.calls.all[0].ended == ("hung-up", "system") and not it.talk.seats
        assert it.phone.dropped == 3


@by_hand
async def test_one_call_at_a_time_and_why_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with rig(monkeypatch, kept=tmp_path, day_budget="10s", emergency=["120"]) as it:

        def refused(kind: type[GatewayError], number: str = FAR) -> str:
            with pytest.raises(kind) as told:
                it.dial(number)
            return told.value.code

        assert refused(Denied, "13900002222") == "number-denied"
        it.registered = False
        assert refused(LinkDown) == "modem-searching"
        it.registered = True
        await it.up()
        assert refused(Busy) == "modem-in-call"
        await pass_time(9)
        it.modem.far_hangs_up()
        await pass_time(2)
        assert it.calls.all[0].ended == ("peer-hung-up", "")
        again = Phone("lte0", it.phone.modem, it.phone.config, it.phone.context, lambda: True)  # a restart
        assert len(again.budget.kept()["calls"]) == 1 and budget_finding("lte0", again.budget) is None
        (tmp_path / "lte0.budget").write_text("{")
        spoilt = Phone("lte0", it.phone.modem, it.phone.config, it.phone.context, lambda: True)
        found = budget_finding("lte0", spoilt.budget)
        assert found is not None and (found.grade, found.code) == (Grade.WARN, "modem-budget-unknown")
        monkeypatch.setattr(it.phone.budget, "used_s", lambda: 10.0)
        assert refused(Busy) == "modem-call-budget"
        assert it.dial("120")
        await pass_time(1)


@by_hand
async def test_busy_and_a_call_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(monkeypatch, max_ring="10s") as it:
        it.dial()
        await pass_time(2)
        it.modem.far_hangs_up("BUSY")
        await pass_time(2)
        assert it.calls.all[0].ended is not None and it.calls.all[0].ended[0] == "peer-busy"
        it.dial()
        await pass_time(13)
        assert it.calls.all[1].ended is not None and it.calls.all[1].ended[0] == "no-answer"
        assert not it.modem.calls and it.sound.opened == 0


@by_hand
async def test_who_rings_is_answered_in_the_console_or_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(monkeypatch) as it:
        it.modem.ring(f"+86{FAR}")
        await pass_time(2)
        (call,) = it.calls.all
        assert call.status.state is CallState.RINGING_IN and it.modem.calls[0].stat == 4
        with pytest.raises(LinkDown):
            await call.handler.digits(SYSTEM, "1")
        answer = asyncio.ensure_future(call.handler.answer(SYSTEM))
        await pass_time(3)
        assert (await answer).startswith("kit1/talk/call-room")
        assert call.status.state is CallState.UP and it.talk.seats[0].now == 7
        with pytest.raises(Unsupported):
            await call.handler.hold(SYSTEM, True)
        it.modem.far_hangs_up()
        await pass_time(2)
        it.modem.ring(FAR)
        await pass_time(2)
        it.modem.far_hangs_up()
        await pass_time(2)
        assert [one.ended and one.ended[0] for one in it.calls.all] == ["peer-hung-up", "call-cancelled"]


@by_hand
async def test_strangers_and_withheld_numbers_are_refused_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(monkeypatch) as it:
        for number in ("13800009999", ""):
            it.modem.ring(number)
            await pass_time(2)
            assert not it.modem.calls
        assert [one.ended and one.ended[0] for one in it.calls.all] == ["caller-denied"] * 2
        assert it.sound.opened == 0 and not it.talk.ever


@by_hand
async def test_a_silent_port_is_told_and_told_again_to_give_its_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(monkeypatch) as it:
        it.sound.levels_db = -127.0
        await it.up()
        await pass_time(6)
        call = it.calls.all[0]
        assert call.status.code == "call-no-sound" and "not one sample on usb:1-1.3:1" in call.status.detail
        await pass_time(12)
        assert it.modem.sounds == ["0", "1,0", "1,0"]  # as after a modem that was opened anew in the call
        it.sound.levels_db = -30.0
        await pass_time(2)
        assert call.status.code == "" and call.status.state is CallState.UP


@by_hand
async def test_a_modem_without_a_way_says_so_and_does_not_hold_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(monkeypatch, ME909) as it:
        await it.up()
        call = it.calls.all[0]
        assert call.status.code == "call-no-sound-way" and "huawei" in call.status.detail
        await pass_time(40)
        assert call.ended is not None and call.ended[0] == "call-no-sound" and not it.modem.calls


@by_hand
async def test_a_modem_that_goes_in_a_call_ends_it_and_is_clean_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig(monkeypatch) as it:
        await it.up()
        it.line.unplug()
        it.sound.there = False
        it.sound.lost.set_exception(LinkDown("gone", code="serial-lost"))
        await pass_time(2 * LOST_S + 6)
        call = it.calls.all[0]
        assert call.ended is not None and call.ended[0] == "call-link-lost" and not it.talk.seats
        assert it.modem.calls and it.modem.sound == "nmea"  # nobody could tell it
        it.line.plug()
        opened = asyncio.ensure_future(it.phone.modem.open())
        await pass_time(LOOK_S + 3)
        await opened
        assert it.modem.sound == "" and not it.modem.calls


@by_hand
async def test_another_that_rings_beside_is_not_taken_for_the_call_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(monkeypatch, ring="ops") as it:
        first = it.modem.ring(FAR)
        await pass_time(4)
        assert it.calls.all[0].status.state is CallState.UP
        it.modem.ring("13800009999")
        await pass_time(3)
        assert len(it.calls.all) == 1
        it.modem.calls.remove(first)
        it.modem.urc("NO CARRIER")
        await pass_time(2)
        assert it.calls.all[0].ended == ("peer-hung-up", "")
        await pass_time(2)
        assert not it.modem.calls  # hung up with it, or refused
