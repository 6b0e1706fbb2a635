"""RTMP as an adapter: its ports, and the URL schemes it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.rtmp.config import RtmpConfig
from adapters.rtmp.door import Door, bind
from adapters.rtmp.far import Far
from gateway.base.errors import ConfigError
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import Publication, Viewing
from gateway.model.doctor import Finding, Grade

SCHEMES = ("rtmp", "rtmps")


class Rtmp:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "rtmp"
    Config: ClassVar[type[BaseModel]] = RtmpConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, RtmpConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._door = Door(config, context)
        self.ports: dict[str, int] = {}
        """Scheme → the port that it listens on, while it runs."""

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError when a port is taken, or RTMPS has no certificate."""
        config, sources = self._config, self._context.sources
        undo = [sources.scheme(scheme, self._pull) for scheme in SCHEMES]
        undo += [sources.push_scheme(scheme, self._push) for scheme in SCHEMES]
        try:
            async with asyncio.TaskGroup() as group:
                if config.listen is not None:
                    plain = bind(config.listen, "listen")
                    self.ports["rtmp"] = plain.getsockname()[1]
                    group.create_task(self._door.keep(plain, tls=False), name="rtmp door")
                if config.listen_tls is not None:
                    if self._context.kit_tls() is None:
                        raise ConfigError(
                            "listen_tls", "HTTPS is off, so the kit has no certificate", code="tls-failed"
                        )
                    ciphered = bind(config.listen_tls, "listen_tls")
                    self.ports["rtmps"] = ciphered.getsockname()[1]
                    group.create_task(self._door.keep(ciphered, tls=True), name="rtmps door")
                self._context.ready()
                await asyncio.get_running_loop().create_future()
        except* ConfigError as group_exc:
            raise group_exc.exceptions[0] from None
        finally:
            for one in undo:
                one()
            await self._door.close()
            self.ports.clear()

    async def _pull(self, url: SourceUrl, publication: Publication) -> None:
        await Far(self._config, self._context, url, "play").pull(publication)

    async def _push(self, url: SourceUrl, viewing: Viewing) -> None:
        await Far(self._config, self._context, url, "publish").push(viewing)

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        door = self._door
        return {
            "connections": door.count(),
            "publishers": door.count("publish"),
            "players": door.count("play"),
            "refused": door.refused,
        }

    def findings(self) -> Sequence[Finding]:
        """contract.adapter.Checked: who knocks in vain; a sender's screen seldom says why."""
        return [
            Finding(
                "rtmp.refused", Grade.WARN, f"{address}, {ago_s:.0f} s ago: {exc}", "senders are admitted", exc.code
            )
            for address, ago_s, exc in self._door.refusals()
        ]

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Are the ports free?"""
        assert isinstance(config, RtmpConfig)  # noqa: S101
        found = []
        for key, listen in (("listen", config.listen), ("listen_tls", config.listen_tls)):
            if listen is None:
                continue
            expected = f"TCP {listen} free"
            try:
                bind(listen, key).close()
            except ConfigError as exc:
                found.append(Finding(f"rtmp.{key}", Grade.FAIL, str(exc), expected, exc.code))
            else:
                found.append(Finding(f"rtmp.{key}", Grade.OK, "free", expected))
        return found
