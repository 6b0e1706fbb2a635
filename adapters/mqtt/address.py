"""Where a broker is: `mqtts://host:8883`, `mqtt://host:1883`, `mqtt+unix:///run/mqtt.sock`, `uplink:center/mqtt`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from gateway.config.units import is_slug

PORTS = {"mqtts": 8883, "mqtt": 1883}


@dataclass(frozen=True, slots=True)
class Broker:
    """`host` is the path for "unix", and the center's id for "uplink" (whose service stands in `service`)."""

    way: Literal["tls", "tcp", "unix", "uplink"]
    host: str
    port: int = 0
    service: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.way == "unix":
            return f"mqtt+unix://{self.host}"
        if self.way == "uplink":
            return f"uplink:{self.host}/{self.service}"
        return f"{'mqtts' if self.way == 'tls' else 'mqtt'}://{host}:{self.port}"


def parse_broker(text: str) -> Broker:
    """Raises ValueError that says what to write."""
    if text.startswith("uplink:"):
        center, _, service = text.removeprefix("uplink:").partition("/")
        if not is_slug(center) or not is_slug(service or "mqtt"):
            raise ValueError(f"{text!r}: write uplink:center/mqtt, the center's gateway id and the service there")
        return Broker("uplink", center, 0, service or "mqtt")
    parts = urlsplit(text)
    if parts.scheme == "mqtt+unix" and parts.path.startswith("/") and not parts.netloc:
        return Broker("unix", parts.path)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise ValueError(f"{text!r}: {exc}") from None
    if (
        parts.scheme not in PORTS
        or not host
        or parts.username
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise ValueError(f"{text!r}: write mqtts://host:8883; user and password have keys of their own")
    return Broker("tls" if parts.scheme == "mqtts" else "tcp", host, port or PORTS[parts.scheme])
