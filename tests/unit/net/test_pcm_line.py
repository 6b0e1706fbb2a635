"""Raw samples on a serial port: cut into records whatever the pieces, bounded both ways, its end told."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import Busy, GatewayError, LinkDown
from gateway.base.serial import OnData, OnLost
from gateway.net import pcm_line as module
from gateway.net.pcm_line import GAP_S, MOST_RECORDS, Cutter, pcm_line
from tests.fakes.modem import EC25, FakeModem, PcmEnd


@given(st.lists(st.integers(0, 900), max_size=30), st.integers(0, 2**32))
def test_records_are_the_bytes_whatever_the_pieces(sizes: list[int], seed: int) -> None:
    data = random.Random(seed).randbytes(sum(sizes))
    cutter, at, out = Cutter(320), 0, b""
    for n, size in enumerate(sizes):
        records = cutter.feed(data[at : at + size], n * 0.001)
        assert all(len(record) == 320 for record in records)
        out += b"".join(records)
        at += size
    assert out == data[: len(data) // 320 * 320] and cutter.odd == 0


def test_a_lost_byte_does_not_turn_all_that_follows_to_noise() -> None:
    cutter = Cutter(4)
    assert cutter.feed(b"\1\2\3", 1.0) == []
    assert cutter.feed(b"\5\6\7\10\1\2", 1.0 + 2 * GAP_S) == [b"\1\2\5\6", b"\7\10\1\2"]
    assert cutter.odd == 1
    # A piece that ends within a sample, the rest at once, is no loss.
    assert cutter.feed(b"\1", 5.0) == [] and cutter.feed(b"\2\3\4", 5.01) == [b"\1\2\3\4"]


class Port:
    """A serial line that takes what it is let."""

    def __init__(self) -> None:
        self.unsent = 0
        self.written: list[bytes] = []
        self.closed = 0
        self.address = "usb:1-1.3:1"
        self.refuse: GatewayError | None = None

    async def open(self, address: str, *, owner: str, on_data: OnData, on_lost: OnLost, baud: int) -> Port:
        if self.refuse is not None:
            raise self.refuse
        self.on_data, self.on_lost = on_data, on_lost
        return self

    def write(self, data: bytes) -> None:
        self.written.append(data)

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Port:
    made = Port()
    monkeypatch.setattr(module, "open_serial", made.open)
    return made


async def turns(most: int = 50) -> None:
    for _ in range(most):
        await asyncio.sleep(0)


async def test_both_ways(port: Port) -> None:
    async with pcm_line("usb:1-1.3:1", owner="lte0") as line:
        loop = asyncio.get_running_loop()
        port.on_data(b"\1" * 100)
        port.on_data(b"\1" * 540)
        assert [len(await loop.sock_recv(line.plane_end, 4096)) for _ in range(2)] == [320, 320]
        await loop.sock_sendall(line.plane_end, b"\2" * 320)
        await turns()
        assert port.written == [b"\2" * 320]
    assert port.closed == 1 and line.lost.cancelled()


async def test_a_media_plane_that_stands_loses_the_oldest_and_they_are_counted(port: Port) -> None:
    async with pcm_line("usb:1-1.3:1", owner="lte0") as line:
        for n in range(200):
            port.on_data(bytes([n]) * 320)
        assert line.waiting[0] == MOST_RECORDS and line.dropped_in > 100
        newest = b""
        while True:
            try:
                newest = line.plane_end.recv(4096)
            except BlockingIOError:
                break
        port.on_data(b"\xff" * 320)  # what waited goes, and this behind it
        read = []
        while True:
            try:
                read.append(line.plane_end.recv(4096))
            except BlockingIOError:
                break
        assert newest and read[-1] == b"\xff" * 320 and read[-2] == bytes([199]) * 320
        assert len(read) <= MOST_RECORDS + 1 and line.records == 201


async def test_a_port_that_takes_nothing_loses_the_oldest_and_they_are_counted(port: Port) -> None:
    async with pcm_line("usb:1-1.3:1", owner="lte0") as line:
        port.unsent = 4096
        for n in range(40):
            line.plane_end.send(bytes([n]) * 320)
            await turns(4)
        assert port.written == [] and line.waiting[1] == MOST_RECORDS and line.dropped_out == 40 - MOST_RECORDS
        port.unsent = 0
        line.plane_end.send(b"\xff" * 320)
        await turns(4)
        assert port.written[-1] == b"\xff" * 320 and len(port.written) == MOST_RECORDS


async def test_its_end_is_told_and_a_port_that_is_held_is_not_opened(port: Port) -> None:
    async with pcm_line("usb:1-1.3:1", owner="lte0") as line:
        port.on_data(b"\1" * 33)
        port.on_lost(LinkDown("unplugged", code="serial-lost"))
        with pytest.raises(LinkDown, match="sound: unplugged") as told:
            await line.lost
        assert told.value.code == "serial-lost"
    port.refuse = Busy("in use by gpsd", code="serial-held")
    with pytest.raises(Busy, match="gpsd"):
        async with pcm_line("usb:1-1.3:1", owner="lte0"):
            raise AssertionError


async def test_a_voice_that_is_closed_is_no_endless_wakening(port: Port) -> None:
    async with pcm_line("usb:1-1.3:1", owner="lte0") as line:
        line.plane_end.close()
        await turns()
        port.on_data(b"\1" * 640)
        assert line.waiting == (0, 0)


async def test_on_a_terminal_odd_pieces_a_lost_byte_and_the_port_taken_away(tmp_path: Path) -> None:
    modem = FakeModem(EC25)
    modem.ring("1").stat = 0
    modem.sound = "nmea"
    with PcmEnd(modem, tmp_path / "pcm", where="nmea") as end:
        end.pieces = (1, 7)
        async with pcm_line(str(end.path), owner="lte0") as line, asyncio.timeout(20):
            loop = asyncio.get_running_loop()
            for _ in range(5):
                assert len(await loop.sock_recv(line.plane_end, 4096)) == 320
            end.lose_byte()
            while not line.odd:
                await loop.sock_recv(line.plane_end, 4096)
            modem.far_hangs_up()
            end.unplug()
            with pytest.raises(LinkDown):
                await line.lost
        # Taken again by the same owner: nothing of the one before holds it.
        end.plug()
        async with pcm_line(str(end.path), owner="lte0"):
            pass
