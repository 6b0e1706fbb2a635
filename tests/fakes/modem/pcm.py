"""The port on which a modem has its call's sound: the far side sings a tone, and what it is told is kept.

Samples come only while a call is up and the modem was told to put its sound there, as with the real ones.
"""

from __future__ import annotations

import asyncio
import math
import os
import pty
import random
import tty
from array import array
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from gateway.sim.radio import tone_share
from tests.fakes.modem.device import FakeModem

RATE_HZ = 8000
TICK_S = 0.02
SAMPLES = 160


class PcmEnd:
    """`path` is a link that stays, as `PtyEnd.path`. `where`: of `FakeModem.sound`."""

    def __init__(self, modem: FakeModem, path: Path, *, where: str, hz: float = 600.0) -> None:
        self.modem, self.path, self.where, self.hz = modem, path, where, hz
        self.pieces: tuple[int, int] | None = None
        """Sizes in which the bytes are written, odd ones too."""
        self.burst = 1
        """So many ticks are held back and come together."""
        self.zeros = self.mute = False
        self.heard = array("h")
        """The newest second of what it is told."""
        self.heard_bytes = self.sent_bytes = 0
        self._random = random.Random(7)
        self._master = self._slave = -1
        self._at = 0
        self._held = bytearray()
        self._half = b""
        self._lose = False
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> PcmEnd:
        self.plug()
        self._task = asyncio.get_running_loop().create_task(self._sing())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        self.unplug()

    @property
    def on(self) -> bool:
        return self.modem.speaks and self.modem.sound == self.where

    def plug(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        self.path.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def lose_byte(self) -> None:
        """One byte is lost, and then a pause: what follows begins a sample anew."""
        self._lose = True

    def share(self, hz: float) -> float:
        """Of the last 200 ms that it was told, 0 … 1."""
        return tone_share(self.heard[-RATE_HZ // 5 :], hz, RATE_HZ)

    async def hears(self, hz: float, within_s: float = 20.0) -> None:
        async with asyncio.timeout(within_s):
            while len(self.heard) < RATE_HZ // 5 or self.share(hz) < 0.6:  # noqa: ASYNC110
                await asyncio.sleep(TICK_S)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return
        self.heard_bytes += len(data)
        if not self.on:
            return
        data = self._half + data
        self._half = data[len(data) // 2 * 2 :]
        self.heard.frombytes(data[: len(data) // 2 * 2])
        del self.heard[:-RATE_HZ]

    async def _sing(self) -> None:
        loop = asyncio.get_running_loop()
        due, tick = loop.time(), 0
        while True:
            due, tick = due + TICK_S, tick + 1
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not self.on or self.mute or self._master < 0:
                self._held.clear()
                continue
            peak = 0 if self.zeros else 8000
            span = range(self._at, self._at + SAMPLES)
            self._at += SAMPLES
            self._held += array("h", (round(peak * math.sin(math.tau * self.hz * n / RATE_HZ)) for n in span)).tobytes()
            if self._lose:
                self._lose = False
                self._write(bytes(self._held[:-1]))
                self._held.clear()
                await asyncio.sleep(0.2)
                due = loop.time()
            elif tick % self.burst == 0:
                data = bytes(self._held)
                self._held.clear()
                self._write(data)

    def _write(self, data: bytes) -> None:
        while data:
            size = self._random.randint(*self.pieces) if self.pieces else len(data)
            with suppress(OSError):  # nobody reads: the modem drops
                self.sent_bytes += os.write(self._master, data[:size])
            data = data[size:]
