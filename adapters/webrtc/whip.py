"""A publisher: WHIP in. Its media is a published name's: viewers stay when it goes, and it goes on when it is back."""
"""A publisher: WHIP in. Its media becomes the source of a name (`contract.source.PushPoints`): viewers stay when it
goes, and the next publisher of that name goes on in the same stream."""

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
from gateway.base.errors import LinkDown, NotFound
from gateway.contract.media import Publication
from gateway.model.ids import StreamId
from gateway.model.media import StreamState

MOST_SOFTWARE = 80


class Publisher(Session):
    kind = "whip"
    ref: ChannelRef
    software = ""
    """What the client calls itself."""
    published: StreamId
    software = ""  # what it calls itself (User-Agent)

    async def hold(self) -> None:
        plan = self.plan
        assert plan is not None  # noqa: S101  (kept until answered)
        video, audio = rtp_maps(plan.video), rtp_maps(plan.audio)
        info = PushInfo("whip", self.who.address, self.software[:MOST_SOFTWARE])
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
            async def open_source(publication: Publication) -> None:
                # Answered only now: who may not have the name reads that instead.
                self.answer.set_result(make_answer(plan, self.local(peer), session=secrets.randbits(62)))
                await self.connect(peer)
                leg = publication.session(peer.session, video=video, audio=audio)
                try:
                    code = await leg.ended()
                    raise LinkDown("the publisher sends nothing", code=code or "media-stopped")
                finally:
                    leg.close()
            await self.ground.context.push_points.publish(self.published, self.who, info, open_source)

    def stream_json(self) -> dict[str, Any]:
        try:
            state = self.ground.context.streams.status(self.published).state
        except NotFound:  # not yet or no longer there: the session's own words say why
            state = StreamState.REMOVED
        return {"stream_state": state}
