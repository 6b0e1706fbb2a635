"""TCP services that one side lets the other open by name, to other adapters and by local ports.

A connection is one stream of the bundle with the purpose `tcp:<name>`; a name that is not configured is refused by
ending it at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from adapters.uplink.bundle import Bundle
from adapters.uplink.config import Forward, Service, UplinkConfig
from gateway import codecs
from gateway.base.errors import Busy, GatewayError
from gateway.base.tasks import Nest
from gateway.contract.adapter import Context
from gateway.model.pairing import PairedCenter

log = logging.getLogger(__name__)

MOST = 64
CONNECT_S = 10.0


class Services:
    """Of one session. `listen` once the far side has let us in. `center`: at a kit, who the far side is here."""

    def __init__(
        self, context: Context, config: UplinkConfig, bundle: Bundle, peer: str, center: PairedCenter | None = None
    ) -> None:
        self._context = context
        self._config = config
        self._bundle = bundle
        self._peer = peer
        self._center = center
        self._nest = Nest(f"services with {peer}", MOST)
        self._listening = False
        self._servers: list[asyncio.Task[None]] = []
        self._uncarried: Callable[[], None] = lambda: None

    def listen(self) -> None:
        """Once: a second conversation on the same bundle finds them open."""
        if self._listening:
            return
        self._listening = True
        self._uncarried = self._context.fleet.services.carried(self._peer, self._open)
        for forward in self._config.forwards:
            if forward.peer in ("", self._peer):
                task = asyncio.create_task(self._listen(forward), name=f"forward {forward.listen}")
                self._servers.append(task)

    def taken(self, number: int, service: str) -> None:
        """The far side opened a stream to a service of ours."""
        self._nest.start(self._serve(number, service), f"service {service} for {self._peer}")

    async def close(self) -> None:
        self._uncarried()
        for task in self._servers:
            task.cancel()
        await asyncio.gather(*self._servers, return_exceptions=True)
        await self._nest.close()

    async def _open(self, service: str) -> socket.socket:
        return await self._bundle.open_stream(f"tcp:{service}")

    async def _serve(self, number: int, service: str) -> None:
        target = self._config.services.get(service)
        if target is None:
            log.info("%s asks for the service %r, which is not configured", self._peer, service[:40])
            (await self._bundle.take_stream(number)).close()
            return
        if not self._may(target):
            log.warning(
                "%s is refused the service %s: adapter.uplink.services gives it to %s",
                self._peer,
                service,
                f"{', '.join(target.peers) or 'all'}, as {target.role} of all of this gateway",
            )
            (await self._bundle.take_stream(number)).close()
            return
        host, _, port = target.to.rpartition(":")
        sock: socket.socket | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                sock = await _connect(host.strip("[]"), int(port))
        except (OSError, TimeoutError) as exc:
            log.info("service %s for %s: %s does not answer: %s", service, self._peer, target.to, exc)
            (await self._bundle.take_stream(number)).close()
            return
        # Both ends of it are sockets: the media plane carries the bytes from here on.
        try:
            await asyncio.to_thread(
                self._bundle.engine.bundle_stream, self._bundle.handle, sock.detach(), stream=number
            )
        except codecs.MediaError as exc:
            log.info("service %s for %s: %s", service, self._peer, exc)

    def _may(self, service: Service) -> bool:
        """What a service shows knows no scope: a center that sees a part of the kit gets none of it."""
        if service.peers and self._peer not in service.peers:
            return False
        if self._center is None:
            return True
        here = self._context.fleet.may(self._center, self._peer, service.role.value, "service")
        return here.role is service.role and not self._center.scope

    async def _listen(self, forward: Forward) -> None:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in forward.listen.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as door:
            try:
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                door.bind(forward.listen)
                door.listen(16)
            except OSError as exc:
                log.warning("forward %s can not be opened: %s", forward.listen, exc.strerror)
                return
            while True:
                caller, _ = await loop.sock_accept(door)
                try:
                    self._nest.start(self._forward(caller, forward.service), f"forward to {forward.service}")
                except Busy as exc:
                    caller.close()
                    log.info("forward %s: %s", forward.listen, exc)

    async def _forward(self, caller: socket.socket, service: str) -> None:
        try:
            await asyncio.to_thread(
                self._bundle.engine.bundle_stream, self._bundle.handle, caller.detach(), purpose=f"tcp:{service}"
            )
        except (codecs.MediaError, GatewayError) as exc:
            log.info("no stream to %s of %s: %s", service, self._peer, exc)


async def _connect(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    last: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        try:
            await loop.sock_connect(sock, address)
            return sock
        except OSError as exc:
            last = exc
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise last
