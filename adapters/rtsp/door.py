"""Our own ports: connections are taken, counted and served."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter

from adapters.rtsp.config import RtspConfig
from adapters.rtsp.guest import Guest
from adapters.rtsp.sockets import plain_end, prepare
from gateway import codecs
from gateway.base.errors import Busy, GatewayError, LinkDown
from gateway.base.tasks import Nest
from gateway.base.throttle import Throttle
from gateway.contract.adapter import Context
from gateway.wire.rtsp import Guard

log = logging.getLogger(__name__)

ACCEPT_AGAIN_S = 0.2
"""After an accept that failed: out of descriptors, for the most part."""


class Door:
    def __init__(self, config: RtspConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._guard = Guard("Fieldgate", config.algorithms)
        self._nest = Nest("rtsp connections", config.connections)
        self._guests: set[Guest] = set()
        self._by_address: Counter[str] = Counter()
        self.refused = 0
        self._say = Throttle(log)

    def count(self, role: str = "") -> int:
        return sum(guest.role == role for guest in self._guests) if role else len(self._guests)

    async def keep(self, listening: socket.socket, *, tls: bool) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    sock, address = await loop.sock_accept(listening)
                except OSError as exc:
                    log.warning("RTSP: a connection could not be taken: %s", exc)
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
            self._say(address, f"RTSP: {address} has {self._by_address[address]} connections, no more are taken")
            return
        try:
            self._nest.start(self._serve(sock, address, tls=tls), f"rtsp {address}")
        except Busy as exc:
            sock.close()
            self.refused += 1
            self._say("full", f"RTSP: {exc}")

    async def _serve(self, sock: socket.socket, address: str, *, tls: bool) -> None:
        guest = Guest(self._config, self._context, self._guard, address, tls=tls)
        self._guests.add(guest)
        self._by_address[address] += 1
        try:
            prepare(sock)
            await guest.serve(self._plain(sock) if tls else sock)
        except LinkDown as exc:
            log.info("RTSP from %s ended: %s", address, exc)
        except TimeoutError:
            self._say(address, f"RTSP from {address}: it asked for nothing in time (rtsp-silent)")
        except GatewayError as exc:
            self._say(f"{address} {exc.code}", f"RTSP from {address} ended: {exc} ({exc.code})")
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
            return plain_end(self._context.media.engine.tls_server(sock.detach(), certificate, key))
        except (OSError, codecs.MediaError) as exc:
            raise LinkDown(f"the kit's certificate can not be used: {exc}", code="tls-failed") from exc
