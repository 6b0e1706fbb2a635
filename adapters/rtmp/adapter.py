"""RTMP as an adapter: its ports, and the URL schemes it opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from pydantic import BaseModel

from adapters.rtmp.config import RtmpConfig
from adapters.rtmp.far import Far
from adapters.rtmp.guest import Guest
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import Publication, Viewing
from gateway.model.doctor import Finding, Grade
from gateway.net.door import Door, ports_free

SCHEMES = ("rtmp", "rtmps")


class Rtmp:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "rtmp"
    Config: ClassVar[type[BaseModel]] = RtmpConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, RtmpConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._door = Door("rtmp", config, context, partial(Guest, config, context))

    @property
    def ports(self) -> Mapping[str, int]:
        """Scheme → the port that it listens on, while it runs."""
        return self._door.ports

    async def run(self) -> None:
        """Until cancelled. Without a port that is taken sources are pulled, and pushed to, all the same."""
        sources = self._context.sources
        undo = [sources.scheme(scheme, self._pull) for scheme in SCHEMES]
        undo += [sources.push_scheme(scheme, self._push) for scheme in SCHEMES]
        try:
            await self._door.run()
        finally:
            for one in undo:
                one()

    async def _pull(self, url: SourceUrl, publication: Publication) -> None:
        await Far(self._config, self._context, url, "play").pull(publication)

    async def _push(self, url: SourceUrl, viewing: Viewing) -> None:
        await Far(self._config, self._context, url, "publish").push(viewing)

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        return self._door.figures()

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
        return ports_free("rtmp", config)
