"""One kit that has come to its center, for as long as its bundle is up: what it tells, and what is asked of it.

Fulfils `contract.fleet.KitBundle`: the core asks of it pictures, orders, voices and answers of the kit's own API.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from adapters.uplink import asking
from adapters.uplink.batches import unpacked
from adapters.uplink.bundle import Bundle
from adapters.uplink.config import UplinkConfig
from adapters.uplink.far_line import FarLines, FarSeatLine, named
from adapters.uplink.figures import voice_playout_ms
from adapters.uplink.hearing import Hearing
from adapters.uplink.known_links import KnownLinks
from adapters.uplink.line import Line
from adapters.uplink.protocol import VERSION
from adapters.uplink.services import Services
from adapters.uplink.taking import Taking
from adapters.uplink.words import number, text, whole
from gateway import codecs
from gateway.base.errors import Denied, GatewayError, LinkDown, RemoteProtocolError
from gateway.contract.adapter import Context
from gateway.contract.fleet import KitAbout, KitHold
from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.contract.media import Publication
from gateway.contract.voice import SeatWish
from gateway.model.command import Command, CommandResult
from gateway.model.forward import ForwardFile
from gateway.model.ids import StreamId
from gateway.model.media import Snapshot, StreamState
from gateway.model.pairing import KEY_BYTES
from gateway.model.principal import SYSTEM, Principal
from gateway.wire.records import plain, record

log = logging.getLogger(__name__)

HELLO_S = 15.0
"""From the bundle to the kit's first words."""
SNAPSHOT_S = 30.0
FAREWELL_S = 3.0
"""At most, from the word that a kit is revoked to the end of its session."""
WENT = {"revoked": "kit-revoked", "peer-closed": "kit-stopped"}
"""Why a kit is not here, by why its bundle is over; else `kit-offline`."""
THUMBNAIL_LINES = 180
THUMBNAIL_QUALITY = 50


