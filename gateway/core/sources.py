"""Sources: URLs that are pulled while somebody watches. Fulfils `contract.source.Sources`.

A source stands in the configuration (`[source.<name>]`) or was added by a person and is kept in the store; where both
have a name the configuration's counts. Each is a device of the directory with a stream for every URL of it. While
nobody has a URL's scheme its stream waits with `adapter-off`.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.base.errors import ConfigError, Denied, Unsupported
from gateway.base.url import WITHOUT_HOST, SourceUrl, parse_url
from gateway.contract.media import Offer, Open, Publication
from gateway.contract.source import PushOpener, SourceOpener
from gateway.core.devices import Devices
from gateway.core.schemes import Schemes
from gateway.core.source_device import SourceDevice
from gateway.core.streams import Streams
from gateway.model.ids import DeviceId, StreamId, device_id, stream_id
from gateway.model.media import StreamSource, StreamState, StreamStatus

log = logging.getLogger(__name__)

SCHEME = "url"
DEEPEST = 4
"""URLs that lead to another URL: a source that leads to itself ends."""

OWN_PLACES = WITHOUT_HOST | {"udp", "rtp", "srt"}
"""Schemes that open devices, ports and groups of this machine: a redirect of somebody else's leads to none of them."""

_depth: contextvars.ContextVar[int] = contextvars.ContextVar("source_depth", default=0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source as it shall be. `urls`: channel → URL with its credentials; `by`: who added it, "" the configuration."""

    name: str
    title: str
    urls: Mapping[str, str]
    on_demand: bool = True
    idle_close_s: float | None = None
    by: str = ""
    added_at: float = 0.0

    def __repr__(self) -> str:
        return f"Wanted({self.name}, {', '.join(self.urls)})"


@dataclass(slots=True)
class _Source:
    wanted: Wanted
    device: SourceDevice
    urls: dict[StreamId, SourceUrl]


class Sources:
    def __init__(self, gateway: str, streams: Streams, devices: Devices) -> None:
        self._gateway = gateway
        self._streams = streams
        self._devices = devices
        self._schemes: Schemes[SourceOpener] = Schemes(self._scheme_changed)
        self.pushes: Schemes[PushOpener] = Schemes(lambda scheme: self.on_push_scheme(scheme))
        self.on_push_scheme: Callable[[str], None] = lambda _scheme: None
        self._sources: dict[DeviceId, _Source] = {}
        self.refused: dict[str, str] = {}
        """Sources that can not be offered, and why."""
        streams.followers.append(self._follow)

    # — what adapters ask —

    def scheme(self, scheme: str, opener: SourceOpener) -> Callable[[], None]:
        return self._schemes.register(scheme, opener)

    def push_scheme(self, scheme: str, opener: PushOpener) -> Callable[[], None]:
        return self.pushes.register(scheme, opener)

    def parse(self, url: str) -> SourceUrl:
        return parse_url(url)

    async def open(self, url: SourceUrl | str, publication: Publication) -> None:
        to = parse_url(url) if isinstance(url, str) else url
        depth = _depth.get()
        if depth >= DEEPEST:
            raise Unsupported(f"{to} is one redirect too many", code="bad-url")
        if depth and not to.trusted and to.scheme in OWN_PLACES:
            raise Denied(f"another server leads to {to.scheme}: of this machine", code="url-refused")
        opener = self._schemes.opener(to.scheme)
        token = _depth.set(depth + 1)
        try:
            await self._schemes.run(to.scheme, opener(to, publication))
        finally:
            _depth.reset(token)

    # — what the core asks —

    def schemes(self) -> Sequence[str]:
        return self._schemes.names()

    def has(self, scheme: str) -> bool:
        return scheme in self._schemes

    def of(self, device: DeviceId) -> Mapping[StreamId, SourceUrl] | None:
        """The streams of a source that is offered."""
        found = self._sources.get(device)
        return found.urls if found is not None else None

    def apply(self, wanted: Sequence[Wanted]) -> None:
        """These are all: others go, changed ones are opened anew, viewers of the rest notice nothing."""
        self.refused.clear()
        by_id: dict[DeviceId, Wanted] = {}
        for source in wanted:
            by_id.setdefault(device_id(self._gateway, source.name), source)
        for id_ in self._sources.keys() - by_id.keys():
            self._remove(self._sources.pop(id_))
        for id_, source in by_id.items():
            found = self._sources.get(id_)
            if found is not None and found.wanted == source:
                continue
            try:
                self._put(id_, source, found)
            except ConfigError as exc:
                self.refused[source.name] = str(exc)
                log.warning("source %s is not offered: %s", source.name, exc)

    def close(self) -> None:
        self._sources.clear()

    # — within —

    def _put(self, id_: DeviceId, wanted: Wanted, found: _Source | None) -> None:
        if found is None:
            there = any(self.has(parse_url(url).scheme) for url in wanted.urls.values())
            name, code = wanted.title or wanted.name, "" if there else "adapter-off"
            device = SourceDevice(self._devices, self._gateway, SCHEME, wanted.name, name, code)
            found = self._sources[id_] = _Source(wanted, device, {})
        elif found.wanted.title != wanted.title:
            self._devices.declare(SCHEME, wanted.name, wanted.name, wanted.title or wanted.name)
        before, found.wanted = found.urls, wanted
        title = wanted.title or wanted.name
        titles = {channel: title if channel == "main" else f"{title} {channel}" for channel in wanted.urls}
        found.device.channels(titles)
        found.urls = {stream_id(id_, c): parse_url(url, trusted=True) for c, url in wanted.urls.items()}
        for stream in before.keys() - found.urls.keys():
            self._streams.withdraw(stream)
        for channel, (stream, url) in zip(wanted.urls, found.urls.items(), strict=True):
            self._offer(stream, url, id_, wanted, titles[channel], before.get(stream))
        self._openable(found)

    def _offer(
        self, stream: StreamId, url: SourceUrl, id_: DeviceId, wanted: Wanted, title: str, before: SourceUrl | None
    ) -> None:
        offer = Offer(
            stream,
            id_,
            title,
            self._opener(url),
            on_demand=wanted.on_demand,
            idle_close_s=wanted.idle_close_s,
            larger=stream_id(id_, "main") if stream == stream_id(id_, "sub") else None,
        )
        self._streams.offer(offer)
        if not self.has(url.scheme):
            self._streams.online(stream, False, "adapter-off")
        elif before is not None and before != url:
            if before.scheme != url.scheme:
                self._streams.online(stream, True)
            self._streams.again(stream)
        if (live := self._streams.found(stream)) is not None:
            live.comes_from(StreamSource(url.scheme, str(url)))

    def _opener(self, url: SourceUrl) -> Open:
        async def open_(publication: Publication) -> None:
            await self.open(url, publication)

        return open_

    def _remove(self, source: _Source) -> None:
        for stream in source.urls:
            self._streams.withdraw(stream)
        source.device.remove()

    def _scheme_changed(self, scheme: str) -> None:
        there = self.has(scheme)
        for source in self._sources.values():
            for stream, url in source.urls.items():
                if url.scheme == scheme:
                    self._streams.online(stream, there, "" if there else "adapter-off")
            self._openable(source)

    def _openable(self, source: _Source) -> None:
        source.device.openable(any(self.has(url.scheme) for url in source.urls.values()), "adapter-off")

    def _follow(self, status: StreamStatus) -> None:
        source = self._sources.get(status.device)
        if source is not None and status.id in source.urls and status.state is not StreamState.REMOVED:
            source.device.told(status)
