"""A simulated narrowband radio channel behind a USRP link: it is heard when keyed, and tells what it hears.

One channel, half-duplex: while it transmits it hears nothing. Like real links it can be wrong on purpose: keep its key
down for ever, lose the packet that says "unkeyed", send what is no USRP, send from a stranger's port.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.sim.ear import goertzel
from gateway.sim.report import Report, plain

RATE_HZ = 8000
SAMPLES = 160
HEADER = struct.Struct(">4s7I")
"""USRP: eye catcher, sequence, memory, key-up, talk group, type (0: voice), multiplex id, reserved."""
FAULTS = {
    "forever": "the key stays down: a stuck microphone",
    "lost-unkey": "the last packet of a transmission, the one that says so, is lost",
    "nonsense": "between its packets come some that are no USRP",
    "stranger": "another address sends packets too",
}


@dataclass(frozen=True, slots=True)
class RadioProfile:
    """`listen` and `peer` as (host, port). It calls every `every_s` for `call_s` with a tone of `tone_hz`; 0: never."""

    listen: tuple[str, int]
    peer: tuple[str, int]
    name: str = "radio"
    tone_hz: float = 700.0
    every_s: float = 0.0
    call_s: float = 3.0
    faults: frozenset[str] = frozenset()


@dataclass(slots=True)
class Heard:
    """What came out of the radio since the last call of `Radio.forget`."""

    samples: array[int] = field(default_factory=lambda: array("h"))
    transmissions: int = 0
    packets: int = 0

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE_HZ

    def strength(self, hz: float) -> float:
        """Share of the energy of the last second that is a tone of `hz`, 0 … 1 (Goertzel)."""
        return tone_share(self.samples[-RATE_HZ:], hz, RATE_HZ)


def tone_share(samples: array[int], hz: float, rate_hz: int) -> float:
    """How much of the energy of `samples` lies at `hz`: 1 for that tone alone, near 0 where it is not heard."""
    total = sum(float(sample) * sample for sample in samples)
    return min(1.0, 2 * goertzel(samples, hz, rate_hz) / (len(samples) * total)) if total else 0.0


class Radio(asyncio.DatagramProtocol):
    """`async with Radio(profile) as radio`: on the air inside."""

    MOST_HEARD = 60 * RATE_HZ

    def __init__(self, profile: RadioProfile, report: Report = plain) -> None:
        self._profile = profile
        self._report = report
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._sequence = 0
        self._phase = 0
        self._keyed = False
        self._receiving = False
        self._began = 0.0
        self._changed = asyncio.Event()
        self.heard = Heard()

    async def __aenter__(self) -> Radio:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self._profile.listen)
        if self._profile.every_s:
            self._tasks.append(asyncio.create_task(self._call_now_and_then()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()

    @property
    def port(self) -> int:
        assert self._transport is not None  # noqa: S101
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def keyed(self) -> bool:
        return self._keyed

    def forget(self) -> None:
        self.heard = Heard()

    async def until(self, true: Callable[[Heard], object], timeout_s: float = 5.0) -> Heard:
        """Wait for something to be heard. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not true(self.heard):
                self._changed.clear()
                await self._changed.wait()
        return self.heard

    async def call(self, seconds: float, hz: float = 0.0) -> None:
        """Key, send a tone, unkey; one packet each 20 ms. Longer with the fault `forever`."""
        loop = asyncio.get_running_loop()
        self._keyed = True
        self._report("keyed", self._profile.name, f"transmits {hz or self._profile.tone_hz:.0f} Hz")
        due, ends = loop.time(), loop.time() + seconds
        try:
            while loop.time() < ends or "forever" in self._profile.faults:
                self._send(1, self._tone(hz or self._profile.tone_hz))
                due += SAMPLES / RATE_HZ
                await asyncio.sleep(max(0.0, due - loop.time()))
        finally:
            self._keyed = False
            if "lost-unkey" not in self._profile.faults:
                self._send(0, b"")
            self._report("unkeyed", self._profile.name, "stops")

    async def _call_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._profile.every_s)
            if not self._receiving:  # an operator listens before he talks
                await self.call(self._profile.call_s)

    def _tone(self, hz: float) -> bytes:
        out = array("h", (round(9000 * math.sin(math.tau * hz * (self._phase + n) / RATE_HZ)) for n in range(SAMPLES)))
        self._phase += SAMPLES
        return out.tobytes()  # little-endian, as the machines it runs on are

    def _send(self, keyup: int, audio: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._sequence += 1
        self._transport.sendto(HEADER.pack(b"USRP", self._sequence, 0, keyup, 0, 0, 0, 0) + audio, self._profile.peer)
        if "stranger" in self._profile.faults:
            _from_elsewhere(HEADER.pack(b"USRP", self._sequence, 0, 1, 0, 0, 0, 0) + audio, self._profile.peer)
        if "nonsense" in self._profile.faults:
            self._transport.sendto(b"\x00" * (self._sequence % 400), self._profile.peer)

    # — asyncio.DatagramProtocol —

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if len(data) < HEADER.size or data[:4] != b"USRP":
            return
        keyup = HEADER.unpack_from(data)[3]
        if self._keyed:  # its receiver is off while it transmits
            return
        self.heard.packets += 1
        if keyup and not self._receiving:
            self._receiving = True
            self._began = asyncio.get_running_loop().time()
            self.heard.transmissions += 1
            self._report("hearing", self._profile.name, "hears somebody")
        elif not keyup and self._receiving:
            self._receiving = False
            seconds = asyncio.get_running_loop().time() - self._began
            self._report("heard", self._profile.name, f"heard {seconds:.1f} s", seconds=round(seconds, 2))
        audio = data[HEADER.size :]
        if keyup and len(audio) == 2 * SAMPLES:
            self.heard.samples.frombytes(audio)
            if len(self.heard.samples) > self.MOST_HEARD:
                del self.heard.samples[: RATE_HZ * 10]
        self._changed.set()


def _from_elsewhere(data: bytes, to: tuple[str, int]) -> None:
    """Loopback has many addresses: this one is not the radio's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.66", 0))
        other.sendto(data, to)
