"""RTSP as an adapter: its ports, and the URL schemes it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.rtsp.config import RtspConfig
from adapters.rtsp.door import Door
from adapters.rtsp.pull import PORTS, Pull
from adapters.rtsp.push import Push
from adapters.rtsp.sockets import bind
from adapters.rtsp.talk import Loudspeakers
from gateway.base.errors import ConfigError
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import Publication, Viewing
from gateway.model.doctor import Finding, Grade


class Rtsp:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "rtsp"
    Config: ClassVar[type[BaseModel]] = RtspConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, RtspConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._door = Door(config, context)
        self._loudspeakers = Loudspeakers(config, context)
        self.ports: dict[str, int] = {}
        """Scheme → the port that it listens on, while it runs."""

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError when a port is taken, or RTSPS has no certificate."""
        config, sources = self._config, self._context.sources
        undo = [sources.scheme(scheme, self._pull) for scheme in PORTS]
        undo += [sources.push_scheme(scheme, self._push) for scheme in PORTS]
        try:
            async with asyncio.TaskGroup() as group:
                if config.listen is not None:
                    plain = bind(config.listen, "listen")
                    self.ports["rtsp"] = plain.getsockname()[1]
                    group.create_task(self._door.keep(plain, tls=False), name="rtsp door")
                if config.listen_tls is not None:
                    if self._context.kit_tls() is None:
                        raise ConfigError(
                            "listen_tls", "HTTPS is off, so the kit has no certificate", code="tls-failed"
                        )
                    ciphered = bind(config.listen_tls, "listen_tls")
                    self.ports["rtsps"] = ciphered.getsockname()[1]
                    group.create_task(self._door.keep(ciphered, tls=True), name="rtsps door")
                self._context.ready()
                await asyncio.get_running_loop().create_future()
        except* ConfigError as group_exc:
            raise group_exc.exceptions[0] from None
        finally:
            for one in undo:
                one()
            self._loudspeakers.close()
            await self._door.close()
            self.ports.clear()

    async def _pull(self, url: SourceUrl, publication: Publication) -> None:
        await Pull(self._config, self._context, url, self._loudspeakers.found).run(publication)

    async def _push(self, url: SourceUrl, viewing: Viewing) -> None:
        await Push(self._config, self._context, url).run(viewing)

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        door = self._door
        return {
            "connections": door.count(),
            "publishers": door.count("publish"),
            "players": door.count("play"),
            "refused": door.refused,
        }

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Are the ports free?"""
        assert isinstance(config, RtspConfig)  # noqa: S101
        found = []
        for key, listen in (("listen", config.listen), ("listen_tls", config.listen_tls)):
            if listen is None:
                continue
            expected = f"TCP {listen} free"
            try:
                bind(listen, key).close()
            except ConfigError as exc:
                found.append(Finding(f"rtsp.{key}", Grade.FAIL, str(exc), expected, exc.code))
            else:
                found.append(Finding(f"rtsp.{key}", Grade.OK, "free", expected))
        return found
