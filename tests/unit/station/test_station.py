"""Stations by OpenAMIP and SNMP: lock, signal, mute; slow and lying ones by their reasons."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.station import session
from adapters.station.adapter import Stations
from adapters.station.config import StationConfig, StationsConfig, Variable
from adapters.station.protocol import OpenAmip, StationFacts, judged
from adapters.station.session import Station, oid_of, read
from gateway.base.errors import LinkDown
from gateway.config.snmp import SnmpAgent
from gateway.model.doctor import Grade
from gateway.model.link import LinkPhase
from gateway.wire.snmp import Bound, Oid
from tests.fakes.openamip import FakeAntenna
from tests.unit.satphone.rig import Rig

VARIABLES = {
    "lock": Variable(oid="1.3.6.1.4.1.99999.1.1.0", true=[1, 3]),
    "esn0": Variable(oid="1.3.6.1.4.1.99999.1.2.0", scale=0.1),
    "muted": Variable(oid="1.3.6.1.4.1.99999.1.3.0"),
    "beam": Variable(oid="1.3.6.1.4.1.99999.1.4.0"),
}


@asynccontextmanager
async def running(station: Station) -> AsyncIterator[None]:
    task = asyncio.create_task(station.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_antenna_unit_is_listened_to_and_never_steered() -> None:
    fake, rig = FakeAntenna(), Rig()
    server = await fake.serve()
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running(Station("sat0", StationConfig(interface="eth1", openamip=address), rig.context)):
        await rig.until(lambda: rig.phase is LinkPhase.UP)
        assert (rig.told[-1].device, rig.told[-1].interface, rig.told[-1].code) == ("Acme Dish-1", "eth1", "")
        fake.say(b"w 1 39.9075 116.3914 1700000000", b"p 180.5 43.2", b"\xff\xff garbage", b"s 7 1", b"x y z")
        await rig.until(lambda: "180.5" in rig.told[-1].detail)
        assert rig.fixes[-1][2].longitude == 116.3914
        for lines, code in (
            (b"s 1 0", "station-muted"),
            (b"s 0 0", "station-pointing"),
            (b"p 900 1", "station-pointing"),
        ):
            fake.say(lines)
            await rig.until(lambda wanted=code: rig.told[-1].code == wanted)  # type: ignore[misc]
        for writer in list(fake.writers):
            writer.transport.abort()
        await rig.until(lambda: rig.told[-1].code == "station-silent")
        await rig.until(lambda: rig.told[-1].code == "")
    assert {line[0] for line in fake.heard} <= {"A", "W"}
    server.close()


async def test_the_doctor_hears_of_one_that_is_silent() -> None:
    rig = Rig()
    adapter = Stations(StationsConfig(stations={"sat0": StationConfig(openamip="127.0.0.1:9")}), rig.context)
    assert adapter.findings() == []
    task = asyncio.create_task(adapter.run())
    try:
        await rig.until(lambda: bool(rig.told))
        (finding,) = adapter.findings()
        assert (finding.check, finding.grade, finding.code) == ("station sat0", Grade.WARN, "station-silent")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_unit_that_accepts_and_says_nothing() -> None:
    fake, rig = FakeAntenna(greeting=[]), Rig()
    server = await fake.serve()
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running(Station("sat0", StationConfig(openamip=address, silent="1s"), rig.context)):  # type: ignore[arg-type]
        await rig.until(lambda: bool(rig.told))
        assert (rig.phase, rig.told[-1].code) == (LinkPhase.ABSENT, "station-silent")
    server.close()


async def test_a_unit_that_says_much_and_nothing_that_can_be_read() -> None:
    fake, rig = FakeAntenna(), Rig()
    server = await fake.serve()
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    station = Station("sat0", StationConfig(openamip=address, silent="1s"), rig.context)  # type: ignore[arg-type]
    async with running(station):
        await rig.until(lambda: rig.phase is LinkPhase.UP and station.facts.lock is True)
        fake.greeting = []

        async def babble() -> None:
            while True:
                fake.say(b"\xff\xfe what", b"Z 1 2 3")
                await asyncio.sleep(0.05)

        babbles = asyncio.create_task(babble())
        await rig.until(lambda: rig.told[-1].code == "station-silent")
        assert station.facts.lock is None  # what it said before is no figure any more
        babbles.cancel()
    server.close()


async def test_a_unit_that_greets_and_then_says_nothing_does_not_come_and_go() -> None:
    fake, rig = FakeAntenna(greeting=[b"i \x1b[2JDish", b"s 1 1"]), Rig()
    server = await fake.serve()
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    station = Station("sat0", StationConfig(openamip=address, silent="1s"), rig.context)  # type: ignore[arg-type]
    async with running(station):
        await rig.until(lambda: rig.told[-1].code == "station-silent" if rig.told else False)
        told, heard = len(rig.told), len(fake.heard)
        await rig.until(lambda: len(fake.heard) >= heard + 4)
        assert {facts.code for facts in rig.told[told:]} <= {"station-silent"}, "its greeting alone is no good news"

        async def status() -> None:
            while True:
                fake.say(b"s 1 1")
                await asyncio.sleep(0.1)

        well = asyncio.create_task(status())
        await rig.until(lambda: rig.phase is LinkPhase.UP)
        assert rig.told[-1].device == "[2JDish"
        well.cancel()
    server.close()


async def test_an_agent_that_has_none_of_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    async def get(oids: list[Oid]) -> Mapping[Oid, Bound]:
        return {}

    client: Any = SimpleNamespace(get=get, close=lambda: None)
    monkeypatch.setattr(session, "client_of", lambda agent: client)
    rig = Rig()
    config = StationConfig(interface="eth1", agent=SnmpAgent(host="192.0.2.1"), variables=VARIABLES)
    async with running(Station("sat0", config, rig.context)):
        await rig.until(lambda: bool(rig.told))
        assert (rig.told[-1].phase, rig.told[-1].code) == (LinkPhase.UP, "station-unknown")


async def test_an_agent_that_is_slow_then_well(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Mapping[Oid, Bound] | Exception] = [
        LinkDown("no answer", code="snmp-silent"),
        {
            oid_of(one): Bound(oid_of(one), value=value)
            for one, value in zip(VARIABLES.values(), (3, 92, 0, b"Ka-7"), strict=True)
        },
    ]

    async def get(oids: list[Oid]) -> Mapping[Oid, Bound]:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    client: Any = SimpleNamespace(get=get, close=lambda: None)
    monkeypatch.setattr(session, "client_of", lambda agent: client)
    monkeypatch.setattr(session, "AGAIN_FIRST_S", 0.01)
    rig = Rig()
    config = StationConfig(interface="eth1", agent=SnmpAgent(host="192.0.2.1"), variables=VARIABLES)
    async with running(Station("sat0", config, rig.context)):
        await rig.until(lambda: bool(rig.told))
        assert (rig.told[0].phase, rig.told[0].code) == (LinkPhase.UP, "station-silent")
        await rig.until(lambda: rig.told[-1].code == "")
        facts = rig.told[-1]
        assert (facts.signal.sinr_db, facts.signal.band, facts.signal.bars) == (9.2, "Ka-7", 3)


def test_an_agent_that_lies_is_named_and_not_believed() -> None:
    oids = {name: oid_of(one) for name, one in VARIABLES.items()}

    def said(**values: object) -> StationFacts:
        return read(VARIABLES, oids, {oids[n]: Bound(oids[n], value=v) for n, v in values.items()})  # type: ignore[arg-type]

    facts = said(lock=1, esn0=9000, muted=b"maybe")
    assert (facts.esn0_db, facts.muted) == (None, None) and set(facts.lies) == {"muted", "esn0_db 900"}
    told = judged(facts, "eth1", 6.0)
    assert (told.phase, told.code) == (LinkPhase.UP, "station-lies") and "900" in told.detail
    assert said(esn0=b"55").esn0_db == 5.5
    assert judged(said(lock=1, esn0=55), "eth1", 6.0).code == "station-weak"
    assert judged(said(lock=2), "eth1", 6.0).code == "station-unlocked"
    assert judged(said(), "eth1", 6.0).code == ""


def test_any_bytes_are_read() -> None:
    rng, unit = random.Random(1), OpenAmip()
    for _ in range(500):
        unit.receive(rng.choice([b"s ", b"w 1 ", b"p nan inf\n", b"w 1 1e9 4 5\n"]) + rng.randbytes(rng.randrange(40)))
    unit.receive(b"x" * 2000 + b"\n")
    assert unit.receive(b"\ns 1 1\n") and unit.facts.lock


async def test_what_is_configured_wrongly_and_what_the_doctor_says() -> None:
    for wrong in (
        {},
        {"openamip": "nowhere"},
        {"agent": {"host": "a"}},
        {"agent": {"host": "a"}, "variables": {"x": {"oid": "1.3.6.1"}}},
    ):
        with pytest.raises(ValueError, match=r"either|host:port|needs|use"):
            StationConfig.model_validate(wrong)
    config = StationsConfig(stations={"sat0": StationConfig(openamip="192.0.2.1:2000")})
    (found,) = await Stations.checks(config)
    assert "tried on no antenna unit" in found.measured
    assert Stations(config, Rig().context).figures() == {}
