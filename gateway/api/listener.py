"""uvicorn on a socket that we bound, on a loop and under signals that are the daemon's.

uvicorn's own start takes TCP only where the loop is uvloop, catches signals, and says nothing when it listens; the
three methods here are what differs. The one module that knows uvicorn's inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Generator

import uvicorn


class Listener(uvicorn.Server):
    """One listening socket. `listening` is set once connections are taken."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        super().__init__(config)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its comings and goings are ours to tell
        self._listener = listener
        self._context = context
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # signals belong to the daemon

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        config = self.config

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state={}
            )
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

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until cancelled; then stop taking connections, give those open a moment, and go."""
        serving = asyncio.create_task(super().serve(), name="api-serve")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.should_exit = True
            await serving
            raise
