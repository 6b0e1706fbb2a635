"""A radio keyed by a serial port: a pseudo-terminal, whose missing modem lines a test stands in for, and two programs
in place of ALSA's."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import serial.serialposix as posix

from adapters.roip.channel import RadioChannel
from adapters.roip.config import SerialChannel
from gateway.base.errors import LinkDown
from gateway.net.sound_card import sound_card
from tests.unit.roip.rig import FakeLine, Rig

RTS, DTR, CTS, CD = (posix.TIOCM_RTS, posix.TIOCM_DTR, posix.TIOCM_CTS, posix.TIOCM_CD)

ARECORD = """#!{python}
import os, sys, time
while True:
    os.write(1, b"\\x10\\x00" * 320)
    time.sleep(0.02)
"""
APLAY = """#!{python}
import os, sys
with open({heard!r}, "ab", buffering=0) as out:
    while data := os.read(0, 65536):
        out.write(data)
"""


class Lines:
    """The modem lines of every serial port that this process opens."""

    def __init__(self) -> None:
        self.levels = 0
        self.unplugged = False
        self.changed = asyncio.Event()

    def ioctl(self, fd: int, request: int, *rest: Any) -> Any:
        if request not in (posix.TIOCMBIS, posix.TIOCMBIC, posix.TIOCMGET):
            return fcntl.ioctl(fd, request, *rest)
        if self.unplugged:
            raise OSError(5, "Input/output error")
        if request == posix.TIOCMGET:
            return struct.pack("I", self.levels)
        bits = struct.unpack("I", rest[0])[0]
        self.levels = self.levels | bits if request == posix.TIOCMBIS else self.levels & ~bits
        self.changed.set()
        return b""

    async def until(self, line: int, high: bool) -> None:
        async with asyncio.timeout(60):
            while bool(self.levels & line) is not high:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    from types import SimpleNamespace

    made = Lines()
    monkeypatch.setattr(
        posix,
        "fcntl",
        SimpleNamespace(
            ioctl=made.ioctl,
            flock=fcntl.flock,
            fcntl=fcntl.fcntl,
            LOCK_EX=fcntl.LOCK_EX,
            LOCK_NB=fcntl.LOCK_NB,
            LOCK_UN=fcntl.LOCK_UN,
            F_SETFL=fcntl.F_SETFL,
        ),
    )
    return made


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    out = tmp_path / "heard"
    for name, text in (("arecord", ARECORD), ("aplay", APLAY)):
        program = tmp_path / name
        program.write_text(text.format(python=sys.executable, heard=str(out)))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return out


@pytest.fixture
def terminal() -> Iterator[str]:
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    yield name
    os.close(slave)
    os.close(master)


@asynccontextmanager
async def on_air(rig: Rig, port: str, **settings: object) -> AsyncIterator[tuple[FakeLine, asyncio.Task[None]]]:
    channel = RadioChannel(
        "r1", SerialChannel.model_validate({"kind": "serial", "port": port, **settings}), rig.context
    )
    line = FakeLine()
    running = asyncio.create_task(rig.offers["kit1/r1/ch1"].open(line))  # type: ignore[arg-type]
    try:
        await line.until(lambda it: it.handle is not None)
        yield line, running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        channel.close()


@pytest.mark.parametrize(("ptt", "bit"), [("rts", RTS), ("dtr", DTR)])
async def test_ptt_is_a_line_and_is_let_go_at_the_end(
    lines: Lines, heard: Path, terminal: str, ptt: str, bit: int
) -> None:
    async with on_air(Rig(), terminal, ptt=ptt, tail="20ms") as (line, _):
        await lines.until(bit, False)
        line.transmit(True)
        await lines.until(bit, True)
        line.transmit(False)
        await lines.until(bit, False)
        line.transmit(True)
        await lines.until(bit, True)
    assert not lines.levels & bit


async def test_ptt_inverted(lines: Lines, heard: Path, terminal: str) -> None:
    async with on_air(Rig(), terminal, ptt_inverted=True) as (line, _):
        await lines.until(RTS, True)
        line.transmit(True)
        await lines.until(RTS, False)
    assert lines.levels & RTS


@pytest.mark.parametrize(("squelch", "bit"), [("cts", CTS), ("dcd", CD)])
async def test_squelch_asks_for_the_floor(lines: Lines, heard: Path, terminal: str, squelch: str, bit: int) -> None:
    async with on_air(Rig(), terminal, squelch=squelch) as (line, _):
        lines.levels |= bit
        await line.until(lambda it: it.pressed)
        lines.levels &= ~bit
        await line.until(lambda it: not it.pressed)


async def test_squelch_by_speech(lines: Lines, heard: Path, terminal: str) -> None:
    async with on_air(Rig(), terminal, squelch="vox") as (line, _):
        line.event("talking")
        await line.until(lambda it: it.pressed)
        line.event("quiet")
        await line.until(lambda it: not it.pressed)


async def test_an_unplugged_adapter_is_told_and_ends_the_attempt(lines: Lines, heard: Path, terminal: str) -> None:
    async with on_air(Rig(), terminal) as (_, running):
        lines.unplugged = True
        with pytest.raises(LinkDown, match="Input/output error") as caught:
            await running
        assert caught.value.code == "serial-lost"


async def test_a_port_that_is_not_there(lines: Lines, heard: Path) -> None:
    rig = Rig()
    channel = RadioChannel(
        "r1", SerialChannel.model_validate({"kind": "serial", "port": "/dev/serial/by-id/gone"}), rig.context
    )
    with pytest.raises(LinkDown, match="by-id/gone") as caught:
        await rig.offers["kit1/r1/ch1"].open(FakeLine())  # type: ignore[arg-type]
    assert caught.value.code == "serial-lost"
    channel.close()


async def test_samples_go_both_ways_in_records_of_20_ms(heard: Path) -> None:
    async with sound_card("default", 16000) as card:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            assert len(await loop.sock_recv(card.plane_end, 65536)) == 640
            await loop.sock_sendall(card.plane_end, b"\x01\x02" * 320)
            while not heard.exists() or heard.stat().st_size < 640:
                await loop.sock_recv(card.plane_end, 65536)  # the microphone's clock is the wait
    assert heard.read_bytes()[:4] == b"\x01\x02\x01\x02"


async def test_a_sound_card_that_is_gone_is_told_with_the_programs_word(tmp_path: Path, heard: Path) -> None:
    (tmp_path / "arecord").write_text("#!/bin/sh\necho 'audio open error: No such device' >&2\nexit 1\n")
    async with sound_card("plughw:9", 16000) as card:
        with pytest.raises(LinkDown, match=r"plughw:9.*No such device") as caught:
            async with asyncio.timeout(10):
                await card.lost
        assert caught.value.code == "sound-card"


async def test_no_alsa_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LinkDown, match="alsa-utils"):
        async with sound_card("default", 16000):
            pass
