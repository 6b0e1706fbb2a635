"""One media leg of a call: frames in, RTP out, over UDP or over TCP in either direction.

The queue holds about two seconds of frames; when it is full the leg drops up to the next key frame, as a device
with a slow uplink does.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque

from gateway.sim.dialling import bound, connected, route_to
from gateway.sim.encoder import Frame, Source, VideoSettings
from gateway.sim.faults import Faults, Path
from gateway.sim.offer import Carrier
from gateway.sim.rtp import RtpPacketizer, framed

QUEUE_FRAMES = 50
BURST = 32  # packets between two breaths, so that a 400 KB frame does not overrun the receiver's buffer
_BREATH_S = 0.001


class Leg:
    """Owns its socket from `open` to `close`. `host` and `port` are what the answer says; `play` runs
    until it is cancelled."""

    def __init__(
        self, carrier: Carrier, target: tuple[str, int], ssrc: int, settings: VideoSettings, faults: Faults
    ) -> None:
        self.carrier, self.target, self.settings, self.faults = carrier, target, settings, faults
        self.options = faults.ps_options(settings)
        self.rtp = RtpPacketizer(ssrc)
        self.path = Path(faults, seed=ssrc)
        self.sent = 0
        self._queue: deque[Frame] = deque()
        self._ready = asyncio.Event()
        self._hungry = True  # wants a key frame before anything else
        self._sock: socket.socket | None = None
        self._listener: socket.socket | None = None
        self.host, self.port = "", 0

    def open(self) -> None:
        """Bind where the platform is reached from; raises OSError when it is not."""
        self.host = host = route_to(self.target[0])
        if self.carrier is Carrier.UDP:
            self._sock = bound(socket.SOCK_DGRAM, host)
            self.port = self._sock.getsockname()[1]
        elif self.carrier is Carrier.LISTEN:
            listener = bound(socket.SOCK_STREAM, host)
            self.port = listener.getsockname()[1]
            if "tcp-refuses" in self.faults:
                listener.close()
                return
            listener.listen(1)
            self._listener = listener
        else:
            self.port = 9  # RFC 4145 §4.1: the dialling side says the discard port

    def rebind(self) -> None:
        """A new source port in the middle of the call, as behind a NAT that forgot (UDP only)."""
        if self.carrier is Carrier.UDP and self._sock is not None:
            old, self._sock = self._sock, bound(socket.SOCK_DGRAM, self.host)
            old.close()

    def feed(self, frame: Frame) -> None:
        """Take a frame from the encoder; never waits."""
        if len(self._queue) >= QUEUE_FRAMES:
            self._queue.clear()
            self._hungry = True
        if self._hungry and not frame.key:
            return
        self._hungry = False
        self._queue.append(frame)
        self._ready.set()

    async def play(self, source: Source) -> None:
        """Connect where that is the carrier, then send until cancelled or the peer is gone (returns)."""
        if not await self._connect():
            return
        source.attach(self.feed)
        try:
            await self._pump()
        except (ConnectionError, TimeoutError):
            return
        finally:
            source.detach(self.feed)

    def close(self) -> None:
        for sock in (self._sock, self._listener):
            if sock is not None:
                sock.close()
        self._sock = self._listener = None

    # -- inside -----------------------------------------------------------------------------------------------

    async def _connect(self) -> bool:
        if self.carrier is Carrier.UDP:
            return True
        if "tcp-refuses" in self.faults:
            await asyncio.Event().wait()  # as if nothing had been agreed, until the platform gives up
        self._sock = await connected(self._listener, self.target)
        return self._sock is not None

    async def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        garbage_due = loop.time() + self.faults["tcp-framing"] if "tcp-framing" in self.faults else None
        while True:
            while not self._queue:
                self._ready.clear()
                await self._ready.wait()
            frame = self._queue.popleft()
            payload = self.faults.payload(frame, self.settings, self.options)
            packets = self.path.carry(self.rtp.packets(payload, frame.pts))
            if self.carrier is Carrier.UDP:
                await self._send_datagrams(packets)
                continue
            stream = b"".join(framed(packet) for packet in packets)
            if garbage_due is not None and loop.time() >= garbage_due:
                stream = self.path.junk() + stream
                garbage_due = loop.time() + self.faults["tcp-framing"]
            assert self._sock is not None  # noqa: S101 - connected above
            await loop.sock_sendall(self._sock, stream)
            self.sent += len(packets)

    async def _send_datagrams(self, packets: list[bytes]) -> None:
        for at, packet in enumerate(packets):
            if at and at % BURST == 0:
                await asyncio.sleep(_BREATH_S)
            if self._sock is None:
                return
            try:
                self._sock.sendto(packet, self.target)
            except (BlockingIOError, ConnectionRefusedError, OSError):
                continue  # nobody listens, or the buffer is full: a camera does not mind
            self.sent += 1
