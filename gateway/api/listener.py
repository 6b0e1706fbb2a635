"""uvicorn on a socket that we bound, on a loop and under signals that are the daemon's.

uvicorn's own start takes TCP only where the loop is uvloop, catches signals, and says nothing when it listens; it
looks ten times a second whether it is to end, and a connection on which no whole request ever comes would stay for
good. The one module that knows uvicorn's inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Generator
from email.utils import formatdate

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from gateway.api.upgrades import Upgrades

HEADER_PATIENCE_S = 15.0
"""From the first byte of a connection or request to the end of its head; then the connection is closed."""


class Patient(H11Protocol):
    """HTTP/1.1 that waits for a request's head only so long: idle connections must not use the limit up."""

    _patience: asyncio.TimerHandle | None = None
    upgrades: Upgrades | None = None
    """Connections that become something else than HTTP; None: none do."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._watch()
        else:
            self._calm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def _should_upgrade(self) -> bool:
        return self._own_upgrade() or super()._should_upgrade()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        if not self._own_upgrade() or self.upgrades is None:
            super().handle_websocket_upgrade(event)
            return
        self._calm()
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        rest = bytes(self.conn.trailing_data[0])
        self.upgrades.take(self.scope["path"], self.transport, rest, self.client[0] if self.client else "")

    def _own_upgrade(self) -> bool:
        upgrade = self._get_upgrade()
        return (
            self.upgrades is not None
            and upgrade is not None
            and self.scope["method"] == "GET"
            and self.upgrades.wanted(self.scope["path"], upgrade.decode("latin-1"))
        )

    def _watch(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEADER_PATIENCE_S, self._give_up)

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        upgraded = self.transport.get_protocol() is not self
        busy = self.cycle is not None and not self.cycle.response_complete
        if not upgraded and not busy:
            self.transport.close()


class Dated(ServerState):
    """What connections share. The Date header is made when an answer wants it, not every second in case one will."""

    def __init__(self) -> None:
        self._second = 0
        self._headers: list[tuple[bytes, bytes]] = []
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        if (second := int(time.time())) != self._second:
            self._second = second
            self._headers = [(b"date", formatdate(second, usegmt=True).encode())]
        return self._headers

    @default_headers.setter
    def default_headers(self, value: list[tuple[bytes, bytes]]) -> None:
        """uvicorn's own are none: the configuration names no other header."""


class Listener(uvicorn.Server):
    """One listening socket. `listening` is set once connections are taken."""

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        context: ssl.SSLContext | None,
        upgrades: Upgrades | None = None,
    ) -> None:
        super().__init__(config)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its comings and goings are ours to tell
        self._listener = listener
        self._context = context
        self._upgrades = upgrades
        self.listening = asyncio.Event()
        self._ending = asyncio.Event()
        self.server_state = Dated()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # signals belong to the daemon

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        config = self.config

        def protocol() -> asyncio.Protocol:
            made = Patient(config=config, server_state=self.server_state, app_state={})
            made.upgrades = self._upgrades
            return made

        if self._listener.family == socket.AF_UNIX:
            server = await loop.create_unix_server(protocol, sock=self._listener, backlog=64)
        else:
            server = await loop.create_server(
                protocol,
                sock=self._listener,
                ssl=self._context,
                backlog=256,
                ssl_handshake_timeout=10.0 if self._context else None,
            )
        self.servers = [server]
        self.started = True
        self.listening.set()

    async def main_loop(self) -> None:
        await self._ending.wait()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until cancelled; then stop taking connections, give those open a moment, and go."""
        serving = asyncio.create_task(super().serve(), name="api-serve")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.should_exit = True
            self._ending.set()
            await serving
            raise
