"""The one module that touches private names: it hands paho a socket that we connected, and reads what aiomqtt keeps to
itself. Versions are pinned; `tests/unit/mqtt/test_seam_contract.py` holds the names to what they are.

- aiomqtt connects in a thread that blocks for as long as a broker likes; ours is connected and shaken before, and no
  thread is used at all.
- paho says hello and goodbye, and reads what is answered to that. Subscriptions, messages and their acknowledgements,
  which come and go by the thousand, are made and read here (`protocol/packets.py`), on the same socket (`wire.py`):
  paho reads a packet byte by byte, makes an object with properties of each, and keeps each that it sends, with a lock
  and a condition, for a broker that comes back. Our connections end with their socket.
- Messages with QoS 1 that go together are one piece of bytes, one record of TLS and one wait; a message that comes is
  handed to a function as it is read. So a center takes thirty thousand retained ones in a second or two.
- paho knows nothing of those, so that whether the broker is alive is watched here: a ping where nothing else goes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.dial import Socket
from adapters.mqtt.protocol import packets
from adapters.mqtt.protocol.packets import PINGREQ, Packet, Type, puback, publish, read_publish
from adapters.mqtt.wire import Wire

log = logging.getLogger("adapters.mqtt.paho")
log.setLevel(logging.ERROR)
"""paho tells everything twice: what matters is raised."""
broker_log = logging.getLogger(__name__)

Retained = tuple[str, bytes]
"""(topic, payload)"""
OnMessage = Callable[[str, bytes, bool], None]
"""(topic, payload, retained), on the loop; it must not raise."""
TAKEN_OVER = 0x8E
"""MQTT 5 §3.14.2.1: another client came with our identifier."""
OURS = 0x8000
"""Numbers from here on are those of our messages and subscriptions; paho counts from 1, if it has any."""


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
        self.ended = asyncio.Event()
        self.socket = Wire(sock, limit, self._loop.time, self._on_blocked)
        self._reason: ReasonCode | None = None
        self._told_ended = self._client.on_disconnect
        client = self._client
        client._create_socket = lambda: self.socket  # type: ignore[method-assign]
        self._heard = on_message
        self._waiting: dict[int, tuple[set[int], asyncio.Event]] = {}
        self._settled: asyncio.Future[None] | None = None
        self._asked: dict[int, asyncio.Future[bytes | None]] = {}
        self._refused: set[int] = set()
        self._numbers = count()
        self._paho_writes = False
        self._pinged_at: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        # Only what has QoS 2 comes by paho; nobody of ours sends that.
        client.on_message = lambda _client, _userdata, message: on_message(
            message.topic, bytes(message.payload), message.retain
        )
        client.on_disconnect = self._on_ended
        # aiomqtt's own go by `call_soon`: they may come when the number of the socket is somebody else's already.
        client.on_socket_open = self._on_opened
        client.on_socket_close = self._on_closed
        client.on_socket_register_write = self._on_unsent
        client.on_socket_unregister_write = lambda *_: None

    @property
    def backlog(self) -> int:
        """Packets that wait for the socket."""
        return self.socket.backlog

    @property
    def answered(self) -> bool:
        """The broker has said yes or no to our CONNECT."""
        return self._connected.done()

    def greet(self) -> None:
        """Send the CONNECT. Raises OSError."""
        clean = True if self.five else paho.MQTT_CLEAN_START_FIRST_ONLY
        properties = session_ends() if self.five else None
        self._client.connect("ours", 1, self._keepalive, clean_start=clean, properties=properties)

    async def settled(self) -> None:
        """The broker has answered our CONNECT, or the connection has ended. Without a task: so many come at once."""
        done = self._settled = self._loop.create_future()
        self._connected.add_done_callback(self._settle)
        if self.ended.is_set():
            self._settle()
        try:
            await done
        finally:
            self._connected.remove_done_callback(self._settle)

    def _settle(self, answer: asyncio.Future[None] | None = None) -> None:
        if answer is not None and not answer.cancelled():
            answer.exception()  # whether or not anybody asks `accepted`
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    async def accepted(self) -> None:
        """The broker has said yes. Raises MqttError when it says no; waits for ever where it says nothing."""
        await asyncio.shield(self._connected)

    async def lost(self) -> None:
        """Returns or raises when the connection has ended: MqttError with why, where that was told."""
        await self.ended.wait()
        if self._disconnected.done():
            self._disconnected.result()
        if self._reason is not None:
            raise aiomqtt.MqttCodeError(self._reason, "Disconnected")

    async def say(self, topic: str, payload: bytes, retain: bool, expires_s: float | None) -> None:
        """With QoS 0; returns when it went to the socket. Raises MqttError, OSError."""
        self._write(publish(topic, payload, five=self.five, retain=retain, expires_s=expires_s))
        if self.socket.backlog:
            await self.socket.gone()
            await self._still()

    async def say_all(self, messages: Iterable[Retained], retain: bool, expires_s: float | None = None) -> None:
        """With QoS 1, together; returns when the broker has acknowledged each. Raises MqttError, OSError."""
        acknowledged = asyncio.Event()
        waiting: set[int] = set()
        own: list[int] = []
        whole = bytearray()
        try:
            for topic, payload in messages:
                mid = self._number()
                own.append(mid)
                waiting.add(mid)
                self._waiting[mid] = (waiting, acknowledged)
                whole += publish(topic, payload, mid=mid, five=self.five, retain=retain, expires_s=expires_s)
            if not own:
                return
            self._write(whole)
            await acknowledged.wait()
            if waiting:
                await self._still()
        finally:
            for mid in own:
                self._waiting.pop(mid, None)

    async def listen(self, filters: Sequence[str], qos: int) -> bytes:
        """A code for each, 128 and up where it was refused. Raises MqttError, OSError."""
        mid = self._number()
        return await self._ask(mid, packets.subscribe(mid, filters, qos, five=self.five))

    async def unlisten(self, filters: Sequence[str]) -> None:
        """Raises MqttError, OSError."""
        mid = self._number()
        await self._ask(mid, packets.unsubscribe(mid, filters, five=self.five))

    async def _ask(self, mid: int, data: bytes) -> bytes:
        answer = self._asked[mid] = self._loop.create_future()
        try:
            self._write(data)
            codes = await answer
            if codes is None:
                await self._still()
            return codes or b""
        finally:
            del self._asked[mid]

    def _number(self) -> int:
        if len(self._waiting) + len(self._asked) >= OURS:
            raise aiomqtt.MqttError(f"{OURS} messages wait for the broker")
        while True:
            mid = OURS + next(self._numbers) % OURS
            if mid not in self._waiting and mid not in self._asked:
                return mid

    def _write(self, data: bytes | bytearray) -> None:
        if self.ended.is_set():
            raise aiomqtt.MqttError("the connection has ended")
        try:
            self.socket.write(data)
        except OSError as exc:
            self._failed(exc)
            raise

    async def _still(self) -> None:
        """Raises with why, where the connection has ended."""
        if self.ended.is_set():
            await self.lost()
            raise aiomqtt.MqttError("the connection has ended")

    async def leave(self) -> None:
        """Say goodbye: the broker keeps our will to itself. Raises MqttError."""
        if not self.ended.is_set() and self._client.disconnect() == paho.MQTT_ERR_SUCCESS:
            await self.ended.wait()

    def drop(self) -> None:
        """End it without a word: the socket is closed, the broker tells our will. Safe to call twice."""
        self._on_closed()
        self.socket.close()
        for future in (self._connected, self._disconnected):
            if not future.done():
                future.cancel()
            elif not future.cancelled():
                future.exception()  # it is looked at: nobody else may be waiting

    # — what comes and goes, on the loop —

    def _tell_refused(self, reason: int) -> None:
        """Once: a broker that does not let us write (0x87) would else look like one that has it all."""
        if reason not in self._refused:
            self._refused.add(reason)
            words = "its rights forbid it" if reason == 0x87 else "MQTT 5 §3.4.2.1"
            broker_log.warning("the broker takes a message of ours and does not pass it on: 0x%02x, %s", reason, words)

    def _ours(self, packet: Packet, answers: bytearray) -> bool:
        """Whether it is for us; what it is to be answered with is added to `answers`. Raises ValueError, IndexError for
        what is none."""
        if packet.type is Type.PUBLISH and not packet.flags & 4:
            topic, payload, mid = read_publish(packet, five=self.five)
            self._heard(topic, payload, bool(packet.flags & 1))
            if mid:
                answers += puback(mid)
            return True
        if packet.type is Type.PUBACK:
            # The number of what it is for, and with MQTT 5 perhaps why not (§3.4.2.1).
            if len(packet.body) > 2 and packet.body[2] >= 0x80:
                self._tell_refused(packet.body[2])
            if len(packet.body) >= 2 and (known := self._waiting.pop(int.from_bytes(packet.body[:2], "big"), None)):
                mids, acknowledged = known
                mids.discard(int.from_bytes(packet.body[:2], "big"))
                if not mids:
                    acknowledged.set()
            return True
        if packet.type in (Type.SUBACK, Type.UNSUBACK):
            mid, codes = packets.read_answer(packet, five=self.five)
            if (asked := self._asked.get(mid)) is not None and not asked.done():
                asked.set_result(codes)
            return True
        if packet.type is Type.PINGRESP:
            self._pinged_at = None
            return True
        return False

    def _readable(self) -> None:
        try:
            while not self.ended.is_set():
                self.socket.read()
                answers = bytearray()
                while not self.ended.is_set() and (packet := self.socket.next()) is not None:
                    if not self._ours(packet, answers):
                        self.socket.hand(packet)
                        self._client.loop_read()
                if answers and not self.ended.is_set():
                    self.socket.write(answers)
                if self.socket.over:
                    self._client.loop_read()
                elif not self.socket.pending():
                    return
        except Exception as exc:
            self._failed(exc)

    def _writable(self) -> None:
        try:
            self.socket.flush()
        except Exception as exc:
            self._failed(exc)

    def _on_blocked(self, waits: bool) -> None:
        if self.ended.is_set():
            return
        if waits:
            self._loop.add_writer(self.socket.fileno(), self._writable)
        else:
            self._loop.remove_writer(self.socket.fileno())

    def _alive(self) -> None:
        """Looks four times in the time of a keep-alive (which the broker may have changed): a ping where nothing went
        or came for most of it; the end where none was answered for the whole of it, and nothing else came."""
        if self.ended.is_set():
            return
        now, every = self._loop.time(), float(self._client.keepalive or self._keepalive)
        self._watch = self._loop.call_later(every / 4, self._alive)
        wire = self.socket
        if self._pinged_at is not None:
            if now - max(self._pinged_at, wire.heard_at) >= every:
                self._failed(ConnectionAbortedError(f"nothing came for {every:g} s, no answer to a ping either"))
        elif self.answered and now - min(wire.heard_at, wire.sent_at) >= every / 2:
            self._pinged_at = now
            try:
                self._write(PINGREQ)
            except (OSError, aiomqtt.MqttError) as exc:
                log.debug("no ping: %s", exc)

    # — what paho tells, on the loop —

    def _on_ended(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if isinstance(reason, ReasonCode):
            self._reason = reason
        if self._told_ended is not None and not self._disconnected.done():
            self._told_ended(client, userdata, flags, reason, properties)  # type: ignore[call-arg]

    def _on_opened(self, *_: Any) -> None:
        self._loop.add_reader(self.socket.fileno(), self._readable)
        self._alive()

    def _on_closed(self, *_: Any) -> None:
        if self.ended.is_set():
            return
        self.ended.set()
        number = self.socket.fileno()
        if number >= 0:
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
        self.socket.give_up()
        if self._watch is not None:
            self._watch.cancel()
        self._settle()
        for waiting in self._waiting.values():
            waiting[1].set()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(None)

    def _on_unsent(self, *_: Any) -> None:
        """paho has something to write, and holds locks while it says so."""
        if not self._paho_writes:
            self._paho_writes = True
            self._loop.call_soon(self._write_pahos)

    def _write_pahos(self) -> None:
        self._paho_writes = False
        if self.ended.is_set():
            return
        try:
            self._client.loop_write()
        except Exception as exc:
            self._failed(exc)

    def _failed(self, exc: Exception) -> None:
        """What paho can not read ends the connection: it would be called for the same bytes again and again."""
        if not self._disconnected.done():
            self._disconnected.set_exception(exc)
            self._disconnected.exception()  # whether or not anybody asks `lost`
        self._on_closed()


def refused(error: aiomqtt.MqttError) -> int | None:
    """The reason code of a CONNACK or DISCONNECT in it, as a number of MQTT 5; None where it has none."""
    code = getattr(error, "rc", None)
    if isinstance(code, ReasonCode):
        return int(code.value)
    return None


@lru_cache(1)
def session_ends() -> Properties:
    """MQTT 5 §3.1.2.11: nothing is kept for us when the connection ends. Made once: paho takes 0.2 ms for it."""
    made = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    made.SessionExpiryInterval = 0
    return made
