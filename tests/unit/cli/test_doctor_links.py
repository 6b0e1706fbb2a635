"""`fieldgate doctor links`: layers, and a cause for each that fails."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import doctor_links
from gateway.cli.doctor_links import Asked, Way, bearer, examine, nameservers, nat, power, ways, whom
from gateway.config.links import Links as LinksConfig
from gateway.config.root import Config
from gateway.model.doctor import Finding, Grade
from gateway.model.reason import REASONS
from gateway.net.links import echo, survey
from gateway.net.rtnetlink import Interface
from tests.unit.cli.conftest import Run
from tests.unit.net.test_survey import free_port

LO = Interface(1, "lo", True, 1500, ["127.0.0.1"], [], True)

SILENT = {"operator": "", "technology": "", "rsrp_dbm": None, "sinr_db": None}


def told(name: str, interface: str, **more: Any) -> dict[str, Any]:
    signal = {"operator": "46000", "technology": "lte", "rsrp_dbm": -95.0, "sinr_db": None}
    base = {"bearer_phase": "up", "device": "EG25", "signal": signal, "phase": "up", "code": "", "detail": ""}
    return {"name": name, "interface": interface} | base | more


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "PATIENCE_S", 0.4)
    monkeypatch.setattr(survey, "PING_EVERY_S", 0.02)
    monkeypatch.setattr(doctor_links, "nameservers", list)
    monkeypatch.setattr(doctor_links, "power", list)


def test_a_layer_that_fails_ends_the_link() -> None:
    locked = Way("modem1", told("modem1", "", bearer_phase="locked", code="link-no-interface"))
    assert not bearer(locked) and locked.found[0].grade is Grade.FAIL and locked.found[0].code == "link-no-interface"
    roams = Way("modem1", told("modem1", "wwan0", phase="off", code="link-roaming"), LO)
    assert not bearer(roams) and [one.code for one in roams.found] == ["", "link-roaming"]
    gone = Way("modem1", told("modem1", "wwan0"))
    assert not bearer(gone) and gone.found[-1].code == "link-no-interface" and "wwan0" in gone.found[-1].measured
    mute = Way("sat0", told("sat0", "eth9", phase="connecting", code="link-no-interface", detail="it does not answer"))
    assert not bearer(mute) and [one.grade for one in mute.found] == [Grade.WARN, Grade.FAIL]
    assert "it does not answer" in mute.found[0].measured, "not: up, ok"
    down = Way("modem1", told("modem1", "wwan0"), Interface(1, "wwan0", False, 1500))
    assert not bearer(down) and down.found[-1].code == "link-off"
    station = Way("sat0", told("sat0", "", signal=SILENT, code="link-unnamed"))
    assert not bearer(station) and [one.code for one in station.found] == ["", "link-unnamed"]
    dead_end = Way("eth0", None, Interface(1, "eth0", True, 1500, ["192.0.2.7"]))
    assert bearer(dead_end) and dead_end.found[-1].code == "link-no-route"
    assert "RSRP -95 dBm" in gone.found[0].measured


def test_what_a_bearer_says_of_itself_though_it_is_up() -> None:
    silent = Way("sat0", told("sat0", "lo", code="station-silent", detail="192.0.2.9 does not answer"), LO)
    assert bearer(silent) and (silent.found[0].grade, silent.found[0].code) == (Grade.WARN, "station-silent")
    assert "192.0.2.9" in silent.found[0].measured
    lossy = Way("sat0", told("sat0", "lo", phase="degraded", code="link-lossy"), LO)
    assert bearer(lossy) and lossy.found[0].grade is Grade.OK, "the data path says that"
    phone = Way("sat1", told("sat1", "", bearer_phase="registered", phase="registered", code="sat-messages-only"))
    assert not bearer(phone) and [one.grade for one in phone.found] == [Grade.OK], "it is well, and carries no packets"


async def test_an_answer_and_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    stop = echo.serve("127.0.0.1", port)
    lo = Interface(1, "lo", True, 1500, ["127.0.0.1"], [], True)
    found = {one.check: one for one in await examine([], Asked([("udp", "127.0.0.1", port)]), [lo])}
    assert found["lo: data path"].grade is Grade.OK and found["lo: MTU"].measured == "≥ 1500"
    assert found["lo: NAT"].measured.startswith("none")
    stop()
    silent = {one.check: one for one in await examine([], Asked([("udp", "127.0.0.1", port)]), [lo])}
    assert silent["lo: data path"].code == "link-no-reply"
    shake = survey.Shaking(0.02, -86_400.0 * 365)

    async def shaken(*_: object) -> survey.Shaking:
        return shake

    monkeypatch.setattr(survey, "shaken", shaken)
    asked = Asked([("udp", "127.0.0.1", port)], [("127.0.0.1", 8443)], [("127.0.0.1", port)], [("127.0.0.1", port)])
    blocked = {one.check: one for one in await examine([], asked, [lo])}
    assert blocked["lo: data path"].code == "link-udp-blocked" and blocked["lo: TLS"].grade is Grade.OK
    assert blocked["lo: clock"].code == "clock-off" and blocked["lo: SIP"].code == "trunk-silent"
    assert blocked["lo: ICE"].code == "ice-failed"
    assert all(one.code in REASONS for one in blocked.values() if one.grade in (Grade.WARN, Grade.FAIL))
    assert [one.code for one in await examine([], Asked(), [])] == ["no-address"]
    assert (await examine([], Asked(), [lo]))[-1].grade is Grade.OFF


def test_nat_in_words() -> None:
    assert nat([("192.0.2.7", 1)], ("192.0.2.7", "")) == ("none", False)
    assert nat([("203.0.113.1", 1)], ("100.64.0.9", "")) == ("carrier-grade", False)
    assert nat([("203.0.113.1", 1), ("203.0.113.1", 1)], ("10.0.0.2", ""))[1] is False
    assert nat([("203.0.113.1", 1), ("203.0.113.1", 2)], ("10.0.0.2", ""))[1] is True


def test_power_and_name_servers(tmp_path: Path) -> None:
    for name, words in {
        "BAT0": {"type": "Battery", "capacity": "9", "status": "Discharging"},
        "AC": {"online": "1"},
    }.items():
        (tmp_path / name).mkdir()
        for key, value in words.items():
            (tmp_path / name / key).write_text(value + "\n")
    assert [(one.check, one.code) for one in power(tmp_path)] == [("power AC", ""), ("power BAT0", "battery-low")]
    assert power(tmp_path / "none") == []
    (tmp_path / "resolv.conf").write_text("# x\nnameserver 223.5.5.5\nnameserver nonsense\nsearch x\nnameserver ::1\n")
    assert nameservers(tmp_path / "resolv.conf") == ["223.5.5.5", "::1"] and nameservers(tmp_path / "none") == []


def test_whom_and_which() -> None:
    outward = {"outward": True, "protocol": "tcp", "far": "203.0.113.5", "ports": "8443"}
    asked = whom(Config(links=LinksConfig(probe=["udp://a.example:8445"])), [outward, outward | {"protocol": "udp"}])
    assert asked.probes == [("udp", "a.example", 8445)] and asked.tls == [("203.0.113.5", 8443)]
    assert [way.name for way in ways([], [LO])] == ["lo"] and ways([told("modem1", "lo")], [LO])[0].interface is LO


def test_the_command(fieldgate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: object) -> list[Finding]:
        return [Finding("modem1: data path", Grade.FAIL, "udp://x:1", "an answer", "link-no-reply")]

    monkeypatch.setattr(doctor_links, "examine", found)
    shown = fieldgate("doctor", "links")
    assert shown.code == 1 and "The interface is up" in shown.out
    (one,) = json.loads(fieldgate("doctor", "links", "--json").out)
    assert one["code"] == "link-no-reply" and one["cure"]


async def test_what_is_not_found_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> list[Any]:
        return []

    with monkeypatch.context() as patch:
        patch.setattr(doctor_links, "_resolved", nothing)
        (found,) = [
            one for one in await examine([], Asked([("udp", "center.test", 8445)]), [LO]) if "path" in one.check
        ]
        assert (found.code, found.measured) == ("dns-failed", "center.test"), "not: nothing is set"

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(survey, "shaken", never)
    monkeypatch.setattr(doctor_links, "WITHIN_S", 0.2)
    last = (await examine([], Asked(tls=[("127.0.0.1", 1)]), [LO]))[-1]
    assert last.grade is Grade.WARN and last.measured.startswith("not finished") and last.code in REASONS


async def test_a_link_is_asked_its_own_probe_and_little_where_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    port, trains = free_port(), list[int]()

    async def capacity(*_: object) -> float:
        trains.append(1)
        return 1e6

    async def shaken(out: object, family: object, host: str, far: int) -> survey.Shaking:
        return survey.Shaking(0.02)

    monkeypatch.setattr(survey, "capacity", capacity)
    monkeypatch.setattr(survey, "shaken", shaken)
    stop = echo.serve("127.0.0.1", port)
    way = told("sat", "lo", probe=f"udp://127.0.0.1:{port}", metered=True)
    asked = Asked(tls=[("::1", 8443), ("127.0.0.1", 8444)])
    found = {one.check: one for one in await examine([way], asked, [LO])}
    assert found["sat: data path"].grade is Grade.OK and len(trains) == 1
    assert found["sat: TLS"].measured.startswith("127.0.0.1:8444"), "the one that was asked, not the first"
    stop()
