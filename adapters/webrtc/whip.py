"""A publisher: WHIP in. Its media is a published name's: viewers stay when it goes, and it goes on when it is back."""

from __future__ import annotations

import secrets
from typing import Any

from adapters.webrtc.offer import make_answer
from adapters.webrtc.session import Session
from adapters.webrtc.whep import rtp_maps
from gateway import codecs
from gateway.base.errors import LinkDown, NotFound, RemoteProtocolError
from gateway.contract.media import Open, Publication
from gateway.contract.source import PushInfo
from gateway.model.ids import ChannelRef, parse_ref
from gateway.model.media import StreamState

DEFAULT_CHANNEL = "ch1"


def published_ref(text: str, gateway: str) -> ChannelRef:
    """The id that `POST /whip/{text}` publishes: `cam` means `{gateway}/cam/ch1`. Raises NotFound, or
    RemoteProtocolError (`bad-request`) for another gateway's name."""
    ref = parse_ref(text, home=gateway)
    if ref.gateway != gateway:
        raise RemoteProtocolError(f"{text[:80]} would be a stream of another gateway", code="bad-request")
    return ref if ref.channel else ChannelRef(ref.gateway, ref.device, DEFAULT_CHANNEL)


class Publisher(Session):
    kind = "whip"
    ref: ChannelRef
    software = ""
    """What the client calls itself."""

    async def hold(self) -> None:
        plan = self.plan
        assert plan is not None  # noqa: S101  (kept until answered)
        video, audio = rtp_maps(plan.video), rtp_maps(plan.audio)
        async with self.open_peer() as peer:
            self.answer.set_result(make_answer(plan, self.local(peer), session=secrets.randbits(62)))
            await self.connect(peer)
            title = f"{self.ref.device} ({self.who.name})"
            info = PushInfo("whip", self.who.address, self.software, title)
            source = self._source(peer.session, video, audio)
            await self.ground.context.push_points.publish(self.ref.stream_id, self.who, info, source)

    @staticmethod
    def _source(session: int, video: list[codecs.RtpMap], audio: list[codecs.RtpMap]) -> Open:
        async def open_source(publication: Publication) -> None:
            leg = publication.session(session, video=video, audio=audio)
            try:
                code = await leg.ended()
                raise LinkDown("the publisher sends nothing", code=code or "media-stopped")
            finally:
                leg.close()

        return open_source

    def stream_json(self) -> dict[str, Any]:
        try:
            state = self.ground.context.streams.status(self.ref.stream_id).state
        except NotFound:  # not yet or no longer there: the session's own words say why
            state = StreamState.REMOVED
        return {"stream_state": state}
