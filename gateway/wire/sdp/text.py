"""SDP (RFC 8866) with GB/T 28181's y= and f= lines; read with tolerance, written strictly.

Media sections keep their index through offer and answer (RFC 3264 §6: a refused one has port 0, none is left out).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.base.errors import LocalProtocolError, RemoteProtocolError

MAX_SDP_BYTES = 64 * 1024
MAX_SDP_LINES = 2048

Attributes = tuple[tuple[str, str | None], ...]

_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_EOL = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class RtpMap:
    """a=rtpmap: `encoding` in upper case ("PS", "H264", "PCMA")."""

    pt: int
    encoding: str
    clock_hz: int
    channels: int = 1


# RFC 3551 §6, those that devices offer without a=rtpmap; 9 is G.722 there, G.722.1 in GB/T 28181 Annex C.
_STATIC = {
    "0": RtpMap(0, "PCMU", 8000),
    "4": RtpMap(4, "G723", 8000),
    "8": RtpMap(8, "PCMA", 8000),
    "9": RtpMap(9, "G722", 8000),
    "18": RtpMap(18, "G729", 8000),
    "33": RtpMap(33, "MP2T", 90000),
}


@dataclass(frozen=True, slots=True)
class Media:
    """One m= section. `connection` is the address of its own c= line, None when it has none; `lines` what we have no
    name for (i=, b=, k=, unknown), as `(letter, value)`."""

    kind: str
    port: int
    proto: str = "RTP/AVP"
    formats: tuple[str, ...] = ()
    attributes: Attributes = ()
    connection: str | None = None
    port_count: int = 1
    lines: tuple[tuple[str, str], ...] = ()

    def attribute(self, name: str) -> str | None:
        """The first value of a=name; "" for a flag; None when it is not there."""
        return _attribute(self.attributes, name)

    def attributes_of(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key.lower() == name.lower()]

    @property
    def rtpmaps(self) -> tuple[RtpMap, ...]:
        """In the order of the formats. Malformed ones are left out; static payload types without a line are filled in
        (RFC 3551: 0, 4, 8, 9, 18, 33)."""
        said = {str(m.pt): m for m in map(_rtpmap, self.attributes_of("rtpmap")) if m is not None}
        found = [said.pop(fmt, _STATIC.get(fmt)) for fmt in self.formats]
        return (*(m for m in found if m is not None), *said.values())

    @property
    def direction(self) -> str:
        """sendrecv, sendonly, recvonly, inactive ("sendrecv" when not said)."""
        return next((k.lower() for k, _ in self.attributes if k.lower() in _DIRECTIONS), "sendrecv")

    @property
    def setup(self) -> str | None:
        """a=setup of RFC 4145: active, passive, actpass, holdconn."""
        found = self.attribute("setup")
        return found.strip().lower() if found else None

    @property
    def tcp(self) -> bool:
        return self.proto.upper().startswith("TCP/")


@dataclass(frozen=True, slots=True)
class Sdp:
    """A session description. `time` is the first t= line (start, stop); `y` and `f` are GB/T 28181's, as text, wherever
    they stood; `lines` what we have no name for."""

    origin_user: str = "-"
    origin_id: str = "0"
    origin_version: str = "0"
    origin_address: str = "0.0.0.0"  # noqa: S104 - "no address", nothing binds to it
    name: str = "-"
    uri: str | None = None  # u=: in GB/T 28181 `<id>:<type>` of a playback
    connection: str | None = None
    time: tuple[int, int] = (0, 0)
    attributes: Attributes = ()
    media: tuple[Media, ...] = ()
    y: str | None = None
    f: str | None = None
    lines: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, data: bytes | str) -> Sdp:
        """Raises RemoteProtocolError: too large, no line at all, an m= line that can not be read. Order, blanks and a
        missing last line end are forgiven."""
        if len(data) > MAX_SDP_BYTES:
            raise RemoteProtocolError(f"SDP of {len(data)} bytes, at most {MAX_SDP_BYTES} are read")
        text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
        reader = _Reader()
        lines = _EOL.split(text)
        if len(lines) > MAX_SDP_LINES:
            raise RemoteProtocolError(f"SDP of {len(lines)} lines, at most {MAX_SDP_LINES} are read")
        for line in lines:
            reader.line(line.strip(" \t\0"))
        return reader.sdp()

    def __bytes__(self) -> bytes:
        """v o s u c t a, m sections, y, f; lines end in CRLF. Raises LocalProtocolError on a line end in a value."""
        out = [
            ("v", "0"),
            ("o", f"{self.origin_user} {self.origin_id} {self.origin_version} {_address(self.origin_address)}"),
            ("s", self.name or "-"),
        ]
        if self.uri is not None:
            out.append(("u", self.uri))
        if self.connection is not None:
            out.append(("c", _address(self.connection)))
        out.append(("t", f"{self.time[0]} {self.time[1]}"))
        out += [*self.lines, *_attribute_lines(self.attributes)]
        for m in self.media:
            count = "" if m.port_count == 1 else f"/{m.port_count}"
            out.append(("m", " ".join([m.kind, f"{m.port}{count}", m.proto, *m.formats])))
            if m.connection is not None:
                out.append(("c", _address(m.connection)))
            out += [*m.lines, *_attribute_lines(m.attributes)]
        out += [(letter, value) for letter, value in (("y", self.y), ("f", self.f)) if value is not None]
        for letter, value in out:
            if _EOL.search(value):
                raise LocalProtocolError(f"a line end inside {letter}=")
        return "".join(f"{letter}={value}\r\n" for letter, value in out).encode("utf-8", "surrogateescape")

    def attribute(self, name: str) -> str | None:
        return _attribute(self.attributes, name)

    def address_of(self, media: Media) -> str | None:
        """The media's c= address, else the session's."""
        return media.connection if media.connection is not None else self.connection

    @property
    def ssrc(self) -> int | None:
        """y= as the 32-bit SSRC it stands for (10 decimal digits, GB/T 28181-2022 Annex G); None when absent or not
        1 to 10 digits in range."""
        text = (self.y or "").strip()
        if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= 2**32:
            return None
        return int(text)


def _attribute(attributes: Attributes, name: str) -> str | None:
    return next((value or "" for key, value in attributes if key.lower() == name.lower()), None)


def _attribute_lines(attributes: Attributes) -> list[tuple[str, str]]:
    return [("a", key if value is None else f"{key}:{value}") for key, value in attributes]


def _address(address: str) -> str:
    """nettype, addrtype and address of o= and c=; a multicast suffix (`/ttl`) stays on the address."""
    return f"IN {'IP6' if ':' in address else 'IP4'} {address}"


def _rtpmap(value: str) -> RtpMap | None:
    found = re.fullmatch(r"([0-9]{1,3})\s+([^\s/]{1,64})\s*/\s*([0-9]{1,9})(?:\s*/\s*([0-9]{1,3}))?\s*", value)
    if found is None or int(found[1]) > 127:
        return None
    return RtpMap(int(found[1]), found[2].upper(), int(found[3]), int(found[4] or 1))


def _number(text: str, high: int) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= high else None


@dataclass(slots=True)
class _Reader:
    """Lines in, a description out. Session lines that come after an m= line belong to that media (§5), but for y= and
    f=, which are the session's wherever they stand, and o=, s=, t=, u=, which only a session has."""

    session: dict[str, str] = field(default_factory=dict)
    time: tuple[int, int] | None = None
    connection: str | None = None
    attributes: list[tuple[str, str | None]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    media: list[tuple[Media, list[tuple[str, str | None]], list[tuple[str, str]], list[str]]] = field(
        default_factory=list
    )

    def line(self, line: str) -> None:
        letter, equals, value = line.partition("=")
        letter, value = letter.strip(), value.strip()
        if not equals or len(letter) != 1:
            return  # blanks, noise
        current = self.media[-1] if self.media else None
        if letter == "m":
            self.media.append((_media(value), [], [], []))
        elif letter in "osuyf":
            self.session.setdefault(letter, value)  # said twice, the first stands
        elif letter == "t" and self.time is None:
            start, _, stop = value.partition(" ")
            self.time = (_number(start, 2**63) or 0, _number(stop.strip(), 2**63) or 0)
        elif letter == "c":
            address = value.split()[-1] if value.split() else ""
            if current is None:
                self.connection = self.connection or address or None
            elif address and not current[3]:
                current[3].append(address)
        elif letter == "a":
            key, colon, text = value.partition(":")
            attribute = (key.strip(), text.strip() if colon else None)
            (self.attributes if current is None else current[1]).append(attribute)
        elif letter != "v":
            (self.lines if current is None else current[2]).append((letter, value))

    def sdp(self) -> Sdp:
        if not (self.session or self.media or self.attributes or self.time or self.connection):
            raise RemoteProtocolError("no line of an SDP")
        origin = (self.session.get("o") or "").split()
        origin += ["-", "0", "0", "IN", "IP4", "0.0.0.0"][len(origin) :]  # noqa: S104 - "no address"
        return Sdp(
            origin_user=origin[0],
            origin_id=origin[1],
            origin_version=origin[2],
            origin_address=origin[5],
            name=self.session.get("s") or "-",
            uri=self.session.get("u"),
            connection=self.connection,
            time=self.time or (0, 0),
            attributes=tuple(self.attributes),
            media=tuple(
                Media(
                    m.kind,
                    m.port,
                    m.proto,
                    m.formats,
                    tuple(attributes),
                    connection[0] if connection else None,
                    m.port_count,
                    tuple(lines),
                )
                for m, attributes, lines, connection in self.media
            ),
            y=self.session.get("y"),
            f=self.session.get("f"),
            lines=tuple(self.lines),
        )


def _media(value: str) -> Media:
    parts = value.split()
    if len(parts) < 3:
        raise RemoteProtocolError("an m= line of less than three fields")
    port_text, slash, count_text = parts[1].partition("/")
    port, count = _number(port_text, 65535), _number(count_text, 65535) if slash else 1
    if port is None or count is None:
        raise RemoteProtocolError("an m= line whose port is no port")
    return Media(parts[0].lower(), port, parts[2], tuple(parts[3:]), port_count=count)
