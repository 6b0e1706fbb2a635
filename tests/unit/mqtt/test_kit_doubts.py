"""What a cluster acknowledged late is said again, seldomer while it goes on so."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from adapters.mqtt import kit_doubts
from adapters.mqtt.address import Broker as Address
from adapters.mqtt.kit import KitSession, KitSetting
from adapters.mqtt.kit_doubts import FIRST_S, LATE_S, MOST_S, Doubts
from adapters.mqtt.protocol.packets import Type
from tests.fakes.mqtt_broker import fake_broker
from tests.unit.mqtt.rig import Facts, Side, device, setting, until


class Pauses:
    """Chance that notes and does not wait."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    def uniform(self, low: float, high: float) -> float:
        self.asked.append((low, high))
        return 0.0


async def test_the_pause_doubles_while_it_is_late_and_is_short_again_after() -> None:
    doubts, pauses = Doubts(cluster=True), Pauses()
    doubts._chance = pauses  # type: ignore[assignment]
    late, said, rest = 6, list[set[str]](), asyncio.Event()

    async def say(names: frozenset[str]) -> None:
        said.append(set(names))
        doubts.took(names, LATE_S if len(said) < late else 0.0)
        if len(said) == late:
            rest.set()

    assert doubts.took(["a"], LATE_S - 0.1), "in time"
    assert not doubts.took(["", "a", "b"], LATE_S)
    assert doubts.took(["b"], 0.0), "it was told since"
    running = asyncio.create_task(doubts.run(say))
    try:
        await asyncio.wait_for(rest.wait(), 20)
        doubts.took(["c"], LATE_S)
        await until(lambda: len(said) == late + 1)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert said == [{"", "a"}] * late + [{"c"}]
    lows = [FIRST_S * 2**n for n in range(5)]
    assert pauses.asked == [(low, 2 * low) for low in [*lows, min(2 * lows[-1], MOST_S), FIRST_S]]


@pytest.mark.parametrize("nodes", [1, 2])
async def test_birth_and_devices_that_a_cluster_took_late_are_said_again(
    monkeypatch: pytest.MonkeyPatch, nodes: int
) -> None:
    """NATS acknowledged what its store had not answered for, five seconds after: a center that came later knew of no
    such kit, or lacked some of its devices for as long as they did not change."""
    monkeypatch.setattr(kit_doubts, "LATE_S", 0.0)
    monkeypatch.setattr(kit_doubts, "FIRST_S", 0.01)
    async with fake_broker() as broker:
        address = Address("tcp", "127.0.0.1", broker.port)
        made = KitSetting(replace(setting(*[address] * nodes), spread=True), 0.02, 64, 1024)
        facts = Facts("kit7", [device("kit7", "a"), device("kit7", "b")])
        session = KitSession(facts, {"center1": Side()}, made)
        running = asyncio.create_task(session.run())

        def said(kind: str) -> int:
            name = f"fc/v1/kit7/{kind}".encode()
            told = [packet for packet in broker.heard if packet.type is Type.PUBLISH]
            return sum(packet.body[2:].startswith(name) and (kind == "tlm" or packet.flags & 1) for packet in told)

        try:
            await until(lambda: said("tlm") > 10 and said("state") >= nodes and said("dev/a") >= nodes, "all is told")
            assert said("dev/b") >= nodes
            monkeypatch.setattr(kit_doubts, "LATE_S", 1000.0)
            if nodes == 1:
                assert (said("state"), said("dev/a"), said("dev/b")) == (1, 1, 1)
            await until(lambda: not session._doubts._names, "all of it is believed")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
