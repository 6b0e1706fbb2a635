"""Values that carry their unit: `"5s"`, `"200ms"`, `"64MB"`, `"30000-30499"`, `"0.0.0.0:5060"`.

Inside they are floats of seconds, ints of bytes, or small tuples; `unit_text` writes them back as the file has them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?")
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def is_slug(text: str) -> bool:
    """True when `text` may be one part of an id, as gateway.model.ids has it."""
    return _SLUG.fullmatch(text) is not None


def parse_duration(value: Any) -> float:
    """`"1m30s"`, `"200ms"` or a float that has been parsed before; seconds. Raises ValueError."""
    if isinstance(value, float):
        return value
    if isinstance(value, str) and value.strip():
        text = value.strip()
        parts = list(_DURATION.finditer(text))
        if parts and "".join(part.group(0) for part in parts) == text:
            return sum(float(part.group(1)) * _SECONDS[part.group(2)] for part in parts)
    raise ValueError(f'{value!r} is not a duration: write a number with its unit in quotes, as "5s", "200ms", "2m"')


def duration_text(seconds: float) -> str:
    for unit in ("d", "h", "m", "s"):
        number = seconds / _SECONDS[unit]
        if number >= 1 and number == int(number):
            return f"{int(number)}{unit}"
    return f"{_plain(seconds)}s" if seconds >= 1 or seconds == 0 else f"{_plain(seconds * 1000)}ms"


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def parse_size(value: Any) -> int:
    """`"64MB"`, `"4KiB"`, or an int of bytes. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        return round(float(found.group(1)) * _BYTES[found.group(2) or "B"])
    raise ValueError(f'{value!r} is not a size: write it as "64MB" or "4KiB"')


def size_text(size: int) -> str:
    for unit in ("GB", "MB", "kB"):
        if size >= _BYTES[unit] and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


class PortRange(NamedTuple):
    """Both ends belong to it."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def parse_ports(value: Any) -> PortRange:
    """`"30000-30499"`. Raises ValueError."""
    if isinstance(value, PortRange):
        return value
    if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", value)):
        ports = PortRange(int(found.group(1)), int(found.group(2)))
        if 1 <= ports.first <= ports.last <= 65535:
            return ports
    raise ValueError(f'{value!r} is not a range of ports: write it as "30000-30499", the smaller first')


class HostPort(NamedTuple):
    """An IP address to listen on, and a port (0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(value: Any) -> HostPort:
    """`"0.0.0.0:5060"` or `"[::]:5060"`. Raises ValueError."""
    if isinstance(value, HostPort):
        return value
    if isinstance(value, str):
        host, _, port = value.strip().rpartition(":")
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
            if port.isdecimal() and int(port) <= 65535 and (address.version == 4) == ("[" not in host):
                return HostPort(str(address), int(port))
        except ValueError:
            pass
    raise ValueError(f'{value!r} is not an address with port: write it as "0.0.0.0:5060" or "[::]:5060"')


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(duration_text)]
ByteSize = Annotated[int, BeforeValidator(parse_size), PlainSerializer(size_text)]
Ports = Annotated[PortRange, BeforeValidator(parse_ports), PlainSerializer(str)]
Listen = Annotated[HostPort, BeforeValidator(parse_host_port), PlainSerializer(str)]


def _own_address(value: str) -> str:
    if value:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("use an IP address of this machine, or leave it empty") from None
    return value


OwnAddress = Annotated[str, AfterValidator(_own_address)]
"""An address of this machine; empty: whichever fits."""
