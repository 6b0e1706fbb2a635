"""Our own ports: connections are taken, counted and served."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from adapters.rtmp.config import RtmpConfig
from adapters.rtmp.guest import Guest
from adapters.rtmp.link import prepare
from gateway import codecs
from gateway.base.errors import Busy, ConfigError, GatewayError, LinkDown
from gateway.base.tasks import Nest
from gateway.base.throttle import Throttle
from gateway.contract.adapter import Context

if TYPE_CHECKING:
    from gateway.config.units import HostPort

log = logging.getLogger(__name__)

REMEMBERED, REMEMBERED_S = 8, 600.0
"""Refusals for the doctor."""
ACCEPT_AGAIN_S = 0.2
"""After an accept that failed: out of descriptors, for the most part."""


def bind(listen: HostPort, key: str) -> socket.socket:
    """A listening socket. Raises ConfigError (`port-in-use`)."""
    sock = socket.socket(
        socket.AF_INET6 if ":" in listen.host else socket.AF_INET,
        socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
    )
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((listen.host, listen.port))
        sock.listen(64)
    except OSError as exc:
        sock.close()
        raise ConfigError(key, f"TCP {listen} can not be used: {exc.strerror}", code="port-in-use") from exc
    return sock


class Door:
    def __init__(self, config: RtmpConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._nest = Nest("rtmp connections", config.connections)
        self._guests: set[Guest] = set()
        self._by_address: Counter[str] = Counter()
        self.refused = 0
        self._say = Throttle(log)
        self._lately: OrderedDict[str, tuple[float, GatewayError]] = OrderedDict()

    def count(self, role: str = "") -> int:
        return sum(guest.role == role for guest in self._guests) if role else len(self._guests)

    def refusals(self) -> list[tuple[str, float, GatewayError]]:
        """Who was told no in the last ten minutes: address, seconds ago, why; the latest of each, newest first."""
        now = asyncio.get_running_loop().time()
        found = [(address, now - at, exc) for address, (at, exc) in reversed(self._lately.items())]
        return [one for one in found if one[1] < REMEMBERED_S]

    def _remember(self, address: str, exc: GatewayError) -> None:
        self._lately.pop(address, None)
        self._lately[address] = (asyncio.get_running_loop().time(), exc)
        while len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)

    async def keep(self, listening: socket.socket, *, tls: bool) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    sock, address = await loop.sock_accept(listening)
                except OSError as exc:
                    log.warning("RTMP: a connection could not be taken: %s", exc)
                    await asyncio.sleep(ACCEPT_AGAIN_S)
                    continue
                self._take(sock, str(address[0]), tls=tls)
        finally:
            listening.close()

    async def close(self) -> None:
        await self._nest.close()

    def _take(self, sock: socket.socket, address: str, *, tls: bool) -> None:
        address = address.removeprefix("::ffff:").partition("%")[0]
        if self._by_address[address] >= self._config.connections_per_address:
            sock.close()
            self.refused += 1
            self._say(address, f"RTMP: {address} has {self._by_address[address]} connections, no more are taken")
            return
        try:
            self._nest.start(self._serve(sock, address, tls=tls), f"rtmp {address}")
        except Busy as exc:
            sock.close()
            self.refused += 1
            self._say("full", f"RTMP: {exc}")

    async def _serve(self, sock: socket.socket, address: str, *, tls: bool) -> None:
        guest = Guest(self._config, self._context, address, "rtmps" if tls else "rtmp")
        self._guests.add(guest)
        self._by_address[address] += 1
        plain = -1
        try:
            prepare(sock)
            if tls:
                sock = self._plain(sock)
                plain = sock.fileno()
            await guest.serve(sock)
        except LinkDown as exc:
            fault = self._context.media.engine.tls_fault(plain) if tls else ""
            log.info("RTMP from %s ended: %s", address, f"TLS: {fault}" if fault else exc)
        except GatewayError as exc:
            self._remember(address, exc)
            self._say(f"{address} {exc.code}", f"RTMP from {address} refused: {exc} ({exc.code})")
        finally:
            sock.close()
            self._guests.discard(guest)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _plain(self, sock: socket.socket) -> socket.socket:
        """The plain side of a TLS connection with the kit's certificate."""
        tls = self._context.kit_tls()
        if tls is None:
            raise LinkDown("the kit has no certificate", code="tls-failed")
        try:
            certificate, key = tls.certificate.read_text(), tls.key.read_text()
            fd = self._context.media.engine.tls_server(sock.detach(), certificate, key)
        except (OSError, codecs.MediaError) as exc:
            raise LinkDown(f"the kit's certificate can not be used: {exc}", code="tls-failed") from exc
        plain = socket.socket(fileno=fd)
        plain.setblocking(False)
        return plain
