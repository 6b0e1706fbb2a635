"""Tones, and an ear that tells which one a voice of the media plane says."""

from __future__ import annotations

import asyncio
import math
import socket
from array import array
from collections.abc import Callable, Sequence

from gateway import codecs

RATE = 8000
PATIENCE_S = 10.0


def tone(hz: float, seconds: float = 10.0, level: float = 0.3) -> bytes:
    """Signed 16-bit samples at 8 kHz."""
    count = round(RATE * seconds)
    return array("h", (round(32767 * level * math.sin(2 * math.pi * hz * n / RATE)) for n in range(count))).tobytes()


def strength(samples: Sequence[int], hz: float) -> float:
    """The share of the energy that lies at `hz` (Goertzel), 0 … 1."""
    energy = sum(s * s for s in samples)
    if energy < len(samples) * 100:  # under −50 dBFS nothing is heard
        return 0.0
    k = 2 * math.cos(2 * math.pi * hz / RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + k * one - two, one
    power = one * one + two * two - k * one * two
    return power / (energy * len(samples) / 2)


class Ear:
    """Hears what a voice says: a PCM port in a room with it."""

    def __init__(self, engine: codecs.Engine, voice: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._socket = ours
        self._engine = engine
        self._port = engine.open_voice_pcm(theirs.detach(), rate_hz=RATE)
        self._room = engine.open_room("ear")
        engine.route(self._room, self._port, talk=False, listen=True)
        self.follow(voice)

    def follow(self, voice: int) -> None:
        self._engine.route(self._room, voice, talk=True, listen=False)

    async def hears(self, hz: float, *, share: float = 0.7, windows: int = 3) -> None:
        """Until so many windows of 200 ms in a row are this tone. Raises TimeoutError."""
        await self.until(lambda heard: strength(heard, hz) >= share, windows)

    async def silent(self, *, windows: int = 3) -> None:
        """Until so many windows in a row have nothing above comfort noise."""
        await self.until(lambda heard: sum(s * s for s in heard) / len(heard) < 60**2, windows)

    async def until(self, fits: Callable[[Sequence[int]], bool], windows: int) -> None:
        loop = asyncio.get_running_loop()
        found = 0
        async with asyncio.timeout(PATIENCE_S):
            while found < windows:
                samples = array("h")
                while len(samples) < RATE // 5:
                    samples.frombytes(await loop.sock_recv(self._socket, 4096))
                found = found + 1 if fits(samples) else 0

    def close(self) -> None:
        self._engine.close_room(self._room)
        self._engine.close_voice(self._port)
        self._socket.close()
