"""A vehicle terminal: registers, authenticates, tells where it is, and brings its cameras when it is asked.

Wrong on purpose where real ones are (`FAULTS`). It speaks JT/T 808 by its own code here, so that both ends of a frame
are written twice.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from gateway.sim.encoder import Frame, LiveEncoder, VideoSettings
from gateway.sim.head import Head
from gateway.sim.jt1078 import H264, H265, Jt1078Writer
from gateway.sim.replay import Replay

FAULTS = {
    "late-register": "authenticates with an old code first, and registers when that is refused",
    "no-attributes": "never answers the question for its cameras",
    "agrees-and-stays": "agrees to bring a picture, and does not connect",
    "garbage": "junk between frames",
    "sticky": "frames come several at a time, and cut in their middle",
    "wrong-length": "the length in its headers counts the header too",
    "bad-check": "each frame comes first with a wrong check code, then right",
    "repeat": "each message comes twice with the same serial number",
    "old-header": "bodies of 2019 behind headers of 2013",
    "split": "its registration comes in two parts",
    "vanish": "the connection ends 3 s after it is online, and comes again",
    "silent-stop": "goes on sending after it was told to stop",
    "clock-ahead": "its clock is a year ahead",
    "sim-10": "ten bytes of SIM in its pictures",
}
BEIJING = timezone(timedelta(hours=8))
_INTERCOM = 2


@dataclass(frozen=True)
class VehicleProfile:
    """`server` is the platform's signalling address; `generation` 2011, 2013 or 2019."""

    server: tuple[str, int] = ("127.0.0.1", 8808)
    phone: str = "13800138000"
    plate: str = "川A12345"
    generation: int = 2013
    channels: int = 2
    video: VideoSettings = field(default_factory=lambda: VideoSettings(width=640, height=360, bitrate=800_000))
    replay: bool = True
    place: tuple[float, float] = (104.0657, 30.6595)
    every_s: float = 5.0
    alarms: int = 0
    retry_s: float = 1.0
    faults: frozenset[str] = frozenset()

    @property
    def sim(self) -> bytes:
        length = 10 if "sim-10" in self.faults else 6
        return bytes.fromhex(self.phone.rjust(2 * length, "0"))


Report = Callable[[str, str, str], None]


def _frame(data: bytes, check: int) -> bytes:
    whole = data + bytes([check])
    return b"\x7e" + whole.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


