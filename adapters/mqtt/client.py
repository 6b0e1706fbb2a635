"""An MQTT client on a socket that is connected: 3.1.1 and 5, on the loop, without a thread. aiomqtt begins and ends it
(`seam.py`); messages and subscriptions are made and read here. Our connections end with their socket: nothing is kept
for a broker that comes back.

- What is said first may go in one breath with the CONNECT (MQTT 3.1.1 §3.1.4): on a satellite link that is two seconds
  less, and when thousands come back, two times less that each side is woken.
- Messages with QoS 1 that go together are one piece of bytes, one record of TLS and one wait; a message that comes is
  handed to a function as it is read. So a center takes thirty thousand retained ones in a second or two.
- Nobody of ours sends with QoS 2 or listens to it.
- Whether the broker is alive is watched: a ping where nothing else goes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from adapters.mqtt.dial import Socket
from adapters.mqtt.protocol import packets
from adapters.mqtt.protocol.packets import PINGREQ, Packet, Type, puback, publish, read_publish
from adapters.mqtt.protocol.reasons import words
from adapters.mqtt.seam import Greeter, Hello
from adapters.mqtt.wire import Wire

log = logging.getLogger(__name__)

Retained = tuple[str, bytes]
"""(topic, payload)"""
OnMessage = Callable[[str, bytes, bool], None]
"""(topic, payload, retained), on the loop; it must not raise."""
NUMBERS = 0xFFFF
"""§2.3.1: of messages and subscriptions under way, from 1 on."""


class Ended(Exception):
    """The connection has ended, by a word of the broker. `reason`: a number of MQTT 5 §2.4; None: it gave none."""

    def __init__(self, text: str, reason: int | None = None) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class First:
    """What is said before anything else: what is listened to (QoS 0), what is to be retained (QoS 1). `aloud`: it is
    said once more before that, for whoever listens now (QoS 0): a cluster may hand on what it retains when its store
    has answered."""

    filters: Sequence[str] = ()
    messages: Sequence[Retained] = ()
    aloud: bool = False


@dataclass(slots=True)
class _Sent:
    """Messages under way, by their numbers; `waiting`: those that are not acknowledged."""

    data: bytearray
    waiting: set[int]
    done: asyncio.Event


class Client:
    """Messages go to `on_message`. `greet` and `settled` stand for entering it, `leave` and `drop` for leaving."""

    def __init__(self, sock: Socket, on_message: OnMessage, *, limit: int, five: bool, keep_alive_s: int = 60) -> None:
        self._loop = asyncio.get_running_loop()
        self.five = five
        self.reason: int | None = None
        """What the broker answered to our CONNECT, 0: come in; None: nothing yet."""
        self.ended = asyncio.Event()
        self.socket = Wire(sock, limit, self._loop.time, self._on_blocked)
        self._heard = on_message
        self._keep_alive_s = float(keep_alive_s)
        self._greeter: Greeter | None = None
        self._why: Exception | None = None
        self._settled: asyncio.Future[None] = self._loop.create_future()
        self._waiting: dict[int, _Sent] = {}
        self._asked: dict[int, asyncio.Future[bytes | None]] = {}
        self._first: tuple[int, _Sent] | None = None
        self._refused: set[int] = set()
        self._numbers = count()
        self._pinged_at: float | None = None
        self._watch: asyncio.TimerHandle | None = None

    @property
    def backlog(self) -> int:
        """Packets that wait for the socket."""
        return self.socket.backlog

    def greet(self, hello: Hello, first: First | None = None) -> None:
        """Send the CONNECT, and `first` with it. Raises OSError."""
        self._greeter = Greeter(hello, five=self.five)
        data = self._greeter.hello()
        self._loop.add_reader(self.socket.fileno(), self._readable)
        self._alive()
        if first is not None:
            self._first = self._number_first(first)
            data += self._first[1].data
        self._write(data)

    async def settled(self) -> None:
        """The broker has answered our CONNECT (`reason`), or the connection has ended."""
        if not self._settled.done():
            await self._settled

    async def lost(self) -> None:
        """Returns or raises when the connection has ended: with why, where that is known."""
        await self.ended.wait()
        if self._why is not None:
            raise self._why

    # — what goes —

    async def first(self, first: First) -> bytes:
        """The broker has taken `first`, which is said now where `greet` did not: a code for each filter, 128 and up
        where it was refused. Raises Ended, OSError."""
        if self._first is None:
            self._first = number, sent = self._number_first(first)
            self._write(sent.data)
        else:
            number, sent = self._first
        try:
            codes = await self._answer(number)
            await self._acknowledged(sent)
        finally:
            self._forget(sent)
        return codes

    async def say(self, topic: str, payload: bytes, retain: bool, expires_s: float | None) -> None:
        """With QoS 0; returns when it went to the socket. Raises Ended, OSError."""
        self._write(publish(topic, payload, five=self.five, retain=retain, expires_s=expires_s))
        if self.socket.backlog:
            await self.socket.gone()
            await self._still()

    async def say_all(self, messages: Iterable[Retained], retain: bool, expires_s: float | None = None) -> None:
        """With QoS 1, together; returns when the broker has acknowledged each. Raises Ended, OSError."""
        sent = self._numbered(messages, retain, expires_s)
        try:
            if sent.data:
                self._write(sent.data)
                await self._acknowledged(sent)
        finally:
            self._forget(sent)

    async def listen(self, filters: Sequence[str], qos: int) -> bytes:
        """A code for each, 128 and up where it was refused. Raises Ended, OSError."""
        number = self._number()
        return await self._ask(number, packets.subscribe(number, filters, qos, five=self.five))

    async def unlisten(self, filters: Sequence[str]) -> None:
        """Raises Ended, OSError."""
        number = self._number()
        await self._ask(number, packets.unsubscribe(number, filters, five=self.five))

    async def leave(self) -> None:
        """Say goodbye: the broker keeps our will to itself. Raises Ended, OSError."""
        if self._greeter is not None and not self.ended.is_set():
            self._write(self._greeter.goodbye())
            await self.socket.gone()

    def drop(self) -> None:
        """End it without a word: the socket is closed, the broker tells our will. Safe to call twice."""
        self.end(None)
        self.socket.close()

    def end(self, why: Exception | None) -> None:
        """`why` is what `lost` raises. Safe to call twice: the first counts."""
        if self.ended.is_set():
            return
        self._why = why
        self.ended.set()
        number = self.socket.fileno()
        if number >= 0:
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
        self.socket.give_up()
        if self._watch is not None:
            self._watch.cancel()
        if not self._settled.done():
            self._settled.set_result(None)
        for sent in self._waiting.values():
            sent.done.set()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(None)

    # — within: what goes —

    def _number_first(self, first: First) -> tuple[int, _Sent]:
        """The subscription's number, and what is sent, both in it."""
        number = self._number()
        self._asked[number] = self._loop.create_future()
        sent = self._numbered(first.messages, True, None)
        aloud = first.messages if first.aloud else ()
        sent.data[:0] = packets.subscribe(number, first.filters, 0, five=self.five) + b"".join(
            publish(topic, payload, five=self.five) for topic, payload in aloud
        )
        return number, sent

    def _numbered(self, messages: Iterable[Retained], retain: bool, expires_s: float | None) -> _Sent:
        """Raises Ended where too many wait, ValueError for what is no message."""
        sent = _Sent(bytearray(), set(), asyncio.Event())
        try:
            for topic, payload in messages:
                number = self._number()
                sent.data += publish(topic, payload, mid=number, five=self.five, retain=retain, expires_s=expires_s)
                sent.waiting.add(number)
                self._waiting[number] = sent
        except BaseException:
            self._forget(sent)
            raise
        return sent

    async def _acknowledged(self, sent: _Sent) -> None:
        if sent.waiting:
            await sent.done.wait()
        if sent.waiting:
            await self._still()

    def _forget(self, sent: _Sent) -> None:
        for number in sent.waiting:
            self._waiting.pop(number, None)

    async def _ask(self, number: int, data: bytes) -> bytes:
        self._asked[number] = self._loop.create_future()
        try:
            self._write(data)
        except BaseException:
            del self._asked[number]
            raise
        return await self._answer(number)

    async def _answer(self, number: int) -> bytes:
        try:
            codes = await self._asked[number]
            if codes is None:
                await self._still()
            return codes or b""
        finally:
            del self._asked[number]

    def _number(self) -> int:
        if len(self._waiting) + len(self._asked) >= NUMBERS:
            raise Ended(f"{NUMBERS} messages wait for the broker")
        while True:
            number = 1 + next(self._numbers) % NUMBERS
            if number not in self._waiting and number not in self._asked:
                return number

    def _write(self, data: bytes | bytearray) -> None:
        if self.ended.is_set():
            raise Ended("the connection has ended")
        try:
            self.socket.write(data)
        except OSError as exc:
            self.end(exc)
            raise

    async def _still(self) -> None:
        """Raises with why, where the connection has ended."""
        if self.ended.is_set():
            await self.lost()
            raise Ended("the connection has ended")

    # — within: what comes —

    def _take(self, packet: Packet, answers: bytearray) -> None:
        """What it is to be answered with is added to `answers`. Raises ValueError, IndexError for what is none, Ended
        where it is the end."""
        kind, body, greeter = packet.type, packet.body, self._greeter
        if greeter is None:
            raise ValueError(f"a {kind.name} before we said anything")
        if self.reason is None:
            self._greeted(packet, greeter)
        elif kind is Type.PUBLISH and not packet.flags & 4:
            topic, payload, number = read_publish(packet, five=self.five)
            self._heard(topic, payload, bool(packet.flags & 1))
            if number:
                answers += puback(number)
        elif kind is Type.PUBACK and len(body) >= 2:
            # The number of what it is for, and with MQTT 5 perhaps why not (§3.4.2.1).
            if len(body) > 2 and body[2] >= 0x80:
                self._tell_refused(body[2])
            number = int.from_bytes(body[:2], "big")
            if (sent := self._waiting.pop(number, None)) is not None:
                sent.waiting.discard(number)
                if not sent.waiting:
                    sent.done.set()
        elif kind in (Type.SUBACK, Type.UNSUBACK):
            number, codes = packets.read_answer(packet, five=self.five)
            if (asked := self._asked.get(number)) is not None and not asked.done():
                asked.set_result(codes)
        elif kind is Type.PINGRESP:
            self._pinged_at = None
        elif kind is Type.DISCONNECT and self.five:
            reason = greeter.ended(packet)
            raise Ended(f"it says {words(reason)}", reason)
        else:
            raise ValueError(f"a {kind.name}, which a broker has no reason to send us")

    def _greeted(self, packet: Packet, greeter: Greeter) -> None:
        self.reason = greeter.answered(packet)
        self._keep_alive_s = greeter.keep_alive_s or self._keep_alive_s
        if not self._settled.done():
            self._settled.set_result(None)

    def _tell_refused(self, reason: int) -> None:
        """Once: a broker that does not let us write (0x87) would else look like one that has it all."""
        if reason not in self._refused:
            self._refused.add(reason)
            why = "its rights forbid it" if reason == 0x87 else words(reason)
            log.warning("the broker takes a message of ours and does not pass it on: 0x%02x, %s", reason, why)

    def _readable(self) -> None:
        wire = self.socket
        try:
            while True:
                wire.read()
                answers = bytearray()
                while not self.ended.is_set() and (packet := wire.next()) is not None:
                    self._take(packet, answers)
                if self.ended.is_set():
                    return
                if answers:
                    wire.write(answers)
                if wire.over is not None:
                    raise wire.over
                if not wire.pending():
                    return
        except Exception as exc:
            # Also what can not be read: we would be called for the same bytes again and again.
            self.end(exc)

    def _writable(self) -> None:
        try:
            self.socket.flush()
        except Exception as exc:
            self.end(exc)

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
        now, every, wire = self._loop.time(), self._keep_alive_s, self.socket
        self._watch = self._loop.call_later(every / 4, self._alive)
        if self._pinged_at is not None:
            if now - max(self._pinged_at, wire.heard_at) >= every:
                self.end(ConnectionAbortedError(f"nothing came for {every:g} s, no answer to a ping either"))
        elif self.reason is not None and now - min(wire.heard_at, wire.sent_at) >= every / 2:
            self._pinged_at = now
            try:
                self._write(PINGREQ)
            except (OSError, Ended) as exc:
                log.debug("no ping: %s", exc)
