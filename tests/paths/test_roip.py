"""Radio channels on the real media plane: packets on sockets in, the floor's words out, and back."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.roip.channel import RadioChannel
from adapters.roip.config import RtpChannel, UsrpChannel
from gateway.core.mediaplane import MediaPlane
from gateway.sim.radio import Radio, RadioProfile
from gateway.sim.report import silent
from gateway.sim.sound import alaw
from tests.paths.sip_rig import a_plane, tone
from tests.unit.roip.rig import FakeLine, Rig

SILENCE = bytes([alaw(0)]) * 160
TONE = bytes(alaw(round(9000 * math.sin(math.tau * 700 * n / 8000))) for n in range(160))  # whole periods: 14 of them


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def on_air(plane: MediaPlane, channel: RtpChannel | UsrpChannel) -> AsyncIterator[FakeLine]:
    rig = Rig(plane.engine)
    made = RadioChannel("radio-1", channel, rig.context)
    line = FakeLine()
    running = asyncio.create_task(rig.offers["kit1/radio-1/ch1"].open(line))  # type: ignore[arg-type]
    try:
        await line.until(lambda it: it.handle is not None)
        assert line.handle is not None
        plane.on_voice(line.handle, lambda event: [listener(event) for listener in line.listeners] and None)
        yield line
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        made.close()


class RtpRadio:
    """A radio gateway: sends what it is told each 20 ms, counts what comes."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = int(self.socket.getsockname()[1])
        self.says: bytes | None = None

    async def run(self, to: int) -> None:
        loop = asyncio.get_running_loop()
        due, number = loop.time(), 0
        while True:
            if self.says is not None:
                header = struct.pack("!BBHII", 0x80, 8, number & 0xFFFF, number * 160, 77)
                self.socket.sendto(header + self.says, ("127.0.0.1", to))
            number += 1
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def packet(self, timeout_s: float = 5.0) -> bytes:
        """The next RTP packet (no RTCP). Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self.socket, 2048)
                if not 192 <= data[1] <= 223:
                    return data


@asynccontextmanager
async def rtp(**settings: Any) -> AsyncIterator[tuple[RtpRadio, FakeLine]]:
    radio, ours = RtpRadio(), free_port()
    values = {"kind": "rtp", "listen": f"127.0.0.1:{ours}", "peer": f"127.0.0.1:{radio.port}", **settings}
    sending = asyncio.create_task(radio.run(ours))
    try:
        async with a_plane() as plane, on_air(plane, RtpChannel.model_validate(values)) as line:
            yield radio, line
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        radio.socket.close()


async def test_rtp_that_comes_is_a_key_and_its_end_lets_go() -> None:
    async with rtp(squelch="rtp") as (radio, line):
        radio.says = TONE
        await line.until(lambda it: it.pressed)
        radio.says = None
        await line.until(lambda it: not it.pressed)


async def test_vox_tells_speech_from_packets_of_silence() -> None:
    async with rtp(squelch="vox", vox_hang="200ms") as (radio, line):
        radio.says = SILENCE
        with pytest.raises(TimeoutError):
            await line.until(lambda it: it.pressed, 1.0)
        radio.says = TONE
        await line.until(lambda it: it.pressed)
        radio.says = SILENCE
        await line.until(lambda it: not it.pressed)


async def test_rtp_leaves_only_while_keyed_and_for_the_tail() -> None:
    async with rtp() as (radio, line):
        with pytest.raises(TimeoutError):
            await radio.packet(0.5)
        line.transmit(True)
        first = await radio.packet()
        assert (first[1] & 0x7F, len(first)) == (8, 172)
        line.transmit(False)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                while True:
                    await radio.packet(1.0)


@pytest.mark.parametrize("fault", ["", "nonsense", "stranger", "lost-unkey"])
async def test_usrp_both_ways_with_what_links_do_wrong(fault: str) -> None:
    ours, theirs = free_port(), free_port()
    profile = RadioProfile(("127.0.0.1", theirs), ("127.0.0.1", ours), faults=frozenset({fault} - {""}))
    channel = UsrpChannel.model_validate(
        {"kind": "usrp", "listen": f"127.0.0.1:{ours}", "peer": f"127.0.0.1:{theirs}", "tail": "100ms"}
    )
    async with a_plane() as plane, on_air(plane, channel) as line, Radio(profile, silent) as radio:
        calling = asyncio.create_task(radio.call(0.5))
        await line.until(lambda it: it.pressed)
        await calling
        await line.until(lambda it: not it.pressed)
        assert line.said == ["press", "release"]
        line.transmit(True)
        assert line.handle is not None
        plane.engine.cue(line.handle, tone(1000, 2.0), rate_hz=8000)  # somebody is heard
        await radio.until(lambda heard: heard.transmissions == 1 and heard.strength(1000) > 0.6)
        assert not line.pressed
