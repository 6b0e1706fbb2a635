"""A simulated vehicle at the adapter and the real media plane: session, places, alarms, pictures, talk-back, and its
habits. The simulator's frames are written by code of its own."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from gateway.base.errors import LinkDown, Unsupported
from gateway.model.device import DeviceState
from gateway.model.ids import StreamId
from gateway.model.ptz import PtzMove
from gateway.sim.vehicle import FAULTS
from tests.paths.vehicle_rig import PATIENCE_S, PHONE, Seat, driving, platform, soon
from tests.unit.codecs.voice_rig import UNALAW, hears


@pytest.mark.parametrize("generation", [2011, 2013, 2019])
async def test_each_generation_is_seen_and_heard(tmp_path: Path, generation: int) -> None:
    async with platform(tmp_path) as here, here.online(generation=generation):
        await here.attached.until(lambda a: a.described)
        assert here.attached.described["version"] == str(generation)
        assert here.attached.described["manufacturer"] == "FGATE"
        place = await asyncio.wait_for(here.context.messages.positions.get(), PATIENCE_S)
        assert (place.longitude, place.latitude, place.speed_kmh) == (104.0657, 30.6595, 42.3)
        async with here.watching() as picture:
            await picture.both()
            assert picture.tracks["video"].codec == "h264" and picture.tracks["audio"].codec == "pcma"
            assert (picture.tracks["video"].width, picture.tracks["video"].height) == (320, 180)
            await picture.frames(20)


async def test_h265(tmp_path: Path) -> None:
    from gateway.sim.encoder import VideoSettings

    video = VideoSettings(codec="h265", width=320, height=180, fps=10, bitrate=200_000)
    async with platform(tmp_path) as here, here.online(video=video), here.watching() as picture:
        await picture.both()
        assert picture.tracks["video"].codec == "h265"
        await picture.frames(10)


HABITS = sorted(set(FAULTS) - {"agrees-and-stays", "vanish", "silent-stop", "clock-ahead", "no-attributes"})


@pytest.mark.parametrize("fault", HABITS)
@pytest.mark.parametrize("generation", [2013, 2019])
async def test_habits_of_terminals_do_no_harm(tmp_path: Path, fault: str, generation: int) -> None:
    async with platform(tmp_path) as here, here.online(fault, generation=generation):
        await asyncio.wait_for(here.context.messages.positions.get(), PATIENCE_S)
        async with here.watching() as picture:
            await picture.both()
            await picture.frames(5)


async def test_a_stranger_knocks_and_is_let_in(tmp_path: Path) -> None:
    async with platform(tmp_path) as here:
        vehicle = here.vehicle()
        async with driving(vehicle):
            async with asyncio.timeout(PATIENCE_S):
                await here.context.devices.knocked.wait()
            assert here.context.devices.knocks[0] == (PHONE, "unknown-device")
            assert not vehicle.online.is_set()
            here.context.devices.admit(PHONE, "bus-1")
            async with asyncio.timeout(PATIENCE_S):
                await vehicle.online.wait()
            await here.attached.until(lambda a: a.states)
            assert here.attached.states[-1][0] is DeviceState.ONLINE


async def test_a_guessed_code_is_refused(tmp_path: Path) -> None:
    async with platform(tmp_path) as here:
        here.context.devices.admit(PHONE, "bus-1")
        vehicle = here.vehicle()
        vehicle._code = "0000"
        async with driving(vehicle):
            async with asyncio.timeout(PATIENCE_S):
                await here.context.devices.knocked.wait()
                assert here.context.devices.knocks[0] == (PHONE, "wrong-password")
                await vehicle.online.wait()  # it registers anew, as the standard has it
        # Forgetting it hangs up, and its next word is a stranger's.
        async with here.online() as again:
            here.context.devices.forget(PHONE)
            async with asyncio.timeout(PATIENCE_S):
                while (PHONE, "unknown-device") not in here.context.devices.knocks:
                    here.context.devices.knocked.clear()
                    await here.context.devices.knocked.wait()
            assert not again.online.is_set()


async def test_alarms_begin_and_end_once(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online(alarms=1) as vehicle:
        raised = await asyncio.wait_for(here.context.messages.alarms.get(), PATIENCE_S)
        assert (raised.kind, raised.cleared) == ("emergency", False)
        for _ in range(3):
            await asyncio.wait_for(here.context.messages.positions.get(), PATIENCE_S)
        assert here.context.messages.alarms.empty()
        vehicle.alarms = 0
        ended = await asyncio.wait_for(here.context.messages.alarms.get(), PATIENCE_S)
        assert (ended.kind, ended.cleared, ended.key) == ("emergency", True, raised.key)


async def test_a_clock_a_year_ahead_is_not_believed(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online("clock-ahead"):
        place = await asyncio.wait_for(here.context.messages.positions.get(), PATIENCE_S)
        assert place.taken_at <= place.received_at


async def test_its_loudspeaker_is_talked_to(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online() as vehicle:
        seat = Seat(here.plane)
        async with seat.open(here):
            await soon(lambda: len(vehicle.heard) > 16_000)
            assert hears([UNALAW[b] for b in vehicle.heard[8000:16_000]], 1000)
        await soon(lambda: any(order == 0x9102 and body[1] == 4 for order, body in vehicle.orders))


async def test_the_picture_ends_when_nobody_watches(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online() as vehicle:
        async with here.watching() as picture:
            await picture.both()
            assert 1 in vehicle._pictures
        await soon(lambda: 1 not in vehicle._pictures)
        assert struct.pack(">BBBB", 1, 0, 0, 0) in [body for order, body in vehicle.orders if order == 0x9102]


async def test_a_terminal_that_goes_on_sending_is_hung_up_on(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online("silent-stop") as vehicle:
        async with here.watching() as picture:
            await picture.both()
        await soon(lambda: vehicle._pictures[1].done())


async def test_one_that_agrees_and_does_not_come_is_named(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online("agrees-and-stays"), here.watching() as picture:
        with pytest.raises(LinkDown) as told:
            await picture.both()
        assert told.value.code == "jt1078-no-connection"


async def test_its_line_vanishes_and_comes_again(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online("vanish") as vehicle:
        offer = here.context.streams.offers.get(StreamId("kit1/bus-1/ch1"))
        await here.attached.until(lambda a: a.states[-1] == (DeviceState.OFFLINE, "device-offline"), PATIENCE_S)
        await here.attached.until(lambda a: a.states[-1][0] is DeviceState.ONLINE, PATIENCE_S)
        assert vehicle._vanished
        # What was offered stays offered: viewers wait, they are not sent away.
        assert offer is not None and here.context.streams.withdrawn == []


async def test_two_terminals_of_one_number_are_named(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online():
        twin = here.vehicle()
        async with driving(twin):
            await here.attached.until(lambda a: (DeviceState.ONLINE, "jt808-twice") in a.states, PATIENCE_S)


async def test_cameras_are_as_many_as_it_tells(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online(channels=4):
        await here.attached.until(lambda a: len(a.reports) == 4, PATIENCE_S)
        async with here.watching("kit1/bus-1/ch4") as picture:
            await picture.both()
    async with platform(tmp_path, channels=2) as here, here.online("no-attributes"):
        await here.attached.until(lambda a: len(a.reports) == 2, PATIENCE_S)


async def test_a_head_that_turns(tmp_path: Path) -> None:
    async with platform(tmp_path) as here, here.online() as vehicle:
        await here.attached.handler.move("1", PtzMove(pan=1.0))
        await here.attached.handler.move("1", PtzMove())
        turns = [body for order, body in vehicle.orders if order == 0x9301]
        assert turns == [bytes([1, 4, 255]), bytes([1, 0, 0])]
        with pytest.raises(Unsupported):
            await here.attached.handler.presets("1") or await here.attached.handler.key_frame("1")


async def test_what_is_no_terminal_is_hung_up_on(tmp_path: Path) -> None:
    async with platform(tmp_path) as here:
        for port, words in (
            (here.adapter.bound.port, b"\x7ejunk" * 60),
            (here.adapter.media_port, b"GET / HTTP/1.1\r\n" * 300),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(words)
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b""
            writer.close()
