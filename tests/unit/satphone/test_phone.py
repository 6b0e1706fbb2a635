"""A phone by its profile against the fake AT modem: registration, messages, PIN, where to turn it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.satphone.adapter import Satphones
from adapters.satphone.aim import aim
from adapters.satphone.config import PhoneConfig, SatphoneConfig
from adapters.satphone.phone import Phone
from adapters.satphone.protocol.profile import FOLDER, load
from gateway.base.errors import ConfigError, GatewayError, LinkDown
from gateway.model.doctor import Grade
from gateway.model.link import LinkPhase
from tests.fakes.modem import FakeModem, FakeSim, tcp_end
from tests.fakes.modem.pdus import deliver
from tests.fakes.modem.port import Asked, AtError
from tests.unit.satphone.rig import Rig, out, progress


async def test_registered_sends_and_reads() -> None:
    modem, rig = FakeModem(), Rig()
    server = await tcp_end(modem)
    config = PhoneConfig(port=f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", look_every="1s")  # type: ignore[arg-type]
    phone = Phone("sat1", config, rig.context)
    task = asyncio.create_task(phone.run())
    try:
        await rig.until(lambda: rig.ready)
        assert (rig.phase, rig.told[-1].device) == (LinkPhase.REGISTERED, "AT phone")
        sent = await phone.send(out("+8613800000000", "道路中断，需要直升机。" * 12), progress)
        assert sent.parts == len(modem.texts.sent) == 2
        modem.text_in(
            deliver("10086", "收到")[0] if isinstance(deliver("10086", "收到"), list) else deliver("10086", "收到")
        )
        await rig.until(lambda: bool(rig.came))
        assert rig.came[0].body == "收到" and rig.came[0].mark
        modem.net.stat = 2
        await rig.until(lambda: rig.phase is LinkPhase.SEARCHING and rig.code == "satphone-searching")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.close()


async def test_a_card_that_asks_for_its_pin_is_left_alone() -> None:
    modem, rig = FakeModem(sim=FakeSim(pin="4711")), Rig()
    server = await tcp_end(modem)
    config = PhoneConfig(port=f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", look_every="1s")  # type: ignore[arg-type]
    phone = Phone("sat1", config, rig.context)
    task = asyncio.create_task(phone.run())
    try:
        await rig.until(lambda: rig.phase is LinkPhase.LOCKED and rig.code == "satphone-pin")
        heard = [line for port in modem.ports for line in port.heard]
        assert not rig.ready and not any(line.startswith("AT+CPIN=") for line in heard)
        with pytest.raises(LinkDown):
            await phone.send(out("+8613800000000", "x"), progress)
        assert not modem.texts.sent
        modem.sim.unlocked = True  # a person entered it at the phone
        await rig.until(lambda: rig.ready)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.close()


async def test_reports_come_and_a_full_disk_takes_nothing_from_the_phone() -> None:
    modem, rig = FakeModem(), Rig()
    server = await tcp_end(modem)
    config = PhoneConfig(port=f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", look_every="1s")  # type: ignore[arg-type]
    phone = Phone("sat1", config, rig.context)
    task = asyncio.create_task(phone.run())
    try:
        await rig.until(lambda: rig.ready)
        await phone.send(out("+8613800000000", "x"), progress)
        await rig.until(lambda: rig.reports == [("1", True)])
        rig.full = GatewayError("full", code="disk-full")
        modem.text_in(deliver("10086", "one"))
        # Handed over without being stored: it lies nowhere but here.
        modem.urc("+CMT: ,20\r\n" + deliver("10086", "two", stamp="26113006153001"))
        await rig.until(lambda: phone._stays == "disk-full")
        assert rig.ready and rig.phase is LinkPhase.REGISTERED and len(modem.texts.stored) == 1
        rig.full = None
        await rig.until(lambda: {one.body for one in rig.came} == {"one", "two"})
        await rig.until(lambda: not modem.texts.stored)
        assert len(rig.came) == 2
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.close()


async def test_a_message_that_can_not_be_deleted_holds_up_none_behind_it() -> None:
    modem, rig = FakeModem(), Rig()
    good = modem.handlers["+CMGD"]

    def refuses(modem: FakeModem, asked: Asked) -> list[str]:
        if asked.args == "1":
            raise AtError("CMS", 302)
        return good(modem, asked)

    modem.handlers["+CMGD"] = refuses
    modem.texts.stored = {at: (0, deliver("10086", f"number {at}")) for at in range(4)}
    server = await tcp_end(modem)
    config = PhoneConfig(port=f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", look_every="1s")  # type: ignore[arg-type]
    phone = Phone("sat1", config, rig.context)
    task = asyncio.create_task(phone.run())
    try:
        await rig.until(lambda: len(rig.came) == 4)
        rig.told.clear()
        await rig.until(lambda: len(rig.told) == 2)  # it has looked again
        assert [one.body for one in rig.came] == [f"number {at}" for at in range(4)] and list(modem.texts.stored) == [1]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.close()


async def test_the_doctor_hears_of_one_that_is_not_there() -> None:
    config = SatphoneConfig(phones={"sat1": PhoneConfig(port="tcp://127.0.0.1:9", kind="beidou")})
    rig = Rig()
    adapter = Satphones(config, rig.context)
    assert adapter.findings() == []
    task = asyncio.create_task(adapter.run())
    try:
        await rig.until(lambda: bool(rig.told))
        (finding,) = adapter.findings()
        assert (finding.check, finding.grade, finding.code) == ("satphone sat1", Grade.WARN, "serial-unreached")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_our_profiles_are_whole_and_say_what_they_are() -> None:
    for path in FOLDER.glob("*.toml"):
        profile = load(path.stem)
        assert not profile.verified  # none of them was tried on a real phone
    found = load("tiantong")
    signal = found.read_signal("+CSQ: 20,99")
    assert signal is not None and (signal.rssi_dbm, signal.bars) == (-73.0, 3)
    assert found.read_signal("+CSQ: 99,99") is None and found.read_signal("nonsense") is None
    assert found.read_position("+GPS: 39.9075,116.3914") == (116.3914, 39.9075)
    assert found.read_position("+GPS: 0.0,0.0") is None


def test_a_profile_that_is_wrong_is_named(tmp_path: Path) -> None:
    for text in (
        'init = ["rm -rf"]\ntitle = "x"',
        'title = "x"\n[signal]\npattern = "("',
        "[",
        'title = "x"\nwrong = 1',
    ):
        (tmp_path / "p.toml").write_text(text)
        with pytest.raises(ConfigError):
            load(str(tmp_path / "p.toml"))


def test_where_to_turn_it() -> None:
    azimuth, elevation = aim(101.4, 39.9, 101.4)
    assert round(azimuth) == 180 and 43 < elevation < 44.5
    azimuth, elevation = aim(116.4, 39.9, 101.4)
    assert 200 < azimuth < 206 and 40 < elevation < 43
    assert aim(-70.0, 40.0, 101.4)[1] < 0


async def test_the_doctor_says_what_was_never_tried() -> None:
    phones = {"sat1": PhoneConfig(port="tcp://192.0.2.1:4001", profile="tiantong")}
    (found,) = await Satphones.checks(SatphoneConfig(phones=phones))
    assert found.grade is Grade.OK and "tried on no phone" in found.measured
    for bad in ("/dev/ttyUSB2", "nowhere"):
        with pytest.raises(ValueError, match=r"reset|path"):
            PhoneConfig(port=bad)
