"""Multicast DNS and service discovery (RFC 6762, RFC 6763): the questions out, services in.

A reader of exactly what is needed: PTR, SRV, TXT, A and AAAA. Everything is bounded; names are followed through
compression backwards only, so that no message makes it run in circles.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.base.errors import RemoteProtocolError
from gateway.wire.plain import plain

GROUP = "224.0.0.251"
PORT = 5353
MAX_MESSAGE = 9000  # RFC 6762 §17
MAX_RECORDS = 512
MAX_SERVICES = 512
MAX_NAME = 255
MAX_TXT = 32
_PTR, _TXT, _AAAA, _SRV, _A = 12, 16, 28, 33, 1

SERVICES: Mapping[str, str] = {
    "_rtsp._tcp.local": "rtsp",
    "_axis-video._tcp.local": "camera",
    "_psia._tcp.local": "camera",
    "_onvif._tcp.local": "camera",
    "_rtmp._tcp.local": "rtmp",
    "_srt._udp.local": "srt",
    "_http._tcp.local": "http",
}
"""What is asked for, and what it tells of whoever has it."""


def query(names: Iterable[str] = SERVICES, *, unicast: bool = False) -> bytes:
    """PTR questions for service types. `unicast`: answers may come to us alone (RFC 6762 §5.4)."""
    asked = list(names)
    out = [struct.pack(">HHHHHH", 0, 0, len(asked), 0, 0, 0)]
    for name in asked:
        out.append(b"".join(bytes((len(part),)) + part for part in name.encode().split(b".")) + b"\0")
        out.append(struct.pack(">HH", _PTR, 0x8001 if unicast else 1))
    return b"".join(out)


@dataclass(frozen=True, slots=True)
class Record:
    """`value`: the name of a PTR; (port, host) of an SRV; the pairs of a TXT; the address of an A or AAAA."""

    name: str  # in lower case, without the dot at the end
    kind: str
    value: str | tuple[int, str] | tuple[tuple[str, str], ...]
    ttl: int


def read(data: bytes) -> list[Record]:
    """The records of an answer; empty for a question. Raises RemoteProtocolError."""
    if len(data) > MAX_MESSAGE or len(data) < 12:
        raise RemoteProtocolError(f"an mDNS message of {len(data)} bytes")
    _, flags, questions, *counts = struct.unpack_from(">HHHHHH", data)
    if not flags & 0x8000:
        return []
    at, out = 12, []
    for _ in range(min(questions, 64)):
        _, at = _name(data, at)
        at += 4
    for _ in range(min(sum(counts), MAX_RECORDS)):
        if at >= len(data):
            break
        name, at = _name(data, at)
        if at + 10 > len(data):
            raise RemoteProtocolError("an mDNS record that is cut off")
        kind, _class, ttl, size = struct.unpack_from(">HHIH", data, at)
        at += 10
        if at + size > len(data):
            raise RemoteProtocolError("an mDNS record longer than its message")
        if (record := _record(data, at, size, name, kind, ttl)) is not None:
            out.append(record)
        at += size
    return out


def _record(data: bytes, at: int, size: int, name: str, kind: int, ttl: int) -> Record | None:
    low = name.lower()
    if kind == _PTR:
        return Record(low, "PTR", _name(data, at)[0], ttl)
    if kind == _SRV and size >= 7:
        (port,) = struct.unpack_from(">H", data, at + 4)
        return Record(low, "SRV", (port, _name(data, at + 6)[0].lower()), ttl)
    if kind == _A and size == 4:
        return Record(low, "A", str(ipaddress.IPv4Address(data[at : at + 4])), ttl)
    if kind == _AAAA and size == 16:
        return Record(low, "AAAA", str(ipaddress.IPv6Address(data[at : at + 16])), ttl)
    if kind == _TXT:
        return Record(low, "TXT", tuple(_texts(data[at : at + size])), ttl)
    return None


def _texts(data: bytes) -> Iterable[tuple[str, str]]:
    at, count = 0, 0
    while at < len(data) and count < MAX_TXT:
        size = data[at]
        key, _, value = data[at + 1 : at + 1 + size].decode("utf-8", "replace").partition("=")
        at, count = at + 1 + size, count + 1
        if key:
            yield plain(key.lower(), 32), plain(value, 128)


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends. A pointer must point before where the name began to be read (RFC 1035 §4.1.4)."""
    parts: list[bytes] = []
    size, end, limit = 0, -1, at
    while True:
        if at >= len(data):
            raise RemoteProtocolError("an mDNS name that is cut off")
        length = data[at]
        if length == 0:
            at += 1
            break
        if length >= 0xC0:
            if at + 2 > len(data):
                raise RemoteProtocolError("an mDNS name that is cut off")
            to = ((length & 0x3F) << 8) | data[at + 1]
            end = at + 2 if end < 0 else end
            if to >= limit:
                raise RemoteProtocolError("an mDNS name that points forward")
            at = limit = to
            continue
        if length > 63:
            raise RemoteProtocolError("an mDNS label of a kind that nobody uses")
        part = data[at + 1 : at + 1 + length]
        size += length + 1
        if len(part) < length or size > MAX_NAME:
            raise RemoteProtocolError("an mDNS name that is cut off or too long")
        parts.append(part.replace(b".", b"\\."))
        at += 1 + length
    return b".".join(parts).decode("utf-8", "replace"), at if end < 0 else end


