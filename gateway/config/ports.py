"""What a firewall form asks for: protocol, ports, who comes, what for; and at a kit where it calls its centers.

Read from the configuration alone, so that it can be asked before anything runs; a running gateway adds the addresses of
the centers that it is paired with. An adapter's fields stand in one table here; a test holds it to the adapters'
configuration models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from gateway.config.root import Config
from gateway.config.units import HostPort

KITS, PEOPLE, DEVICES, PHONES, PROGRAMS = "kits", "people", "devices", "phones", "programs"
CENTERS = "centers"
WHO = {KITS: "终端站", PEOPLE: "人员", DEVICES: "设备", PHONES: "电话与中继", PROGRAMS: "程序", CENTERS: "中心"}

_Row = tuple[str, str, str, str, str]
# adapter type → field, protocols, who comes, purpose in English and Chinese
FIELDS: dict[str, tuple[_Row, ...]] = {
    "gb28181": (("listen", "udp tcp", DEVICES, "GB/T 28181 signalling", "GB/T 28181 信令"),),
    "jt808": (
        ("listen", "tcp", DEVICES, "JT/T 808 signalling", "JT/T 808 信令"),
        ("media", "tcp", DEVICES, "JT/T 1078 pictures and sound", "JT/T 1078 音视频"),
    ),
    "mqtt": (
        (
            "listen",
            "tcp",
            KITS,
            "directory, alarms and orders by MQTT over TLS, for kits without a link bundle",
            "MQTT（TLS）目录、告警与指令，供未使用链路捆绑的终端站",
        ),
    ),
    "rtmp": (
        ("listen", "tcp", PROGRAMS, "RTMP", "RTMP"),
        ("listen_tls", "tcp", PROGRAMS, "RTMPS", "RTMPS"),
    ),
    "rtsp": (
        ("listen", "tcp", PROGRAMS, "RTSP", "RTSP"),
        ("listen_tls", "tcp", PROGRAMS, "RTSPS", "RTSPS"),
    ),
    "srt": (("listen", "udp", PROGRAMS, "SRT", "SRT"),),
    "uplink": (("listen_udp", "udp", KITS, "the link bundle of kits", "终端站链路捆绑"),),
    "webrtc": (("port", "udp", PEOPLE, "pictures and voices in browsers (WebRTC)", "浏览器音视频（WebRTC）"),),
}
_RTP = {"gb28181", "sip", "rtsp"}
"""Adapters whose media comes to `media.rtp_ports`."""
ONLY_AT = {"uplink": "center", "mqtt": "center"}


@dataclass(frozen=True, slots=True)
class PortUse:
    """One row of the form. `ports`: "8443" or "30000-30499"; `local`: on this machine only, no firewall's matter.

    `outward`: the gateway calls, and nothing comes in; `far`: whom it calls, where that is known."""

    protocol: str  # "tcp" or "udp"
    ports: str
    who: str
    purpose: str
    purpose_zh: str
    part: str  # "api", or the adapter's name
    local: bool = False
    outward: bool = False
    far: str = ""


@dataclass(frozen=True, slots=True)
class Center:
    """A center that this kit calls: its addresses and ports."""

    hosts: tuple[str, ...] = ()
    udp: int = 8444
    tcp: int = 8443


def shared_udp(config: Config) -> HostPort | None:
    """At a center: where kits (link bundle) and browsers (WebRTC) come to one UDP port."""
    if config.gateway.role != "center":
        return None
    of_type: dict[str, Any] = {section.type: section for section in config.adapters.values()}
    if not {"uplink", "webrtc"} <= of_type.keys():
        return None
    at: HostPort = of_type["uplink"].values.listen_udp
    return at if at.port and at.port == of_type["webrtc"].values.port else None


def ports_of(config: Config, centers: Sequence[Center] = ()) -> list[PortUse]:
    """What comes in, and then, at a kit, what goes out to `centers` (that it is paired with; none: the usual ports).
    Sorted as people look for them; each port of a protocol once for whoever comes."""
    api = (str(config.api.port), _is_local(config.api.listen))
    found = [PortUse("tcp", api[0], PEOPLE, *_API, "api", api[1])]
    types = set()
    for section in config.adapters.values():
        if section.type in CALLS and config.gateway.role == "edge":
            found.extend(_outward(section.name, section.type, section.values, centers or [Center()]))
        if ONLY_AT.get(section.type, config.gateway.role) != config.gateway.role:
            continue
        types.add(section.type)
        found.extend(_adapter(section.name, section.type, section.values))
    if config.links.echo:
        host, _, port = config.links.echo.rpartition(":")
        found.append(PortUse("udp", port, KITS, *_ECHO, "links", _is_local(host.strip("[]"))))
    if types & ONLY_AT.keys():
        found.append(PortUse("tcp", api[0], KITS, *_PAIRING, "api", api[1]))
    if types & _RTP:
        for protocol in ("udp", "tcp"):
            found.append(PortUse(protocol, str(config.media.rtp_ports), DEVICES, *_MEDIA, "media"))
    found = list(dict.fromkeys(found))
    return sorted(
        found, key=lambda use: (use.local, use.outward, list(WHO).index(use.who), use.part, use.ports, use.protocol)
    )


_API = ("console and API", "控制台与 API")
_PAIRING = ("pairing, and links where UDP does not pass", "配对；UDP 不通的链路也由此接入")
_ECHO = ("probes of kits' links, which are answered", "终端站链路探测的应答")
_MEDIA = ("pictures and sound of devices and phones (RTP)", "设备与电话的音视频（RTP）")
CALLS = {"uplink", "mqtt"}


def _outward(name: str, type_: str, values: Any, centers: Sequence[Center]) -> Iterator[PortUse]:
    """Where a kit calls: firewalls that ask for what goes out want these."""
    if type_ == "mqtt" and values.brokers:
        for broker in values.parsed():
            if broker.way in ("tcp", "tls"):
                yield PortUse("tcp", str(broker.port), CENTERS, *_BROKER, name, outward=True, far=broker.host)
        return
    for center in centers:
        far = ", ".join(center.hosts)
        if type_ == "mqtt":
            yield PortUse("tcp", "8883", CENTERS, *_BROKER, name, outward=True, far=far)
        else:
            yield PortUse("udp", str(center.udp), CENTERS, *_BUNDLE, name, outward=True, far=far)
            yield PortUse("tcp", str(center.tcp), CENTERS, *_PAIRING, name, outward=True, far=far)


_BROKER = (
    "directory, alarms and orders by MQTT, beside the link bundle or without it",
    "MQTT 目录、告警与指令（可与链路捆绑并用或单独使用）",
)
_BUNDLE = ("the link bundle: pictures, voices, orders", "链路捆绑：画面、语音、指令")


def _adapter(name: str, type_: str, values: Any) -> Iterator[PortUse]:
    if type_ == "sip":
        for listen in values.listen:
            protocol = "udp" if listen.transport == "udp" else "tcp"
            words = (f"SIP ({listen.transport.upper()})", f"SIP（{listen.transport.upper()}）")
            yield PortUse(protocol, str(listen.at.port), PHONES, *words, name, _is_local(listen.at.host))
    for field, protocols, who, purpose, purpose_zh in FIELDS.get(type_, ()):
        at = getattr(values, field, None)
        if type_ == "mqtt" and values.brokers and "embedded" not in values.brokers:
            continue
        if isinstance(at, int):
            at = HostPort("0.0.0.0", at)  # noqa: S104
        if not isinstance(at, HostPort) or not at.port:
            continue
        for protocol in protocols.split():
            yield PortUse(protocol, str(at.port), who, purpose, purpose_zh, name, _is_local(at.host))


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
