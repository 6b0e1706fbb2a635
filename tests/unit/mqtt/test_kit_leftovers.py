"""What a broker retains of devices that are no more is cleared; of one that takes the kit back, not in the crowd."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from adapters.mqtt import kit_leftovers
from adapters.mqtt.connection import Connection
from adapters.mqtt.kit_leftovers import MOST, Leftovers
from adapters.mqtt.protocol import messages
from tests.unit.mqtt.rig import Facts, device, stage, until


async def test_only_what_is_not_there_is_noted_and_no_more_than_there_is_room_for() -> None:
    leftovers = Leftovers("kit7", {"a"}.__contains__)
    leftovers.put("a")
    assert leftovers._found.empty()
    for number in range(MOST + 5):
        leftovers.put(f"old-{number}")
    assert leftovers._found.full()


class Late:
    """Chance that is for the test to say."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s

    def uniform(self, _low: float, _high: float) -> float:
        return self.wait_s


@pytest.mark.parametrize("wait_s", [0.0, 600.0])
async def test_a_broker_that_takes_it_back_is_looked_through_later(
    monkeypatch: pytest.MonkeyPatch, wait_s: float
) -> None:
    """All kits come back at once when a broker was away: what is not urgent is not asked for then."""
    monkeypatch.setattr(kit_leftovers, "SETTLE_S", 0.05)
    asked: list[str] = []
    subscribe = Connection.subscribe

    async def noted(self: Connection, filters: Sequence[str], qos: int = 1) -> None:
        asked.extend(filters)
        await subscribe(self, filters, qos)

    monkeypatch.setattr(Connection, "subscribe", noted)
    async with stage("kit7") as s:
        session = s.kit(Facts("kit7", [device("kit7", "a")]))
        session._leftovers._chance = Late(wait_s)  # type: ignore[assignment]
        await until(lambda: session._leftovers.looked, "it was looked through")
        ghost = "fc/v1/kit7/dev/ghost/state"
        await s.broker.amqtt.retain_message(None, ghost, messages.device_bytes(device("kit7", "ghost")), 1)
        asked.clear()
        s.broker.cut("kit7")
        await until(lambda: session.figures.connections == 2 and session.broker and s.fleet.here("kit7"), "it is back")
        hold = s.fleet.holds["kit7"]
        await until(lambda: hold.linked and hold.known, "all is told")
        if wait_s:
            assert not asked and "fc/v1/kit7/dev/+/state" not in session._first(s.broker.address("kit7")).filters
        else:
            await until(lambda: "fc/v1/kit7/dev/+/state" in asked, "it is asked after all")
            await until(lambda: ghost not in s.broker.amqtt.retained_messages, "it is cleared")
