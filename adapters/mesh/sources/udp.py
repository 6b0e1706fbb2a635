"""Radios that send by themselves: Silvus' streaming report, and JSON of any shape by a map. Only the radio is heard."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from adapters.mesh.config import SilvusSource, UdpSource
from adapters.mesh.protocol.fields import read_fields
from adapters.mesh.protocol.report import Report, from_json
from adapters.mesh.protocol.silvus import Silvus
from adapters.mesh.sources.source import Show
from adapters.mesh.sources.web import map_of
from gateway.base.errors import LinkDown, RemoteProtocolError
from gateway.base.udp import Address, UdpSocket

STRANGE = 16
"""So many datagrams in a row that can not be read are the radio's fault, not the air's."""
REST_S, SHARE = 0.05, 4
"""What comes while one is read, and for so long after or so many times as long as that took, waits: a flood has a fifth
of the processor and no more."""
WAITING = 16
"""Datagrams of a Silvus report that wait: it is a few of them. JSON is whole in each, so the newest is enough."""


class UdpReader:
    def __init__(self, config: SilvusSource | UdpSource, name: str) -> None:
        self._config = config
        self._name = name

    async def run(self, show: Show) -> None:
        read = _reader(self._config, self._name)
        came = asyncio.Event()
        waiting: deque[bytes] = deque(maxlen=WAITING if self._config.kind == "silvus" else 1)
        garbled = 0

        def heard(data: bytes, remote: Address, _local: Address) -> None:
            if remote[0].partition("%")[0] == self._config.sender:
                waiting.append(data)
                came.set()

        socket = UdpSocket(self._config.listen.host, self._config.listen.port, receive_buffer_bytes=256 * 1024)
        try:
            socket.open(heard)
            while True:
                try:
                    async with asyncio.timeout(show.silent):
                        await came.wait()
                except TimeoutError:
                    text = f"{self._config.sender} sends nothing to UDP {self._config.listen}"
                    raise LinkDown(text, code="mesh-silent") from None
                came.clear()
                began = time.perf_counter()
                for data in [waiting.popleft() for _ in range(len(waiting))]:
                    try:
                        told, garbled = read(data), 0
                    except RemoteProtocolError:
                        garbled += 1
                        if garbled >= STRANGE:
                            raise
                        continue
                    show.report(told)
                await asyncio.sleep(max(REST_S, SHARE * (time.perf_counter() - began)))
        finally:
            socket.close()


def _reader(config: SilvusSource | UdpSource, name: str) -> Callable[[bytes], Report]:
    if isinstance(config, UdpSource):
        how = map_of(config, name)
        return lambda data: read_fields(from_json(data), how)
    radio = Silvus(name, config.peer)

    def read(data: bytes) -> Report:
        radio.receive(data)
        return radio.report()

    return read
