"""HTTPS on the configured address and a local socket in the state directory, served on the daemon's own loop.

The local socket `api.sock` (0600) is for the kit's CLI: whoever may open it is root or the daemon's user, and speaks
as the local administrator without a password; every act is audited under that name.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.app import create_late_app
from gateway.api.authenticator import LOCAL_SCOPE_KEY
from gateway.api.guard import API_BODY_BYTES
from gateway.api.inner import Inner
from gateway.api.listener import Listener
from gateway.api.mounts import Mounts
from gateway.base import server_tls as tls
from gateway.base.errors import ConfigError
from gateway.core.home import Answering
from gateway.core.services import Services

if TYPE_CHECKING:
    from gateway.config.root import Api

log = logging.getLogger(__name__)

ADDRESS_CHECK_S = 20.0
CONNECTIONS = 1024
GRACE_S = 3
KEEP_ALIVE_S = 30


async def _at_once() -> None:
    pass


class ApiServer:
    """Owns the API's sockets. `run` returns only by cancellation or error."""

    def __init__(
        self,
        services: Services,
        mounts: Mounts,
        config: Api,
        *,
        state_dir: Path,
        addresses: Callable[[], Sequence[str]],
        answering: Callable[[Answering], None] = lambda _answering: None,
        started: Callable[[], Awaitable[object]] = _at_once,
        complete: Callable[[], Awaitable[object]] = _at_once,
        loaded: Callable[[], None] = lambda: None,
    ) -> None:
        """`answering` is given who answers requests that come from within; `started` returns when the daemon is ready,
        and most routes are built then, and `loaded` is called; they are served when `complete` returns."""
        self._services = services
        self._mounts = mounts
        self._config = config
        self._state_dir = state_dir
        self._addresses = addresses
        self._answering = answering
        self._started = started
        self._complete = complete
        self._loaded = loaded
        self._port = config.port
        self._names: frozenset[str] = frozenset()
        self._context: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """Where a browser on the kit's network finds the console."""
        own = self._addresses()
        host = self._config.listen
        if host in ("0.0.0.0", "::", ""):  # noqa: S104  (compared, not bound)
            host = own[0] if own else "127.0.0.1"
        host = f"[{host}]" if ":" in host else host
        return f"http{'s' if self._config.tls else ''}://{host}:{self._port}"

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled. Raises ConfigError (`api.port`, `api.tls_cert`, …) when it can not begin."""
        self._mounts.allow_origins(self._config.cors_origins)
        own_ca = self._config.tls and self._config.tls_cert is None
        if self._config.tls:
            # Key making and disk: off the loop, which already serves devices.
            self._context = await asyncio.to_thread(self._make_context)
        app, late = create_late_app(
            self._services,
            self._mounts,
            state_dir=self._state_dir,
            secure=self._config.tls,
            ca_file=self._tls_folder / "ca.crt" if own_ca else None,
            complete=self._complete,
        )
        public = bind_tcp(self._config.listen, self._config.port)
        try:
            self._port = public.getsockname()[1]
            local = bind_local(self._state_dir / "api.sock")
        except BaseException:
            public.close()
            raise
        upgrades = self._mounts.upgrades
        servers = (
            Listener(_config(app), public, self._context, upgrades),
            Listener(_config(_Local(app)), local, None),
        )
        self._answering(Inner(app))
        try:
            async with asyncio.TaskGroup() as group:
                for server in servers:
                    group.create_task(server.serve(), name="api")
                if own_ca:
                    group.create_task(self._follow_addresses(), name="api-certificate")
                for server in servers:
                    await server.listening.wait()
                self._mounts.own_url = self.url
                log.info("console and API at %s", self.url)
                ready()
                await self._started()
                await late.load()
                self._loaded()
        finally:
            await late.close()
            upgrades.close()
            with suppress(OSError):
                (self._state_dir / "api.sock").unlink()

    @property
    def _tls_folder(self) -> Path:
        return self._state_dir / "tls"

    def _wanted_names(self) -> frozenset[str]:
        own = {"localhost", "127.0.0.1", "::1", socket.gethostname(), self._services.gateway}
        return frozenset(name for name in own.union(self._addresses(), self._config.hostnames) if name)

    def _make_context(self) -> ssl.SSLContext:
        if self._config.tls_cert is not None:
            files = tls.Certificates(
                self._config.tls_cert, self._config.tls_cert, self._config.tls_key or self._config.tls_cert
            )
        else:
            self._names = self._wanted_names()
            files = tls.ensure(self._tls_folder, self._services.gateway, sorted(self._names))
        try:
            return files.context()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("api.tls_cert", f"the certificate can not be used: {error}") from error

    async def _follow_addresses(self) -> None:
        """Issue the certificate again when an address is new. Open connections keep the old one."""
        while True:
            await asyncio.sleep(ADDRESS_CHECK_S)
            await self.renew()

    async def renew(self) -> bool:
        """Issue and load a certificate for the addresses of now; False when the present one does."""
        names = self._wanted_names()
        if names <= self._names or self._context is None:
            return False
        files = await asyncio.to_thread(tls.ensure, self._tls_folder, self._services.gateway, sorted(names))
        self._context.load_cert_chain(files.certificate, files.key)
        self._names = names
        log.info("server certificate issued anew for %s", ", ".join(sorted(names)))
        return True


class _Local:
    """Marks requests that came over the local socket."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[LOCAL_SCOPE_KEY] = True
        await self._app(scope, receive, send)


def bind_tcp(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises ConfigError: `port-in-use`, or an address that is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind((host, port))
        made.setblocking(False)
    except PermissionError as error:
        made.close()
        raise ConfigError("api.port", f"may not listen on {host}:{port}: {error.strerror}") from error
    except OSError as error:
        made.close()
        taken = error.errno == 98  # EADDRINUSE
        key, code = ("api.port", "port-in-use") if taken else ("api.listen", None)
        raise ConfigError(key, f"can not listen on {host}:{port}: {error.strerror}", code=code) from error
    return made


def bind_local(path: Path) -> socket.socket:
    """A unix socket that only its owner and root may open. Raises ConfigError when another daemon holds it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            path.unlink(missing_ok=True)  # left by a daemon that was killed
        else:
            raise ConfigError("gateway.state_dir", f"another gateway runs on {path.parent}", code="port-in-use")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(os.fspath(path))
        path.chmod(0o600)  # before listen: nobody has been able to connect yet
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise ConfigError("gateway.state_dir", f"can not make {path}: {error}") from error
    return made


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http="h11",
        ws="websockets-sansio",
        ws_max_size=API_BODY_BYTES,
        ws_max_queue=8,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=32 * 1024,
    )
