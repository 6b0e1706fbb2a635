"""An IP packet taken apart as far as capturing needs it, and put together again with other bytes in it."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from gateway.wire.masking import StreamMask, masked
from gateway.wire.onwire import ethertype
from gateway.wire.pcapng import ETHERNET

ONE_FRAME = 1500
"""Bytes of UDP that go in one frame of most networks."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`proto` 6 or 17; `start` and `end` of the payload within the frame; `l4` where its header begins, `ip` the IP
    header. `seq` and `flags` of TCP."""

    proto: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    ip: int
    l4: int
    start: int
    end: int
    seq: int = 0
    flags: int = 0

    @property
    def flow(self) -> tuple[str, int, str, int]:
        return self.source, self.source_port, self.destination, self.destination_port


def segment(frame: bytes, link: int = ETHERNET) -> Segment | None:
    """None for what is no whole TCP or UDP header (other protocols, later fragments, cut frames)."""
    at = 0
    if link == ETHERNET:
        kind, at = ethertype(frame)
        if kind not in (0x0800, 0x86DD):
            return None
    if len(frame) < at + 20:
        return None
    if frame[at] >> 4 == 4:
        head = (frame[at] & 0x0F) * 4
        total, _, fragment = struct.unpack_from(">HHH", frame, at + 2)
        proto, end = frame[at + 9], min(len(frame), at + total) if total else len(frame)  # 0: cut by the card (TSO)
        if fragment & 0x1FFF or head < 20:
            return None
        source, destination = (".".join(map(str, frame[at + n : at + n + 4])) for n in (12, 16))
        l4 = at + head
    elif frame[at] >> 4 == 6 and len(frame) >= at + 40:
        (size,) = struct.unpack_from(">H", frame, at + 4)
        proto, l4 = frame[at + 6], at + 40
        end = min(len(frame), l4 + size) if size else len(frame)
        source, destination = (str(ipaddress.IPv6Address(frame[at + n : at + n + 16])) for n in (8, 24))
    else:
        return None
    if proto == 17 and end >= l4 + 8:
        ports = struct.unpack_from(">HH", frame, l4)
        return Segment(17, source, ports[0], destination, ports[1], at, l4, l4 + 8, end)
    if proto == 6 and end >= l4 + 20:
        from_, to, seq, _ack, offset, flags = struct.unpack_from(">HHIIBB", frame, l4)
        start = l4 + (offset >> 4) * 4
        if l4 + 20 <= start <= end:
            return Segment(6, source, from_, destination, to, at, l4, start, end, seq, flags)
    return None


class FrameMask:
    """Secrets out of frames, checksums put right."""

    def __init__(self) -> None:
        self._streams = StreamMask()
        self.masked = 0

    def __call__(self, frame: bytes, link: int) -> bytes:
        seen = segment(frame, link)
        if seen is None or seen.start >= seen.end:
            return frame
        payload = frame[seen.start : seen.end]
        clean = self._streams.masked(seen.flow, payload) if seen.proto == 6 else masked(payload)
        if clean == payload:
            return frame
        self.masked += 1
        out = bytearray(frame)
        out[seen.start : seen.end] = clean
        at = seen.l4 + (16 if seen.proto == 6 else 6)
        if seen.proto == 17 and out[at : at + 2] == b"\0\0":
            return bytes(out)  # it had none
        out[at : at + 2] = b"\0\0"
        out[at : at + 2] = struct.pack(">H", _checksum(bytes(out), seen) or 0xFFFF)
        return bytes(out)


def _checksum(frame: bytes, seen: Segment) -> int:
    """RFC 1071 over the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1) and the segment."""
    size = seen.end - seen.l4
    if frame[seen.ip] >> 4 == 4:
        pseudo = frame[seen.ip + 12 : seen.ip + 20] + struct.pack(">BBH", 0, seen.proto, size)
    else:
        pseudo = frame[seen.ip + 8 : seen.ip + 40] + struct.pack(">II", size, seen.proto)
    data = pseudo + frame[seen.l4 : seen.end]
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def apart(payload: bytes) -> list[bytes]:
    """The RTP packets of what looks like one datagram. A kernel that lets the network card cut (UDP_SEGMENT, as our own
    media plane asks; udp(7)) shows dozens of packets of one size, the last one shorter, behind a single header."""
    size = _cut_at(payload) if len(payload) > ONE_FRAME else 0
    return [payload[at : at + size] for at in range(0, len(payload), size)] if size else [payload]


def _cut_at(payload: bytes) -> int:
    """Where the second of them begins: it has the first one's SSRC and the next sequence number (RFC 3550 §5.1). 0: it
    is one packet, as on a network with large frames."""
    after = ((int.from_bytes(payload[2:4], "big") + 1) & 0xFFFF).to_bytes(2, "big")
    place = payload.find(payload[8:12], 20)
    while 0 <= place <= ONE_FRAME + 8:
        size = place - 8
        heads = range(size, len(payload) - 11, size)
        if payload[size + 2 : size + 4] == after and all(payload[at] >> 6 == 2 for at in heads):
            return size
        place = payload.find(payload[8:12], place + 1)
    return 0
