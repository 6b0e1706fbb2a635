"""A talk group on the real media plane without the core: whoever sits is in the room; and members that sing a tone."""

from __future__ import annotations

import asyncio
import fractions
import math
import socket
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
from aiortc.mediastreams import MediaStreamTrack

from gateway import codecs
from gateway.contract.voice import SeatWish
from gateway.model.voice import GroupId
from gateway.sim.radio import tone_share
from tests.unit.webrtc.fakes import FakeSeat, FakeTalk

OPS = GroupId("kit1/talk/ops")
PCM_HZ = 16000
HEARD = 0.6
"""Share of the energy at its frequency from which a tone counts as heard."""
UNHEARD = 0.05


def sine(hz: float, first: int, count: int, rate_hz: int, peak: int = 8000) -> array[int]:
    """`count` samples of a tone from sample number `first` on."""
    return array("h", (round(peak * math.sin(math.tau * hz * n / rate_hz)) for n in range(first, first + count)))


class EngineSeat(FakeSeat):
    def __init__(self, engine: codecs.Engine, room: int, group: GroupId, wish: SeatWish) -> None:
        super().__init__(group, wish)
        self._engine = engine
        self._room = room

    def voice(self, handle: int | None) -> None:
        super().voice(handle)
        if handle is not None:
            self._engine.route(self._room, handle, talk=self.wish.may_talk, listen=self.wish.may_listen)


class EngineTalk(FakeTalk):
    """FakeTalk whose groups are rooms of the engine; everybody who may talk is heard."""

    def __init__(self, engine: codecs.Engine) -> None:
        super().__init__()
        self._engine = engine
        self.rooms = {OPS: engine.open_room(OPS)}

    @asynccontextmanager
    async def seat(self, group: GroupId, wish: SeatWish) -> AsyncIterator[FakeSeat]:
        seat = EngineSeat(self._engine, self.rooms[group], group, wish)
        self.seats.append(seat)
        try:
            yield seat
        finally:
            self.seats.remove(seat)


class Ear:
    """What somebody hears: the newest second of samples."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.samples = array("h")
        self.count = 0

    def take(self, data: bytes) -> None:
        self.samples.frombytes(data)
        self.count += len(data) // 2
        del self.samples[: -self.rate_hz]

    def share(self, hz: float) -> float:
        """Of the last 200 ms, 0 … 1."""
        return tone_share(self.samples[-self.rate_hz // 5 :], hz, self.rate_hz)

    def loudest(self) -> int:
        """Of the last 200 ms."""
        return max(map(abs, self.samples[-self.rate_hz // 5 :]), default=0)


@asynccontextmanager
async def pcm_member(engine: codecs.Engine, room: int, hz: float) -> AsyncIterator[Ear]:
    """A member of the room that sings `hz` over a PCM port; yields what it hears."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    voice = engine.open_voice_pcm(theirs.detach(), rate_hz=PCM_HZ)
    engine.route(room, voice, talk=True, listen=True)
    loop, ear, step = asyncio.get_running_loop(), Ear(PCM_HZ), PCM_HZ // 50

    async def sing() -> None:
        due, at = loop.time(), 0
        while True:
            if hz:
                await loop.sock_sendall(ours, sine(hz, at, step, PCM_HZ).tobytes())
            due, at = due + 0.02, at + step
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def listen() -> None:
        while record := await loop.sock_recv(ours, 4096):
            ear.take(record)

    tasks = [asyncio.create_task(sing()), asyncio.create_task(listen())]
    try:
        yield ear
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        engine.close_voice(voice)
        ours.close()


class ToneTrack(MediaStreamTrack):
    """A microphone that hears one tone, in real time."""

    kind = "audio"

    def __init__(self, hz: float) -> None:
        super().__init__()
        self.hz = hz
        self._at = 0
        self._began = time.monotonic()

    async def recv(self) -> Any:
        await asyncio.sleep(max(0.0, self._began + self._at / 48000 - time.monotonic()))
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.planes[0].update(sine(self.hz, self._at, 960, 48000).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = 48000, self._at, fractions.Fraction(1, 48000)
        self._at += 960
        return frame


@asynccontextmanager
async def hearing(track: MediaStreamTrack) -> AsyncIterator[Ear]:
    """Decode what comes on a track while the context lasts."""
    ear = Ear(48000)

    async def listen() -> None:
        while True:
            frame: Any = await track.recv()
            samples = array("h", bytes(frame.planes[0])[: frame.samples * len(frame.layout.channels) * 2])
            ear.rate_hz = frame.sample_rate
            ear.take(samples[:: len(frame.layout.channels)].tobytes())

    task = asyncio.create_task(listen())
    try:
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
