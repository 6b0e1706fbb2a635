"""What goes over a socket that takes little at a time, and what comes cut anywhere."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from adapters.mqtt.dial import Socket
from adapters.mqtt.protocol.packets import PINGREQ, Type, puback, publish, read_publish
from adapters.mqtt.wire import Wire


class Inner:
    """A socket that takes `room` bytes and gives what is put into `comes`."""

    def __init__(self) -> None:
        self.room = 0
        self.went = bytearray()
        self.comes: list[bytes | OSError] = []

    def send(self, data: memoryview) -> int:
        if not self.room:
            raise BlockingIOError
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.went += taken
        return len(taken)

    def recv(self, size: int) -> bytes:
        if not self.comes:
            raise BlockingIOError
        found = self.comes.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def close(self) -> None: ...


def a_wire(limit: int = 1000) -> tuple[Wire, Inner, list[bool]]:
    inner, told = Inner(), list[bool]()
    return Wire(cast(Socket, inner), limit, lambda: 1.0, told.append), inner, told


async def test_packets_are_not_mixed_and_each_is_waited_for_by_itself() -> None:
    wire, inner, told = a_wire()
    inner.room = 3
    one, two, three = (bytes([number]) * 10 for number in (1, 2, 3))
    wire.write(one)
    wire.write(two)
    waiting = asyncio.create_task(wire.gone())
    await asyncio.sleep(0)
    wire.write(three)
    assert told == [True] and wire.backlog == 3
    inner.room = 16
    wire.flush()
    await asyncio.sleep(0)
    assert not waiting.done()
    inner.room = 2
    wire.flush()
    async with asyncio.timeout(10):
        await waiting  # though the third has not gone
    assert wire.backlog == 1 and told == [True]
    inner.room = 100
    wire.flush()
    assert inner.went == one + two + three and told == [True, False] and wire.bytes_out == 30
    async with asyncio.timeout(10):
        await wire.gone()


async def test_who_waits_is_let_go_when_it_is_closed() -> None:
    wire, _, _ = a_wire()
    wire.write(b"x")
    waiting = asyncio.create_task(wire.gone())
    await asyncio.sleep(0)
    wire.close()
    async with asyncio.timeout(10):
        await waiting


async def test_what_came_is_there_before_its_end_is() -> None:
    wire, inner, _ = a_wire()
    whole = puback(7) + publish("a/b", b"x" * 200, five=True, mid=9, expires_s=5.0)
    inner.comes = [whole[:1], whole[1:5], whole[5:], ConnectionResetError("reset by the test")]
    found = []
    for _ in range(4):
        assert wire.over is None
        wire.read()
        while (packet := wire.next()) is not None:
            found.append(packet)
    assert [packet.type for packet in found] == [Type.PUBACK, Type.PUBLISH]
    assert read_publish(found[1], five=True) == ("a/b", b"x" * 200, 9)
    assert isinstance(wire.over, ConnectionResetError)
    wire, inner, _ = a_wire()
    inner.comes = [b""]
    wire.read()
    assert isinstance(wire.over, ConnectionResetError), "it hung up"


async def test_a_packet_beyond_the_limit_is_the_end_before_it_is_there() -> None:
    wire, inner, _ = a_wire(limit=100)
    inner.comes = [PINGREQ + b"\x30\xff\x7f"]
    wire.read()
    first = wire.next()
    assert first is not None and first.type is Type.PINGREQ
    assert wire.next() is None and isinstance(wire.over, ConnectionAbortedError)
    wire, inner, _ = a_wire()
    inner.comes = [b"\xff\x00"]
    wire.read()
    with pytest.raises(ValueError):
        wire.next()
