"""SRT over one path, by srt-live-transmit of Debian: datagrams in at the kit, datagrams out at the center, one way."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from tests.bench.uplink.fragments import Cutter, Joiner
from tests.bench.uplink.traffic import Kind
from tests.bench.uplink.way import CONNECT_S, Options, datagrams, udp

_HELLO = b"hello"


class SrtWay:
    def __init__(self, options: Options) -> None:
        self._kit = options.kit
        self._cutter, self._joiner = Cutter(), Joiner()
        query = f"latency={options.latency_ms}&payloadsize=1316"
        far = f"srt://{options.address}:{options.port}?mode=caller&{query}"
        door = f"srt://:{options.port}?mode=listener&{query}"
        if options.kit:
            # Its socket for what comes in is its own: a free port of this namespace, where nobody else is.
            self._wire, self._to = udp("127.0.0.1", 0), ("127.0.0.1", 5100)
            ends = [f"udp://127.0.0.1:{self._to[1]}", far]
        else:
            self._wire = udp("127.0.0.1", 0)
            ends = [door, f"udp://127.0.0.1:{self._wire.getsockname()[1]}"]
        command = ["srt-live-transmit", "-q", "-loglevel:fatal", "-chunk:1316", "-buffering:1", *ends]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def connect(self) -> None:
        """The kit sends until the center says by its own way that something came: its `ready` is enough for the run."""
        deadline = time.monotonic() + (3.0 if self._kit else CONNECT_S)
        while time.monotonic() < deadline:
            if self._kit:
                self._say(_HELLO)
                time.sleep(0.1)
            elif select.select([self._wire], [], [], 0.2)[0]:
                return
        if not self._kit:
            raise TimeoutError("nothing came by SRT")

    def _say(self, datagram: bytes) -> bool:
        try:
            self._wire.sendto(datagram, self._to)
        except (BlockingIOError, ConnectionRefusedError):
            return False
        return True

    def sockets(self) -> list[int]:
        return [self._wire.fileno()]

    def send(self, kind: Kind, item: bytes, *, key: bool) -> bool:
        return self._kit and all(self._say(datagram) for datagram in self._cutter.cut(item))

    def receive(self) -> Iterator[bytes]:
        for data, _ in datagrams(self._wire):
            if data != _HELLO and (item := self._joiner.take(data)):
                yield item

    def key_wanted(self) -> bool:
        return False

    def figures(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._wire.close()


def make(options: Options) -> SrtWay:
    return SrtWay(options)
