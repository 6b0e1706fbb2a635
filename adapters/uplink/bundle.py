"""A link bundle as both ends use it: its events sorted, its flows and streams handed over as sockets.

The media plane carries; here stands who waits for which flow of the far side, and which number is free. Nothing of a
bundle is left after `down`: whoever holds a flow or stream then sees its socket end.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway import codecs
from gateway.base.errors import Busy, LinkDown
from gateway.contract.media import Media

log = logging.getLogger(__name__)

FLOWS = 4096
TOLD_MOST = 256
"""Flows of the far side that nobody has taken yet."""
FLOW_S = 10.0

Klass = Literal["control", "voice", "stream", "still", "video", "bulk"]
Mode = Literal["best", "duplicate", "spread"]
Carries = Literal["frames", "datagrams"]


@dataclass(frozen=True, slots=True)
class Path:
    """A path as it was last told of. `code` "": it carries."""

    name: str
    code: str
    host: str = ""


class Bundle:
    """One session of it: made anew after each `up`. `event` is given every event of it but `up`."""

    def __init__(self, media: Media, handle: int, name: str) -> None:
        self.media = media
        self.engine = media.engine
        self.handle = handle
        self.name = name
        self.paths: dict[str, Path] = {}
        self._names: dict[int, str] = {}
        self.usable_bps: int | None = None
        self.wanted_bps = 0
        self.on_stream: Callable[[int, str], None] = lambda _number, _purpose: None
        self.on_paths: Callable[[], None] = lambda: None
        self.on_rate: Callable[[], None] = lambda: None
        self._told: dict[int, asyncio.Future[None]] = {}
        self._next = 0
        self._used: set[int] = set()
        self.over: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        """(code, detail) when the session is over."""

    def event(self, event: codecs.BundleEvent) -> None:
        match event.kind:
            case "down":
                self.end(event.code, event.detail)
            case "path":
                self._path(event)
                self.on_paths()
            case "rate":
                self.usable_bps, self.wanted_bps = event.usable_bps, event.wanted_bps
                self.on_rate()
            case "flow":
                self._flow(event.number)
            case "flow-closed" if event.name == "in":
                self._told.pop(event.number, None)
            case "stream":
                self.on_stream(event.number, event.name)

    def _path(self, event: codecs.BundleEvent) -> None:
        """A center may know a path by its number alone at first: its name takes that one's place."""
        before = self._names.get(event.number)
        self._names[event.number] = event.name
        if before is not None and before not in self._names.values():
            self.paths.pop(before, None)
        self.paths[event.name] = Path(event.name, event.code, event.host)

    def end(self, code: str, detail: str = "") -> None:
        """The session is over. Safe to call twice."""
        if not self.over.done():
            self.over.set_result((code, detail))
        for waiting in self._told.values():
            if not waiting.done():
                waiting.set_exception(LinkDown(f"the bundle with {self.name} is over", code=code or "kit-unreachable"))
                waiting.exception()
        self._told.clear()

    @property
    def carries(self) -> bool:
        """Some path does."""
        return any(not path.code for path in self.paths.values())

    # — streams —

    async def open_stream(self, purpose: str) -> socket.socket:
        """Our end of a new one. Raises LinkDown when the session is over."""
        return await self._stream(purpose=purpose)

    async def take_stream(self, number: int) -> socket.socket:
        """One that the far side opened. Raises LinkDown."""
        return await self._stream(stream=number)

    async def _stream(self, *, purpose: str = "", stream: int = 0) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)

        def give() -> None:
            self.engine.bundle_stream(self.handle, theirs.detach(), purpose=purpose, stream=stream)

        try:
            await asyncio.to_thread(give)
        except codecs.MediaError as exc:
            ours.close()
            raise LinkDown(f"{self.name}: {exc}", code="kit-unreachable") from exc
        except BaseException:
            # Cancelled: before its turn nothing was given, in its turn the stream ends with our end of it.
            ours.close()
            theirs.close()
            raise
        return ours

    # — flows —

    def number(self) -> int:
        """A free one for a flow of ours; `close_flow` frees it. Raises Busy (`too-many`)."""
        if len(self._used) >= FLOWS:
            raise Busy(f"{FLOWS} flows are open", code="too-many")
        while True:
            self._next = self._next % 65_535 + 1
            if self._next not in self._used:
                self._used.add(self._next)
                return self._next

    def open_flow(self, fd: int, carries: Carries, klass: Klass, mode: Mode, playout_ms: int) -> int:
        """What `fd` gives goes to the far side; its number there. `fd` is the media plane's from now on."""
        number = self.number()
        try:
            self.engine.bundle_flow(
                self.handle, number, fd, carries=carries, way="out", klass=klass, mode=mode, playout_ms=playout_ms
            )
        except codecs.MediaError as exc:
            self._used.discard(number)
            raise LinkDown(f"{self.name}: {exc}", code="kit-unreachable") from exc
        return number

    def close_flow(self, number: int) -> None:
        if number in self._used:
            self._used.discard(number)
            self.engine.bundle_close_flow(self.handle, number)

    async def take_flow(self, number: int, fd: int, carries: Carries) -> None:
        """What the far side's flow brings goes to `fd`, which is the media plane's from now on, also when this raises.

        Waits until the flow is told: its number may be known before it is. Raises LinkDown.
        """
        given = False
        try:
            async with asyncio.timeout(FLOW_S):
                await asyncio.shield(self._waiting(number))
            given = True
            self.engine.bundle_flow(self.handle, number, fd, carries=carries, way="in")
        except TimeoutError:
            raise LinkDown(f"{self.name} opened no flow {number}", code="kit-unreachable") from None
        except codecs.MediaError as exc:
            raise LinkDown(f"{self.name}: {exc}", code="kit-unreachable") from exc
        finally:
            self._told.pop(number, None)
            if not given:
                socket.close(fd)

    def drop_flow(self, number: int) -> None:
        """Nobody takes what it brings any more."""
        self.engine.bundle_close_flow(self.handle, number, way="in")

    def want_key_frame(self, number: int) -> None:
        self.engine.bundle_want_key(self.handle, number)

    def _flow(self, number: int) -> None:
        waiting = self._waiting(number)
        if not waiting.done():
            waiting.set_result(None)
        while len(self._told) > TOLD_MOST:
            # A far side that opens what nobody asked for.
            oldest = next(iter(self._told))
            del self._told[oldest]
            self.drop_flow(oldest)

    def _waiting(self, number: int) -> asyncio.Future[None]:
        if self.over.done():
            raise LinkDown(f"the bundle with {self.name} is over", code="kit-unreachable")
        return self._told.setdefault(number, asyncio.get_running_loop().create_future())
