"""Phones over UDP that are switched off are no longer rung; those that answer, whatever they say, stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.sip.registrar import Binding
from adapters.sip.registrar_pulse import Pulse
from gateway.base.errors import LinkDown
from gateway.model.principal import SYSTEM
from tests.unit.sip.house import House, config, house, phone


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.sip.registrar_pulse.PATIENCE_S", 0.2)


def pulse(at: House, gone: list[tuple[Binding, str]], misses: int = 2) -> Pulse:
    gateway = at.gateway
    return Pulse(
        at.endpoint,
        gateway.location,
        lambda one, why: gone.append((one, why)),
        gateway.clock,
        every_s=30.0,
        misses=misses,
    )


def users(at: House) -> list[str]:
    return sorted(one.user for one in at.gateway.location.all(at.gateway.clock.monotonic()))


async def test_a_phone_that_is_switched_off_is_rung_no_more_and_others_are(tmp_path: Path) -> None:
    gone: list[tuple[Binding, str]] = []
    async with house(tmp_path, {"phone_keepalive": "0s"}) as at, phone(at) as there:
        asking = pulse(at, gone)
        await there.register()
        async with phone(at, "8002") as off:
            await off.register()
            await asking.round()
            assert users(at) == ["8001", "8002"] and not gone
        await asking.round()
        assert users(at) == ["8001", "8002"], "one miss is none"
        await asking.round()
        assert users(at) == ["8001"]
        ((one, why),) = gone
        assert one.user == "8002" and why == "it left 2 OPTIONS unanswered"
        with pytest.raises(LinkDown) as raised:
            at.desk.outgoing(SYSTEM, "8002")
        assert raised.value.code == "phone-offline"


async def test_a_phone_that_answers_or_registers_in_between_is_there(tmp_path: Path) -> None:
    gone: list[tuple[Binding, str]] = []
    async with house(tmp_path, {"phone_keepalive": "0s"}) as at, phone(at) as one:
        asking = pulse(at, gone)
        await one.register()
        one.endpoint.guard(screen=lambda request, _: request.method != "OPTIONS")  # it knows none, and says nothing
        await asking.round()
        await one.register()
        await asking.round()
        assert users(at) == ["8001"], "its REGISTER was a sign of life"
        one.endpoint.guard()
        await asking.round()
        one.endpoint.guard(screen=lambda request, _: request.method != "OPTIONS")
        await asking.round()
        assert users(at) == ["8001"] and not gone


async def test_phones_of_a_connection_are_not_asked(tmp_path: Path) -> None:
    gone: list[tuple[Binding, str]] = []
    async with house(tmp_path, {"phone_keepalive": "0s"}) as at, phone(at, transport="tcp") as one:
        await one.register()
        one.endpoint.guard(screen=lambda *_: False)
        await pulse(at, gone, misses=1).round()
        assert users(at) == ["8001"] and not gone


async def test_the_adapter_asks_by_itself(tmp_path: Path) -> None:
    given = config(register_min="10s").model_copy(update={"phone_keepalive": 0.05, "phone_misses": 1})
    async with house(tmp_path, given) as at:
        async with phone(at) as one:
            await one.register()
        await at.until(lambda: not users(at))
