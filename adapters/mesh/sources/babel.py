"""babeld's local socket: told once, then kept true by what it streams."""

from __future__ import annotations

import asyncio
import contextlib

from adapters.mesh.config import BabelSource
from adapters.mesh.protocol.babel import Babel
from adapters.mesh.sources.source import Show
from gateway.base.errors import LinkDown
from gateway.base.tasks import beat

CONNECT_S, GREET_S = 5.0, 5.0
SETTLE_S = 0.05
"""What changes with one event comes in several lines: they are one report."""
PING_S, PATIENCE_S = 2.0, 6.0
"""A mesh at rest has nothing to tell: babeld is asked now and then whether it is there. A comment changes nothing and
is answered by `ok`, on a read-only socket as well."""
_READ = 65_536


class BabelReader:
    def __init__(self, config: BabelSource) -> None:
        self._config = config

    async def run(self, show: Show) -> None:
        reader, writer = await self._connect()
        babel = Babel()
        pings = asyncio.ensure_future(_ping(writer))
        try:
            writer.write(b"monitor\n")
            async with asyncio.timeout(GREET_S) as patience:
                while True:
                    data = await reader.read(_READ)
                    if babel.ready:
                        patience.reschedule(asyncio.get_running_loop().time() + PATIENCE_S)
                        # One event is several lines: wait for the rest of it, not for all that follows.
                        await asyncio.sleep(SETTLE_S)
                    if not data:
                        raise LinkDown(f"babeld closed {self._config.socket}", code="mesh-silent")
                    babel.receive(data)
                    if babel.ready and babel.changed():
                        show.report(babel.report())
        except TimeoutError:
            raise LinkDown(f"{self._config.socket}: babeld does not answer", code="mesh-silent") from None
        except OSError as exc:
            raise LinkDown(f"{self._config.socket}: {exc.strerror or exc}", code="mesh-silent") from exc
        finally:
            pings.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = self._config.socket
        try:
            async with asyncio.timeout(CONNECT_S):
                if where.startswith("/"):
                    return await asyncio.open_unix_connection(where, limit=_READ)
                host, _, port = where.rpartition(":")
                return await asyncio.open_connection(host.strip("[]"), int(port), limit=_READ)
        except TimeoutError:
            raise LinkDown(f"{where} does not answer", code="mesh-silent") from None
        except OSError as exc:
            code = "mesh-denied" if isinstance(exc, PermissionError) else "mesh-silent"
            raise LinkDown(f"{where}: {exc.strerror or exc}", code=code) from exc


async def _ping(writer: asyncio.StreamWriter) -> None:
    while True:
        await beat(PING_S)
        writer.write(b"#\n")
