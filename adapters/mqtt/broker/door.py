"""The door before amqtt: who comes in, what they send and how much, before a byte of it reaches the library.

- TLS with a certificate of our own authority, or the local socket for ourselves; revoked ones are turned away.
- The first packet must be a CONNECT, soon, whose identifier and will are the certificate's own.
- Packets are whole and bounded when amqtt sees them. A client that falls silent, or does not read, is let go; amqtt
  notices neither. One that comes twice ends its older connection, as MQTT 3.1.1 §3.1.4 has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker

from adapters.mqtt.broker.retained import Retained
from adapters.mqtt.broker.rules import Identity
from adapters.mqtt.protocol import acl
from adapters.mqtt.protocol.packets import FROM_CLIENTS, Connect, Framer, Packet, Type, connack, read_connect
from gateway.base.errors import RemoteProtocolError

log = logging.getLogger(__name__)

FIRST_S = 8.0
"""Until its CONNECT."""
SLACK = 1.5
"""MQTT 3.1.1 §3.1.2.10: a client is gone after one and a half keep-alive times."""
MOST_KEEP_ALIVE_S = 600.0
AHEAD_BYTES = 1 << 20
"""Of whole packets that wait for amqtt; a client that sends faster waits."""
UNREAD_BYTES = 4 << 20
UNREAD_S = 15.0
"""A client that leaves so much unread for so long is let go: amqtt would keep it all."""
LISTENER = "default"


class OtherVersion(RemoteProtocolError):
    """It will come again with ours."""


class PacketReader(ReaderAdapter):  # type: ignore[misc]
    """Hands amqtt bytes of packets that were whole and allowed."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._over = False

    async def put(self, data: bytes) -> None:
        await self._room.wait()
        self._waiting += data
        self._more.set()
        if len(self._waiting) >= AHEAD_BYTES:
            self._room.clear()

    async def read(self, n: int = -1) -> bytes:
        while len(self._waiting) < max(n, 1):
            if self._over:
                raise asyncio.IncompleteReadError(b"", n)
            self._more.clear()
            await self._more.wait()
        found = bytes(self._waiting[:n])
        del self._waiting[:n]
        if len(self._waiting) < AHEAD_BYTES:
            self._room.set()
        return found

    def feed_eof(self) -> None:
        self._over = True
        self._more.set()
        self._room.set()


class PacketWriter(WriterAdapter):  # type: ignore[misc]
    """amqtt's way out; what a client does not read is bounded by `Guest`."""

    def __init__(self, writer: asyncio.StreamWriter, identity: Identity) -> None:
        self._writer = writer
        self._identity = identity

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    async def drain(self) -> None:
        with suppress(ConnectionError):
            await self._writer.drain()

    def get_peer_info(self) -> tuple[str, int]:
        return self._identity.address or "local", 0

    def get_ssl_info(self) -> Identity:
        return self._identity

    async def close(self) -> None:
        self._writer.close()


