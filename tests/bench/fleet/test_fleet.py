"""The parts of `make bench-fleet`: its judgement, its kits, and a small run of the whole. No time is judged here."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.seal import Seal, shared
from tests.bench.fleet import kits, nats
from tests.bench.fleet.brokers import Mosquitto
from tests.bench.fleet.judge import Seen, lost, quantiles, worst
from tests.bench.fleet.plan import CENTER, Plan, load, name_of, private_key, public_key, split
from tests.bench.fleet.run import MakeBrokers, Options, bench
from tests.peers.mosquitto import program
from tests.peers.programs import need

SMALL = Options(
    kits=50, daemons=1, seconds=4.0, orders=20.0, events=20.0, positions=10.0, changes=5.0, starts=50.0, patience=90.0
)


def test_the_worst_of_all_brokers_counts_and_what_one_did_not_reach_is_nothing() -> None:
    one = Seen("a", 1.0, 20.0, 0, 3.0)
    assert worst([one, Seen("b", 2.0, 10.0, 0, 4.0)]) == {
        "directory_s": 2.0,
        "command_p99_ms": 20.0,
        "acked_lost": 0,
        "reconnect_s": 4.0,
    }
    assert worst([one, Seen("b", None, 10.0, 1, 4.0)])["directory_s"] is None
    assert set(worst([]).values()) == {None}
    assert one.shown()["directory_s"] == 1.0


def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    assert lost(["a", "b", "b"], ["b", "c"]) == 1 and lost([], ["a"]) == 0
    assert quantiles([]) == (None, None, None)
    assert quantiles(range(1, 201)) == (101, 199, 200)


def test_everybody_is_in_one_part_and_knows_the_same_keys(tmp_path: Path) -> None:
    plan = Plan(str(tmp_path), 7, 2, ("mqtts://127.0.0.1:8883",), public_key("whoever").hex())
    plan.save()
    assert load(tmp_path) == plan and plan.expected == (9, 56)
    parts = split(plan.names(), 2)
    assert sorted(parts[0] + parts[1]) == plan.names() and abs(len(parts[0]) - len(parts[1])) <= 1
    theirs = Seal(CENTER, [shared(private_key("whoever"), public_key(name_of(3)))])
    topic = f"fc/v1/{name_of(3)}/evt/major"
    assert theirs.open(topic, plan.seal(name_of(3)).close(topic, b"x")) == b"x"


async def test_a_made_up_kit_says_what_a_real_one_says() -> None:
    facts, gone = kits.MadeUp("county-0001", 8), list[str]()
    assert len({device.id for device in facts.devices()}) == 8
    for device in facts.devices():
        assert messages.read_device(messages.device_bytes(device)) == device
    facts.change(random.Random(1))
    facts.move()
    assert facts.told.qsize() == 2
    side = kits.MemorySide("county-0001", gone)
    id_ = side.raise_alarm(1)
    (event,) = await side.waiting(10)
    told = messages.Events(CENTER, side.batch([event]))
    assert messages.read_events(messages.events_bytes(told)).batch.events == (event,)
    await side.acknowledge([id_, id_])
    assert gone == [id_] and not await side.waiting(10)


@pytest.mark.long
@pytest.mark.peer
@pytest.mark.parametrize("make", [Mosquitto, nats.Nats], ids=["mosquitto", "nats"])
async def test_fifty_kits_come_obey_and_lose_nothing_when_a_broker_is_killed(make: MakeBrokers, tmp_path: Path) -> None:
    if make is Mosquitto and not program():
        need("mosquitto")
    if make is nats.Nats and not nats.program():
        pytest.skip("nats-server is not here: scripts/setup.sh bench builds it")
    async with asyncio.timeout(280):
        seen = await bench(make, SMALL, str(tmp_path / "run"))
    assert None not in (seen.directory_s, seen.command_p99_ms, seen.reconnect_s), seen
    assert seen.acked_lost == 0 and seen.more["acknowledged"] == seen.more["raised"] > 0, seen
    assert seen.more["kept_twice"] == 0 and seen.more["orders"]["wrong"] == {}
    assert seen.more["orders_to_daemons"].keys() == {"not-found"}, "a whole daemon answers for itself"
