"""Messages from a new address: NAT moved the device, or somebody uses its id. MESSAGE carries no password."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.gb28181 import moves
from gateway.model.device import DeviceState
from tests.unit.gb28181.rig import Rig, rigged
from tests.unit.gb28181.scripted import BALL, CHANNEL, ScriptedDevice, keepalive

ALARM = (
    f"<Notify><CmdType>Alarm</CmdType><SN>9</SN><DeviceID>{CHANNEL}</DeviceID><AlarmPriority>1</AlarmPriority>"
    "<AlarmMethod>5</AlarmMethod><AlarmTime>2026-11-23T12:00:00</AlarmTime><Longitude>104.1</Longitude>"
    "<Latitude>30.6</Latitude><Info><AlarmType>2</AlarmType></Info></Notify>"
)
POSITION = (
    f"<Notify><CmdType>MobilePosition</CmdType><SN>3</SN><DeviceID>{BALL}</DeviceID><Time>2026-11-23T12:00:00</Time>"
    "<Longitude>10.0</Longitude><Latitude>10.0</Latitude></Notify>"
)


async def judged(rig: Rig) -> None:
    """The question about the new address has been decided."""
    assert rig.adapter is not None and rig.adapter.book is not None
    entry = rig.adapter.book.find(BALL)
    assert entry is not None
    await entry.link.crew.drain(5)


def questions(device: ScriptedDevice) -> int:
    return sum(b"DeviceStatus" in r.body for r in device.seen)


@pytest.mark.parametrize("said", [keepalive(), ALARM, POSITION])
async def test_one_who_uses_the_id_of_a_device_that_lives(tmp_path: Path, said: str) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        forger = await rig.device()
        assert (await forger.message(said)).status == 200
        await judged(rig)
        assert questions(forger) == 1, "he answers, and it does not help him"
        assert str(forger.port) not in "".join(rig.attached.addresses)
        assert rig.context.messages.alarms.empty() and rig.context.messages.positions.empty()
        await rig.attached.handler.key_frame(CHANNEL)
        assert await ball.order("IFameCmd") == "Send", "orders go to the device"
        assert f'"port":{ball.port}' in rig.attached.remembered
        assert (await forger.message(said)).status == 403, "refused until it registers from there"
        assert questions(forger) == 1
        assert (await ball.message(keepalive())).status == 200
        assert (await forger.register()).status == 200, "with the password it is the device"
        assert (await forger.message(keepalive())).status == 200


async def test_an_address_at_which_nobody_answers(tmp_path: Path) -> None:
    """As a forged source address is: the device stays where it was."""
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        ball.silent = True  # even if the device does not answer just now
        forger = await rig.device()
        forger.reply_status = 481
        assert (await forger.message(keepalive())).status == 200
        await judged(rig)
        assert f'"port":{ball.port}' in rig.attached.remembered


async def test_what_a_moved_device_says_waits_and_is_done(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        ball.rebind()
        assert (await ball.message(ALARM)).status == 200
        assert (await ball.message(keepalive())).status == 200
        got = await asyncio.wait_for(rig.context.messages.alarms.get(), 5)
        assert got.kind == "motion" and str(ball.port) in rig.attached.addresses[-1]
        assert await ball.order("Result") == "OK", "confirmed where it is now"
        assert all(state is not DeviceState.OFFLINE for state, _ in rig.attached.states[1:])


async def test_a_flood_from_new_addresses_asks_seldom(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.online()
        forgers = [await rig.device() for _ in range(8)]
        answers = [await forger.message(keepalive()) for forger in forgers]
        assert [a.status for a in answers] == [200] + [503] * 7
        await judged(rig)
        assert (await forgers[1].message(keepalive())).status == 503, "not the time for another question"
        assert [questions(forger) for forger in forgers] == [1] + [0] * 7


async def test_what_waits_is_bounded(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        ball.rebind()
        answers = [await ball.message(keepalive(sn)) for sn in range(moves.MAX_HELD + 2)]
        assert [a.status for a in answers] == [200] * moves.MAX_HELD + [503] * 2
        await judged(rig)
        assert (await ball.message(keepalive())).status == 200


async def test_a_second_connection_beside_the_first(tmp_path: Path) -> None:
    """Long answers may come over TCP from a device that registered over UDP: heard, and spoken to as before."""
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        beside = await rig.device(tcp=True)
        assert (await beside.message(ALARM)).status == 200
        await asyncio.wait_for(rig.context.messages.alarms.get(), 5)
        assert await ball.order("Result") == "OK"
        await judged(rig)
        assert (await beside.message(keepalive())).status == 200, "both are its own"
        assert f'"port":{ball.port}' in rig.attached.remembered


async def test_a_connection_that_died_unseen_and_its_successor(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online(tcp=True)
        ball.silent = True
        again = await rig.device(tcp=True)
        assert (await again.message(keepalive())).status == 200
        await rig.attached.until(lambda a: str(again.port) in a.addresses[-1])
        await rig.attached.handler.key_frame(CHANNEL)
        assert await again.order("IFameCmd") == "Send"