class Guest:
    """One connection."""

    def __init__(
        self, identity: Identity, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, retained: Retained
    ) -> None:
        self.identity = identity
        self._reader = reader
        self._writer = writer
        self._silence_s = FIRST_S
        self._packets = PacketReader()
        self._retained = retained

    def drop(self, why: str) -> None:
        log.info("%s is let go: %s", self.identity.name, why)
        self._writer.transport.abort()

    async def greet(self, limit: int) -> tuple[Framer, list[Packet]]:
        """Its CONNECT, looked at. Raises RemoteProtocolError, TimeoutError, ConnectionError."""
        framer = Framer(limit)
        async with asyncio.timeout(FIRST_S):
            packets: list[Packet] = []
            while not packets:
                data = await self._reader.read(65536)
                if not data:
                    raise ConnectionResetError("it hung up before its CONNECT")
                packets = framer.receive(data)
        connect = read_connect(packets[0])
        self._check(connect)
        keep_alive = min(connect.keep_alive_s or MOST_KEEP_ALIVE_S, MOST_KEEP_ALIVE_S)
        self._silence_s = keep_alive * SLACK
        return framer, packets

    async def stay(self, broker: Broker, framer: Framer, packets: list[Packet]) -> None:
        """Until it goes, or is let go."""
        pump = asyncio.create_task(self._pump(framer, packets), name=f"{self.identity.name} in")
        watch = asyncio.create_task(self._watch(), name=f"{self.identity.name} out")
        try:
            out = PacketWriter(self._writer, self.identity)
            await broker.external_connected(self._packets, out, LISTENER)
        finally:
            for task in (pump, watch):
                task.cancel()
            await asyncio.gather(pump, watch, return_exceptions=True)

    def _check(self, connect: Connect) -> None:
        name, center = self.identity.name, self.identity.center
        if connect.level != 4:
            self._writer.write(connack(1))
            raise OtherVersion(f"it speaks MQTT level {connect.level}, here is 3.1.1")
        if connect.client != name:
            self._writer.write(connack(2))
            raise RemoteProtocolError(f"its certificate is of {name}, its identifier {connect.client[:80]!r}")
        if connect.will_topic is not None and not acl.may_publish(name, center, connect.will_topic):
            self._writer.write(connack(5))
            raise RemoteProtocolError(f"its will goes to {connect.will_topic[:80]!r}")

    async def _pump(self, framer: Framer, packets: list[Packet]) -> None:
        try:
            await self._pass(packets)
            while True:
                async with asyncio.timeout(self._silence_s):
                    data = await self._reader.read(65536)
                if not data:
                    break
                await self._pass(framer.receive(data))
        except TimeoutError:
            self.drop(f"nothing from it for {self._silence_s:.0f} s")
        except RemoteProtocolError as exc:
            self.drop(str(exc))
        except ConnectionError:
            pass
        finally:
            self._packets.feed_eof()

    async def _pass(self, packets: list[Packet]) -> None:
        for packet in packets:
            if packet.type is Type.PUBLISH and packet.flags & 1:
                self._retained.put(self.identity.name, packet)
            elif packet.type not in FROM_CLIENTS and packet.type is not Type.CONNECT:
                raise RemoteProtocolError(f"a client does not send {packet.type.name}")
            await self._packets.put(packet.raw)

    async def _watch(self) -> None:
        """A client that does not read what it subscribed to."""
        stuck = 0.0
        while True:
            await asyncio.sleep(1.0)
            stuck = stuck + 1.0 if self._writer.transport.get_write_buffer_size() > UNREAD_BYTES else 0.0
            if stuck >= UNREAD_S:
                self.drop(f"it has not read {UNREAD_BYTES} bytes for {UNREAD_S:.0f} s")
                return


class Door:
    """`limit`: largest packet. `let_in(identity)` says why not, or None."""

    def __init__(self, broker: Broker, *, limit: int, most: int, let_in: Callable[[Identity], str | None]) -> None:
        self._broker = broker
        self._limit = limit
        self._most = most
        self._let_in = let_in
        self._guests: dict[str, Guest] = {}
        self._retained = Retained()
        self._coming = 0

    @property
    def guests(self) -> int:
        return len(self._guests)

    async def serve(self, identity: Identity, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its beginning to its end; closes it."""
        self._coming += 1
        try:
            await self._serve(identity, reader, writer)
        except OtherVersion as exc:
            log.info("%s: %s", identity.name, exc)
        except (RemoteProtocolError, TimeoutError, ConnectionError) as exc:
            log.warning("%s at %s is turned away: %s", identity.name, identity.address, exc or "nothing came")
        finally:
            self._coming -= 1
            with suppress(ConnectionError):
                await writer.drain()
            writer.close()

    async def _serve(self, identity: Identity, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Ourselves are always let in: without us there is no directory.
        if self._coming > self._most and identity.address:
            raise RemoteProtocolError(f"{self._most} clients are here already")
        if (why := self._let_in(identity)) is not None:
            raise RemoteProtocolError(why)
        guest = Guest(identity, reader, writer, self._retained)
        framer, packets = await guest.greet(self._limit)
        before = self._guests.get(identity.name)
        if before is not None:
            before.drop(f"its identifier came again, from {identity.address or 'here'}")
        self._guests[identity.name] = guest
        try:
            await guest.stay(self._broker, framer, packets)
        finally:
            if self._guests.get(identity.name) is guest:
                del self._guests[identity.name]

    def recheck(self) -> None:
        """Certificates were revoked, or names taken out: whoever is no longer let in goes now."""
        for guest in list(self._guests.values()):
            if (why := self._let_in(guest.identity)) is not None:
                guest.drop(why)
