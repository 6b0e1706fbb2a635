"""The pictures of one call: a stream of ours that goes out, and the peer's that becomes a stream of ours.

The line is answered before the source has a picture; it starts when it comes, with a key frame. While the line is held
its stream stays and says so, for viewers stay through that too.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

from adapters.sip.engine import PictureLine
from adapters.sip.line import rtp_maps
from adapters.sip.video_suit import Suits, needs_of
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.adapter import Context
from gateway.contract.media import Needs, Offer, Publication, Viewing
from gateway.model.ids import DeviceId, StreamId
from gateway.model.principal import Principal

log = logging.getLogger(__name__)

CHANNEL = "ch1"
REFRESH_S = 1.0
"""A peer that asks for key frames by INFO is served at most this often."""


class Pictures:
    """`told(code, detail)` says what stands between the peer and our picture; ("", "") when nothing does. `ask` asks
    the peer for a key frame by signalling (PLI is the media plane's)."""

    def __init__(
        self,
        context: Context,
        call: str,
        title: str,
        who: Principal,
        *,
        told: Callable[[str, str], None],
        ask: Callable[[], Awaitable[None]],
    ) -> None:
        """`call` is the slug of the call: the peer's picture is `{gateway}/{call}/ch1`."""
        self._context = context
        self._engine = context.media.engine
        self.device = DeviceId(f"{context.gateway}/{call}")
        self.stream = StreamId(f"{self.device}/{CHANNEL}")
        self._title = title
        self._who = who
        self._told = told
        self._ask = ask
        self._cname = secrets.token_hex(8)
        self._viewing: Viewing | None = None
        self._suits: Suits | None = None
        self._shown = 0  # what is sent: the stream's own, or one made of it
        self._line: PictureLine | None = None
        self._subscription: int | None = None
        self._refreshed = 0.0
        self._publishing: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._closed = False

    def show(self, viewing: Viewing) -> None:
        """The stream that goes out, held open by whoever calls."""
        self._viewing = viewing
        self._shown = viewing.handle
        self._suits = Suits(viewing, self._needs, self._move, self._told)

    def apply(self, line: PictureLine | None) -> None:
        """What the last offer and answer came to."""
        before, self._line = self._line, line
        if before == line or self._closed:
            return
        if _sent(before) != _sent(line):
            self._unsubscribe()
            self._subscribe()
        self._changed.set()
        if self._suits is not None:
            self._suits.again()
        if line is not None and line.receive and self._publishing is None:
            self._publishing = asyncio.get_running_loop().create_task(self._publish(), name=f"picture of {self.stream}")

    def refresh(self) -> None:
        """The peer wants a key frame: the cached group of pictures begins with one."""
        now = asyncio.get_running_loop().time()
        if self._subscription is not None and now - self._refreshed >= REFRESH_S:
            self._refreshed = now
            self._unsubscribe()
            self._subscribe()

    async def close(self) -> None:
        """Nothing goes out or comes in any more; the peer's stream is gone."""
        self._closed = True
        if self._suits is not None:
            self._suits.close()
        self._unsubscribe()
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.gather(self._publishing, return_exceptions=True)

    # — out —

    def _subscribe(self) -> None:
        line, viewing = self._line, self._viewing
        if line is None or viewing is None or not line.send:
            return
        self._subscription = self._engine.subscribe_session(
            self._shown,
            line.session,
            video=rtp_maps(line.send),
            audio=[],
            video_ssrc=secrets.randbelow(2**32 - 1) + 1,
            video_rtx_ssrc=0,
            audio_ssrc=0,
            cname=self._cname,
        )
        self._context.media.on_subscription(self._subscription, self._event)

    def _needs(self) -> Needs | None:
        line = self._line
        return needs_of([one.codec.name for one in line.send]) if line is not None and line.send else None

    def _move(self, handle: int) -> None:
        """The same subscription goes on with another stream. Raises MediaError when that is gone."""
        if handle != self._shown:
            self._shown = handle
            if self._subscription is not None:
                self._engine.move_subscription(self._subscription, handle)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._context.media.forget_subscription(self._subscription)
            self._engine.unsubscribe(self._subscription)
            self._subscription = None

    def _event(self, event: codecs.SubscriptionEvent) -> None:
        match event.state:
            case "refused":
                self._told(event.code, event.detail)
            case "first-frame" | "recovered":
                self._told("", "")
            case "congested":
                self._told("viewer-slow", "")

    # — in —

    async def _publish(self) -> None:
        line = self._line
        offer = Offer(
            id=self.stream,
            device=self.device,
            title=self._title,
            open=self._open,
            on_demand=False,
            labels={"source": "sip"},
            near=line.session if line is not None else None,
        )
        try:
            await self._context.streams.publish(offer, self._who)
        except GatewayError as exc:
            log.warning("the picture of %s can not be taken: %s", self._title, exc)
            self._told(exc.code, str(exc))

    async def _open(self, publication: Publication) -> None:
        publication.on_key_frame_wanted(self._ask)
        while True:
            self._changed.clear()
            line = self._line
            if line is None or not line.receive:
                publication.say("call-held")
                await self._changed.wait()
                continue
            leg = publication.session(line.session, video=rtp_maps(line.receive), audio=[])
            try:
                if not await self._same_until_ended(line, leg.ended()):
                    raise LinkDown("the peer's picture stopped", code="media-stopped")
            finally:
                leg.close()

    async def _same_until_ended(self, line: PictureLine, ended: Awaitable[str]) -> bool:
        """True when the line changed, False when the leg ended first."""
        leg = asyncio.ensure_future(ended)
        try:
            while (now := self._line) is not None and (now.session, now.receive) == (line.session, line.receive):
                changed = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait([leg, changed], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                if leg.done():
                    return False
                self._changed.clear()
            return True
        finally:
            leg.cancel()


def _sent(line: PictureLine | None) -> object:
    return None if line is None or not line.send else (line.session, line.send)
