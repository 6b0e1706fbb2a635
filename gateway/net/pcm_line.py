"""A call's sound as raw samples on a serial port: signed 16-bit little-endian, one channel, no framing of its own.

Some modems stand their call's sound there (Quectel's NMEA port, SIMCom's audio port). What comes is cut into records of
20 ms for the media plane, what it says is written as the port takes it. Both ways are bounded: the oldest record is
dropped and counted, for late speech is worse than lost speech.

    async with pcm_line("usb:1-1.3:4", owner="call by lte0") as line:
        voice = engine.open_voice_pcm(line.plane_end.detach(), rate_hz=8000)
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.base.errors import GatewayError, LinkDown
from gateway.base.serial import SerialLine, open_serial

TICK_S = 0.02
MOST_RECORDS = 10
"""That wait, each way: 200 ms."""
GAP_S = 0.06
"""A pause that is none of the line's own: a sample of which half came before it is given up."""
SOCKET_BYTES = 8192
"""Of the kernel's queue to the media plane and from it: about as many records again."""


class Cutter:
    """Bytes as they come, in any pieces, to records of `size` bytes. Sans-IO."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = bytearray()
        self._at = 0.0
        self.odd = 0
        """Halves of samples that were given up: a byte was lost, and all that follows would be noise."""

    def feed(self, data: bytes, now: float) -> list[bytes]:
        if now - self._at > GAP_S and len(self._held) % 2:
            del self._held[-1:]
            self.odd += 1
        self._at = now
        self._held += data
        whole = len(self._held) // self._size * self._size
        records = [bytes(self._held[at : at + self._size]) for at in range(0, whole, self._size)]
        del self._held[:whole]
        return records


class PcmLine:
    """`plane_end` is for `open_voice_pcm`; `lost` fails when the port is gone."""

    def __init__(self, address: str, rate_hz: int) -> None:
        self.address = address
        self.size = round(rate_hz * TICK_S) * 2
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.plane_end, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.plane_end, self._ours):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        self._cutter = Cutter(self.size)
        self._in: deque[bytes] = deque()
        self._out: deque[bytes] = deque()
        self._line: SerialLine | None = None
        self.records = self.dropped_in = self.dropped_out = 0

    @property
    def odd(self) -> int:
        return self._cutter.odd

    @property
    def waiting(self) -> tuple[int, int]:
        """Records that wait for the media plane, and for the port."""
        return len(self._in), len(self._out)

    def begin(self, line: SerialLine) -> None:
        self._line = line
        asyncio.get_running_loop().add_reader(self._ours, self._spoken)

    async def end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        self._ours.close()
        self.plane_end.close()
        line, self._line = self._line, None
        if line is not None:
            await line.close()
        if not self.lost.done():
            self.lost.cancel()
        elif not self.lost.cancelled():
            self.lost.exception()

    # — what the modem says —

    def heard(self, data: bytes) -> None:
        for record in self._cutter.feed(data, asyncio.get_running_loop().time()):
            self.records += 1
            if len(self._in) == MOST_RECORDS:
                self._in.popleft()
                self.dropped_in += 1
            self._in.append(record)
        while self._in:
            try:
                self._ours.send(self._in[0])
            except BlockingIOError:
                return
            except OSError:
                self._in.clear()  # the voice is closed: the call ends
                return
            self._in.popleft()

    def gone(self, error: GatewayError) -> None:
        if not self.lost.done():
            self.lost.set_exception(LinkDown(f"the port of the call's sound: {error}", code=error.code))

    # — what it is told —

    def _spoken(self) -> None:
        for _ in range(2 * MOST_RECORDS):
            try:
                record = self._ours.recv(65536)
            except BlockingIOError:
                break
            except OSError:
                record = b""
            if not record:
                # The voice is closed: readable for ever.
                asyncio.get_running_loop().remove_reader(self._ours)
                return
            if len(self._out) == MOST_RECORDS:
                self._out.popleft()
                self.dropped_out += 1
            self._out.append(record)
        # The media plane speaks each 20 ms, silence too: that is the clock by which what waits is tried again.
        while self._out and self._line is not None and self._line.unsent < self.size:
            self._line.write(self._out.popleft())


@asynccontextmanager
async def pcm_line(address: str, *, owner: str, rate_hz: int = 8000, baud: int = 921_600) -> AsyncIterator[PcmLine]:
    """Raises as `open_serial`: LinkDown (`serial-lost`), Busy (`serial-held`)."""
    made = PcmLine(address, rate_hz)
    try:
        line = await open_serial(address, owner=owner, on_data=made.heard, on_lost=made.gone, baud=baud)
        made.begin(line)
        yield made
    finally:
        with suppress(OSError):
            await made.end()
