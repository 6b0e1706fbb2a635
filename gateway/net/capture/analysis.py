"""What is in a capture: who said what to whom in SIP and RTSP (ladders), and how RTP came: loss and jitter over time.

TCP is put in order again, bounded: RTSP carries RTP between its messages (RFC 2326 §10.12). Encrypted RTP keeps its
header, so SRTP is counted as well; signalling inside TLS can not be read.
"""

from __future__ import annotations

import re
import struct
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.net.capture.packets import Segment, apart, segment
from gateway.wire.pcapng import Packet
from gateway.wire.plain import plain

MAX_FLOWS = 4096
MAX_STREAMS = 256
MAX_STEPS = 2000
MAX_DIALOGS = 256
MAX_HELD = 256
MAX_BUFFER = 256 * 1024
RTP_SURE = 10
MAX_SECONDS = 24 * 3600

_START = re.compile(
    rb"(?:(?P<method>[A-Z_]{3,20}) (?P<uri>\S{1,512}) (?P<p1>SIP/2\.0|RTSP/1\.0|RTSP/2\.0)|"
    rb"(?P<p2>SIP/2\.0|RTSP/[12]\.0) (?P<status>\d{3}) ?(?P<reason>[^\r\n]{0,80}))\r?\n"
)
_AGAIN = re.compile(rb"\n(?=(?:[A-Z_]{3,20} \S{1,512} (?:SIP|RTSP)/|(?:SIP|RTSP)/[12]\.0 \d{3}))|\$[\x00-\x0f]")
_MIDST = re.compile(rb"\$[\x00-\x0f][\x00-\x0f][\x00-\xff][\x80\x90\xa0\xb0]")
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d{1,7})", re.I | re.M)
_HEADER = re.compile(rb"^(?P<name>[A-Za-z-]{1,32})[ \t]*:[ \t]*(?P<value>[^\r\n]{0,512})\r?$", re.M)
_RTPMAP = re.compile(rb"a=rtpmap:(\d{1,3}) ([A-Za-z0-9.-]{1,24})/(\d{3,6})")
_SHORT = {b"i": b"call-id", b"l": b"content-length"}
_CLOCKS = {0: 8000, 3: 8000, 4: 8000, 8: 8000, 9: 8000, 10: 44100, 11: 44100, 14: 90000, 18: 8000, 26: 90000, 33: 90000}
_NAMES = {0: "PCMU", 3: "GSM", 8: "PCMA", 9: "G722", 14: "MPA", 18: "G729", 26: "JPEG", 33: "MP2T"}


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow of a ladder. `at`: unix seconds."""

    at: float
    source: str
    destination: str
    text: str
    failed: bool = False


@dataclass(slots=True)
class Dialog:
    """One call, registration or session. `parties` in the order they spoke."""

    protocol: str
    id: str
    steps: list[Step] = field(default_factory=list)
    parties: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, step: Step) -> None:
        for party in (step.source, step.destination):
            if party not in self.parties:
                self.parties.append(party)
        if len(self.steps) < MAX_STEPS:
            self.steps.append(step)
        else:
            self.left_out += 1


@dataclass(slots=True)
class Second:
    """One second of a stream."""

    packets: int = 0
    expected: int = 0
    octets: int = 0
    jitter_ms: float = 0.0

    @property
    def loss(self) -> float:
        return max(0.0, 1 - self.packets / self.expected) if self.expected else 0.0


@dataclass(slots=True)
class RtpStream:
    """One SSRC from one place to another. Jitter by RFC 3550 §6.4.1, the largest of each second."""

    source: str
    destination: str
    ssrc: int
    payload_type: int
    codec: str
    clock_hz: int
    first: float
    last: float = 0.0
    packets: int = 0
    lost: int = 0
    reordered: int = 0
    octets: int = 0
    jitter: float = 0.0
    most_jitter_ms: float = 0.0
    seconds: dict[int, Second] = field(default_factory=dict)
    _seq: int = -1
    _transit: float | None = None
    _good: int = 0
    _bad: int = 0

    @property
    def sure(self) -> bool:
        return self._good >= RTP_SURE and self._good > 3 * self._bad

    @property
    def loss(self) -> float:
        total = self.packets + self.lost
        return self.lost / total if total else 0.0

    def add(self, at: float, seq: int, rtp_ts: int, size: int) -> None:
        step = (seq - self._seq) & 0xFFFF if self._seq >= 0 else 1
        now = self._second(at)
        now.packets += 1
        now.octets += size
        self.packets += 1
        self.octets += size
        self.last = at
        if 1 <= step <= 512:
            self._good += 1
            self.lost += step - 1
            now.expected += step
            self._seq = seq
        elif step == 0 or step > 0xFE00:
            self.reordered += 1
            self.lost -= self.lost > 0 and step != 0
            now.expected += 1
            return
        else:
            self._bad += 1
            self._seq = seq
            now.expected += 1
            self._transit = None
        if self.clock_hz:
            transit = at - rtp_ts / self.clock_hz
            if self._transit is not None:
                moved = abs(transit - self._transit)
                if moved < 10.0:  # the 32 bits went round, or the sender began anew
                    self.jitter += (moved - self.jitter) / 16
            self._transit = transit
            told = self.jitter * 1000
            now.jitter_ms = max(now.jitter_ms, told)
            self.most_jitter_ms = max(self.most_jitter_ms, told)

    def _second(self, at: float) -> Second:
        number = min(max(0, int(at - self.first)), MAX_SECONDS)
        return self.seconds.setdefault(number, Second())


@dataclass
class Report:
    """Of a whole capture."""

    packets: int = 0
    first: float = 0.0
    last: float = 0.0
    dialogs: OrderedDict[tuple[str, str], Dialog] = field(default_factory=OrderedDict)
    streams: OrderedDict[tuple[str, str, int], RtpStream] = field(default_factory=OrderedDict)
    unread_tls: int = 0
    left_out: int = 0

    def rtp(self) -> list[RtpStream]:
        return [stream for stream in self.streams.values() if stream.sure]


class Analyser:
    def __init__(self) -> None:
        self.report = Report()
        self._tcp: OrderedDict[tuple[str, int, str, int], _Order] = OrderedDict()
        self._maps: dict[int, tuple[str, int]] = {}

    def add(self, packet: Packet) -> None:
        report = self.report
        report.first = report.first or packet.at
        report.last = max(report.last, packet.at)
        report.packets += 1
        seen = segment(packet.data, packet.link)
        if seen is None:
            return
        payload = packet.data[seen.start : seen.end]
        if seen.proto == 17:
            if _START.match(payload):
                self._message(packet.at, seen, payload)
            else:
                for one in apart(payload):
                    self._rtp(packet.at, seen, one)
        else:
            self._stream(packet.at, seen, payload)

    # — signalling —

    def _message(self, at: float, seen: Segment, data: bytes) -> None:
        start = _START.match(data)
        if start is None:
            return
        head, _, body = data.partition(b"\r\n\r\n")
        fields: dict[bytes, bytes] = {}
        for found in list(_HEADER.finditer(head, start.end()))[:64]:
            name = found.group("name").lower()
            fields.setdefault(_SHORT.get(name, name), found.group("value").strip())
        for payload_type, name, clock in _RTPMAP.findall(body)[:64]:
            if 96 <= int(payload_type) <= 127:
                self._maps[int(payload_type)] = (name.decode(), int(clock))
        sip = (start.group("p1") or start.group("p2")).startswith(b"SIP")
        source, destination = _place(seen.source, seen.source_port), _place(seen.destination, seen.destination_port)
        cseq = plain(fields.get(b"cseq", b"").decode("utf-8", "replace"), 40)
        status = int(start.group("status") or 0)
        if status:
            text = f"{status} {plain(start.group('reason').decode('utf-8', 'replace'), 40)} ({cseq})"
        else:
            text = f"{start.group('method').decode()} {plain(start.group('uri').decode('utf-8', 'replace'), 60)}"
        if b"application/sdp" in fields.get(b"content-type", b"").lower():
            text += " [SDP]"
        if sip:
            key = ("SIP", plain(fields.get(b"call-id", b"?").decode("utf-8", "replace"), 80))
        else:
            key = ("RTSP", " ↔ ".join(sorted((source, destination))))
        dialog = self.report.dialogs.get(key)
        if dialog is None:
            if len(self.report.dialogs) >= MAX_DIALOGS:
                self.report.left_out += 1
                return
            dialog = self.report.dialogs[key] = Dialog(*key)
        dialog.add(Step(at, source, destination, text, status >= 400))

    # — RTP —

    def _rtp(self, at: float, seen: Segment, data: bytes, channel: int = -1) -> None:
        if len(data) < 12 or data[0] >> 6 != 2 or 200 <= data[1] <= 207:
            return
        seq, rtp_ts, ssrc = struct.unpack_from(">HII", data, 2)
        more = f" ({channel})" if channel >= 0 else ""
        source = _place(seen.source, seen.source_port)
        key = (source, _place(seen.destination, seen.destination_port) + more, ssrc)
        stream = self.report.streams.get(key)
        if stream is None:
            if len(self.report.streams) >= MAX_STREAMS:
                # Most of what is taken for RTP by its first bits is none: those that count nothing give way.
                doubtful = next((k for k, s in self.report.streams.items() if not s.sure), None)
                if doubtful is None:
                    self.report.left_out += 1
                    return
                del self.report.streams[doubtful]
            payload_type = data[1] & 0x7F
            name, clock = self._maps.get(payload_type, (_NAMES.get(payload_type, ""), _CLOCKS.get(payload_type, 90000)))
            stream = RtpStream(key[0], key[1], ssrc, payload_type, name, clock, at)
            self.report.streams[key] = stream
        stream.add(at, seq, rtp_ts, len(data))

    # — TCP —

    def _stream(self, at: float, seen: Segment, payload: bytes) -> None:
        key = seen.flow
        if seen.flags & 0x02:  # SYN: a new connection on old ports
            self._tcp.pop(key, None)
        if not payload:
            return
        order = self._tcp.get(key)
        if order is None:
            order = self._tcp[key] = _Order(seen.seq)
            if len(self._tcp) > MAX_FLOWS:
                self._tcp.popitem(last=False)
        if payload[:2] == b"\x16\x03" and not order.buffer and not order.read:
            self.report.unread_tls += 1
            order.dead = True
        if order.dead:
            return
        order.take(seen.seq, payload)
        while (part := order.next()) is not None:
            if part[:1] == b"$":
                if part[1] % 2 == 0:
                    self._rtp(at, seen, part[4:], part[1])
            else:
                self._message(at, seen, part)


class _Order:
    """One direction of a TCP connection, in order: bytes in, RTSP or SIP messages and interleaved frames out."""

    def __init__(self, seq: int) -> None:
        self._next = seq
        self._held: dict[int, bytes] = {}
        self.buffer = bytearray()
        self.read = 0
        self.dead = False

    def take(self, seq: int, payload: bytes) -> None:
        self._held[seq] = payload
        if len(self._held) > MAX_HELD:
            # What is missing was not captured: go on with the oldest that is here.
            self._next = min(self._held, key=lambda s: (s - self._next) & 0xFFFFFFFF)
            self.buffer.clear()
        moved = True
        while moved:
            moved = False
            for at in list(self._held):
                behind = (self._next - at) & 0xFFFFFFFF
                if behind < 0x80000000:
                    part = self._held.pop(at)[behind:]
                    if part:
                        self.buffer += part
                        self._next = (self._next + len(part)) & 0xFFFFFFFF
                        moved = True
        if len(self.buffer) > MAX_BUFFER:
            self.buffer.clear()
            self.dead = True  # no protocol that we read

    def next(self) -> bytes | None:
        """The next whole part; None: more must come first."""
        data = self.buffer
        while data and not self.dead:
            if data[0] == 0x24:
                size = 4 + (data[2] << 8 | data[3]) if len(data) >= 4 else 4
                return self._cut(size) if len(data) >= max(size, 5) else None
            blank = len(data) - len(data.lstrip(b"\r\n"))
            if blank:
                self._cut(blank)
                continue
            if _START.match(bytes(data[:700])) is None:
                if not self._skip():
                    return None
                continue
            end = data.find(b"\r\n\r\n")
            if end < 0:
                return None
            told = _LENGTH.search(bytes(data[:end]))
            total = end + 4 + (int(told.group(1)) if told else 0)
            return self._cut(total) if len(data) >= total else None
        return None

    def _skip(self) -> bool:
        """In the midst of something: go on at the next that looks like a beginning. False: more must come first."""
        data = self.buffer
        if not self.read:
            # The capture began in the midst of the connection: an interleaved packet tells that it is RTSP.
            if (found := _MIDST.search(data)) is not None:
                self._cut(found.start())
                self.read += 1
                return True
            if len(data) > 8000:
                self.dead = True  # no protocol that we read
                data.clear()
            return False
        if 0x41 <= data[0] <= 0x5A and len(data) < 700 and b"\n" not in data:
            return False  # a first line that is not whole yet
        found = _AGAIN.search(data)
        if found is None:
            del data[:-8]
            return False
        self._cut(found.end() if data[found.start()] == 0x0A else found.start())
        return True

    def _cut(self, size: int) -> bytes:
        part = bytes(self.buffer[:size])
        del self.buffer[:size]
        self.read += size
        return part


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def analyse(packets: Iterable[Packet]) -> Report:
    analyser = Analyser()
    for packet in packets:
        analyser.add(packet)
    return analyser.report
