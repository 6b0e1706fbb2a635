"""One connection to one broker, from its dialling to its end.

MQTT 5 is tried first where it may be, and 3.1.1 where the broker does not have it (remembered for each broker). What
the session needs is the same with both: expiry, answers and acknowledgements stand in our own messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters.mqtt.address import Broker
from adapters.mqtt.client import Client, Ended, First, OnMessage, Retained
from adapters.mqtt.dial import Dialler
from adapters.mqtt.manner import Times, Versions
from adapters.mqtt.patience import Patience, unacknowledged
from adapters.mqtt.protocol.messages import MAX_BYTES
from adapters.mqtt.protocol.reasons import words
from adapters.mqtt.seam import OTHER_VERSION, Hello
from gateway.base.errors import GatewayError, LinkDown, PeerError

log = logging.getLogger(__name__)

ROOM = 4096
"""Of a packet, for what stands around the message in it."""
BYE_S = 2.0

# Reason codes of MQTT 5 §2.4.
TAKEN_OVER = 0x8E
"""Another client came with our identifier."""
_NOT_LET_IN = {0x85, 0x86, 0x87, 0x8A, 0x8C}
_BUSY = {0x88, 0x89, 0x97, 0x9F}
_NONSENSE = {0x81, 0x82}


@dataclass(frozen=True, slots=True)
class Who:
    """As whom to connect. `will`: (topic, payload), retained, QoS 1. `first`: what is said before anything else
    (`Connection.begin`); `at_once`: with the CONNECT, to a broker that is known to take us."""

    id: str
    will: tuple[str, bytes]
    user: str = ""
    password: str = field(default="", repr=False)
    first: First | None = None
    at_once: bool = False


class Connection:
    """Made by `connected`. Its methods raise LinkDown when the broker does not answer or is gone."""

    def __init__(self, client: Client, broker: Broker, times: Times, first: First | None = None) -> None:
        self._client = client
        self._times = times
        self._first = first
        self.broker = broker

    @property
    def five(self) -> bool:
        return self._client.five

    @property
    def backlog(self) -> int:
        """Packets that wait for the link."""
        return self._client.backlog

    @property
    def bytes_in(self) -> int:
        return self._client.socket.bytes_in

    @property
    def bytes_out(self) -> int:
        return self._client.socket.bytes_out

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expires_s: float | None = None
    ) -> None:
        """With QoS 1 it returns when the broker has it."""
        if len(payload) > MAX_BYTES:
            raise PeerError(f"a message of {len(payload)} bytes to {topic} is not sent", code="too-large")
        try:
            async with self._answer():
                if qos:
                    await self._client.say_all([(topic, payload)], retain, expires_s)
                else:
                    await self._client.say(topic, payload, retain, expires_s)
        except Exception as exc:
            raise self._down(exc, "does not take a message") from exc

    async def retain_all(self, messages: Sequence[Retained]) -> None:
        """Retained messages with QoS 1, together on the way; it returns when the broker has them all."""
        if long := next((topic for topic, payload in messages if len(payload) > MAX_BYTES), None):
            raise PeerError(f"a message of more than {MAX_BYTES} bytes to {long} is not sent", code="too-large")
        try:
            async with self._answer():
                await self._client.say_all(messages, retain=True)
        except Exception as exc:
            raise self._down(exc, "does not take a message") from exc

    async def begin(self) -> None:
        """The broker has taken what is said first. Raises as `subscribe` does."""
        if self._first is None:
            return
        try:
            async with self._answer():
                codes = await self._client.first(self._first)
        except Exception as exc:
            raise self._down(exc, "does not take what is said first") from exc
        self._allowed(self._first.filters, codes)

    async def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        """Raises PeerError (`mqtt-denied`) when the broker's rights forbid one of them."""
        try:
            async with self._answer():
                codes = await self._client.listen(filters, qos)
        except Exception as exc:
            raise self._down(exc, "does not answer a subscription") from exc
        self._allowed(filters, codes)

    def _allowed(self, filters: Sequence[str], codes: bytes) -> None:
        if wrong := [code for code in codes if code >= 0x80]:
            text = f"{self.broker} forbids to listen to {', '.join(filters)} ({wrong[0]:#x})"
            raise PeerError(text, status=wrong[0], code="mqtt-denied")

    async def unsubscribe(self, *filters: str) -> None:
        try:
            async with self._answer():
                await self._client.unlisten(filters)
        except Exception as exc:
            raise self._down(exc, "does not answer") from exc

    async def lost(self) -> None:
        """Raises LinkDown when the connection has ended."""
        try:
            await self._client.lost()
        except Exception as exc:
            raise self._down(exc, "let us go") from exc
        raise LinkDown(f"{self.broker} closed the connection", code="mqtt-lost")

    def fail(self, why: GatewayError) -> None:
        """It ends, for a reason of ours: that is what `lost` raises."""
        self._client.end(why)

    def _answer(self) -> Patience:
        """Not asyncio.wait_for, which in Python 3.11 may swallow a cancellation."""
        return _patience(self._client, self._times)

    def _down(self, exc: Exception, doing: str) -> GatewayError:
        if isinstance(exc, GatewayError):
            return exc
        if isinstance(exc, TimeoutError):
            text = f"{self.broker} {doing}: nothing moves"
            return LinkDown(text, code="mqtt-lost")
        number = exc.reason if isinstance(exc, Ended) else None
        if number == TAKEN_OVER:
            return PeerError(f"{self.broker}: another client has our id now", status=number, code="duplicate-gateway")
        if number is not None and number in _NOT_LET_IN:
            return PeerError(f"{self.broker} {doing}: {exc}", status=number, code="mqtt-denied")
        if number in _NONSENSE or not isinstance(exc, Ended | OSError):
            return LinkDown(f"{self.broker} sends what is no MQTT: {exc}", code="mqtt-garbage")
        return LinkDown(f"{self.broker} {doing}: {exc}", code="mqtt-lost")


