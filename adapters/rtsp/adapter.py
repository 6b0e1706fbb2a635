"""RTSP as an adapter: its ports, and the URL schemes it opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from pydantic import BaseModel

from adapters.rtsp.config import RtspConfig
from adapters.rtsp.guest import Guest
from adapters.rtsp.pull import PORTS, Pull
from adapters.rtsp.push import Push
from adapters.rtsp.talk import Loudspeakers
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import Publication, Viewing
from gateway.model.doctor import Finding
from gateway.net.door import Door, ports_free
from gateway.wire.rtsp import Guard


class Rtsp:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "rtsp"
    Config: ClassVar[type[BaseModel]] = RtspConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, RtspConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        guard = Guard("Fieldgate", config.algorithms)
        self._door = Door("rtsp", config, context, partial(Guest, config, context, guard))
        self._loudspeakers = Loudspeakers(config, context)

    @property
    def ports(self) -> Mapping[str, int]:
        """Scheme → the port that it listens on, while it runs."""
        return self._door.ports

    async def run(self) -> None:
        """Until cancelled. Without a port that is taken sources are pulled, and pushed to, all the same."""
        sources = self._context.sources
        undo = [sources.scheme(scheme, self._pull) for scheme in PORTS]
        undo += [sources.push_scheme(scheme, self._push) for scheme in PORTS]
        try:
            await self._door.run()
        finally:
            for one in undo:
                one()
            self._loudspeakers.close()

    async def _pull(self, url: SourceUrl, publication: Publication) -> None:
        await Pull(self._config, self._context, url, self._loudspeakers.found).run(publication)

    async def _push(self, url: SourceUrl, viewing: Viewing) -> None:
        await Push(self._config, self._context, url).run(viewing)

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        return self._door.figures()

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Are the ports free?"""
        assert isinstance(config, RtspConfig)  # noqa: S101
        return ports_free("rtsp", config)
