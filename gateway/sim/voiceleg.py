"""Sockets of the ball for sound: G.711 in RTP comes in, over UDP or TCP; the microphone goes out where it is asked."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from gateway.sim.dialling import bound, connected, route_to
from gateway.sim.offer import Carrier
from gateway.sim.rtp import framed
from gateway.sim.sound import tone, tone_ulaw

PAYLOAD_TYPES = {8: "pcma", 0: "pcmu"}
FRAME = 160  # 20 ms


class VoiceLeg:
    """Owns its socket from `open` to `close`; `run` hears until the connection ends or it is cancelled.

    `ssrc` None takes any. `codec` is that of what is sent, and of payload types that have no fixed meaning.
    """

    def __init__(
        self, carrier: Carrier, codec: str, hear: Callable[[bytes, str], None], *, ssrc: int | None = None
    ) -> None:
        self.carrier, self.codec, self.ssrc = carrier, codec, ssrc
        self.host, self.port = "", 0
        self.target: tuple[str, int] = ("", 0)
        self.first_packet = asyncio.Event()
        self.received = 0
        self.strange = 0  # with another SSRC than agreed, or nothing that we play
        self._hear = hear
        self._sock: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._seq = 0

    def open(self, towards: str) -> None:
        """Bind where the platform is reached from. Raises OSError."""
        self.host = route_to(towards)
        if self.carrier is Carrier.UDP:
            self._sock = bound(socket.SOCK_DGRAM, self.host)
            self.port = int(self._sock.getsockname()[1])
        elif self.carrier is Carrier.LISTEN:
            self._listener = bound(socket.SOCK_STREAM, self.host)
            self._listener.listen(1)
            self.port = int(self._listener.getsockname()[1])
        else:
            self.port = 9  # RFC 4145 §4.1

    async def connect(self) -> bool:
        """TCP: dial, or wait to be dialled."""
        if self.carrier is Carrier.UDP:
            return True
        self._sock = await connected(self._listener, self.target)
        return self._sock is not None

    async def run(self) -> None:
        try:
            if self.carrier is Carrier.UDP:
                await self._datagrams()
            else:
                await self._stream()
        except OSError:
            return

    async def _datagrams(self) -> None:
        assert self._sock is not None  # noqa: S101 - open() made it
        while True:
            self._packet(await asyncio.get_running_loop().sock_recv(self._sock, 2048))

    async def _stream(self) -> None:
        assert self._sock is not None  # noqa: S101 - connect() made it
        data = b""
        while more := await asyncio.get_running_loop().sock_recv(self._sock, 4096):
            data += more
            while len(data) >= 2 and len(data) >= 2 + (size := int.from_bytes(data[:2], "big")):
                self._packet(data[2 : 2 + size])
                data = data[2 + size :]

    def _packet(self, data: bytes) -> None:
        if len(data) < 12 or data[0] >> 6 != 2 or 200 <= data[1] <= 207:
            return  # no RTP, or RTCP
        kind, (ssrc,) = data[1] & 0x7F, struct.unpack("!I", data[8:12])
        if (self.ssrc is not None and ssrc != self.ssrc) or kind not in PAYLOAD_TYPES:
            self.strange += 1
            return
        self.received += 1
        self.first_packet.set()
        self._hear(data[12 + 4 * (data[0] & 0x0F) :], PAYLOAD_TYPES[kind])

    async def speak(self, ssrc: int, *, silence: bool = False) -> None:
        """The microphone, 20 ms a packet, until cancelled; `silence` sends ten packets a second of nothing."""
        loop = asyncio.get_running_loop()
        due, begin = loop.time(), 0
        make = tone if self.codec == "pcma" else tone_ulaw
        quiet = b"\xd5" if self.codec == "pcma" else b"\xff"
        while True:
            payload = quiet * FRAME if silence else make(begin, FRAME)
            kind = 8 if self.codec == "pcma" else 0
            packet = struct.pack("!BBHII", 0x80, kind, self._seq, begin & 0xFFFFFFFF, ssrc) + payload
            self._seq = self._seq + 1 & 0xFFFF
            begin += FRAME
            try:
                if self._sock is None:
                    return
                if self.carrier is Carrier.UDP:
                    self._sock.sendto(packet, self.target)
                else:
                    await loop.sock_sendall(self._sock, framed(packet))
            except OSError:
                if self.carrier is not Carrier.UDP:
                    return
            step = 0.1 if silence else 0.02
            due = max(due + step, loop.time() - step)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def close(self) -> None:
        for sock in (self._sock, self._listener):
            if sock is not None:
                sock.close()
        self._sock = self._listener = None
