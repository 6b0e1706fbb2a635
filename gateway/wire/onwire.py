"""Streams seen on the wire: which UDP flows are RTP or MPEG transport streams, and what is in them, by their content.

Frames come from a packet socket, its own or a mirror port's. A flow is believed to be RTP only when one SSRC counts its
sequence numbers up over several packets, to be a transport stream when every datagram is whole packets of 188 bytes: so
that DNS, STUN and QUIC are not taken for it.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

MAX_FLOWS = 2048
RTP_SURE = 8
TS_SURE = 4
CODEC_SURE = 10
LOOKED_AT = 4000
"""Packets of a flow whose content is looked at; afterwards it is only counted."""

_STATIC = {0: "pcmu", 3: "gsm", 8: "pcma", 9: "g722", 10: "l16", 11: "l16", 14: "mp2", 18: "g729", 26: "mjpeg"}
_TS_TYPES = {
    0x02: "mpeg2",
    0x03: "mp2",
    0x04: "mp2",
    0x0F: "aac",
    0x11: "aac",
    0x15: "klv",
    0x1B: "h264",
    0x24: "h265",
    0x81: "ac3",
    0x87: "eac3",
}
_SPS_PROFILES = frozenset({66, 77, 88, 100, 110, 122, 244})


@dataclass(frozen=True, slots=True)
class Datagram:
    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes


def ethertype(frame: bytes) -> tuple[int, int]:
    """(what an Ethernet frame carries, where that begins), behind up to two VLAN tags; kind 0: it is cut short."""
    at = 12
    kind = 0
    for _ in range(3):
        if len(frame) < at + 2:
            return 0, at
        (kind,) = struct.unpack_from(">H", frame, at)
        at += 2
        if kind not in (0x8100, 0x88A8):
            break
        at += 2
    return kind, at


def udp_of(frame: bytes) -> Datagram | None:
    """The UDP datagram in an Ethernet frame. None: something else, or a later fragment."""
    kind, at = ethertype(frame)
    if kind == 0x0800:
        return _udp4(frame, at)
    return _udp6(frame, at) if kind == 0x86DD else None


def ip_udp_of(packet: bytes) -> Datagram | None:
    """The same for what begins with its IP header."""
    if not packet:
        return None
    return _udp4(packet, 0) if packet[0] >> 4 == 4 else _udp6(packet, 0) if packet[0] >> 4 == 6 else None


def _udp4(frame: bytes, at: int) -> Datagram | None:
    if len(frame) < at + 20 or frame[at] >> 4 != 4:
        return None
    head = (frame[at] & 0x0F) * 4
    total, _, fragment = struct.unpack_from(">HHH", frame, at + 2)
    if frame[at + 9] != 17 or fragment & 0x1FFF or head < 20:
        return None
    source, destination = (".".join(map(str, frame[at + n : at + n + 4])) for n in (12, 16))
    return _udp(frame, at + head, min(len(frame), at + total), source, destination)


def _udp6(frame: bytes, at: int) -> Datagram | None:
    if len(frame) < at + 40 or frame[at] >> 4 != 6 or frame[at + 6] != 17:
        return None
    (size,) = struct.unpack_from(">H", frame, at + 4)
    source, destination = (_text6(frame[at + n : at + n + 16]) for n in (8, 24))
    return _udp(frame, at + 40, min(len(frame), at + 40 + size), source, destination)


def _udp(frame: bytes, at: int, end: int, source: str, destination: str) -> Datagram | None:
    if end < at + 8:
        return None
    from_, to, _size, _sum = struct.unpack_from(">HHHH", frame, at)
    return Datagram(source, from_, destination, to, frame[at + 8 : end])


def _text6(data: bytes) -> str:
    import ipaddress

    return str(ipaddress.IPv6Address(data))


@dataclass(frozen=True, slots=True)
class Seen:
    """A stream that was recognised. `kind`: "rtp", "ts" or "rtp-ts"; `codecs` as the media plane names them, "ps" for a
    programme stream; `payload_type` and `clock` of RTP. `lost` of RTP, by its sequence numbers."""

    kind: str
    interface: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    codecs: tuple[str, ...]
    payload_type: int
    ssrc: int
    packets: int
    lost: int
    bitrate_bps: float
    first: float
    last: float


@dataclass(slots=True)
class _Flow:
    interface: str
    at: tuple[str, int, str, int]
    first: float
    last: float = 0.0
    packets: int = 0
    octets: int = 0
    mark: float = 0.0
    marked: int = 0
    rate: float = 0.0
    ts: int = 0
    not_ts: int = 0
    ssrc: int = -1
    seq: int = -1
    good: int = 0
    bad: int = 0
    lost: int = 0
    payload_types: Counter[int] = field(default_factory=Counter)
    votes: Counter[str] = field(default_factory=Counter)
    inner_ts: int = 0
    tables: _Tables | None = None


class Flows:
    """Every flow of late; the one unheard of for the longest gives way."""

    def __init__(self) -> None:
        self._flows: OrderedDict[tuple[str, int, str, int], _Flow] = OrderedDict()
        self.left_out = 0

    def add(self, now: float, interface: str, seen: Datagram) -> None:
        key = (seen.source, seen.source_port, seen.destination, seen.destination_port)
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= MAX_FLOWS:
                _, gone = self._flows.popitem(last=False)
                self.left_out += _kind(gone) != ""
            flow = self._flows[key] = _Flow(interface, key, now, mark=now)
        else:
            self._flows.move_to_end(key)
        flow.packets += 1
        flow.octets += len(seen.payload)
        flow.last = now
        if now - flow.mark >= 1.0:
            flow.rate = (flow.octets - flow.marked) * 8 / (now - flow.mark)
            flow.mark, flow.marked = now, flow.octets
        if flow.packets <= LOOKED_AT:
            _look(flow, seen.payload)
        elif flow.ssrc >= 0:
            _count(flow, seen.payload)

    def seen(self, now: float) -> list[Seen]:
        """Those that are surely streams, the newest first."""
        out = []
        for flow in reversed(self._flows.values()):
            if kind := _kind(flow):
                age = max(now - flow.first, 0.001)
                rate = flow.rate or (flow.octets * 8 / age if age > 0.5 else 0.0)
                payload_type = flow.payload_types.most_common(1)[0][0] if flow.payload_types else -1
                lost = flow.lost if kind != "ts" else 0
                out.append(
                    Seen(
                        kind,
                        flow.interface,
                        *flow.at,
                        _codecs(flow, kind, payload_type),
                        payload_type if kind != "ts" else -1,
                        max(flow.ssrc, 0) if kind != "ts" else 0,
                        flow.packets,
                        lost,
                        rate if now - flow.last < 3.0 else 0.0,
                        flow.first,
                        flow.last,
                    )
                )
        return out


def _kind(flow: _Flow) -> str:
    if flow.ts >= TS_SURE and flow.ts > 10 * flow.not_ts:
        return "ts"
    if flow.good >= RTP_SURE and flow.good > 3 * flow.bad:
        return "rtp-ts" if flow.inner_ts >= TS_SURE else "rtp"
    return ""


def _codecs(flow: _Flow, kind: str, payload_type: int) -> tuple[str, ...]:
    if kind != "rtp":
        return tuple(flow.tables.codecs.values()) if flow.tables is not None else ()
    if payload_type in _STATIC:
        return (_STATIC[payload_type],)
    top = flow.votes.most_common(2)
    if top and top[0][1] >= CODEC_SURE and (len(top) == 1 or top[0][1] >= 3 * top[1][1]):
        return (top[0][0],)
    return ()


def _look(flow: _Flow, payload: bytes) -> None:
    if _is_ts(payload):
        flow.ts += 1
        _read_ts(flow, payload)
        return
    flow.not_ts += 1
    body = _count(flow, payload)
    if not body:
        return
    if _is_ts(body):
        flow.inner_ts += 1
        _read_ts(flow, body)
        return
    for codec, points in votes(body):
        flow.votes[codec] += points


def _count(flow: _Flow, payload: bytes) -> bytes:
    """What an RTP packet of the flow carries; b"" for anything else. RFC 3550 §5.1; §A.1 for being sure."""
    if len(payload) < 12 or payload[0] >> 6 != 2:
        flow.bad += 1
        return b""
    if 200 <= payload[1] <= 207:
        return b""  # RTCP on the same port (RFC 5761 §4)
    seq, _ts, ssrc = struct.unpack_from(">HII", payload, 2)
    step = (seq - flow.seq) & 0xFFFF if flow.ssrc == ssrc else -1
    if flow.ssrc != ssrc:
        if flow.good >= RTP_SURE:
            flow.bad += 1
            return b""
        flow.ssrc, flow.seq, flow.good = ssrc, seq, 1
        flow.payload_types.clear()
    elif 1 <= step <= 256:
        flow.good += 1
        flow.lost += step - 1
        flow.seq = seq
    elif step > 0xFF00 or step == 0:
        flow.lost -= flow.lost > 0 and step != 0  # it came late
        return b""
    else:
        flow.bad += 1
        flow.seq = seq
    flow.payload_types[payload[1] & 0x7F] += 1
    at = 12 + (payload[0] & 0x0F) * 4
    if payload[0] & 0x10:
        if len(payload) < at + 4:
            return b""
        at += 4 + struct.unpack_from(">H", payload, at + 2)[0] * 4
    end = len(payload) - payload[-1] if payload[0] & 0x20 else len(payload)
    return payload[at:end]


def votes(body: bytes) -> list[tuple[str, int]]:
    """What an RTP payload may be, with how much that says. RFC 6184 §5, RFC 7798 §4.4, RFC 3640 §3.2."""
    out: list[tuple[str, int]] = []
    if body.startswith((b"\0\0\1\xba", b"\0\0\1\xbb", b"\0\0\1\xbc")):
        return [("ps", 10)]
    if len(body) < 3 or body[0] & 0x80:
        return _aac(body)
    kind = body[0] & 0x1F
    if (kind == 7 and len(body) > 4 and body[1] in _SPS_PROFILES) or (kind == 24 and _adds_up(body, 1)):
        out.append(("h264", 5))
    elif kind == 28 and body[1] & 0x20 == 0 and body[1] & 0xC0 != 0xC0 and 1 <= body[1] & 0x1F <= 5:
        out.append(("h264", 3 if body[1] & 0xC0 else 1))
    elif kind in (1, 6) or (kind in (5, 8) and body[0] & 0x60):
        out.append(("h264", 1))
    kind = body[0] >> 1 & 0x3F
    if body[0] & 1 == 0 and body[1] >> 3 == 0 and body[1] & 7:  # layer 0, a temporal id
        if kind in (32, 33, 34) or (kind == 48 and _adds_up(body, 2)):
            out.append(("h265", 5))
        elif kind == 49 and body[2] & 0xC0 != 0xC0 and body[2] & 0x3F < 41:
            out.append(("h265", 3 if body[2] & 0xC0 else 1))
        elif kind <= 9 or 16 <= kind <= 21 or kind in (35, 39, 40):
            out.append(("h265", 1))
    return out + _aac(body)


def _aac(body: bytes) -> list[tuple[str, int]]:
    if len(body) < 5:
        return []
    (bits,) = struct.unpack_from(">H", body, 0)
    count = bits // 16
    if bits % 16 or not 1 <= count <= 16 or len(body) < 2 + 2 * count:
        return []
    sizes = [struct.unpack_from(">H", body, 2 + 2 * n)[0] >> 3 for n in range(count)]
    return [("aac", 4)] if sum(sizes) == len(body) - 2 - 2 * count else []


def _adds_up(body: bytes, at: int) -> bool:
    """An aggregation packet: sizes and units to its very end."""
    count = 0
    while at + 2 <= len(body) and count < 64:
        size = body[at] << 8 | body[at + 1]
        if size == 0:
            return False
        at, count = at + 2 + size, count + 1
    return at == len(body) and count > 0


# — transport streams (ISO/IEC 13818-1 §2.4) —


@dataclass(slots=True)
class _Tables:
    maps: dict[int, int] = field(default_factory=dict)  # PID of a PMT → programme
    codecs: dict[tuple[int, int], str] = field(default_factory=dict)  # (programme, PID) → codec


def _is_ts(data: bytes) -> bool:
    return len(data) >= 188 and len(data) % 188 == 0 and all(data[at] == 0x47 for at in range(0, len(data), 188))


def _read_ts(flow: _Flow, data: bytes) -> None:
    tables = flow.tables
    if tables is None:
        tables = flow.tables = _Tables()
    for at in range(0, len(data), 188):
        pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
        if data[at + 1] & 0x40 and (pid == 0 or pid in tables.maps):
            packet = data[at : at + 188]
            start = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
            if packet[3] & 0x10 and start < 187:
                section = packet[start + 1 + packet[start] :]
                _pat(tables, section) if pid == 0 else _pmt(tables, section, tables.maps[pid])


def _pat(tables: _Tables, section: bytes) -> None:
    if len(section) < 12 or section[0] != 0x00:
        return
    end = min(len(section), 3 + ((section[1] & 0x0F) << 8 | section[2])) - 4
    for at in range(8, end - 3, 4):
        programme, pid = struct.unpack_from(">HH", section, at)
        if programme and len(tables.maps) < 32:
            tables.maps[pid & 0x1FFF] = programme


def _pmt(tables: _Tables, section: bytes, programme: int) -> None:
    """The part that is in one packet: real tables are."""
    if len(section) < 16 or section[0] != 0x02:
        return
    end = min(len(section), 3 + ((section[1] & 0x0F) << 8 | section[2])) - 4
    at = 12 + ((section[10] & 0x0F) << 8 | section[11])
    while at + 5 <= end and len(tables.codecs) < 64:
        kind, pid, size = section[at], section[at + 1 : at + 3], (section[at + 3] & 0x0F) << 8 | section[at + 4]
        described = section[at + 5 : at + 5 + size]
        codec = _TS_TYPES.get(kind, "")
        if kind == 0x06:
            codec = "opus" if b"Opus" in described else "klv" if b"KLVA" in described else ""
        if codec:
            tables.codecs[programme, (pid[0] & 0x1F) << 8 | pid[1]] = codec
        at += 5 + size
