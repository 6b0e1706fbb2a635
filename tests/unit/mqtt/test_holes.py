"""Devices that a broker left out without a word: noticed by their number, and asked for again."""

from __future__ import annotations

from dataclasses import replace

from adapters.mqtt.center_kit import ASK_MOST_S, ASK_S, HeardKit
from adapters.mqtt.center_orders import MqttWay
from adapters.mqtt.protocol.messages import Birth, Telemetry
from adapters.mqtt.protocol.tally import Tally
from gateway.base.moment import TimeQuality
from gateway.model.ids import DeviceId
from tests.unit.mqtt.rig import Facts, Fleet, device, stage, until

BIRTH = Birth(True, 1, 1, "i", devices=2)


def heard() -> HeardKit:
    return HeardKit("kit7", Fleet(), MqttWay("kit7", None, lambda: "i"), lambda: 0.0)  # type: ignore[arg-type]


def telemetry(devices: int, tally: int = -1) -> Telemetry:
    return Telemetry(1, 1, "i", 1, "boot", 1.0, 1.0, TimeQuality.NTP, devices=devices, tally=tally)


def test_what_it_says_is_compared_with_what_came_and_it_is_asked_less_and_less_often() -> None:
    kit = heard()
    kit.state(BIRTH, 0.0)
    assert not kit.lacks(ASK_S - 0.1), "they may be on their way"
    assert kit.lacks(ASK_S) and not kit.lacks(ASK_S + 0.1)
    now, asked = ASK_S, 0
    for _ in range(3600):
        now += 1.0
        kit.sign(now)
        asked += kit.lacks(now)
    assert 5 <= asked <= 3600 / ASK_MOST_S + 10
    kit.device(device("kit7", "a"))
    kit.device(device("kit7", "b"))
    assert not kit.lacks(now + 1e6), "whole"


def test_telemetry_says_it_too_and_a_kit_that_says_nothing_is_believed() -> None:
    kit = heard()
    kit.state(replace(BIRTH, devices=-1), 0.0)
    assert not kit.lacks(1000.0)
    kit.telemetry(telemetry(1), 1000.0)
    assert kit.lacks(1000.0 + ASK_S)
    kit.device(device("kit7", "a"))
    kit.telemetry(telemetry(1), 1020.0)
    assert not kit.lacks(1030.0)
    kit.telemetry(telemetry(2), 1030.0)
    assert kit.lacks(1030.0 + ASK_S), "one came there, and not here"


def test_a_change_that_did_not_come_shows_though_the_number_is_right() -> None:
    kit, told = heard(), Tally()
    kit.state(BIRTH, 0.0)
    for name in ("a", "b"):
        kit.device(device("kit7", name), b"as it was")
        told.put(f"kit7/{name}", b"as it was")
    kit.telemetry(telemetry(2, told.sum), 1.0)
    assert not kit.lacks(100.0)
    told.put("kit7/b", b"as it is")
    kit.telemetry(telemetry(2, told.sum), 100.0)
    assert kit.lacks(100.0 + ASK_S)
    kit.device(device("kit7", "b"), b"as it is")
    assert not kit.lacks(1e6)


def test_what_changes_between_two_telemetries_is_no_gap() -> None:
    kit, told = heard(), Tally()
    kit.state(BIRTH, 0.0)
    for name in ("a", "b"):
        kit.device(device("kit7", name), b"as it was")
        told.put(f"kit7/{name}", b"as it was")
    kit.telemetry(telemetry(2, told.sum), 1.0)
    kit.device(device("kit7", "b"), b"as it is")
    kit.device_gone(DeviceId("kit7/a"))
    assert not kit.lacks(1.0 + 2 * ASK_S), "the kit counts it in what it says next"
    told.put("kit7/b", b"as it is")
    told.drop("kit7/a")
    told.put("kit7/c", b"new")
    kit.telemetry(telemetry(2, told.sum), 11.0)
    assert not kit.lacks(11.0 + ASK_S - 0.1)
    assert kit.lacks(11.0 + ASK_S), "one of its changes did not come"


def test_nobody_is_asked_about_a_kit_that_is_away() -> None:
    kit = heard()
    kit.state(BIRTH, 0.0)
    kit.state(replace(BIRTH, online=False), 1.0)
    assert not kit.lacks(100.0)


def test_a_birth_that_did_not_come_shows_by_what_it_says_later() -> None:
    kit = heard()
    kit.telemetry(telemetry(0), 0.0)
    assert not kit.unborn(ASK_S - 0.1), "it may be on its way"
    assert kit.unborn(ASK_S) and not kit.unborn(ASK_S + 0.1), "asked for, and not again at once"
    kit.state(BIRTH, 4.0)
    assert not kit.unborn(1e6)
    kit.telemetry(replace(telemetry(0), session=2), 10.0)
    assert kit.unborn(10.0 + ASK_S), "it came back, and that was not heard"
    kit.state(BIRTH, 14.0)
    assert kit.unborn(1e6), "what the broker found is of before"
    kit.state(replace(BIRTH, session=3), 15.0)
    assert not kit.unborn(2e6), "it came back once more"
    kit.telemetry(replace(telemetry(0), session=1, instance="j"), 20.0)
    assert kit.unborn(20.0 + ASK_S), "it was started anew"
    kit.telemetry(replace(telemetry(0), session=3), 21.0)
    assert not kit.unborn(3e6)


async def test_a_birth_that_was_missed_is_asked_for() -> None:
    async with stage("kit7") as s:
        s.kit(Facts("kit7", [device("kit7", "a")]))
        await until(lambda: s.fleet.here("kit7"))
        heard = s.center.kits["kit7"]
        heard._born = None
        await until(lambda: heard._born is not None, "it is heard once more")
        assert s.fleet.here("kit7") and s.center.standing.failures == 0


async def test_the_broker_hands_on_what_it_left_out() -> None:
    async with stage("kit7", "kit8") as s:
        for name in ("kit7", "kit8"):
            s.kit(Facts(name, [device(name, "a"), device(name, "b")]))
        await until(lambda: all(s.fleet.here(k) and len(s.fleet.holds[k].known) == 2 for k in ("kit7", "kit8")))
        hold = s.fleet.holds["kit7"]
        for name in ("kit7/a", "kit7/b"):
            s.center.kits["kit7"].device_gone(DeviceId(name))
        assert not hold.known
        await until(lambda: set(hold.known) == {"kit7/a", "kit7/b"}, "the hole is filled")
        assert s.center.standing.failures == 0
