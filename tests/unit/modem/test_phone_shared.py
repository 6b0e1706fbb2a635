"""A telephone whose modem others use too (ModemManager): it is told nothing of sound, no call of others is ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.modem import call_sound as sounds
from adapters.modem.config import OneModem
from adapters.modem.face import CallPhase, Features, Speaking, VoiceCall
from adapters.modem.phone import LOOK_S, Phone, dialled
from gateway.base.errors import LinkDown, Unsupported
from gateway.contract.adapter import Context
from gateway.model.principal import SYSTEM
from gateway.model.voice import CallState
from tests.fakes.loop import by_hand
from tests.unit.modem.rig import pass_time
from tests.unit.modem.test_phone import FAR, OPS, FakeSound
from tests.unit.sip.fakes import FakeCalls, FakeTalk


class Shared:
    """What `CellularModem` has of calls; it lists those that ended too, as ModemManager does."""

    features = Features(calls=True)

    def __init__(self) -> None:
        self.listed: list[VoiceCall] = []
        self.hung = 0

    async def calls(self) -> list[VoiceCall]:
        return list(self.listed)

    async def dial(self, number: str) -> None:
        self.listed.append(VoiceCall(f"/Call/{len(self.listed)}", False, number, CallPhase.DIALING))

    async def hang_up(self) -> None:
        self.hung += 1
        self.end("")

    def far(self, phase: CallPhase) -> None:
        last = self.listed[-1]
        self.listed[-1] = VoiceCall(last.id, last.incoming, last.number, phase)

    def end(self, code: str) -> None:
        self.listed = [VoiceCall(one.id, one.incoming, one.number, CallPhase.ENDED, code) for one in self.listed]


@asynccontextmanager
async def shared(monkeypatch: pytest.MonkeyPatch, audio: str = "card:hw:1") -> AsyncIterator[tuple[Phone, Shared]]:
    sound, modem = FakeSound(), Shared()
    assert not isinstance(modem, Speaking)

    @asynccontextmanager
    async def card(device: str, rate_hz: int) -> AsyncIterator[Any]:
        assert (device, rate_hz) == ("hw:1", 8000)
        end = SimpleNamespace(detach=lambda: 0)
        yield SimpleNamespace(plane_end=end, lost=asyncio.get_running_loop().create_future())

    monkeypatch.setattr(sounds, "sound_card", card)
    config = OneModem.model_validate(
        {"backend": "modemmanager", "port": "/dev/serial/by-path/gone", "calls": {"audio": audio, "to": [FAR]}}
    )
    engine = SimpleNamespace(engine=sound)
    context = SimpleNamespace(gateway="kit1", calls=FakeCalls(), talk=FakeTalk(), media=engine)
    phone = Phone("lte0", cast(Any, modem), config, cast(Context, context), lambda: True)
    task = asyncio.ensure_future(phone.run())
    try:
        yield phone, modem
    finally:
        task.cancel()
        await pass_time(2)
        await asyncio.gather(task, return_exceptions=True)
        assert not sound.voices


@by_hand
async def test_a_call_by_a_card_and_one_of_before_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shared(monkeypatch) as (phone, modem):
        modem.listed = [VoiceCall("/Call/before", False, FAR, CallPhase.ENDED, "peer-busy")]
        dialled([phone], SYSTEM, FAR, OPS)
        await pass_time(2)
        modem.far(CallPhase.ACTIVE)
        await pass_time(3)
        calls = cast(FakeCalls, phone.context.calls).all
        assert calls[0].status.state is CallState.UP and calls[0].status.audio == "card"
        assert cast(FakeTalk, phone.context.talk).seats[0].now == 7
        with pytest.raises(Unsupported, match="own AT engine"):
            await calls[0].handler.digits(SYSTEM, "1")
        modem.end("")
        await pass_time(2)
        assert calls[0].ended == ("peer-hung-up", "")
        # Refused by the network, with its word.
        dialled([phone], SYSTEM, FAR, OPS)
        await pass_time(1)
        modem.end("peer-busy")
        await pass_time(2)
        assert calls[1].ended is not None and calls[1].ended[0] == "peer-busy"


@by_hand
async def test_a_call_that_another_program_has_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shared(monkeypatch) as (_, modem):
        modem.listed = [VoiceCall("/Call/other", False, "10086", CallPhase.ACTIVE)]
        await pass_time(3 * LOOK_S)
        assert modem.hung == 0


@by_hand
async def test_a_modem_whose_card_is_not_known_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shared(monkeypatch, audio="card") as (phone, _):
        with pytest.raises(LinkDown, match="USB socket") as told:
            sounds.card_of(phone.config)
        assert told.value.code == "sound-card"
