"""A record comes back as it was, as coarse as it travels."""

from __future__ import annotations

import random

import pytest

from gateway.core import telemetry_values as v
from gateway.model.link import BearerKind, LinkPhase
from gateway.model.telemetry import KitRecord, RecordAlarm, RecordFix, RecordLink
from gateway.wire import telemetry

NOTHING = {name: 0 for name, _ in telemetry.LAYOUT}


def a_record(rng: random.Random) -> KitRecord:
    def maybe(value: int) -> int | None:
        return rng.choice([None, value])

    fix = RecordFix(
        round(rng.uniform(-180, 180), 5),
        round(rng.uniform(-90, 90), 5),
        maybe(rng.randrange(-250, 4000) * 2),
        rng.randrange(64),
        rng.choice(v.SOURCES),
        maybe(rng.randrange(255)),
        maybe(rng.randrange(60) * 6),
    )
    links = tuple(
        RecordLink(rng.choice(v.KINDS), rng.choice(v.PHASES), maybe(rng.randrange(6))) for _ in range(rng.randrange(7))
    )
    alarms = tuple(
        RecordAlarm(rng.choice(v.ALARM_KINDS), rng.choice(v.SEVERITIES), rng.randrange(32))
        for _ in range(rng.randrange(4))
    )
    return KitRecord(
        why=rng.choice(v.WHYS),
        made_at=telemetry.EPOCH + rng.randrange(2**30),
        clock_good=rng.random() < 0.5,
        fix=rng.choice([None, fix]),
        links=links,
        more_links=rng.random() < 0.5,
        battery_percent=maybe(rng.randrange(101)),
        power=rng.choice(v.POWERS),
        volts=rng.choice([None, rng.randrange(255) / 5]),
        temperature_c=maybe(rng.randrange(-50, 77)),
        disk_percent=maybe(rng.randrange(21) * 5),
        alarms=alarms,
        alarms_open=len(alarms) if len(alarms) < 3 else rng.randrange(3, 32),
        word=rng.choice(v.WORDS),
        down_min=rng.randrange(1024),
    )


@pytest.mark.parametrize("seed", range(20))
def test_there_and_back(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        record = a_record(rng)
        values = NOTHING | v.numbers(record)
        assert v.meaning(values, v.WHYS.index(record.why)) == record


def test_what_is_out_of_bounds_is_cut_and_what_is_unknown_is_plain() -> None:
    wild = KitRecord(
        made_at=-5,
        fix=RecordFix(200.0, -100.0, 99_999, 9_999, "dowsing", 4000, 725),
        links=(RecordLink("tachyon", "confused", 99),) * 9,
        battery_percent=300,
        power="fusion",
        volts=1e6,
        temperature_c=-400,
        disk_percent=1000,
        alarms=(RecordAlarm("unheard-of", "dire", 1_000_000),) * 9,
        alarms_open=9,
        word="fine",
        down_min=10**9,
    )
    every = NOTHING | v.numbers(wild)
    keys = telemetry.derive(b"", "a", "b")
    telemetry.write(keys, 1, 0, every)
    back = v.meaning(every, 7)
    assert (back.battery_percent, back.power, len(back.links), back.more_links) == (100, "unknown", 6, True)
    assert back.alarms == (RecordAlarm("other", "critical", 31),) * 3 and back.down_min == 1023


def test_any_bits_are_read() -> None:
    rng = random.Random(3)
    for _ in range(500):
        v.meaning({name: rng.getrandbits(bits) for name, bits in telemetry.LAYOUT}, rng.randrange(8))


def test_a_place_that_is_none_is_left_out() -> None:
    """Of a newer build, or of a kit whose key somebody has."""
    values = NOTHING | {"fix": 1, "longitude": 2**26 - 1}
    assert v.meaning(values, 0).fix is None and v.meaning(values | {"longitude": 0}, 0).fix is not None
    assert v.meaning(NOTHING | {"fix": 1, "latitude": 18_000_001}, 0).fix is None


def test_the_words_are_those_of_the_links() -> None:
    assert set(v.KINDS) == {kind.value for kind in BearerKind}
    assert set(v.PHASES) == {phase.value for phase in LinkPhase}
