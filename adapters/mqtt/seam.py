"""The one module that touches private names: it hands paho a socket that we connected, and reads what aiomqtt keeps to
itself. Versions are pinned; `tests/unit/mqtt/test_seam_contract.py` holds the names to what they are.

- aiomqtt connects in a thread that blocks for as long as a broker likes; ours is connected and shaken before, and no
  thread is used at all.
- aiomqtt gives each message through a queue and a task; here a message is handed to a function as it is read, so that
  a center takes thirty thousand retained ones in a second or two.
- paho keeps each message that it sends, with a lock and a condition, for a broker that comes back: our connections end
  with their socket. Here messages with QoS 1 that go together are one piece of bytes, one record of TLS and one wait.
- paho reads packets of up to 256 MB; here a packet beyond our limit ends the connection before it is read.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.dial import Socket

log = logging.getLogger("adapters.mqtt.paho")
log.setLevel(logging.ERROR)
"""paho tells everything twice: what matters is raised."""

Retained = tuple[str, bytes]
"""(topic, payload)"""
OnMessage = Callable[[str, bytes, bool], None]
"""(topic, payload, retained), on the loop; it must not raise."""
READ = 16_384
"""Bytes at a time: a record of TLS."""
TAKEN_OVER = 0x8E
"""MQTT 5 §3.14.2.1: another client came with our identifier."""


class Limited:
    """A connected socket as paho uses one. What is read at once is bounded: paho asks for a packet's whole rest. And it
    asks for a packet's head byte by byte: those come from what was read before."""

    def __init__(self, inner: Socket, limit: int) -> None:
        self._inner = inner
        self._limit = limit
        self._held = b""
        self._at = 0
        self.bytes_in = 0
        self.bytes_out = 0

    def recv(self, size: int) -> bytes:
        if size > self._limit:
            raise ConnectionAbortedError(f"the broker sends a packet of {size} bytes")
        if self._at == len(self._held):
            self._held, self._at = self._inner.recv(READ), 0
            self.bytes_in += len(self._held)
        data = self._held[self._at : self._at + size]
        self._at += len(data)
        return data

    def send(self, buffer: bytes | bytearray) -> int:
        sent = self._inner.send(buffer)
        self.bytes_out += sent
        return sent

    def pending(self) -> int:
        more = self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0
        return len(self._held) - self._at + more

    def fileno(self) -> int:
        return self._inner.fileno()

    def setblocking(self, _blocking: bool) -> None:
        """It is non-blocking already, and stays so."""

    def close(self) -> None:
        self._inner.close()