class Vehicle:
    """`run` until cancelled. `heard` is what its loudspeaker played, G.711A."""

    def __init__(self, profile: VehicleProfile, report: Report) -> None:
        self.profile = profile
        self.alarms = profile.alarms
        self.heard = bytearray()
        self.orders: list[tuple[int, bytes]] = []
        self.online = asyncio.Event()
        self._report = report
        self._serial = 0
        self._code = ""
        self._writer: asyncio.StreamWriter | None = None
        self._pictures: dict[int, asyncio.Task[None]] = {}
        self._vanished = False
        self._held = b""
        head = Head()
        make = Replay if profile.replay else None
        self._source = make(profile.video) if make else LiveEncoder(profile.video, head, profile.plate)

    async def run(self) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._line()
            self.online.clear()
            self._report("offline", self.profile.phone, "the line is gone")
            for task in self._pictures.values():
                task.cancel()
            self._pictures.clear()
            await asyncio.sleep(self.profile.retry_s)

    # — signalling —

    async def _line(self) -> None:
        reader, self._writer = await asyncio.open_connection(*self.profile.server)
        try:
            if "late-register" in self.profile.faults and not self._code:
                self._authenticate("an-old-code")
            elif self._code:
                self._authenticate(self._code)
            else:
                self._register()
            beat = asyncio.create_task(self._tell())
            try:
                while True:
                    await self._take((await reader.readuntil(b"\x7e"))[:-1])
            finally:
                beat.cancel()
        finally:
            self._writer.close()

    async def _tell(self) -> None:
        """Positions, and what a fault does to the line."""
        await self.online.wait()
        while True:
            self.locate()
            if "vanish" in self.profile.faults and not self._vanished:
                self._vanished = True
                await asyncio.sleep(3)
                if self._writer is not None:
                    self._writer.transport.abort()
                return
            await asyncio.sleep(self.profile.every_s)

    def locate(self) -> None:
        """Tell where it is, and its alarms."""
        now = datetime.now(BEIJING)
        if "clock-ahead" in self.profile.faults:
            now += timedelta(days=365)
        longitude, latitude = self.profile.place
        body = struct.pack(">IIII", self.alarms, 0x3, round(latitude * 1e6), round(longitude * 1e6))
        body += struct.pack(">HHH", 500, 423, 90) + bytes.fromhex(now.strftime("%y%m%d%H%M%S"))
        self._send(0x0200, body + b"\x01\x04\x00\x00\x30\x39" + b"\x31\x01\x0c")

    def _register(self) -> None:
        generation = self.profile.generation
        maker, model, terminal = {2011: (5, 8, 7), 2013: (5, 20, 7), 2019: (11, 30, 30)}[generation]
        body = struct.pack(">HH", 51, 100) + b"FGATE".ljust(maker, b"\0") + b"SIM-1078".ljust(model, b"\0")
        body += b"0000001".ljust(terminal, b"\0") + b"\x02" + self.profile.plate.encode("gb18030")
        if "split" in self.profile.faults:
            self._send(0x0100, body[:20], part=(2, 1))
            self._send(0x0100, body[20:], part=(2, 2))
        else:
            self._send(0x0100, body)

    def _authenticate(self, code: str) -> None:
        data = code.encode()
        if self.profile.generation == 2019:
            data = bytes([len(data)]) + data + b"8" * 15 + b"1.0".ljust(20, b"\0")
        self._send(0x0102, data)

    async def _take(self, chunk: bytes) -> None:
        if not chunk:
            return
        data = chunk.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")[:-1]
        identity, properties = struct.unpack_from(">HH", data)
        at = 15 if properties & 0x4000 else 10
        serial, body = int.from_bytes(data[at : at + 2]), data[at + 2 :]
        if identity != 0x8001:
            self.orders.append((identity, body))
        match identity:
            case 0x8100:
                await self._registered(body)
            case 0x8001:
                self._acknowledged(body)
            case 0x9003 if "no-attributes" not in self.profile.faults:
                self._send(0x1003, bytes([6, 1, 0, 1, 0, 160, 1, 98, 1, self.profile.channels]))
            case 0x9003 | 0x8201:
                pass
            case 0x9101:
                self._acknowledge(serial, identity)
                self._bring(body)
            case 0x9102:
                self._acknowledge(serial, identity)
                if "silent-stop" not in self.profile.faults:
                    self._stop(body[0])
            case 0x9301 | 0x9302 | 0x9303 | 0x9306:
                self._acknowledge(serial, identity)
                self._report("moved", self.profile.phone, f"{identity:04x} {body.hex(' ')}")
            case _:
                self._acknowledge(serial, identity, 3)

    async def _registered(self, body: bytes) -> None:
        if body[2] != 0:
            self._report("refused", self.profile.phone, f"registration: {body[2]}")
            await asyncio.sleep(self.profile.retry_s)
            self._register()
            return
        self._code = body[3:].decode("ascii", "replace")
        self._authenticate(self._code)

    def _acknowledged(self, body: bytes) -> None:
        _serial, said, word = struct.unpack_from(">HHB", body)
        if said == 0x0102 and word == 0:
            self.online.set()
            self._report("online", self.profile.phone, "authenticated")
        elif said == 0x0102:
            self._code = ""
            self._register()

    def _acknowledge(self, serial: int, order: int, word: int = 0) -> None:
        self._send(0x0001, struct.pack(">HHB", serial, order, word))

    def _send(self, identity: int, body: bytes, part: tuple[int, int] | None = None) -> None:
        if self._writer is None:
            return
        faults = self.profile.faults
        new = self.profile.generation == 2019 and "old-header" not in faults
        length = len(body) + (12 if "wrong-length" in faults else 0)
        head = struct.pack(">HH", identity, length | (0x2000 if part else 0) | (0x4000 if new else 0))
        if new:
            head += b"\x01" + bytes.fromhex(self.profile.phone.rjust(20, "0"))
        else:
            head += bytes.fromhex(self.profile.phone.rjust(12, "0"))
        self._serial = (self._serial + 1) & 0xFFFF
        head += struct.pack(">H", self._serial) + (struct.pack(">HH", *part) if part else b"")
        check = 0
        for byte in head + body:
            check ^= byte
        frame = _frame(head + body, check)
        if "garbage" in faults:
            frame = b"\xff\x00junk" + frame
        if "bad-check" in faults:
            frame = _frame(head + body, check ^ 0x55) + frame
        if "repeat" in faults:
            frame += frame
        if "sticky" in faults:
            # Half of what comes now goes out with the next one, and in any case within a moment.
            self._held += frame
            now, self._held = self._held[: len(self._held) // 2], self._held[len(self._held) // 2 :]
            asyncio.get_running_loop().call_later(0.05, self._unhold)
            frame = now
        self._writer.write(frame)

    def _unhold(self) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(self._held)
        self._held = b""

    # — pictures and the loudspeaker —

    def _bring(self, body: bytes) -> None:
        if "agrees-and-stays" in self.profile.faults:
            return
        length = body[0]
        host = body[1 : 1 + length].decode("ascii")
        port, _udp, channel, what, _stream = struct.unpack_from(">HHBBB", body, 1 + length)
        self._stop(channel)
        work = self._intercom(host, port, channel) if what == _INTERCOM else self._show(host, port, channel)
        self._pictures[channel] = asyncio.create_task(work)

    def _stop(self, channel: int) -> None:
        task = self._pictures.pop(channel, None)
        if task is not None:
            task.cancel()

    async def _show(self, host: str, port: int, channel: int) -> None:
        """A picture and its sound; ends when it is told to, or the platform hangs up."""
        _reader, writer = await asyncio.open_connection(host, port)
        codec = H265 if self.profile.video.codec == "h265" else H264
        frames = Jt1078Writer(self.profile.sim, channel, codec)
        began = int(time.time() * 1000)

        def sink(frame: Frame) -> None:
            if writer.transport.is_closing() or writer.transport.get_write_buffer_size() > 2_000_000:
                return
            at_ms = began + frame.pts // 90
            for packet in frames.video(frame.data, key=frame.key, at_ms=at_ms):
                writer.write(packet)
            for packet in frames.audio(frame.audio, at_ms=at_ms):
                writer.write(packet)

        self._source.attach(sink)
        self._report("picture", self.profile.phone, f"channel {channel} to {host}:{port}")
        try:
            await writer.wait_closed()
        finally:
            self._source.detach(sink)
            writer.close()

    async def _intercom(self, host: str, port: int, channel: int) -> None:
        """Two-way sound: silence one way, what comes is kept (`heard`)."""
        reader, writer = await asyncio.open_connection(host, port)
        frames = Jt1078Writer(self.profile.sim, channel, H264)
        began = int(time.time() * 1000)
        listening = asyncio.create_task(self._listen(reader))
        try:
            for number in range(1_000_000):
                for packet in frames.audio(b"\xd5" * 160, at_ms=began + 20 * number):
                    writer.write(packet)
                await asyncio.sleep(0.02)
                if listening.done():
                    return
        finally:
            listening.cancel()
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        head_bytes = 16 + len(self.profile.sim) - 6
        while True:
            head = await reader.readexactly(head_bytes)
            kind = head[-1] >> 4
            rest = {0: 14, 1: 14, 2: 14, 3: 10}.get(kind, 2)  # time, (intervals,) length
            more = await reader.readexactly(rest)
            data = await reader.readexactly(int.from_bytes(more[-2:]))
            if kind == 3:
                self.heard += data
                del self.heard[:-80_000]
