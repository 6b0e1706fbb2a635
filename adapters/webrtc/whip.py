"""A publisher: WHIP in. Its media becomes the source of a name (`contract.source.PushPoints`): viewers stay when it
goes, and the next publisher of that name goes on in the same stream."""

from __future__ import annotations

import secrets
from typing import Any

from adapters.webrtc.offer import make_answer
from adapters.webrtc.session import Session
from adapters.webrtc.whep import rtp_maps
from gateway.base.errors import LinkDown, NotFound
from gateway.contract.media import Publication
from gateway.contract.source import PushInfo
from gateway.model.ids import StreamId
from gateway.model.media import StreamState

MOST_SOFTWARE = 80


class Publisher(Session):
    kind = "whip"
    published: StreamId
    software = ""  # what it calls itself (User-Agent)

    async def hold(self) -> None:
        plan = self.plan
        assert plan is not None  # noqa: S101  (kept until answered)
        video, audio = rtp_maps(plan.video), rtp_maps(plan.audio)
        title = f"{self.published.split('/')[1]} ({self.who.name})"
        info = PushInfo("whip", self.who.address, self.software[:MOST_SOFTWARE], title)
        async with self.open_peer() as peer:

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

    def heard(self) -> bool:
        try:
            return self.ground.context.streams.status(self.published).state in (StreamState.LIVE, StreamState.STALLED)
        except NotFound:
            return False

    def stream_json(self) -> dict[str, Any]:
        try:
            state = self.ground.context.streams.status(self.published).state
        except NotFound:  # not yet or no longer there: the session's own words say why
            state = StreamState.REMOVED
        return {"stream_state": state}
