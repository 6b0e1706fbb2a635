"""A channel between its radio and the floor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.roip.channel import RadioChannel
from adapters.roip.config import UsrpChannel
from gateway.base.errors import LinkDown
from gateway.model.device import DeviceState
from gateway.model.voice import MemberKind
from tests.unit.roip.rig import FakeLine, Rig


@asynccontextmanager
async def on_air(rig: Rig, **settings: object) -> AsyncIterator[tuple[FakeLine, asyncio.Task[None]]]:
    values = {"kind": "usrp", "listen": "127.0.0.1:0", "peer": "127.0.0.1:32001", **settings}
    channel = RadioChannel("radio-1", UsrpChannel.model_validate(values), rig.context)
    offer = rig.offers["kit1/radio-1/ch1"]
    assert offer.kind is MemberKind.RADIO
    assert not offer.on_demand
    line = FakeLine()
    running = asyncio.create_task(offer.open(line))  # type: ignore[arg-type]
    try:
        await line.until(lambda it: it.handle is not None)
        yield line, running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        channel.close()
    assert rig.offers == {}


async def test_what_is_heard_asks_for_the_floor_and_lets_it_go() -> None:
    async with on_air(Rig()) as (line, _):
        line.event("key")
        await line.until(lambda it: it.pressed)
        line.event("unkey")
        await line.until(lambda it: not it.pressed)
        assert line.said == ["press", "release"]


async def test_a_lost_unkey_ends_with_the_packets() -> None:
    async with on_air(Rig()) as (line, _):
        line.event("key")
        await line.until(lambda it: it.pressed)
        line.event("stopped")
        await line.until(lambda it: not it.pressed)


async def test_transmits_when_others_are_heard_and_holds_ptt_for_the_tail() -> None:
    rig = Rig()
    async with on_air(rig, tail="50ms") as (line, _):
        assert line.handle is not None
        assert rig.engine.voices[line.handle]["transmit"] == "never"
        line.transmit(True)
        assert rig.engine.voices[line.handle]["transmit"] == "always"
        line.transmit(False)
        assert rig.engine.voices[line.handle]["transmit"] == "always"
        await rig.engine.until(line.handle, transmit="never")


async def test_a_busy_channel_is_not_keyed_and_people_are_told() -> None:
    rig = Rig()
    async with on_air(rig) as (line, _):
        assert line.handle is not None
        line.event("key")
        line.transmit(True)
        await line.until(lambda it: it.inhibit == "channel-busy")
        assert rig.engine.voices[line.handle]["transmit"] == "never"
        line.event("unkey")
        await line.until(lambda it: it.inhibit == "")
        assert rig.engine.voices[line.handle]["transmit"] == "always"


async def test_a_transmission_without_end_is_cut_and_told() -> None:
    rig = Rig()
    async with on_air(rig, transmit_timeout="1s") as (line, _):
        assert line.handle is not None
        line.transmit(True)
        await line.until(lambda it: it.inhibit == "transmit-timeout")
        assert rig.engine.voices[line.handle]["transmit"] == "never"


async def test_a_lost_socket_ends_the_attempt_with_its_reason() -> None:
    rig = Rig()
    async with on_air(rig) as (line, running):
        assert rig.attached["kit1/radio-1"].states[-1] == (DeviceState.ONLINE, "")
        line.event("closed", "socket error")
        with pytest.raises(LinkDown, match="socket error"):
            await running
        assert line.handle is None
        assert rig.attached["kit1/radio-1"].states[-1][0] is DeviceState.DEGRADED
        assert rig.engine.closed == [7]


async def test_a_port_that_is_taken_is_named() -> None:
    import socket

    rig = Rig()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        values = {"kind": "usrp", "listen": f"127.0.0.1:{taken.getsockname()[1]}", "peer": "127.0.0.1:32001"}
        channel = RadioChannel("radio-1", UsrpChannel.model_validate(values), rig.context)
        with pytest.raises(Exception, match="in use") as caught:
            await rig.offers["kit1/radio-1/ch1"].open(FakeLine())  # type: ignore[arg-type]
        assert getattr(caught.value, "code", "") == "port-in-use"
        channel.close()
