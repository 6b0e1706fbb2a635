"""What this gateway listens on, as a firewall form asks for it: protocol, ports, what for, who comes.

Read from the configuration alone, so that it can be asked before anything runs. An adapter's fields stand in one table
here; a test holds it to the adapters' configuration models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from gateway.config.root import Config
from gateway.config.units import HostPort

KITS, PEOPLE, DEVICES, PHONES, PROGRAMS = "kits", "people", "devices", "phones", "programs"
WHO = {KITS: "终端站", PEOPLE: "人员", DEVICES: "设备", PHONES: "电话与中继", PROGRAMS: "程序"}

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
            "MQTT over TLS, for kits that have no link bundle",
            "MQTT（TLS），供未使用链路捆绑的终端站",
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
    """One row of the form. `ports`: "8443" or "30000-30499"; `local`: on this machine only, no firewall's matter."""

    protocol: str  # "tcp" or "udp"
    ports: str
    who: str
    purpose: str
    purpose_zh: str
    part: str  # "api", or the adapter's name
    local: bool = False


def ports_of(config: Config) -> list[PortUse]:
    """Incoming only: what the gateway itself connects to needs no open port. Sorted as people look for them."""
    found = [PortUse("tcp", str(config.api.port), PEOPLE, *_API, "api", _is_local(config.api.listen))]
    types = set()
    for section in config.adapters.values():
        if ONLY_AT.get(section.type, config.gateway.role) != config.gateway.role:
            continue
        types.add(section.type)
        found.extend(_adapter(section.name, section.type, section.values))
    if types & _RTP:
        for protocol in ("udp", "tcp"):
            found.append(PortUse(protocol, str(config.media.rtp_ports), DEVICES, *_MEDIA, "media"))
    return sorted(found, key=lambda use: (use.local, list(WHO).index(use.who), use.part, use.ports, use.protocol))


_API = ("console and API, and kits where UDP does not pass", "控制台与 API；UDP 不通时终端站也由此接入")
_MEDIA = ("pictures and sound of devices and phones (RTP)", "设备与电话的音视频（RTP）")


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