def _patience(client: Client, times: Times) -> Patience:
    socket = client.socket

    def moved() -> object:
        return socket.bytes_in, socket.bytes_out, unacknowledged(socket.fileno())

    return Patience(times.answer_s, moved, lambda: not socket.backlog and not unacknowledged(socket.fileno()))


@asynccontextmanager
async def connected(
    broker: Broker, dialler: Dialler, who: Who, times: Times, versions: Versions, on_message: OnMessage
) -> AsyncIterator[Connection]:
    """A connection that the broker has accepted, while the context lasts. Left in peace, the broker is told goodbye and
    keeps our will to itself; left by an error, the connection is dropped.

    Raises LinkDown (`connect-…`, `tls-…`, `mqtt-…`), PeerError (`mqtt-denied`, `mqtt-busy`), ConfigError.
    """
    client = await _open(broker, dialler, who, times, versions, on_message)
    in_peace = False
    try:
        yield Connection(client, broker, times, who.first)
        in_peace = True
    except asyncio.CancelledError:
        in_peace = True  # we are to end: that is no reason for a will
        raise
    finally:
        if in_peace:
            await _goodbye(client, broker)
        client.drop()


async def _goodbye(client: Client, broker: Broker) -> None:
    try:
        async with asyncio.timeout(BYE_S):
            await client.leave()
    except (Ended, TimeoutError, OSError) as exc:
        log.debug("%s was left without a goodbye: %s", broker, exc)


async def _open(
    broker: Broker, dialler: Dialler, who: Who, times: Times, versions: Versions, on_message: OnMessage
) -> Client:
    # As it is now: another session may learn it meanwhile.
    five, may_be_old = versions.five(broker), versions.may_be_old(broker)
    try:
        client = await _connect(broker, dialler, who, times, five, on_message)
    except GatewayError as exc:
        # Some brokers of old hang up without a word when they see a version that they do not know.
        if not five or not may_be_old or exc.code not in ("mqtt-version", "mqtt-silent"):
            raise
        five = False
        client = await _connect(broker, dialler, who, times, five, on_message)
        log.info("%s has no MQTT 5: 3.1.1 is spoken with it", broker)
    if versions.wish == "auto":
        versions.known[broker] = five
    return client


async def _connect(
    broker: Broker, dialler: Dialler, who: Who, times: Times, five: bool, on_message: OnMessage
) -> Client:
    sock = await dialler.dial(broker, times.answer_s)
    keep_alive_s = max(5, int(times.keep_alive_s))
    client = Client(sock, on_message, limit=MAX_BYTES + ROOM, five=five, keep_alive_s=keep_alive_s)
    hello = Hello(who.id, who.will, keep_alive_s, who.user, who.password)
    try:
        await _entered(client, hello, who.first if who.at_once else None, broker, times)
    except BaseException:
        client.drop()
        raise
    return client


async def _entered(client: Client, hello: Hello, first: First | None, broker: Broker, times: Times) -> None:
    """The broker has said yes. Raises LinkDown, PeerError; where it hangs up or talks nonsense, at once."""
    try:
        client.greet(hello, first)
    except OSError as exc:
        raise LinkDown(f"{broker}: {exc.strerror or exc}", code="mqtt-lost") from exc
    try:
        async with _patience(client, times):
            await client.settled()
    except TimeoutError:
        text = f"{broker} took the connection and says nothing"
        raise LinkDown(text, code="mqtt-deaf") from None
    if client.reason is None:
        if client.socket.bytes_in:
            raise LinkDown(f"{broker} sends what is no MQTT", code="mqtt-garbage")
        raise LinkDown(f"{broker} hung up without a word", code="mqtt-silent")
    if client.reason:
        raise _refusal(broker, client.reason)
    # If it has hung up since, `lost` says so.


def _refusal(broker: Broker, number: int) -> GatewayError:
    """Why a CONNECT came to nothing."""
    said = f"{broker} says {words(number)}"
    if number == OTHER_VERSION:
        return PeerError(said, status=number, code="mqtt-version")
    if number in _NOT_LET_IN:
        return PeerError(said, status=number, code="mqtt-denied")
    if number in _BUSY:
        return PeerError(said, status=number, code="mqtt-busy")
    return PeerError(said, status=number, code="mqtt-refused")
