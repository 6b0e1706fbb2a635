"""The Transport header (RFC 2326 §12.39), as clients ask and servers answer; devices leave out what they like."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.wire.sip.headers import split_list

MAX_CHOICES = 16


@dataclass(frozen=True, slots=True)
class Transport:
    """One choice. Ports are pairs (RTP, RTCP); (0, 0) means not said. `channel` −1: not interleaved, or not said."""

    tcp: bool = False
    multicast: bool = False
    secure: bool = False
    channel: int = -1
    client_port: tuple[int, int] = (0, 0)
    server_port: tuple[int, int] = (0, 0)
    port: tuple[int, int] = (0, 0)
    destination: str = ""
    source: str = ""
    ttl: int = 0
    ssrc: int | None = None
    record: bool = False

    def __str__(self) -> str:
        out = ["RTP/AVP/TCP" if self.tcp else "RTP/AVP", "multicast" if self.multicast else "unicast"]
        if self.destination:
            out.append(f"destination={self.destination}")
        if self.source:
            out.append(f"source={self.source}")
        if self.channel >= 0:
            out.append(f"interleaved={self.channel}-{self.channel + 1}")
        for name in ("client_port", "server_port", "port"):
            first, second = getattr(self, name)
            if first:
                out.append(f"{name}={first}-{second}")
        if self.ttl:
            out.append(f"ttl={self.ttl}")
        if self.ssrc is not None:
            out.append(f"ssrc={self.ssrc:08X}")
        if self.record:
            out.append("mode=record")
        return ";".join(out)


def parse_transports(value: str) -> list[Transport]:
    """The choices in their order; what is not RTP is left out. Never raises."""
    return [found for text in split_list(value)[:MAX_CHOICES] if (found := _one(text)) is not None]


def _one(text: str) -> Transport | None:
    spec, *params = [part.strip() for part in text.split(";")]
    proto = spec.upper().split("/")
    if proto[:1] != ["RTP"]:
        return None
    fields: dict[str, str] = {}
    for part in params[:32]:
        name, _, found = part.partition("=")
        fields.setdefault(name.strip().lower(), found.strip().strip('"'))
    channel, _ = _pair(fields.get("interleaved", ""), 255, missing=-1)
    return Transport(
        # Some answer an interleaved SETUP without the /TCP.
        tcp="TCP" in proto or (channel >= 0 and "client_port" not in fields),
        multicast="multicast" in fields,
        secure=len(proto) > 1 and proto[1].startswith("SAVP"),
        channel=channel,
        client_port=_ports(fields.get("client_port", "")),
        server_port=_ports(fields.get("server_port", "")),
        port=_ports(fields.get("port", "")),
        destination=fields.get("destination", "")[:64],
        source=fields.get("source", "")[:64],
        ttl=_pair(fields.get("ttl", ""), 255)[0],
        ssrc=_ssrc(fields.get("ssrc", "")),
        record=fields.get("mode", "").lower() in ("record", "receive"),
    )


def _ports(text: str) -> tuple[int, int]:
    first, second = _pair(text, 65535)
    # One port alone: RTCP is the next one (RFC 3550 §11).
    return (first, second or (first + 1 if 0 < first < 65535 else 0))


def _pair(text: str, high: int, *, missing: int = 0) -> tuple[int, int]:
    first, _, second = text.partition("-")
    return _number(first, high, missing), _number(second, high, missing)


def _number(text: str, high: int, missing: int) -> int:
    text = text.strip()
    good = text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= high
    return int(text) if good else missing


def _ssrc(text: str) -> int | None:
    """Eight hexadecimal digits (RFC 2326 §12.39); some write fewer, or blanks."""
    try:
        value = int(text.replace(" ", ""), 16) if 0 < len(text) <= 12 else -1
    except ValueError:
        return None
    return value if 0 <= value < 2**32 else None
