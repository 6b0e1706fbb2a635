"""What a URL of a transport stream says, and what a list of programmes does."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from gateway.base.errors import RemoteProtocolError
from gateway.base.url import SourceUrl

MAX_PROGRAMMES = 64
_INTERFACE = re.compile(r"[A-Za-z0-9._:-]{1,45}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transport stream is, or goes. Empty or 0: not said."""

    host: str
    port: int
    group: bool  # `host` is a multicast group
    interface: str = ""  # a name, or an address of ours
    source: str = ""  # only packets of this host (SSM where it is a group)
    program: int = 0
    rtp: bool = False
    ttl: int | None = None
    bitrate_bps: int = 0


@dataclass(frozen=True, slots=True)
class Programme:
    number: int
    name: str


def parse_place(url: SourceUrl) -> Place:
    """`udp://239.0.0.1:5004?iface=eth0&source=10.0.0.5#program=2`; what is after ? and # counts alike. FFmpeg's
    `localaddr` and `sources` are understood, what it has beside them is ignored. Raises RemoteProtocolError
    (`bad-url`)."""
    if not url.port:
        raise _bad("it names no port")
    try:
        query = dict(parse_qsl(url.path.partition("?")[2], keep_blank_values=True, max_num_fields=32))
    except ValueError as exc:
        raise _bad("there are too many parameters") from exc
    said: Mapping[str, str] = {**query, **url.options}
    group = False
    try:
        group = ipaddress.ip_address(url.host.partition("%")[0]).is_multicast if url.host else False
    except ValueError:
        pass  # a name
    interface = said.get("iface", "") or said.get("localaddr", "")
    if interface and _INTERFACE.fullmatch(interface) is None:
        raise _bad("iface is the name of an interface, or an address of this machine")
    source = said.get("source", "") or said.get("sources", "")
    if source:
        try:
            ipaddress.ip_address(source)
        except ValueError:
            raise _bad("source is the IP address of the sender") from None
    ttl = _number(said, "ttl", 255) if "ttl" in said else None
    bitrate = _number(said, "bitrate", 1_000_000_000)
    if bitrate and bitrate < 64_000:
        raise _bad("bitrate is 64000 bit/s at least, or not said")
    program = _number(said, "program", 65_535)
    return Place(url.host, url.port, group, interface, source, program, url.scheme == "rtp", ttl, bitrate)


def _number(said: Mapping[str, str], key: str, most: int) -> int:
    text = said.get(key, "0")
    if not text.isdecimal() or len(text) > 10 or int(text) > most:
        raise _bad(f"{key} is 0 to {most}")
    return int(text)


def _bad(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"not a URL of a transport stream that can be used: {why}", code="bad-url")


def parse_programmes(data: bytes) -> list[Programme]:
    """As the media plane tells them; names are the sender's."""
    found = json.loads(data)
    made = []
    for one in found[:MAX_PROGRAMMES]:
        number, name = int(one["number"]), str(one.get("name", ""))
        shown = "".join(c for c in name if c.isprintable())[:64].strip()
        made.append(Programme(number, shown or f"programme {number}"))
    return made