@dataclass(frozen=True, slots=True)
class Service:
    """One service of one host, as far as it was told. `name` is for people; `says`: its TXT pairs."""

    instance: str
    type: str
    name: str
    host: str
    port: int
    addresses: tuple[str, ...]
    says: tuple[tuple[str, str], ...] = ()

    def value(self, *keys: str) -> str:
        return next((value for key, value in self.says if key in keys and value), "")


@dataclass
class Collector:
    """Puts records together that come in any order and in several messages."""

    _types: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _places: dict[str, tuple[int, str]] = field(default_factory=dict)
    _says: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    _addresses: dict[str, dict[str, None]] = field(default_factory=dict)
    left_out: int = 0

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            value = record.value
            if record.ttl == 0:  # RFC 6762 §10.1: it says goodbye
                if record.kind == "PTR" and isinstance(value, str):
                    self._types.pop(value.lower(), None)
                continue
            if record.kind == "PTR" and isinstance(value, str):
                if record.name in SERVICES and self._room(self._types, value.lower()):
                    self._types[value.lower()] = record.name
                    self._names[value.lower()] = value
            elif record.kind == "SRV" and isinstance(value, tuple) and self._room(self._places, record.name):
                port, host = value
                if isinstance(port, int) and isinstance(host, str):
                    self._places[record.name] = (port, host)
            elif record.kind == "TXT" and isinstance(value, tuple) and self._room(self._says, record.name):
                self._says[record.name] = tuple(p for p in value if isinstance(p, tuple))
            elif record.kind in ("A", "AAAA") and isinstance(value, str) and self._room(self._addresses, record.name):
                known = self._addresses.setdefault(record.name, {})
                if len(known) < 8:
                    known[value] = None

    def services(self) -> list[Service]:
        """Those whose port is known."""
        out = []
        for instance, type_ in self._types.items():
            place = self._places.get(instance)
            if place is not None and place[0]:
                name = self._names[instance][: -len(type_) - 1] if len(instance) > len(type_) else ""
                name = plain(name.replace("\\.", "."), 100)
                addresses = tuple(self._addresses.get(place[1], ()))
                says = self._says.get(instance, ())
                out.append(Service(instance, type_, name, plain(place[1], 100), place[0], addresses, says))
        return out

    def wanting(self) -> list[str]:
        """Instances that were named and whose place was not told with it."""
        return [instance for instance in self._types if instance not in self._places]

    def _room(self, table: Mapping[str, object], key: str) -> bool:
        if key in table or len(table) < MAX_SERVICES:
            return True
        self.left_out += 1
        return False
