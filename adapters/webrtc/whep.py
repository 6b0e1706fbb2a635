"""A viewer: WHEP out. The stream is held open for as long as the session lives, whether or not its source is there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from adapters.webrtc.offer import ABS_SEND_TIME, MID, TRANSPORT_CC, Chosen, Plan, Sources, make_answer
from adapters.webrtc.rendition import Suiting, needs_of, stop
from adapters.webrtc.session import Ground, Session, SessionState, Words
from gateway import codecs
from gateway.base.errors import LinkDown, NotFound
from gateway.contract.media import Viewing
from gateway.model.media import StreamState, Track, TrackKind
from gateway.model.principal import Principal

if TYPE_CHECKING:
    from adapters.webrtc.peer import NativePeer


def rtp_maps(chosen: Chosen | None) -> list[codecs.RtpMap]:
    """The payload types of a section as the media plane takes them, the preferred first."""
    if chosen is None:
        return []
    return [codecs.RtpMap(one.pt, one.codec, one.clock_hz, rtx_pt=one.rtx_pt, fmtp=one.fmtp) for one in chosen.payloads]


def random_ssrc() -> int:
    return secrets.randbelow(0xFFFF_FFFE) + 1


def extension(chosen: Sequence[Chosen], uri: str) -> int:
    """A header extension's id; one transport has one id for one URI (RFC 8843 §13)."""
    return next((number for one in chosen if (number := one.extension(uri))), 0)


class Viewer(Session):
    kind = "whep"
    _viewing: Viewing | None = None
    _handle = 0  # the source's own stream
    _shown = 0  # what is sent: that, or a rendition of it
    _refusal = Words()
    _refused: Track | None = None  # the video track that was refused
    _waiting_key_frame = True
    _wants_video = True
    _slow = False
    _suiting: Suiting | None = None

    def __init__(self, ground: Ground, ident: str, stream: str, who: Principal, plan: Plan, quality: str = "") -> None:
        """Raises RemoteProtocolError (`bad-request`) on a quality that there is none of."""
        self._needs = needs_of(plan, quality)
        super().__init__(ground, ident, stream, who, plan)

    async def hold(self) -> None:
        context = self.ground.context
        stream = context.streams.resolve(self.stream)
        self.stream = stream
        async with context.streams.view(stream, self.who, self.kind) as viewing, self.open_peer() as peer:
            self._viewing = viewing
            self._handle = self._shown = viewing.handle
            subscription = self._answer(peer)
            self._suiting = Suiting(viewing, self._needs, lambda handle: self._move(subscription, handle))
            suits = asyncio.create_task(self._suiting.run(), name=f"whep {self.id[:8]} suits")
            try:
                await self.connect(peer)
                await self._stay(viewing)
            finally:
                await stop(suits)
                self.ground.engine.unsubscribe(subscription)
                context.media.forget_subscription(subscription)
                self._viewing = None

    async def _stay(self, viewing: Viewing) -> None:
        """Until the stream is no more; whatever ends the session sooner cancels this."""
        changes = viewing.changes()
        try:
            async for status in changes:
                if status.state is StreamState.REMOVED:
                    break
                if viewing.handle != self._handle:
                    # The subscription went with the stream it was made on, and its SSRCs must not begin anew.
                    raise LinkDown("the media plane gave the stream up and has opened another", code="stream-panic")
        finally:
            if isinstance(changes, AsyncGenerator):
                await changes.aclose()
        raise NotFound(f"{self.stream} no longer exists", code="stream-removed")

    def _answer(self, peer: NativePeer) -> int:
        """Subscribe and answer; returns the subscription.

        It is made before the path is: it waits for the keys, and the source opens meanwhile.
        """
        plan = self.plan
        assert plan is not None  # noqa: S101  (kept until answered)
        self._wants_video = plan.video is not None
        sources = Sources(
            cname=secrets.token_hex(8),
            stream=secrets.token_hex(8),
            video_ssrc=random_ssrc(),
            video_rtx_ssrc=random_ssrc(),
            audio_ssrc=random_ssrc(),
        )
        subscription = self.ground.engine.subscribe_session(
            self._handle,
            peer.session,
            video=rtp_maps(plan.video),
            audio=rtp_maps(plan.audio),
            video_ssrc=sources.video_ssrc,
            video_rtx_ssrc=sources.video_rtx_ssrc,
            audio_ssrc=sources.audio_ssrc,
            cname=sources.cname,
            mid_ext=extension(plan.chosen, MID),
            video_mid=plan.video.mid if plan.video else "",
            audio_mid=plan.audio.mid if plan.audio else "",
            abs_send_time_ext=extension(plan.chosen, ABS_SEND_TIME),
            transport_cc_ext=extension(plan.chosen, TRANSPORT_CC),
        )
        self.ground.context.media.on_subscription(subscription, self._on_subscription)
        self.answer.set_result(make_answer(plan, self.local(peer), session=secrets.randbits(62), sources=sources))
        return subscription

    def _move(self, subscription: int, handle: int) -> None:
        """Raises MediaError when the stream is gone."""
        if handle != self._shown:
            self.ground.engine.move_subscription(subscription, handle)
            self._shown = handle
            self._refusal = Words()
            self._waiting_key_frame = True

    def _on_subscription(self, event: codecs.SubscriptionEvent) -> None:
        match event.state:
            case "refused" if event.stream in (0, self._shown):
                self._refusal = Words(event.code, event.detail)
                self._refused = self._video()
                self._log.warning("%s of %s can not play: %s %s", self.kind, self.stream, event.code, event.detail)
            case "first-frame":
                self._waiting_key_frame = False
                if self._refusal.code != "audio-unsupported":
                    self._refusal = Words()  # the camera was set to something playable
            case "key-frame-wait":
                self._waiting_key_frame = True
            case "congested":
                self._slow = True
            case "recovered":
                self._slow = False

    def _video(self) -> Track | None:
        tracks = self._viewing.tracks if self._viewing is not None else ()
        return next((one for one in tracks if one.kind is TrackKind.VIDEO), None)

    def current_words(self) -> Words:
        """The first thing that stands between the viewer and the picture."""
        if self.words.code or self.ended:
            return self.words
        status = self._viewing.status if self._viewing is not None else None
        if status is not None and status.code:
            return Words(status.code, status.detail)
        video = self._video()
        if self._suiting is not None:
            code, detail = self._suiting.words()
            if code:
                return Words(code, detail)
            if self._suiting.making and (self._refusal.code or self._waiting_key_frame):
                return Words("convert-starting")
        if self._refusal.code and video == self._refused:  # another track now: the camera was set to something else
            return self._refusal
        if self.state is SessionState.CONNECTED and self._waiting_key_frame and self._wants_video:
            only_sound = self._viewing is not None and self._viewing.tracks and video is None
            return Words() if only_sound else Words("waiting-key-frame")
        return Words("viewer-slow") if self._slow else Words()

    def stream_json(self) -> dict[str, Any]:
        if self._viewing is None:
            return {"stream_state": "", "retry_in_s": None, "converted": ""}
        status = self._viewing.status
        suited = self._suiting.suited if self._suiting is not None else None
        return {
            "stream_state": status.state,
            "retry_in_s": status.retry_in_s,
            "converted": suited.converted if suited is not None else "",
        }
