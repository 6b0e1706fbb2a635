"""A network between kits and a center that can be cut: a relay of datagrams in this process."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress


class Net(asyncio.DatagramProtocol):
    """Datagrams between kits and a center. `cut` loses all of them, `dead` those of the first so many links."""

    def __init__(self, center: int) -> None:
        self._center = center
        self._ways: dict[tuple[str, int], socket.socket] = {}
        self._here: asyncio.DatagramTransport | None = None
        self.cut = False
        self.dead = 0
        self.carried = 0
        """Bytes towards the center."""

    @property
    def port(self) -> int:
        assert self._here is not None
        return int(self._here.get_extra_info("sockname")[1])

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        here, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._here = here
        raw = here.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def close(self) -> None:
        if self._here is not None:
            self._here.close()
        loop = asyncio.get_running_loop()
        for way in self._ways.values():
            loop.remove_reader(way)
            way.close()
        self._ways.clear()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        way = self._ways.get(addr)
        if way is None:
            way = self._ways[addr] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            way.setblocking(False)
            way.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            way.connect(("127.0.0.1", self._center))
            asyncio.get_running_loop().add_reader(way, self._back, addr, way)
        if not self._lost(addr):
            self.carried += len(data)
            with suppress(OSError):
                way.send(data)

    def _back(self, addr: tuple[str, int], way: socket.socket) -> None:
        with suppress(OSError):
            while True:
                data = way.recv(65_536)
                if not self._lost(addr) and self._here is not None:
                    self._here.sendto(data, addr)

    def _lost(self, addr: tuple[str, int]) -> bool:
        return self.cut or list(self._ways).index(addr) < self.dead
