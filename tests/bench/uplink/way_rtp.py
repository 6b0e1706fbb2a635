"""Plain datagrams over one path, as RTP goes: nothing is repeated, nothing is kept."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from typing import Any

from tests.bench.uplink.fragments import Cutter, Joiner
from tests.bench.uplink.traffic import Kind
from tests.bench.uplink.way import CONNECT_S, Options, datagrams, udp

_HELLO = b"hello"


class RtpWay:
    def __init__(self, options: Options) -> None:
        self._kit = options.kit
        if options.kit:
            self._wire = udp("0.0.0.0", 0, options.paths[0])
            self._to: Any = (options.address, options.port)
        else:
            self._wire, self._to = udp(options.address, options.port), None
        self._cutter, self._joiner = Cutter(), Joiner()

    def connect(self) -> None:
        """The center learns where the kit's NAT lets it out."""
        deadline = time.monotonic() + CONNECT_S
        while time.monotonic() < deadline:
            if self._kit:
                self._wire.sendto(_HELLO, self._to)
            if select.select([self._wire], [], [], 0.2)[0]:
                for data, source in datagrams(self._wire):
                    if data == _HELLO:
                        self._to = source
                        if not self._kit:
                            self._wire.sendto(_HELLO, source)
                        return
        raise TimeoutError("no word of the other end")

    def sockets(self) -> list[int]:
        return [self._wire.fileno()]

    def send(self, kind: Kind, item: bytes, *, key: bool) -> bool:
        try:
            for datagram in self._cutter.cut(item):
                self._wire.sendto(datagram, self._to)
        except (BlockingIOError, ConnectionRefusedError):
            return False
        return True

    def receive(self) -> Iterator[bytes]:
        for data, source in datagrams(self._wire):
            if data == _HELLO:
                if not self._kit:
                    self._to = source
                    self._wire.sendto(_HELLO, source)
            elif item := self._joiner.take(data):
                yield item

    def key_wanted(self) -> bool:
        return False

    def figures(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        self._wire.close()


def make(options: Options) -> RtpWay:
    return RtpWay(options)
