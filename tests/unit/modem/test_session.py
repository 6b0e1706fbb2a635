"""The adapter: a seat, a carrier and a receiver for each modem; its findings; what its configuration refuses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.modem import Modem, power, session
from adapters.modem.config import ModemConfig, OneModem
from adapters.modem.power import cycle, interface_of, switch_of
from adapters.modem.quirks import CHIPSETS, chipset_of
from gateway.base.errors import LinkDown, Unsupported
from gateway.base.moment import TimeQuality
from gateway.contract.adapter import Adapter, Checked, Measured
from gateway.model.doctor import Grade
from gateway.model.kit_state import Fix
from gateway.model.link import BearerFacts, BearerKind, LinkPhase
from gateway.net import at
from tests.fakes.loop import by_hand
from tests.fakes.modem import CHIPS, ME909, FakeModem
from tests.unit.modem.rig import MemoryLine, Seats, pass_time


class FakeContext:
    """What the adapter takes of the daemon, and no more."""

    def __init__(self, folder: Path) -> None:
        self.state_dir = folder
        self.seats: dict[str, Seats] = {}
        self.carriers: dict[str, Seats] = {}
        self.fixes: list[tuple[str, Fix | str]] = []
        self.times: list[tuple[str, TimeQuality, float]] = []
        self.is_ready = False
        self.links = self.texts = self.kit = self

    def ready(self) -> None:
        self.is_ready = True

    @contextmanager
    def offer(self, name: str, kind: BearerKind, *, recover: Any) -> Iterator[Seats]:
        self.seats[name] = Seats()
        self.recover = recover
        try:
            yield self.seats[name]
        finally:
            self.seats[name].tell(BearerFacts(LinkPhase.ABSENT, code="link-untended"))

    @contextmanager
    def carrier(self, name: str, kind: Any, send: Any, *, cost: int, number: str) -> Iterator[Seats]:
        self.carriers[name] = Seats()
        yield self.carriers[name]

    def fix(self, source: str, kind: str, fix: Fix) -> str:
        self.fixes.append((source, fix))
        return ""

    def time(self, source: str, quality: TimeQuality, unix_s: float) -> None:
        self.times.append((source, quality, unix_s))

    def no_fix(self, source: str, kind: str, code: str) -> None:
        self.fixes.append((source, code))

    def no_source(self, source: str) -> None:
        self.fixes.append((source, "gone"))


@by_hand
async def test_a_modem_of_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem()
    line = MemoryLine(modem)
    monkeypatch.setattr(at, "open_serial", line.open_serial)
    context = FakeContext(tmp_path)
    config = ModemConfig.model_validate(
        {"modems": {"lte0": {"backend": "at", "port": "usb:1-1.3:2", "interface": "wwan0", "gnss": True}}}
    )
    adapter = Modem(config, context)  # type: ignore[arg-type]
    assert isinstance(adapter, Measured) and isinstance(adapter, Checked)
    kept: Adapter = adapter
    task = asyncio.ensure_future(kept.run())
    await pass_time(30)
    assert context.is_ready and context.seats["lte0"].told[-1].phase is LinkPhase.UP
    assert context.carriers["lte0"].ready[-1] == (True, "")
    where = [fix for _, fix in context.fixes if isinstance(fix, Fix)][-1]
    assert (round(where.latitude, 4), round(where.longitude, 4), where.satellites) == (31.2304, 121.4737, 9)
    assert where.taken_at == 1796019330.0
    assert context.times == [] or context.times[0] == ("lte0", TimeQuality.NITZ, 1796019330.0)
    await pass_time(30)
    assert context.times == [("lte0", TimeQuality.NITZ, 1796019330.0)], "told once, then now and then"
    modem.gnss.fix = False
    await pass_time(15)
    assert context.fixes[-1] == ("lte0", "gnss-no-fix")
    assert adapter.figures() == {
        "modems": 1,
        "modems_up": 1,
        "recovery_steps_total": 0,
        "calls": 0,
        "call_records_dropped_total": 0,
    }
    (finding,) = adapter.findings()
    assert finding.grade is Grade.OK and "EC25" in finding.measured
    context.recover("link-no-reply")
    await pass_time(5)
    assert adapter.figures()["recovery_steps_total"] == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert context.seats["lte0"].told[-1].code == "link-untended" and context.fixes[-1] == ("lte0", "gone")
    assert context.carriers["lte0"].ready[-1] == (False, "modem-absent")


@by_hand
async def test_a_receiver_that_is_not_there_is_said_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """gnss = true, and the chipset has none that is known."""
    monkeypatch.setattr(at, "open_serial", MemoryLine(FakeModem(ME909)).open_serial)
    context = FakeContext(tmp_path)
    config = {"modems": {"lte0": {"backend": "at", "port": "usb:1-1.3:2", "interface": "wwan0", "gnss": True}}}
    task = asyncio.ensure_future(Modem(ModemConfig.model_validate(config), context).run())  # type: ignore[arg-type]
    await pass_time(45)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    said = [one for one in caplog.records if one.levelno >= logging.WARNING and "receiver" in one.getMessage()]
    assert len(said) == 1 and ("lte0", "gnss-silent") in context.fixes


async def test_checks(tmp_path: Path) -> None:
    assert [one.grade for one in await Modem.checks(ModemConfig())] == [Grade.OFF]
    node = tmp_path / "port"
    config = ModemConfig.model_validate({"modems": {"a": {"port": str(node)}, "b": {"port": "tcp://127.0.0.1:1"}}})
    first, second = [one for one in await Modem.checks(config) if one.check.endswith(".port")]
    assert (first.grade, first.code) == (Grade.FAIL, "serial-lost") and second.grade is Grade.OK
    node.touch()
    found = await Modem.checks(config)
    assert [one.grade for one in found if one.check.endswith(".port")] == [Grade.OK, Grade.OK]
    assert "modem.manager" in [one.check for one in found]


@pytest.mark.parametrize(("backend", "grade"), [("modemmanager", Grade.OK), ("auto", Grade.OK), ("at", Grade.FAIL)])
async def test_the_port_that_modemmanager_has(
    backend: str, grade: Grade, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where it drives the modem that is as it should be."""
    node = tmp_path / "port"
    node.touch()
    monkeypatch.setattr(session, "holder_of", lambda path: "ModemManager (pid 612)")
    config = ModemConfig.model_validate({"modems": {"a": {"port": str(node), "backend": backend}}})
    [found] = [one for one in await Modem.checks(config) if one.check == "modem.a.port"]
    assert found.grade is grade and "ModemManager (pid 612)" in found.measured


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": "/dev/ttyUSB2"},
        {"port": "usb:1-1:0", "apn": 'x"\rATD112;'},
        {"port": "usb:1-1:0", "pin": "12a4"},
        {"port": "usb:1-1:0", "user": 'a"b'},
        {"port": "usb:1-1:0", "interface": "a b"},
        {"port": "usb:1-1:0", "surplus": 1},
    ],
)
def test_what_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OneModem.model_validate(wrong)


