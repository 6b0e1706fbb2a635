"""Names under which somebody publishes. Fulfils `contract.source.PushPoints`.

    awaited ──publish──► published ──ended──► gone ──publish──► published …
                             │ a second publisher: refused (`push-taken`), or the first is ended (`push-replaced`)
                             │ the same one again while its picture stands still: its old connection is ended

The stream is offered while the name is known, and goes offline between publishers: viewers keep the last picture and
read `publisher-gone`; the next publisher goes on in the same stream of the media plane. A name that nobody sends or
watches for `security.push_keep` is forgotten, unless the configuration names it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import Busy, ConfigError, Denied, GatewayError, LinkDown, NotFound, RemoteProtocolError
from gateway.contract.media import Offer, Open, Publication
from gateway.contract.source import PushInfo
from gateway.core.audit import Audit
from gateway.core.cut import Cut
from gateway.core.devices import Devices
from gateway.core.programs import Programs, matches
from gateway.core.rights import allowed, may_publish
from gateway.core.slugs import may_be_slug
from gateway.core.source_device import SourceDevice
from gateway.core.streams import Streams
from gateway.model.command import Action
from gateway.model.ids import DeviceId, StreamId, is_slug
from gateway.model.media import StreamSource, StreamState, StreamStatus
from gateway.model.principal import Principal, Role

if TYPE_CHECKING:
    from gateway.config.sources import Security

log = logging.getLogger(__name__)

SCHEME = "push"
MAIN = "main"
MAX_NAME = 130


class _Publisher:
    def __init__(self, who: Principal, info: PushInfo) -> None:
        self.who = who
        self.info = info
        self.cut = Cut()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class _Point:
    """One name. `standing`: the configuration has it."""

    stream: StreamId
    device: DeviceId
    standing: bool
    publisher: _Publisher | None = None
    timer: asyncio.TimerHandle | None = None


class PushPoints:
    def __init__(
        self,
        gateway: str,
        streams: Streams,
        devices: Devices,
        programs: Programs,
        audit: Audit,
        clock: Clock,
        config: Callable[[], Security],
    ) -> None:
        self._gateway = gateway
        self._streams = streams
        self._devices = devices
        self._programs = programs
        self._audit = audit
        self._clock = clock
        self._config = config
        self._points: dict[StreamId, _Point] = {}
        self._shown: dict[DeviceId, SourceDevice] = {}
        streams.followers.append(self._follow)

    # — what adapters ask —

    def resolve(self, name: str, who: Principal) -> StreamId:
        device, channel = self._parts(name)
        stream = StreamId(f"{self._gateway}/{device}/{channel}")
        self._may_publish(stream, who)
        return stream

    def reading(self, name: str, who: Principal) -> StreamId:
        program = self._programs.of(who)
        try:
            stream = self._streams.resolve(name.strip("/"))
        except NotFound:
            # Whoever may read nothing of that name does not learn that it is none.
            if program is not None and not matches(name.strip("/")[:MAX_NAME], program.read):
                self._programs.turned_away(who, "read-denied")
                raise _read_denied(name, who) from None
            raise
        if program is not None:
            if not matches(self._short(stream), program.read):
                self._programs.turned_away(who, "read-denied")
                raise _read_denied(name, who)
        elif not allowed(who, Action.STREAM_OPEN, stream):
            raise _read_denied(name, who)
        return stream

    async def publish(self, stream: StreamId, who: Principal, info: PushInfo, open_: Open) -> None:
        self._may_publish(stream, who)
        try:
            point = self._point(stream, _title(info))
        except GatewayError as exc:
            self._refused(stream, who, info, exc)
            raise
        while (other := point.publisher) is not None:
            if self._policy(stream) != "replace" and not self._came_back(point, other, who):
                busy = Busy(f"{stream} is published by {other.who.name} from {other.info.address}", code="push-taken")
                self._refused(stream, who, info, busy)
                raise busy
            other.cut.cut(Busy(f"{who.name} from {info.address} took {stream} over", code="push-replaced"))
            await asyncio.wait({other.over})
        mine = point.publisher = _Publisher(who, info)
        if point.timer is not None:
            point.timer.cancel()
            point.timer = None
        self._audit.note(who, "publish.start", stream, detail=_words(info))
        begun = self._clock.monotonic()
        try:
            await self._published(point, mine, open_)
        finally:
            point.publisher = None
            self._wait_for_next(point)
            if not mine.over.done():
                mine.over.set_result(None)
            seconds = self._clock.monotonic() - begun
            self._audit.note(who, "publish.end", stream, detail=f"{info.protocol} {seconds:.0f} s")

    # — what the core asks —

    def publishers(self) -> Sequence[tuple[StreamId, Principal, PushInfo]]:
        return [(p.stream, p.publisher.who, p.publisher.info) for p in self._points.values() if p.publisher]

    def config_changed(self) -> None:
        """Names without patterns are offered before anybody publishes; rights that were taken end what they allowed."""
        wanted: dict[StreamId, None] = {}
        for name in self._programs.literal():
            device, _, channel = name.partition("/")
            if is_slug(device) and may_be_slug(device):
                wanted[StreamId(f"{self._gateway}/{device}/{channel or MAIN}")] = None
        for point in list(self._points.values()):
            point.standing = point.stream in wanted
            if point.publisher is not None:
                try:
                    self._may_publish(point.stream, point.publisher.who)
                except GatewayError as exc:
                    point.publisher.cut.cut(Denied(str(exc), code="push-revoked"))
            elif not point.standing and not self._viewers(point):
                self._forget(point)
        for stream in wanted:
            if stream not in self._points:
                try:
                    self._point(stream, "").standing = True
                except GatewayError as exc:
                    log.warning("%s can not be published: %s", stream, exc)

    def may_not_read(self, who: Principal, stream: StreamId) -> bool:
        """A program that may not, or no longer."""
        try:
            program = self._programs.of(who)
        except Denied:
            return True
        return program is not None and not matches(self._short(stream), program.read)

    def forget(self, device: DeviceId) -> bool:
        """A person forgets the device: its publishers end, its names with them; False when it is none of ours. Raises
        Busy where the configuration has a name of it."""
        points = self._of(device)
        if not points:
            return False
        if any(point.standing for point in points):
            raise Busy(f"{device} stands in `publish` of a program: take it out there", code="name-taken")
        for point in points:
            if point.publisher is not None:
                point.publisher.cut.cut(Denied(f"{point.stream} was forgotten", code="push-revoked"))
            self._forget(point)
        return True

    def close(self) -> None:
        for point in self._points.values():
            if point.timer is not None:
                point.timer.cancel()

    # — within —

    def _parts(self, name: str) -> tuple[str, str]:
        """Device and channel. Raises RemoteProtocolError (`bad-name`)."""
        parts = name.strip("/").split("/")
        if len(parts) == 3 and parts[0] == self._gateway:
            parts = parts[1:]
        if len(name) > MAX_NAME or len(parts) > 2 or not all(is_slug(part) for part in parts):
            raise RemoteProtocolError(
                f"{name[:MAX_NAME]!r} is no name for a stream: use device or device/channel of lower-case letters, "
                "digits, '.', '_' and '-'",
                code="bad-name",
            )
        if not may_be_slug(parts[0]):
            raise RemoteProtocolError(f"{parts[0]!r} is taken: use another name", code="bad-name")
        return parts[0], parts[1] if len(parts) == 2 else MAIN

    def _short(self, stream: StreamId) -> str:
        return stream.removeprefix(f"{self._gateway}/")

    def _may_publish(self, stream: StreamId, who: Principal) -> None:
        short = self._short(stream)
        program = self._programs.of(who)
        if program is not None:
            if not matches(short, program.publish):
                known = self._programs.may_be_published(short)
                self._programs.turned_away(who, "push-denied" if known else "push-unknown")
                if not known:
                    raise NotFound(f"nobody may publish {short}", code="push-unknown")
                raise Denied(f"{who.name} may not publish {short}", code="push-denied")
        elif not may_publish(who, stream):
            raise Denied(f"{who.name} ({who.role}) may not publish {short}", code="push-denied")
        device = DeviceId(stream.rpartition("/")[0])
        held = self._devices.known(device)
        # An invited phone's own device is its own to publish.
        if held is not None and device not in self._shown and who.role is not Role.INFORMANT:
            raise Denied(f"{device} is a device of its own and is not published", code="push-denied")

    def _policy(self, stream: StreamId) -> str:
        return self._programs.policy(self._short(stream)) or self._config().push_policy

    def _came_back(self, point: _Point, other: _Publisher, who: Principal) -> bool:
        """The same sender once more while nothing comes by its old connection: that one is dead and does not know."""
        live = self._streams.found(point.stream)
        return other.who.name == who.name and live is not None and live.state is not StreamState.LIVE

    def _point(self, stream: StreamId, title: str) -> _Point:
        """Known, and offered. Raises Busy (`sources-full`), Denied where a device has the name."""
        found = self._points.get(stream)
        if found is not None and self._streams.has(stream):
            return found
        if found is not None and found.publisher is None:
            # Its device was forgotten meanwhile, and its streams with it.
            self._forget(found)
        if len(self._points) >= self._config().push_most:
            raise Busy(f"{len(self._points)} names are published", code="sources-full")
        device = DeviceId(stream.rpartition("/")[0])
        shown = self._shown.get(device)
        if shown is None and self._devices.known(device) is None:
            slug = device.rpartition("/")[2]
            try:
                shown = SourceDevice(self._devices, self._gateway, SCHEME, slug, title or slug, "publisher-awaited")
            except ConfigError as exc:
                raise Denied(str(exc), code="push-denied") from exc
            self._shown[device] = shown
        point = self._points[stream] = _Point(stream, device, standing=False)
        self._show_channels(device)
        self._offer(point, "publisher-awaited", title)
        return point

    def _offer(self, point: _Point, code: str, title: str) -> None:
        """Offline until somebody publishes."""

        async def nobody(_publication: Publication) -> None:
            raise LinkDown(f"nobody publishes {point.stream}", code="publisher-gone")

        offer = Offer(point.stream, point.device, title or self._short(point.stream), nobody)
        self._streams.offer(offer)
        self._streams.online(point.stream, False, code)
        self._streams.offer(replace(offer, on_demand=False))

    async def _published(self, point: _Point, mine: _Publisher, open_: Open) -> None:
        """Until `open_` has ended and the stream's rules know it. Raises what it raised."""
        live = self._streams.found(point.stream)
        if live is None:
            raise NotFound(f"{point.stream} is no more")
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        over.add_done_callback(lambda done: done.cancelled() or done.exception())
        info = mine.info

        async def once(publication: Publication) -> None:
            if over.done():
                raise LinkDown(f"nobody publishes {point.stream}", code="publisher-gone")
            try:
                await mine.cut.run(open_(publication))
            except asyncio.CancelledError:
                # By the stream's own rules: no picture within the patience, or a fault of the media plane.
                if not over.done():
                    over.set_exception(LinkDown(f"{point.stream}: {live.status.code}", code="no-media"))
                raise
            except Exception as exc:
                if not over.done():
                    over.set_exception(exc)
                raise
            finally:
                if not over.done():
                    over.set_result(None)

        if (shown := self._shown.get(point.device)) is not None:
            shown.describe(info.software)
        title = _title(info) or live.offer.title
        self._streams.offer(replace(live.offer, title=title, open=once, on_demand=False))
        live.comes_from(
            StreamSource(
                info.protocol,
                info.address,
                info.software,
                mine.who.name.rpartition(":")[2],
                self._clock.wall(),
            )
        )
        self._streams.online(point.stream, True)
        try:
            await asyncio.shield(over)
        except asyncio.CancelledError:
            mine.cut.cut(LinkDown(f"the publisher of {point.stream} is gone", code="publisher-gone"))
            raise
        finally:
            self._streams.online(point.stream, False, "publisher-gone")
            await live.attempt_over()

    def _wait_for_next(self, point: _Point) -> None:
        if self._points.get(point.stream) is point:
            loop = asyncio.get_running_loop()
            point.timer = loop.call_later(self._config().push_keep, self._expire, point)

    def _expire(self, point: _Point) -> None:
        point.timer = None
        if point.publisher is not None:
            return
        if self._viewers(point):
            self._wait_for_next(point)
            return
        standing = point.standing
        self._forget(point)
        if standing:
            # The last picture is let go, the name stays.
            self._point(point.stream, "").standing = True

    def _viewers(self, point: _Point) -> int:
        found = self._streams.found(point.stream)
        return found.viewers if found is not None else 0

    def _forget(self, point: _Point) -> None:
        if point.timer is not None:
            point.timer.cancel()
            point.timer = None
        self._points.pop(point.stream, None)
        self._streams.withdraw(point.stream)
        if self._of(point.device):
            self._show_channels(point.device)
        elif (shown := self._shown.pop(point.device, None)) is not None:
            shown.remove()

    def _show_channels(self, device: DeviceId) -> None:
        if (shown := self._shown.get(device)) is not None:
            keys = [point.stream.rpartition("/")[2] for point in self._of(device)]
            shown.channels(dict(zip(keys, keys, strict=True)))

    def _of(self, device: DeviceId) -> Sequence[_Point]:
        return [point for point in self._points.values() if point.device == device]

    def _follow(self, status: StreamStatus) -> None:
        shown = self._shown.get(status.device)
        if shown is not None and status.id in self._points and status.state is not StreamState.REMOVED:
            shown.told(status)

    def _refused(self, stream: StreamId, who: Principal, info: PushInfo, exc: GatewayError) -> None:
        self._audit.refused(who, "publish.start", stream, code=exc.code, detail=_words(info))


def _title(info: PushInfo) -> str:
    """What the sender calls its picture; "" where that says nothing ("No Name" is FFmpeg's, "-" RFC 8866's)."""
    title = "".join(filter(str.isprintable, info.title)).strip()[:100]
    return "" if title.casefold() in ("no name", "-", "session", "unnamed", "stream") else title


def _words(info: PushInfo) -> str:
    return f"{info.protocol} {info.address} {info.software}".strip()


def _read_denied(name: str, who: Principal) -> Denied:
    return Denied(f"{who.name} may not watch {name[:MAX_NAME]!r}", code="read-denied")
