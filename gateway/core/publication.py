"""The writing end of a stream during one attempt: handed to the offer's `open`, closed when that ends."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

from gateway import codecs
from gateway.base.errors import GatewayError
from gateway.core.ingest_leg import Leg
from gateway.core.mediaplane import MediaPlane
from gateway.model.ids import StreamId

log = logging.getLogger(__name__)

ASK_EVERY_S = 1.0
"""A key frame is asked for at most this often: cameras answer each wish with a burst."""

SESSION_PATIENCE_S = 30.0
"""A WebRTC publisher is not asked anew but has to come by itself, and not each notices that it was sent away (FFmpeg 8
waits for ever): it may be silent as long as consent lasts (RFC 7675 §5.1)."""


class Attempt:
    """Fulfils `contract.media.Publication`."""

    def __init__(
        self,
        plane: MediaPlane,
        stream: StreamId,
        handle: int,
        *,
        stall_s: float,
        patience_s: float,
        said: Callable[[str, str], None],
        told: Callable[[codecs.LegEvent], None],
        remarked: Callable[[str, str], None] = lambda _code, _detail: None,
    ) -> None:
        self._plane = plane
        self._stream = stream
        self._handle = handle
        self._stall_ms = round(stall_s * 1000)
        self._patience_s = patience_s
        self._said = said
        self._remarked = remarked
        self._told = told
        self._legs: list[Leg] = []
        self._on_data: Callable[[codecs.DataEvent], None] | None = None
        self._ask: Callable[[], Awaitable[None]] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._asked_at: float | None = None
        self._wish = False
        self._closed = False

    @property
    def stream(self) -> StreamId:
        return self._stream

    @property
    def handle(self) -> int:
        return self._handle

    @property
    def stall_ms(self) -> int:
        return self._stall_ms

    @property
    def legs(self) -> Sequence[Leg]:
        return self._legs

    @property
    def end_code(self) -> str:
        """Why its newest leg ended; empty if none did."""
        return next((leg.end_code for leg in reversed(self._legs) if leg.end_code), "")

    def say(self, code: str, detail: str = "") -> None:
        if not self._closed:
            self._said(code, detail)

    def remark(self, code: str, detail: str = "") -> None:
        if not self._closed:
            self._remarked(code, detail)

    def rtp(
        self,
        udp: socket.socket | None,
        *,
        ssrc: int | None = None,
        strict_ssrc: bool = False,
        payloads: Sequence[codecs.RtpMap] = (),
        hint: str = "",
    ) -> Leg:
        return self.leg(
            self._plane.engine.open_rtp(
                self._handle,
                udp_fd=udp.detach() if udp is not None else None,
                ssrc=ssrc,
                strict_ssrc=strict_ssrc,
                payloads=list(payloads),
                hint=hint,
                stall_ms=self._stall_ms,
            )
        )

    def session(self, session: int, *, video: Sequence[codecs.RtpMap], audio: Sequence[codecs.RtpMap]) -> Leg:
        engine = self._plane.engine
        handle = engine.open_session_in(self._handle, session, video=list(video), audio=list(audio))
        return self._leg(handle, max(self._patience_s, SESSION_PATIENCE_S))

    def leg(self, handle: int) -> Leg:
        return self._leg(handle, self._patience_s)

    def _leg(self, handle: int, patience_s: float) -> Leg:
        leg = Leg(self._plane, handle, patience_s, self._told)
        if self._closed:
            leg.close()
        else:
            self._legs = [known for known in self._legs if not known.end_code] + [leg]
        return leg

    def on_data(self, heard: Callable[[codecs.DataEvent], None]) -> None:
        self._on_data = heard

    def data(self, event: codecs.DataEvent) -> None:
        """Of one of its legs."""
        if self._on_data is not None and not self._closed:
            self._on_data(event)

    def on_key_frame_wanted(self, ask: Callable[[], Awaitable[None]]) -> None:
        self._ask = ask
        if self._wish:
            self.want_key_frame()

    def want_key_frame(self) -> None:
        """Wishes that come close together become one; one that comes while the source is asked is asked after."""
        self._wish = True
        if self._ask is not None and not self._closed and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._asks(self._ask), name=f"key frame {self._stream}")

    async def close(self) -> None:
        """End its legs; nothing is heard of them any more."""
        self._closed = True
        for leg in self._legs:
            leg.close()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _asks(self, ask: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while self._wish:
            if self._asked_at is not None and (wait := self._asked_at + ASK_EVERY_S - loop.time()) > 0:
                await asyncio.sleep(wait)
            self._wish = False
            self._asked_at = loop.time()
            try:
                await ask()
            except GatewayError as exc:
                # The next wish asks again; the viewer reads "waiting-key-frame" meanwhile.
                log.info("%s: asking for a key frame failed: %s", self._stream, exc)
            except Exception:
                log.exception("%s: asking for a key frame failed", self._stream)


def ending(task: asyncio.Task[str], stream: StreamId) -> tuple[str, str]:
    """Why an attempt is over: a reason code, and a detail for people. A mistake of ours is logged."""
    if task.cancelled():
        return "source-ended", ""
    exc = task.exception()
    if exc is None:
        return task.result(), ""
    if isinstance(exc, GatewayError):
        return exc.code, str(exc)
    log.error("%s: opening it failed by a mistake of ours", stream, exc_info=exc)
    return "internal", f"{type(exc).__name__}: {exc}"
