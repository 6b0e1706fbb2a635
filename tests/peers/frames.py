"""Access units read from the media plane's frame port (docs/frame-port.md), as a worker process would."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from gateway import codecs

_HEADER = struct.Struct("!BBBBHHqqqII")
_CODECS = ("h264", "h265", "aac", "pcma", "pcmu", "opus", "g722")
_UNIT, _FIRST, _LAST, _KEY = 1, 4, 8, 1


@dataclass(frozen=True, slots=True)
class Frame:
    codec: str
    key: bool
    pts: int
    nalus: tuple[bytes, ...]

    @property
    def annexb(self) -> bytes:
        return b"".join(b"\0\0\0\1" + nalu for nalu in self.nalus)


class FrameReader:
    """A subscription by frame port; `video()` waits for the next picture."""

    def __init__(self, engine: codecs.Engine, stream: int) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self.subscription = engine.open_frames_out(stream, theirs.detach())
        self._partial = b""

    async def frame(self) -> Frame:
        loop = asyncio.get_running_loop()
        while True:
            record = await loop.sock_recv(self._socket, 1 << 17)
            assert record, "the media plane closed the frame port"
            magic, version, kind, codec, flags, _generation, pts, _dts, _capture, total, offset = _HEADER.unpack_from(
                record
            )
            assert (magic, version) == (0xF6, 1)
            if kind != _UNIT:
                continue
            if flags & _FIRST:
                self._partial = b""
            assert len(self._partial) == offset
            self._partial += record[_HEADER.size :]
            if flags & _LAST:
                assert len(self._partial) == total
                return Frame(_CODECS[codec], bool(flags & _KEY), pts, tuple(self._nalus()))

    def _nalus(self) -> list[bytes]:
        found, at = [], 0
        while at < len(self._partial):
            (length,) = struct.unpack_from("!I", self._partial, at)
            found.append(self._partial[at + 4 : at + 4 + length])
            at += 4 + length
        return found

    async def video(self) -> Frame:
        while (frame := await self.frame()).codec not in ("h264", "h265"):
            pass
        return frame

    def close(self) -> None:
        self._socket.close()
