"""A broker that is wrong on purpose, on a loopback socket; and one that does just enough to be talked to.

`Script` says what it does: it never answers, hangs up, sends garbage, refuses, forgets to acknowledge.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters.mqtt.protocol.packets import Framer, Packet, Type


@dataclass
class Script:
    deaf: bool = False  # accepts connections and never says a word
    hang_up: bool = False  # closes when it sees a CONNECT
    old: bool = False  # knows 3.1.1 only, and says so
    old_silent: bool = False  # knows 3.1.1 only, and hangs up
    connack: bytes | None = None  # instead of a good one
    then: str = ""  # after CONNACK: "drop", "garbage", "huge", "silence", "taken-over"
    puback: bool = True
    puback_reason: int = 0  # with MQTT 5: why a message is not passed on
    suback: int | None = None  # a code instead of the wished QoS
    no_queues: bool = False  # refuses subscriptions with QoS 1, as a cluster of NATS does while it elects
    thin: bool = False  # reads as a thin link brings it: some 100 KB/s, and its kernel holds nothing back


@dataclass
class FakeBroker:
    script: Script
    port: int = 0
    connects: list[Packet] = field(default_factory=list)
    heard: list[Packet] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        framer, five = Framer(1 << 20), False
        try:
            while data := await reader.read(4096 if self.script.thin else 65536):
                if self.script.thin:
                    await asyncio.sleep(0.04)
                if self.script.deaf:
                    continue
                for packet in framer.receive(data):
                    self.heard.append(packet)
                    if packet.type is Type.CONNECT:
                        five = packet.body[6] == 5
                        self.connects.append(packet)
                        self.came.set()
                        if not self._greet(writer, five):
                            return
                    else:
                        self._answer(packet, writer, five)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _greet(self, writer: asyncio.StreamWriter, five: bool) -> bool:
        """False: hang up."""
        script = self.script
        if script.hang_up or (five and script.old_silent):
            return False
        if five and script.old:
            writer.write(b"\x20\x02\x00\x01")
            return False
        writer.write(
            script.connack if script.connack is not None else b"\x20\x03\x00\x00\x00" if five else b"\x20\x02\x00\x00"
        )
        match script.then:
            case "drop":
                return False
            case "garbage":
                writer.write(b"\xff" * 64)
            case "huge":
                writer.write(b"\x30\xff\xff\xff\x7f" + b"x" * 1000)
            case "taken-over":
                writer.write(b"\xe0\x02\x8e\x00" if five else b"")
                return False
        return True

    def _answer(self, packet: Packet, writer: asyncio.StreamWriter, five: bool) -> None:
        if self.script.then == "silence":
            return
        end = b"\x00" if five else b""
        if packet.type is Type.SUBSCRIBE:
            code = 1 if self.script.suback is None else self.script.suback
            wished = subscribed(packet, five=five)
            codes = [0x80 if self.script.no_queues and qos else code for _, qos in wished]
            body = packet.body[:2] + end + bytes(codes)
            writer.write(bytes([0x90, len(body)]) + body)
        elif packet.type is Type.PUBLISH and packet.flags & 0x06 and self.script.puback:
            at = 2 + int.from_bytes(packet.body[:2], "big")
            why = bytes([self.script.puback_reason]) if self.script.puback_reason else b""
            writer.write(bytes([0x40, 2 + len(why)]) + packet.body[at : at + 2] + why)
        elif packet.type is Type.PINGREQ:
            writer.write(b"\xd0\x00")

    def cut(self) -> None:
        """Every connection is reset."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


def subscribed(packet: Packet, *, five: bool = False) -> list[tuple[str, int]]:
    """Filters of a SUBSCRIBE with what is wished of each."""
    at, found = (2 + 1 if five else 2), []
    while at < len(packet.body):
        end = at + 2 + int.from_bytes(packet.body[at : at + 2], "big")
        found.append((packet.body[at + 2 : end].decode(), packet.body[end]))
        at = end + 1
    return found


@asynccontextmanager
async def fake_broker(script: Script | None = None, port: int = 0) -> AsyncIterator[FakeBroker]:
    broker = FakeBroker(script or Script())
    listening = socket.create_server(("127.0.0.1", port))
    if broker.script.thin:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server = await asyncio.start_server(broker.serve, sock=listening, limit=4096 if broker.script.thin else 65536)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        broker.cut()
        await server.wait_closed()
        await asyncio.sleep(0)