class Link(aiomqtt.Client):
    """An MQTT client on a socket that is connected. Messages go to `on_message`; `greet` and `accepted` stand in for
    entering its context, `leave` and `drop` for leaving it. All of it on the loop: no thread."""

    def __init__(
        self,
        sock: Socket,
        on_message: OnMessage,
        *,
        limit: int,
        five: bool,
        keepalive: int,
        **options: Any,
    ) -> None:
        super().__init__(
            "ours",  # paho wants a name and a port; nothing is looked up or connected to
            1,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            keepalive=keepalive,
            logger=log,
            clean_session=None if five else True,
            **options,
        )
        self.five = five
        self.socket = Limited(sock, limit)
        self.ended = asyncio.Event()
        self._reason: ReasonCode | None = None
        self._told_ended = self._client.on_disconnect
        client = self._client
        client._create_socket = lambda: self.socket  # type: ignore[method-assign]
        self._heard = on_message
        self._handle_publish = client._handle_publish
        client._handle_publish = self._on_publish_heard  # type: ignore[method-assign]
        self._waiting: dict[int, tuple[set[int], asyncio.Event]] = {}
        self._handle_puback = client._handle_pubackcomp
        client._handle_pubackcomp = self._on_puback_heard  # type: ignore[method-assign]
        client.on_message = lambda _client, _userdata, message: on_message(
            message.topic, bytes(message.payload), message.retain
        )
        client.on_disconnect = self._on_ended
        # aiomqtt's own go by `call_soon`: they may come when the number of the socket is somebody else's already.
        client.on_socket_open = self._on_opened
        client.on_socket_close = self._on_closed
        client.on_socket_register_write = self._on_unsent
        client.on_socket_unregister_write = self._on_all_sent
        # "A concerning number of pending calls" is what the window is for.
        self.pending_calls_threshold = 1 << 30

    @property
    def backlog(self) -> int:
        """Packets that wait for the socket."""
        return len(self._client._out_packet)

    @property
    def answered(self) -> bool:
        """The broker has said yes or no to our CONNECT."""
        return self._connected.done()

    def greet(self) -> None:
        """Send the CONNECT. Raises OSError."""
        clean = True if self.five else paho.MQTT_CLEAN_START_FIRST_ONLY
        properties = session_ends() if self.five else None
        self._client.connect("ours", 1, self._keepalive, clean_start=clean, properties=properties)

    async def accepted(self) -> None:
        """The broker has said yes. Raises MqttError when it says no; waits for ever where it says nothing."""
        await asyncio.shield(self._connected)

    async def lost(self) -> None:
        """Returns or raises when the connection has ended: MqttError with why, where that was told."""
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            ends: set[asyncio.Future[Any]] = {ended, self._disconnected}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if self._disconnected.done():
            self._disconnected.result()
        if self._reason is not None:
            raise aiomqtt.MqttCodeError(self._reason, "Disconnected")

    async def retain_all(self, messages: Sequence[Retained]) -> None:
        """Retained messages with QoS 1, together; returns when the broker has acknowledged each. Raises MqttError."""
        client, acknowledged = self._client, asyncio.Event()
        waiting: set[int] = set()
        own: list[int] = []
        whole = bytearray()
        try:
            for topic, payload in messages:
                mid = client._mid_generate()
                if mid in self._waiting:
                    raise aiomqtt.MqttError("65,535 messages wait for the broker")
                own.append(mid)
                waiting.add(mid)
                self._waiting[mid] = (waiting, acknowledged)
                whole += _retained(topic.encode(), payload, mid, five=self.five)
            if not own:
                return
            if self.ended.is_set():
                raise aiomqtt.MqttError("the connection has ended")
            client._packet_queue(paho.PUBLISH, whole, own[0], 1)
            await acknowledged.wait()
        finally:
            for mid in own:
                self._waiting.pop(mid, None)

    async def leave(self) -> None:
        """Say goodbye: the broker keeps our will to itself. Raises MqttError."""
        if not self.ended.is_set() and self._client.disconnect() == paho.MQTT_ERR_SUCCESS:
            await self.ended.wait()

    def drop(self) -> None:
        """End it without a word: the socket is closed, the broker tells our will. Safe to call twice."""
        self._client._sock_close()
        self._on_closed()
        for future in (self._connected, self._disconnected):
            if not future.done():
                future.cancel()
            elif not future.cancelled():
                future.exception()  # it is looked at: nobody else may be waiting
        if self._misc_task is not None:
            self._misc_task.cancel()

    # — what paho tells, on the loop —

    def _on_publish_heard(self) -> Any:
        """A PUBLISH (MQTT 3.1.1 §3.3, 5 §3.3). paho makes a message of it with all its properties, which takes longer
        than what a center does with it, and nobody looks at them. Raises ValueError, IndexError for what is none."""
        told = self._client._in_packet
        qos, body = told["command"] >> 1 & 3, told["packet"]
        if qos > 1:
            return self._handle_publish()
        end = 2 + int.from_bytes(body[:2], "big")
        topic, mid = body[2:end].decode(), int.from_bytes(body[end : end + 2], "big")
        start = end + 2 * qos
        if self.five:
            start = _after_properties(body, start)
        if not topic or start > len(body):
            raise ValueError("a message that is cut off")
        self._heard(topic, bytes(body[start:]), bool(told["command"] & 1))
        return self._client._send_puback(mid) if qos else paho.MQTT_ERR_SUCCESS

    def _on_puback_heard(self, cmd: Any) -> Any:
        """A PUBACK (§3.4): the number of what it is for, and with MQTT 5 perhaps why not, at which nobody looks."""
        body = self._client._in_packet["packet"]
        mid = int.from_bytes(body[:2], "big")
        if len(body) < 2 or (waiting := self._waiting.pop(mid, None)) is None:
            return self._handle_puback(cmd)
        mids, acknowledged = waiting
        mids.discard(mid)
        if not mids:
            acknowledged.set()
        return paho.MQTT_ERR_SUCCESS

    def _on_ended(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if isinstance(reason, ReasonCode):
            self._reason = reason
        if self._told_ended is not None and not self._disconnected.done():
            self._told_ended(client, userdata, flags, reason, properties)  # type: ignore[call-arg]

    def _on_opened(self, *_: Any) -> None:
        self._loop.add_reader(self.socket.fileno(), self._readable)
        self._misc_task = self._loop.create_task(self._misc_loop(), name="mqtt keep-alive")

    def _on_closed(self, *_: Any) -> None:
        number = self.socket.fileno()
        if number >= 0 and not self.ended.is_set():
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
        self.ended.set()

    def _on_unsent(self, *_: Any) -> None:
        if not self.ended.is_set():
            self._loop.add_writer(self.socket.fileno(), self._writable)

    def _on_all_sent(self, *_: Any) -> None:
        if not self.ended.is_set():
            self._loop.remove_writer(self.socket.fileno())

    def _readable(self) -> None:
        try:
            self._client.loop_read()
            # More was read than it was handed out, by us or by TLS: no event comes for that.
            while not self.ended.is_set() and self.socket.pending() > 0:
                self._client.loop_read()
        except Exception as exc:
            self._failed(exc)

    def _writable(self) -> None:
        try:
            self._client.loop_write()
        except Exception as exc:
            self._failed(exc)

    def _failed(self, exc: Exception) -> None:
        """What paho can not read ends the connection: it would be called for the same bytes again and again."""
        if not self._disconnected.done():
            self._disconnected.set_exception(exc)
        self._on_closed()


def _retained(topic: bytes, payload: bytes, mid: int, *, five: bool) -> bytes:
    """A PUBLISH with QoS 1 and RETAIN (§3.3). Raises ValueError for what does not fit in one."""
    variable = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + (b"\0" if five else b"")
    left = len(variable) + len(payload)
    if left > 0xFFF_FFFF or len(topic) > 0xFFFF:
        raise ValueError(f"a message of {left} bytes")
    head = bytearray([paho.PUBLISH | 1 << 1 | 1])
    while True:
        left, digit = left >> 7, left & 0x7F
        head.append(digit | (0x80 if left else 0))
        if not left:
            return bytes(head) + variable + payload


def _after_properties(body: bytes | bytearray, at: int) -> int:
    """Where they end: their length is a number of up to four bytes, seven bits in each (MQTT 5 §1.5.5)."""
    length = 0
    for place in range(4):
        digit = body[at + place]
        length |= (digit & 0x7F) << 7 * place
        if digit < 0x80:
            return at + place + 1 + length
    raise ValueError("a length without an end")


def refused(error: aiomqtt.MqttError) -> int | None:
    """The reason code of a CONNACK or DISCONNECT in it, as a number of MQTT 5; None where it has none."""
    code = getattr(error, "rc", None)
    if isinstance(code, ReasonCode):
        return int(code.value)
    return None


def expiring(seconds: float) -> Properties:
    """MQTT 5 §3.3.2.3.3: the broker throws the message away after that."""
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    made.MessageExpiryInterval = max(1, int(seconds))
    return made


@lru_cache(1)
def session_ends() -> Properties:
    """MQTT 5 §3.1.2.11: nothing is kept for us when the connection ends. Made once: paho takes 0.2 ms for it."""
    made = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    made.SessionExpiryInterval = 0
    return made


def failures(codes: Iterable[Any]) -> list[int]:
    """Of a SUBACK: those that were refused (128 and up), as numbers."""
    numbers = [int(code.value) if isinstance(code, ReasonCode) else int(code) for code in codes]
    return [number for number in numbers if number >= 128]
