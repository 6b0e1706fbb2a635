"""One terminal's signalling connection: messages in, orders out with their answers awaited.

Ends (returns) when the terminal hangs up, says nothing for the idle time, or sends what is no JT/T 808.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

from adapters.jt808.protocol import messages
from adapters.jt808.protocol.frame import FrameReader, Message, encode
from adapters.jt808.protocol.messages import Ack, Order
from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError, Unsupported

log = logging.getLogger(__name__)

READ_BYTES = 16 * 1024
MAX_BAD = 32
"""So many bad frames without a good one between them, and it is no terminal."""

MAX_WAITING = 32
_WORDS = {Ack.FAILED: "it could not", Ack.WRONG: "it found the order wrong"}


class Line:
    def __init__(self, connection: socket.socket, address: str, idle_s: float) -> None:
        self._connection = connection
        self._idle_s = idle_s
        self._reader = FrameReader()
        self._serial = 0
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._sending = asyncio.Lock()
        self._bad = 0
        self.address = address
        self.local_host: str = connection.getsockname()[0]
        self.host = address.rpartition(":")[0]
        """Where it is, without the port."""
        self.phone = ""
        self.version = 0

    async def messages(self) -> AsyncIterator[Message]:
        """Whole messages until the connection ends; answers to orders are given to whoever waits for them."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    data = await loop.sock_recv(self._connection, READ_BYTES)
            except (TimeoutError, ConnectionError, OSError):
                return
            if not data:
                return
            bad = self._reader.bad
            for message in self._reader.feed(data):
                self._bad = 0
                if message.id == messages.Said.ACK:
                    self._answered(message)
                else:
                    yield message
            self._bad += self._reader.bad - bad
            if self._bad > MAX_BAD or self._reader.skipped:
                log.warning("%s: no JT/T 808 (%s): hung up", self.address, self._reader.last_fault or "no frames")
                return

    async def send(self, identity: int, body: bytes, answer: asyncio.Future[int] | None = None) -> int:
        """Send one message, `answer` to be given its common answer; its serial number. Raises LinkDown."""
        async with self._sending:
            self._serial = (self._serial + 1) & 0xFFFF
            if answer is not None:  # before it is sent: the answer may be quicker than we are
                self._waiting[self._serial] = answer
            frame = encode(Message(identity, self.phone, self._serial, body, self.version))
            try:
                async with asyncio.timeout(10):
                    await asyncio.get_running_loop().sock_sendall(self._connection, frame)
            except (TimeoutError, OSError) as exc:
                raise LinkDown(f"{self.phone or self.address}: {exc or 'it takes nothing'}", code="link-down") from exc
            return self._serial

    async def acknowledge(self, message: Message, word: Ack = Ack.DONE) -> None:
        await self.send(Order.ACK, messages.common_ack(message.serial, message.id, word))

    async def order(self, identity: Order, body: bytes, timeout_s: float) -> None:
        """Send an order and await its common answer. Raises PeerError, Unsupported, LinkDown (`jt808-no-answer`)."""
        if len(self._waiting) >= MAX_WAITING:
            raise LinkDown(f"{self.phone}: {MAX_WAITING} orders wait for answers", code="jt808-no-answer")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            await self.send(identity, body, answer)
            async with asyncio.timeout(timeout_s):
                word = await answer
        except TimeoutError:
            raise LinkDown(f"{self.phone} did not answer {identity.name}", code="jt808-no-answer") from None
        finally:
            self._waiting = {serial: one for serial, one in self._waiting.items() if one is not answer}
        if word == Ack.UNSUPPORTED:
            raise Unsupported(f"{self.phone} does not know {identity.name}")
        if word != Ack.DONE:
            said = _WORDS.get(Ack(word), str(word)) if word in (1, 2) else str(word)
            raise PeerError(f"{self.phone}: {identity.name}: {said}", status=word)

    def close(self) -> None:
        """Hang up: `messages` ends, and whoever waits is told that the link is down. Its owner then calls `free`."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(LinkDown(f"{self.phone or self.address} hung up", code="device-offline"))
        self._waiting.clear()
        # The descriptor stays until nobody reads it any more.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def free(self) -> None:
        self.close()
        self._connection.close()

    def _answered(self, message: Message) -> None:
        try:
            serial, _order, word = messages.read_ack(message.body)
        except RemoteProtocolError as exc:
            log.info("%s: %s", self.phone or self.address, exc)
            return
        answer = self._waiting.get(serial)
        if answer is not None and not answer.done():
            answer.set_result(word)