def test_one_port_is_one_modems() -> None:
    with pytest.raises(ValidationError, match="one port"):
        ModemConfig.model_validate({"modems": {"a": {"port": "usb:1-1:0"}, "b": {"port": "usb:1-1:0"}}})


def test_secrets_are_not_shown() -> None:
    assert "1234" not in repr(OneModem.model_validate({"port": "usb:1-1:0", "pin": "1234"}))


def test_chipsets_by_what_they_say() -> None:
    found = {name: chipset_of(chip.manufacturer, chip.model).name for name, chip in CHIPS.items()}
    assert set(found.values()) == {one.name for one in CHIPSETS if one.name != "generic"}
    assert found["EC25"] == "quectel-lte" and found["RM500Q-GL"] == "quectel-5g"
    assert chipset_of("", "").name == "generic" and chipset_of("", "", "simcom").name == "simcom"


async def test_usb_power(tmp_path: Path) -> None:
    port = tmp_path / "1-1:1.0" / "1-1-port3"
    port.mkdir(parents=True)
    (port / "disable").write_text("0")
    (tmp_path / "1-1.3:1.4" / "net" / "wwan0").mkdir(parents=True)
    assert switch_of("1-1.3", usb=tmp_path) == port / "disable" and switch_of("1-1.4", usb=tmp_path) is None
    await cycle("1-1.3", "2c7c", usb=tmp_path, off_s=0)
    assert (port / "disable").read_text() == "0"
    root = tmp_path / "2-0:1.0" / "usb2-port1"
    root.mkdir(parents=True)
    (root / "disable").touch()
    assert switch_of("2-1", usb=tmp_path) == root / "disable"
    assert interface_of("1-1.3", usb=tmp_path) == "wwan0" and interface_of("", usb=tmp_path) == ""
    with pytest.raises(Unsupported):
        await cycle("9-1", "", usb=tmp_path, off_s=0)


