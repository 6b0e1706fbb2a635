"""Which sources there shall be: those of the configuration, and those that people added, which are kept in the store.

Where both have a name the configuration's counts; the other one waits in the store until the name is free again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import Busy, GatewayError, NotFound
from gateway.base.url import parse_url
from gateway.core.devices import Devices
from gateway.core.slugs import may_be_slug, numbered
from gateway.core.sources import Sources, Wanted
from gateway.model.ids import DeviceId, device_id, is_slug
from gateway.store.sources import SourceRepo, SourceRow

if TYPE_CHECKING:
    from gateway.config.sources import Source

MOST = 1024
CHANNELS = 16


class SourceBook:
    def __init__(
        self,
        gateway: str,
        repo: SourceRepo,
        sources: Sources,
        devices: Devices,
        clock: Clock,
        config: Callable[[], Mapping[str, Source]],
    ) -> None:
        self._gateway = gateway
        self._repo = repo
        self._sources = sources
        self._devices = devices
        self._clock = clock
        self._config = config
        self._added: dict[str, SourceRow] = {row.name: row for row in repo.load()}

    def wanted(self) -> Sequence[Wanted]:
        """The configuration's first."""
        configured = [
            Wanted(name, source.name, source.urls, source.on_demand, source.idle_close)
            for name, source in self._config().items()
            if source.enabled
        ]
        added = [
            Wanted(row.name, row.title, row.urls, row.on_demand, None, row.added_by or "?", row.added_at)
            for row in self._added.values()
            if row.name not in self._config()
        ]
        return [*configured, *added]

    def apply(self) -> None:
        self._sources.apply(self.wanted())

    async def add(
        self, urls: Mapping[str, str], *, name: str = "", title: str = "", on_demand: bool = True, by: str
    ) -> DeviceId:
        """Durable when it returns. One of a person's with that name is changed. Raises GatewayError in words."""
        if not urls or len(urls) > CHANNELS or not all(is_slug(channel) for channel in urls):
            raise GatewayError(f"url: 1 to {CHANNELS} pictures of one source", code="bad-request")
        schemes = [parse_url(url).scheme for url in urls.values()]
        if len(title) > 100 or not title.isprintable():
            raise GatewayError("name: at most 100 characters that can be printed", code="bad-request")
        taken = {known.id.rpartition("/")[2] for known in self._devices.all()} | set(self._config())
        name = name or numbered(schemes[0].partition("+")[0] or "source", taken | set(self._added))
        if not may_be_slug(name):
            raise GatewayError(f"{name[:64]!r}: use lower-case letters, digits, '.', '_', '-'", code="bad-request")
        if name not in self._added:
            if name in taken:
                raise Busy(f"{name} is the name of another device or source", code="name-taken")
            if len(self._added) + len(self._config()) >= MOST:
                raise Busy(f"{MOST} sources are there already", code="sources-full")
        elif name in self._config():
            raise Busy(f"{name} stands in the configuration: change it there", code="name-taken")
        row = SourceRow(name, title, dict(urls), on_demand, by, self._clock.wall())
        await self._repo.put(row)
        self._added[name] = row
        self.apply()
        return device_id(self._gateway, name)

    async def remove(self, name: str) -> None:
        """Raises NotFound, Busy for one that stands in the configuration."""
        name = name.rpartition("/")[2]
        if name in self._config():
            raise Busy(f"{name} stands in the configuration: take it out there", code="name-taken")
        if name not in self._added:
            raise NotFound(f"there is no source {name[:80]!r}")
        await self._repo.remove(name)
        self._added.pop(name, None)
        self.apply()

    async def forget(self, device: DeviceId) -> bool:
        """Remove the source that `device` is; False when it is none. Raises as `remove`."""
        if self._sources.of(device) is None:
            return False
        await self.remove(device)
        return True
