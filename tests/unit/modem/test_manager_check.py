"""What the doctor says of ModemManager: running, allowed, and whose each port is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from adapters.modem import manager_check
from adapters.modem.config import OneModem
from gateway.model.doctor import Finding, Grade
from gateway.model.reason import REASONS
from tests.fakes.modem_manager import FakeManager


@pytest.fixture
def port(tmp_path: Path) -> str:
    (tmp_path / "ttyUSB7").touch()
    link = tmp_path / "by-path"
    link.symlink_to(tmp_path / "ttyUSB7")
    return str(link)


async def found(fake: FakeManager, rules: tuple[Path, ...] = (), **modems: dict[str, Any]) -> dict[str, Finding]:
    made = {name: OneModem.model_validate(one) for name, one in modems.items()}
    out = await manager_check.checks(made, make_bus=lambda: fake.bus("", lambda signal: None), rules=rules)
    assert all(one.grade in (Grade.OK, Grade.OFF) or one.code in REASONS for one in out), out
    return {one.check.removeprefix("modem."): one for one in out}


@pytest.mark.parametrize(("backend", "grade"), [("modemmanager", Grade.FAIL), ("auto", Grade.OK), ("at", Grade.OK)])
@pytest.mark.parametrize("what", ["there", "bus_there"])
async def test_not_there(backend: str, grade: Grade, what: str, port: str) -> None:
    fake = FakeManager()
    setattr(fake, what, False)
    one = (await found(fake, a={"port": port, "backend": backend}))["manager"]
    assert one.grade is grade
    assert one.code == ("" if grade is Grade.OK else {"there": "mm-absent", "bus_there": "mm-no-bus"}[what])
    if backend == "at" and what == "there":
        assert fake.calls == [], "asking would have started it"


async def test_it_has_a_port_that_our_engine_wants(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_check, "resolved", lambda address: "/dev/ttyUSB7")
    fake = FakeManager()
    fake.plug(Ports=[["ttyUSB7", 5], ["ttyUSB6", 5]], Device="x")
    one = (await found(fake, a={"port": port, "backend": "at"}))["a.owner"]
    assert (one.grade, one.code) == (Grade.FAIL, "serial-held") and "Quectel EG25" in one.measured
    ports = fake.objects[f"{next(iter(fake.objects))}"]["org.freedesktop.ModemManager1.Modem"]["Ports"]
    ports[0][1] = 8  # MM_MODEM_PORT_TYPE_AUDIO: it opens that one as well
    assert (await found(fake, a={"port": port, "backend": "at"}))["a.owner"].grade is Grade.FAIL
    ports[0][1] = 9  # MM_MODEM_PORT_TYPE_IGNORED
    assert (await found(fake, a={"port": port, "backend": "at"}))["a.owner"].grade is Grade.OK, "udev keeps it off"


async def test_who_drives_which(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(manager_check, "resolved", lambda address: "/dev/ttyUSB7" if address == port else "")
    fake = FakeManager()
    fake.plug(Ports=[["ttyUSB7", 5]])
    told = await found(
        fake,
        a={"port": port, "backend": "modemmanager"},
        b={"port": port},
        c={"port": "/dev/serial/by-path/other"},
        d={"port": "/dev/serial/by-path/other", "backend": "modemmanager"},
        e={"port": "tcp://192.0.2.1:4001"},
    )
    assert "shows Quectel EG25" in told["manager"].measured and told["manager.rights"].grade is Grade.OK
    assert told["a.owner"].measured == told["b.owner"].measured == "ModemManager: Quectel EG25 0"
    assert "our AT engine" in told["c.owner"].measured and told["c.owner"].grade is Grade.OK
    assert (told["d.owner"].grade, told["d.owner"].code) == (Grade.FAIL, "modem-absent")
    assert told["e.owner"].grade is Grade.OK
    fake.objects.clear()
    assert (await found(fake, a={"port": port, "backend": "modemmanager"}))["a.owner"].code == "mm-not-shown"


async def test_rights(port: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def rights(fake: FakeManager, *rules: Path) -> Finding:
        return (await found(fake, rules, a={"port": port, "backend": "modemmanager"}))["manager.rights"]

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    fake = FakeManager()
    fake.allows = False
    assert ((await rights(fake)).grade, (await rights(fake)).code) == (Grade.FAIL, "mm-not-allowed")
    fake.refuses["CheckAuthorization"] = "DBus.Error.ServiceUnknown"
    told = await rights(fake)
    assert told.grade is Grade.FAIL and "polkit" in told.measured
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake = FakeManager()
    assert (await rights(fake, tmp_path / "none")).grade is Grade.WARN, "root may, and the service may not"
    (tmp_path / "rules").touch()
    assert (await rights(fake, tmp_path / "none", tmp_path / "rules")).grade is Grade.OK