async def test_the_power_of_another_device_is_not_cut(tmp_path: Path) -> None:
    """A disk was plugged in where the modem was, or the configuration names a camera's socket."""
    port = tmp_path / "1-1:1.0" / "1-1-port3" / "disable"
    port.parent.mkdir(parents=True)
    port.write_text("untouched")
    (tmp_path / "1-1.3").mkdir()
    (tmp_path / "1-1.3" / "idVendor").write_text("0781\n")
    for seen in ("2c7c", ""):
        with pytest.raises(Unsupported, match="another device"):
            await cycle("1-1.3", seen, usb=tmp_path, off_s=0)
    assert port.read_text() == "untouched"
    await cycle("1-1.3", "0781", usb=tmp_path, off_s=0)
    assert port.read_text() == "0"


@pytest.mark.parametrize("how", ["disable", "authorized"])
async def test_a_socket_that_a_killed_gateway_left_off_is_on_again_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    usb, marks = tmp_path / "usb", tmp_path / "state"
    switch = usb / "1-1:1.0" / "1-1-port3" / "disable" if how == "disable" else usb / "1-1.3" / "authorized"
    switch.parent.mkdir(parents=True)
    marks.mkdir()
    off, on = ("1", "0") if how == "disable" else ("0", "1")
    switch.write_text(on)

    async def killed(_s: float) -> None:
        assert switch.read_text() == off
        switch.with_suffix(".as-left").write_text(str(len(list(marks.glob(f"*{power.MARK}")))))
        raise SystemError("as if killed")

    loop = SimpleNamespace(get_running_loop=asyncio.get_running_loop, sleep=killed)
    monkeypatch.setattr(power, "asyncio", loop)
    with pytest.raises(SystemError):
        await cycle("1-1.3", "", marks, usb=usb)
    assert switch.with_suffix(".as-left").read_text() == "1", "noted before it is off"
    switch.write_text(off)  # its `finally` never ran
    monkeypatch.setattr(power, "USB", usb)
    monkeypatch.setattr(power.restore, "__kwdefaults__", {"usb": usb})
    context, ready = FakeContext(marks), asyncio.Event()
    monkeypatch.setattr(context, "ready", ready.set)
    task = asyncio.ensure_future(Modem(ModemConfig(), context).run())  # type: ignore[arg-type]
    await asyncio.wait_for(ready.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert switch.read_text() == on and not list(marks.iterdir())


async def test_what_can_not_be_noted_is_not_cut_and_a_foreign_mark_switches_nothing(tmp_path: Path) -> None:
    port = tmp_path / "1-1:1.0" / "1-1-port3" / "disable"
    port.parent.mkdir(parents=True)
    port.write_text("untouched")
    with pytest.raises(LinkDown) as no:
        await cycle("1-1.3", "", tmp_path / "no such folder", usb=tmp_path, off_s=0)
    assert no.value.code == "disk-full" and port.read_text() == "untouched"
    marks = tmp_path / "state"
    marks.mkdir()
    for name in ("..", "1-1.4", "x"):
        (marks / f"{name}{power.MARK}").write_text("disable")
    assert power.restore(marks, usb=tmp_path) == [] and list(marks.iterdir()) == []
    assert port.read_text() == "untouched"
