"""Who comes back tells at once what somebody may have missed; the rest soon, or as soon as a center knows nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from adapters.mqtt import kit_devices
from adapters.mqtt.connection import Connection
from adapters.mqtt.kit_devices import CLUSTER_S, LATER_S, SETTLED_S, KitDevices
from gateway.base.clock import Clock
from gateway.base.errors import LinkDown
from gateway.model.device import DeviceState
from tests.unit.mqtt.rig import Facts, a_center, device, stage, until


class Told:
    """A connection that notes, and fails when it is told to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fails = False

    async def retain_all(self, messages: Sequence[tuple[str, bytes]]) -> None:
        if self.fails:
            raise LinkDown("cut by the test", code="mqtt-lost")
        self.names += [topic.split("/")[4] for topic, _ in messages]

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        assert retain and not payload
        self.names.append(f"-{topic.split('/')[4]}")

    def take(self) -> list[str]:
        names, self.names = self.names, []
        return names


class Made:
    def __init__(self, *names: str) -> None:
        self.facts = Facts("kit7", [device("kit7", name) for name in names])
        self.now, self.told, self.lost = 100.0, Told(), list[str]()
        self.devices = KitDevices(self.facts, Clock(monotonic=lambda: self.now), self.lost.append, lambda: 0)
        self.connection = cast(Connection, self.told)

    async def back(self) -> list[str]:
        await self.devices.came(self.connection, back=True)
        return self.told.take()


async def test_what_every_center_has_heard_waits_and_what_changed_does_not() -> None:
    made = Made("a", "b", "c")
    await made.devices.came(made.connection, back=False)
    assert made.told.take() == ["a", "b", "c"]
    assert await made.back() == ["a", "b", "c"], "a broker may have died before it handed them on"
    made.now += SETTLED_S
    made.facts._devices[1] = replace(made.facts._devices[1], state=DeviceState.OFFLINE)
    assert await made.back() == ["b"]
    made.now += SETTLED_S
    del made.facts._devices[2]
    assert await made.back() == [] and made.lost == ["c"] and len(made.devices.tally) == 2


async def test_what_is_doubted_is_told_again_as_far_as_it_is_there() -> None:
    made = Made("a", "b")
    await made.devices.came(made.connection, back=False)
    made.told.take()
    await made.devices.again(made.connection, ["kit7/b", "kit7/gone"])
    assert made.told.take() == ["b"]
    await made.devices.again(made.connection, ["kit7/gone"])
    assert made.told.take() == []


async def test_what_was_not_acknowledged_is_told_at_once_however_long_ago() -> None:
    made = Made("a", "b")
    await made.devices.came(made.connection, back=False)
    made.now += SETTLED_S
    made.told.fails = True
    with pytest.raises(LinkDown):
        await made.devices.changed(made.connection, replace(made.facts._devices[0], name="new"))
    made.facts._devices[0] = replace(made.facts._devices[0], name="new")
    made.told.fails = False
    made.told.take()
    made.now += 10 * SETTLED_S
    assert await made.back() == ["a"]


async def test_the_rest_comes_within_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_devices, "SOON_S", 0.0)
    monkeypatch.setattr(kit_devices, "LATER_S", 0.0)
    made = Made("a", "b")
    await made.devices.came(made.connection, back=False)
    await made.devices.later(made.connection)
    assert made.told.take() == ["a", "b"], "all was told: there is no rest"
    made.now += SETTLED_S
    assert await made.back() == []
    await made.devices.later(made.connection)
    assert made.told.take() == ["a", "b"]
    await made.devices.gone(made.connection, "kit7/a")
    assert made.told.take() == ["-a"] and not made.devices.known("a") and made.devices.known("b")


@pytest.mark.parametrize("cluster", [False, True])
async def test_a_cluster_has_more_time_as_all_its_nodes_retain_the_same(cluster: bool) -> None:
    made, asked = Made("a"), list[float]()
    devices = KitDevices(made.facts, Clock(), made.lost.append, lambda: 0, cluster=cluster)

    class Soon(random.Random):
        def uniform(self, _low: float, high: float) -> float:
            asked.append(high)
            return 0.0

    devices._chance = Soon()
    await devices.later(made.connection)
    assert made.told.take() == ["a"] and asked[0] == (CLUSTER_S if cluster else LATER_S)


async def test_a_center_that_knows_nothing_is_told_all_and_not_later() -> None:
    made = Made("a")
    await made.devices.came(made.connection, back=False)
    made.devices.center_anew()  # the broker has all for it
    assert made.told.take() == ["a"]
    made.now += SETTLED_S
    assert await made.back() == [] and made.told.take() == []
    late = asyncio.create_task(made.devices.later(made.connection))
    await asyncio.sleep(0)
    made.devices.center_anew()
    async with asyncio.timeout(10):
        await late
    assert made.told.take() == ["a"]


async def test_broker_and_center_lose_all_and_have_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with both on it is started again; the kit's next look is long ahead."""
    monkeypatch.setattr(kit_devices, "SETTLED_S", 0.0)
    async with stage("kit7") as s:
        session = s.kit(Facts("kit7", [device("kit7", "a")]))
        await until(lambda: s.fleet.here("kit7") and s.fleet.holds["kit7"].known)
        session._leftovers.looked.add(s.broker.address("kit7"))
        await s.end(s.tasks[0])
        for topic in list(s.broker.amqtt.retained_messages):
            await s.broker.amqtt.retain_message(None, topic, b"", 1)
        s.broker.cut("kit7")
        await until(lambda: session.figures.connections == 2 and session.broker)
        assert not any("/dev/" in topic for topic in s.broker.amqtt.retained_messages)
        s.run(a_center(s.broker, s.fleet, s.inbox).run())
        await until(lambda: s.fleet.here("kit7") and s.fleet.holds["kit7"].known, "the directory")
