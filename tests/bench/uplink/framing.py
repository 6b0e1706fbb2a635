"""Items as pictures of a frame port (docs/frame-port.md), and back. What is in them is opaque to who carries them."""

from __future__ import annotations

import socket
import struct

KEY, FIRST, LAST = 1, 4, 8
_HEAD = struct.Struct("!BBBBHHqqqII")
_PIECE = 60_000
_NOT_KNOWN = -(2**63)
_IDR, _SLICE = b"\x65", b"\x41"
# 1280 x 720, constrained baseline, as x264 writes them: what carries them looks at them no closer than it must.
_SPS = bytes.fromhex("6742c01fd9005005bb011000000300100000030320f1832480")
_PPS = bytes.fromhex("68cb83cb20")


def _record(kind: int, flags: int, pts: int, whole: bytes, at: int, piece: bytes) -> bytes:
    return _HEAD.pack(0xF6, 1, kind, 0, flags, 0, pts, pts, _NOT_KNOWN, len(whole), at) + piece


def track() -> bytes:
    body = struct.pack("!IIIIIBBBB", 90_000, 1280, 720, 0, 0x42C01F, 0, 0, 0, 2)
    for parameters in (_SPS, _PPS):
        body += struct.pack("!H", len(parameters)) + parameters
    return _record(0, FIRST | LAST, 0, body, 0, body)


def picture(item: bytes, pts: int, *, key: bool) -> list[bytes]:
    """`pts`: 90 kHz. One NAL unit whose payload is the item."""
    whole = struct.pack("!I", len(item) + 1) + (_IDR if key else _SLICE) + item
    out = []
    for at in range(0, len(whole), _PIECE):
        piece = whole[at : at + _PIECE]
        flags = (KEY if key else 0) | (FIRST if at == 0 else 0) | (LAST if at + len(piece) == len(whole) else 0)
        out.append(_record(1, flags, pts, whole, at, piece))
    return out


class Port:
    """The worker's end of a frame port; does not block."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        wire.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            wire.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        self._whole = b""

    def write(self, records: list[bytes]) -> bool:
        """False: nobody reads, the rest is given up."""
        try:
            for record in records:
                self.wire.send(record)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return False
        return True

    def read(self) -> list[bytes]:
        """Whole items that are here now. Tracks are passed over."""
        out: list[bytes] = []
        while True:
            try:
                record = self.wire.recv(_HEAD.size + _PIECE)
            except (BlockingIOError, ConnectionResetError):
                return out
            if not record:
                return out
            _, _, kind, _, flags, *_ = _HEAD.unpack_from(record)
            if kind != 1:
                continue
            self._whole = (b"" if flags & FIRST else self._whole) + record[_HEAD.size :]
            if flags & LAST:
                out.append(self._whole[5:])
                self._whole = b""
