"""A center takes pictures of a kit: one flow at a time into a stream of ours, which all who watch share.

The kit may go over to another step of its ladder: the new flow's leg takes over at its first key picture, then the kit
hears of it and ends the old one. Viewers notice nothing but the picture.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import Mapping
from typing import Any

from adapters.uplink.bundle import Bundle
from adapters.uplink.line import Line
from adapters.uplink.words import text, whole
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.media import IngestLeg, Publication
from gateway.model.ids import StreamId
from gateway.model.media import StreamState

log = logging.getLogger(__name__)

OVER_S = 10.0
WORDS = {
    "main": "",
    "sub": "link-sub",
    "low": "link-low",
    "pictures": "link-pictures",
    "stills": "link-stills",
    "nothing": "link-nothing",
}


class Taken:
    """One picture. `run` until it ends: raises LinkDown with why."""

    def __init__(self, bundle: Bundle, publication: Publication, given: int, line: Line) -> None:
        self.given = given
        self._bundle = bundle
        self._publication = publication
        self._line = line
        self._flows: asyncio.Queue[tuple[int, str, int]] = asyncio.Queue(8)
        self._leg: tuple[IngestLeg, int] | None = None
        self._over: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        publication.on_key_frame_wanted(self._want_key_frame)

    async def run(self) -> None:
        taking = asyncio.create_task(self._take(), name=f"flows of {self._publication.stream}")
        try:
            await asyncio.wait((taking, self._over), return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                taking.result()
            code, detail = self._over.result()
            raise LinkDown(detail or "the kit ended it", code=code or "source-ended")
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            if self._leg is not None:
                self._let_go(*self._leg)

    # — what the kit tells —

    def flow(self, args: Mapping[str, Any]) -> None:
        """The next flow of it. One that is not taken in time is the kit's loss."""
        try:
            self._flows.put_nowait((whole(args, "flow"), text(args, "step", 16), whole(args, "stall_ms", 0, 60_000)))
        except asyncio.QueueFull:
            log.info("%s: the kit changes its mind too often", self._publication.stream)

    def at(self, args: Mapping[str, Any]) -> None:
        code, detail = text(args, "code", 64), text(args, "detail")
        if text(args, "state", 16) != StreamState.LIVE:
            self._publication.say(code or "opening", detail)

    def over(self, code: str, detail: str = "") -> None:
        if not self._over.done():
            self._over.set_result((code, detail))

    # — within —

    async def _take(self) -> None:
        """Flow after flow; ends with the last one's leg."""
        while True:
            next_flow = asyncio.create_task(self._flows.get(), name="next flow")
            waits = [next_flow]
            ended = None
            if self._leg is not None:
                ended = asyncio.create_task(self._leg[0].ended(), name="end of a flow")
                waits.append(ended)  # type: ignore[arg-type]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if not next_flow.done():
                    assert ended is not None  # noqa: S101
                    raise LinkDown("nothing comes any more", code=ended.result() or "media-stopped")
                await self._go_over(*next_flow.result())
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    async def _go_over(self, flow: int, step: str, stall_ms: int) -> None:
        publication, engine = self._publication, self._bundle.engine
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            await self._bundle.take_flow(flow, theirs.detach(), "frames")
            handle = engine.open_frames_in(
                publication.handle, ours.detach(), stall_ms=max(publication.stall_ms, stall_ms)
            )
            engine.bundle_join(self._bundle.handle, flow, handle, way="in")
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="link-down") from exc
        finally:
            ours.close()
        before, self._leg = self._leg, (publication.leg(handle), flow)
        code = WORDS.get(step, "")
        publication.remark(code)
        if before is not None:
            # The newer leg has the stream from its first key picture on.
            try:
                await self._leg[0].first_media(OVER_S)
            except LinkDown as exc:
                log.info("%s: the %s picture did not come: %s", publication.stream, step, exc)
            self._let_go(*before)
        self._line.notice("gone-over", {"given": self.given, "flow": flow})

    def _let_go(self, leg: IngestLeg, flow: int) -> None:
        leg.close()
        self._bundle.drop_flow(flow)

    async def _want_key_frame(self) -> None:
        if self._leg is not None:
            self._bundle.want_key_frame(self._leg[1])


class Taking:
    """All pictures that are taken of one kit."""

    def __init__(self, bundle: Bundle, line: Line) -> None:
        self._bundle = bundle
        self._line = line
        self._taken: dict[int, Taken] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        for name in ("flow", "at", "over"):
            line.hear(name, lambda args, name=name: self._hear(name, args))  # type: ignore[misc]

    async def open(self, stream: StreamId, publication: Publication) -> None:
        """As `contract.media.Open`. Raises LinkDown, PeerError with what the kit says."""
        given = next(self._numbers)
        taken = self._taken[given] = Taken(self._bundle, publication, given, self._line)
        try:
            await self._line.ask("open", {"stream": stream, "given": given})
            await taken.run()
        finally:
            del self._taken[given]
            self._close(given)

    @property
    def count(self) -> int:
        return len(self._taken)

    def close(self, code: str, detail: str = "") -> None:
        """The session is over."""
        for taken in list(self._taken.values()):
            taken.over(code, detail)

    def _close(self, given: int) -> None:
        """Nobody waits for the kit to have let it go."""

        async def close() -> None:
            try:
                await self._line.ask("close", {"given": given})
            except GatewayError as exc:
                log.debug("closing %d: %s", given, exc)

        task = asyncio.get_running_loop().create_task(close(), name=f"close {given}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _hear(self, name: str, args: Mapping[str, Any]) -> None:
        given = whole(args, "given", 1, 1 << 31)
        taken = self._taken.get(given)
        if taken is None:
            return
        match name:
            case "flow":
                taken.flow(args)
            case "at":
                taken.at(args)
            case _:
                taken.over(text(args, "code", 64), text(args, "detail"))