class KitHere:
    """`run` until it is gone."""

    name = "uplink"

    def __init__(self, context: Context, bundle: Bundle, event: codecs.BundleEvent, config: UplinkConfig) -> None:
        self.gateway = event.name
        self._key = event.key
        self._context = context
        self._bundle = bundle
        self._config = config
        self._address = event.host
        self._streams: dict[str, asyncio.Future[int]] = {}
        self._hold: KitHold | None = None
        self._rpc: Line | None = None
        self._taking: Taking | None = None
        self._lines: FarLines | None = None
        self._hearing: Hearing | None = None
        self._known = KnownLinks(bundle, context.home.now)
        self._services = Services(context, config, bundle, event.name)
        self._shown: tuple[str, float] = ("", 0.0)
        self._left = False
        bundle.on_stream = self._stream
        bundle.on_paths = self._paths

    @property
    def pictures(self) -> int:
        return self._taking.count if self._taking is not None else 0

    async def run(self) -> None:
        over = asyncio.create_task(self._over(), name=f"end of {self.gateway}")
        serving = asyncio.create_task(self._serve(), name=f"session of {self.gateway}")
        code, detail = "kit-offline", ""
        try:
            await asyncio.wait((over, serving), return_when=asyncio.FIRST_COMPLETED)
            code, detail = over.result() if over.done() else _why(serving)
        finally:
            for task in (over, serving):
                task.cancel()
            await asyncio.gather(over, serving, return_exceptions=True)
            await self._services.close()
            if self._hold is not None:
                self._hold.down(WENT.get(code, "kit-offline"), detail or code)
            self._end(code)
            await self._promote()
            log.info("kit %s went: %s %s", self.gateway, code, detail)

    async def _promote(self) -> None:
        """It came by the key that was its own; if it has announced another, it comes by that from now on."""
        try:
            await self._context.fleet.pairings.promote_key(self.gateway, self._key)
        except GatewayError as exc:
            log.warning("the new key of %s is not taken over: %s", self.gateway, exc)

    # — what the core asks —

    async def command(self, command: Command, left_s: float) -> CommandResult:
        answer = await self._line.ask("command", {"command": plain(command), "left_s": left_s}, within_s=left_s + 1.0)
        return record(CommandResult, answer)

    async def open(self, stream: StreamId, publication: Publication) -> None:
        if self._taking is None:
            raise LinkDown(f"{self.gateway} is not here", code="kit-offline")
        await self._taking.open(stream, publication)

    async def snapshot(self, stream: StreamId, *, height: int = 0, quality: int = 75) -> Snapshot:
        args = {"stream": stream, "height": height, "quality": quality, "as": named(SYSTEM)}
        answer = await self._line.ask("snapshot", args, within_s=SNAPSHOT_S)
        told: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
        jpeg = told.get("jpeg")
        if not isinstance(jpeg, bytes):
            raise RemoteProtocolError("a snapshot that is none", code="record-damaged")
        width, lines = whole(told, "width", 1, 16_384), whole(told, "height", 1, 16_384)
        return Snapshot(jpeg, width, lines, self._context.home.now(), number(told, "age_s", 0, 1e9))

    async def api(self, request: ApiRequest, who: Principal) -> ApiAnswer:
        if not asking.allowed(request.method, request.path):
            raise Denied(f"{request.method} {request.path[:80]} is the kit's own business")
        return await asking.ask(await self._bundle.open_stream("api"), request, named(who))

    def talk(self, target: str, wish: SeatWish) -> AbstractAsyncContextManager[FarSeatLine]:
        if self._lines is None:
            raise LinkDown(f"{self.gateway} is not here", code="kit-offline")
        return self._lines.sit(target, wish)

    @property
    def left(self) -> bool:
        """It was bidden farewell, or there is nobody to bid."""
        return self._left or self._rpc is None

    async def farewell(self, why: str) -> None:
        """It is revoked, and hears why; once. Returns when it has heard, or does not answer."""
        rpc = self._rpc
        if self._left or rpc is None:
            return
        self._left = True
        rpc.notice("revoked", {"detail": why[:200]})
        with suppress(GatewayError):
            # Whatever it answers (that it knows no such question): it has read what was said before.
            await rpc.ask("heard", within_s=FAREWELL_S)

    # — the session —

    @property
    def _line(self) -> Line:
        if self._rpc is None:
            raise LinkDown(f"{self.gateway} is not here", code="kit-offline")
        return self._rpc

    async def _over(self) -> tuple[str, str]:
        return await asyncio.shield(self._bundle.over)

    async def _serve(self) -> None:
        """One conversation after another: the kit begins a new one where one broke."""
        while True:
            lines: list[Line] = []
            running: list[asyncio.Task[None]] = []
            try:
                for purpose in ("rpc", "tell"):
                    lines.append(Line(self.gateway, await self._bundle.take_stream(await self._told(purpose))))
                await self._converse(lines[0], lines[1], running)
            finally:
                for task in running:
                    task.cancel()
                try:
                    await asyncio.gather(*running, return_exceptions=True)
                finally:  # also where a center that stops does not let us wait
                    for line in lines:
                        line.close()
                    self._end(self._why_silent())
                # The bundle may carry, but nobody is spoken with: it is not here until the kit begins anew.
                self._paths()

    async def _converse(self, rpc: Line, tell: Line, running: list[asyncio.Task[None]]) -> None:
        hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        rpc.serve("hello", lambda args: self._hello(args, rpc, tell, hello))
        rpc.serve("next-key", self._next_key)
        running += [
            asyncio.create_task(rpc.run(), name=f"rpc with {self.gateway}"),
            asyncio.create_task(tell.run(), name=f"told by {self.gateway}"),
            asyncio.create_task(self._thumbnails(tell), name=f"thumbnails for {self.gateway}"),
        ]
        lines = running[:2]
        done, _ = await asyncio.wait((*lines, hello), timeout=HELLO_S, return_when=asyncio.FIRST_COMPLETED)
        if not hello.done():
            raise LinkDown(f"{self.gateway} did not say who it is", code="kit-offline")
        done, _ = await asyncio.wait(lines, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if (exc := task.exception()) is not None and not isinstance(exc, LinkDown):
                log.warning("kit %s: %s", self.gateway, exc)

    async def _hello(self, args: Mapping[str, Any], rpc: Line, tell: Line, met: asyncio.Future[None]) -> Any:
        """Raises Denied: `kit-unknown`, `kit-revoked`, `kit-stale`; RemoteProtocolError for another's name."""
        home = self._context.home
        version = whole(args, "version", 1, 1 << 16)
        if text(args, "gateway", 64) != self.gateway:
            raise RemoteProtocolError(f"{self.gateway} calls itself otherwise", code="kit-foreign-id")
        about = KitAbout(
            name=text(args, "name", 100),
            boot=whole(args, "boot", 0, 1 << 48),
            version=text(args, "software", 60),
            adcode=text(args, "adcode", 12),
            address=self._address,
            clock_off_s=round(number(args, "now", -1e12, 1e12) - home.now(), 1),
        )
        # Before it is told to the core: it may ask at once.
        self._rpc = rpc
        self._taking = Taking(self._bundle, rpc)
        self._lines = FarLines(self._bundle, rpc, self._voice_playout_ms)
        try:
            hold = self._hold = self._context.fleet.kit_up(self.gateway, about, self)
        except GatewayError:
            self._end("kit-offline")
            raise
        self._paths()
        self._hearing = Hearing(hold, rpc, tell, self._known)
        self._inbox(tell)
        self._services.listen()
        if not met.done():
            met.set_result(None)
        log.info("kit %s is here: %s, start %d, version %s", self.gateway, about.name, about.boot, about.version)
        own = home.about
        return {
            "version": min(version, VERSION),
            "gateway": self._context.gateway,
            "name": own.get("name", ""),
            "software": own.get("version", ""),
            "now": home.now(),
        }

    async def _next_key(self, args: Mapping[str, Any]) -> None:
        """The kit's key will be another. Raises NotFound, Denied, Busy."""
        key = args.get("key")
        if self._hold is None or not isinstance(key, bytes) or len(key) != KEY_BYTES:
            raise RemoteProtocolError("no key", code="record-damaged")
        await self._context.fleet.pairings.announce_key(self.gateway, key, self._key)

    def _inbox(self, tell: Line) -> None:
        inbox, gateway = self._context.inbox, self.gateway

        async def events(args: Mapping[str, Any]) -> Any:
            packed = args.get("batch")
            if not isinstance(packed, bytes):
                raise RemoteProtocolError("no batch", code="record-damaged")
            batch, damaged = unpacked(packed)
            taken = await inbox.take(gateway, batch, "uplink")
            return {"kept": list(taken.kept), "refused": damaged | dict(taken.refused)}

        async def begin(args: Mapping[str, Any]) -> Any:
            return {"received": await inbox.file_begin(gateway, record(ForwardFile, args.get("file")))}

        async def append(args: Mapping[str, Any]) -> Any:
            data = args.get("data")
            if not isinstance(data, bytes):
                raise RemoteProtocolError("no piece of a file", code="record-damaged")
            offset = int(number(args, "offset", 0, 1 << 50))
            return {"received": await inbox.file_append(gateway, text(args, "file", 64), offset, data)}

        tell.serve("events", events)
        tell.serve("file-begin", begin)
        tell.serve("file-append", append)

    # — streams and paths of the bundle —

    def _stream(self, opened: int, purpose: str) -> None:
        if purpose in ("rpc", "tell"):
            waiting = self._waiting(purpose)
            if waiting.done():
                self._streams[purpose] = waiting = asyncio.get_running_loop().create_future()
            waiting.set_result(opened)
        elif purpose.startswith("tcp:") and self._hold is not None:
            try:
                self._services.taken(opened, purpose.removeprefix("tcp:"))
            except GatewayError as exc:
                log.info("a stream of %s is not taken: %s", self.gateway, exc)

    def _waiting(self, purpose: str) -> asyncio.Future[int]:
        found = self._streams.get(purpose)
        if found is None:
            found = self._streams[purpose] = asyncio.get_running_loop().create_future()
        return found

    async def _told(self, purpose: str) -> int:
        opened = await asyncio.shield(self._waiting(purpose))
        del self._streams[purpose]
        return opened

    def _why_silent(self) -> str:
        """Nobody is spoken with: because the session is over, or though it is not."""
        over = self._bundle.over
        return WENT.get(over.result()[0], "kit-offline") if over.done() else "kit-unreachable"

    def _voice_playout_ms(self) -> int:
        return voice_playout_ms(self._config.voice_playout, self._hearing.links if self._hearing is not None else ())

    def _paths(self) -> None:
        if self._hold is not None:
            carries = self._rpc is not None and (self._bundle.carries or not self._bundle.paths)
            self._hold.reachable(carries, "" if carries else "kit-unreachable")
            if (links := self._known.changed()) is not None:
                self._hold.links(links, told=False)

    # — what the kit is shown —

    async def _thumbnails(self, tell: Line) -> None:
        """Now and then the kit gets a small picture of what really arrives of it, while something of it is watched."""
        home = self._context.home
        while True:
            await asyncio.sleep(self._config.thumbnails)
            streams = [
                status.id
                for status in self._context.streams.of_gateway(self.gateway)
                if status.state is StreamState.LIVE and status.viewers
            ]
            if not streams:
                continue
            # In turn, where there are several.
            later = [stream for stream in sorted(streams) if stream > self._shown[0]]
            stream = StreamId((later or sorted(streams))[0])
            self._shown = (stream, home.now())
            try:
                made = await home.glance(stream, height=THUMBNAIL_LINES, quality=THUMBNAIL_QUALITY)
            except GatewayError as exc:
                log.debug("no thumbnail of %s: %s", stream, exc)
                continue
            if made is not None:
                tell.notice("thumbnail", {"stream": stream, "jpeg": made.jpeg, "age_s": made.age_s})
                if self._hold is not None:
                    self._hold.thumbnail(stream, made)

    def _end(self, code: str) -> None:
        """Whoever waits for the kit hears that it is gone."""
        if self._taking is not None:
            self._taking.close(code)
        if self._lines is not None:
            self._lines.close(code if code.startswith("kit-") else "kit-unreachable")
        self._rpc = self._taking = self._lines = None


def _why(task: asyncio.Task[None]) -> tuple[str, str]:
    exc = None if task.cancelled() else task.exception()
    if isinstance(exc, GatewayError):
        return exc.code, str(exc)
    if exc is not None:
        log.error("a kit's session ended by a mistake of ours", exc_info=exc)
    return "internal", ""
