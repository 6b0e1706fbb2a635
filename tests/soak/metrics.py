"""The daemon's own figures, asked over its local socket."""

from __future__ import annotations

import http.client
import re
import socket
from pathlib import Path


def metrics(place: Path) -> str:
    """The text of `/metrics` of the daemon whose state is at `place`."""
    connection = http.client.HTTPConnection("fieldgate", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.connect(str(place / "api.sock"))
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def gauge(text: str, name: str) -> float:
    """The sum over all labels of what ends in `name`."""
    found = re.findall(rf"^gateway_\w*{name}(?:\{{[^}}]*\}})? (\S+)", text, re.M)
    return sum(float(value) for value in found)
