"""The demo's ports: the usual ones, or a block of a hundred of one's own, so that two demos run beside each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.base.errors import ConfigError
from gateway.cli.words import t

BLOCK = 100
NEEDED = ("gb28181", "webrtc")
"""Adapters without which a demo shows no picture."""


@dataclass(frozen=True, slots=True)
class DemoPorts:
    """What the configuration made for a demo says; `first` is 0 where all are the usual ones."""

    first: int = 0
    phones: int = 5070
    phones_tls: int = 5061
    radio: int = 32001
    usrp: int = 34001

    def config(self) -> str:
        """TOML of all that listen where they are not the usual ones."""
        if not self.first:
            return ""
        n = self.first
        return f"""\
[api]
port = {n}

[media]
rtp_ports = "{n + 20}-{n + BLOCK - 1}"

[adapter.gb28181]
listen = "0.0.0.0:{n + 1}"

[adapter.webrtc]
port = {n + 2}

[adapter.rtsp]
listen = "0.0.0.0:{n + 7}"
listen_tls = "0.0.0.0:{n + 8}"

[adapter.rtmp]
listen = "0.0.0.0:{n + 9}"
listen_tls = "0.0.0.0:{n + 10}"

[adapter.srt]
listen = "0.0.0.0:{n + 11}"

[adapter.jt808]
listen = "0.0.0.0:{n + 12}"
media = "0.0.0.0:{n + 13}"

[adapter.sip]
listen = ["udp:0.0.0.0:{self.phones}", "tcp:0.0.0.0:{self.phones}", "tls:0.0.0.0:{self.phones_tls}"]

"""


USUAL = DemoPorts()


def block(first: int) -> DemoPorts:
    """A hundred ports from `first` on."""
    return DemoPorts(first, phones=first + 3, phones_tls=first + 4, radio=first + 5, usrp=first + 6)


def taken(said: str) -> ConfigError | None:
    """From the last words of a gateway that ended: the port that another program holds."""
    # As gateway.api.server says it: "api.port: can not listen on 0.0.0.0:8443: Address already in use".
    found = re.findall(r"([\w.]+): can not listen on \S*:(\d+): Address already in use", said)
    return _error(*found[-1]) if found else None


def taken_by(adapters: Sequence[Mapping[str, Any]]) -> ConfigError | None:
    """From /api/v1/system/health: the same of an adapter that shows the demo's picture, which waits for its port."""
    for one in adapters:
        if one["name"] in NEEDED and one["code"] == "port-in-use":
            key, port = re.match(r"[\w.]+", one["detail"]), re.search(r":(\d+)\b", one["detail"])
            return _error(key[0] if key else f"adapter.{one['name']}", port[1] if port else "")
    return None


def _error(key: str, port: str) -> ConfigError:
    words = t(f"port {port} is taken by another program", f"端口 {port} 已被其他程序占用")
    return ConfigError(key, words, code="demo-port")
