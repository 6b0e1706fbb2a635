"""What the ends of a run speak over: one class for each system, the same face."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.bench.uplink.traffic import Kind

CONNECT_S = 30.0
SYSTEMS = {"bundle": "way_bundle", "rtp": "way_rtp", "srt": "way_srt", "mptcp": "way_mptcp"}


@dataclass(frozen=True)
class Options:
    """`kit`: which end. `paths`: names of the kit's devices in the order of preference. `mode`, `playout_ms`: of the
    picture's flow where the system has such; `latency_ms`: SRT's."""

    kit: bool
    address: str
    port: int
    paths: list[str]
    mode: str = "spread"
    playout_ms: int = 400
    voice_playout_ms: int = 400
    latency_ms: int = 300
    more: dict[str, Any] = field(default_factory=dict)


class Way(Protocol):
    """Made in the namespace of its end. Nothing of it blocks but `connect`."""

    def connect(self) -> None:
        """Until both ends can send; raises TimeoutError."""

    def sockets(self) -> list[int]:
        """Descriptors to wait for; may change from call to call."""

    def send(self, kind: Kind, item: bytes, *, key: bool) -> bool:
        """False: the way itself has no room for it now, and it is given up."""

    def receive(self) -> Iterator[bytes]:
        """Whole items that are here now."""

    def key_wanted(self) -> bool:
        """Whether the far end asked for a key picture since the last call."""

    def figures(self) -> dict[str, Any]:
        """What the system itself tells of the run."""

    def close(self) -> None: ...


def make(system: str, options: Options) -> Way:
    """Imported by name: the system of others runs without the media plane in its process."""
    made: Way = importlib.import_module(f"tests.bench.uplink.{SYSTEMS[system]}").make(options)
    return made


def udp(address: str, port: int, device: str = "") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if device:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    made.bind((address, port))
    made.setblocking(False)
    return made


def datagrams(wire: socket.socket) -> Iterator[tuple[bytes, Any]]:
    while True:
        try:
            yield wire.recvfrom(65536)
        except (BlockingIOError, ConnectionRefusedError):
            return
