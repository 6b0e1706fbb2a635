"""A phone's picture follows what suits: the source's own stream, or one made of it, on the same subscription."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

from adapters.sip.engine import PictureLine
from adapters.sip.video import Pictures
from adapters.sip.video_suit import needs_of
from gateway.base.errors import Busy
from gateway.contract.media import Suited
from gateway.model.media import Codec, Track, TrackKind
from gateway.wire.sdp.agreed import PayloadType
from gateway.wire.sdp.capability import Codec as Agreed
from tests.unit.sip.fakes import WHO, FakeContext, FakeViewing, SwitchEngine, media_plane

VIDEO = PayloadType(96, Agreed("h264", 90_000, fmtp="packetization-mode=1"))
B_FRAMES = (Track(TrackKind.VIDEO, Codec.H264, 90_000, 1, 1280, 720, b_frames=True),)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_a_line_takes() -> None:
    assert needs_of(["H264", "h264", "VP8"]).video == (Codec.H264,)
    assert needs_of(["h265", "h264"]).video == (Codec.H265, Codec.H264) and not needs_of(["h264"]).b_frames


async def test_the_same_subscription_goes_on_with_what_is_made() -> None:
    with media_plane() as (engine, plane):
        assert isinstance(engine, SwitchEngine)
        context, told = FakeContext(engine, plane), list[tuple[str, str]]()
        source, made = engine.open_stream("ball"), engine.open_stream("ball h264")
        session = engine.open_session("u")
        viewing = FakeViewing(source)

        async def ask() -> None: ...

        pictures = Pictures(cast(Any, context), "call-1", "8001", WHO, told=lambda *w: told.append(w), ask=ask)
        pictures.show(cast(Any, viewing))
        pictures.apply(PictureLine(session, (VIDEO,)))
        (subscription,) = engine.subscriptions
        assert engine.subscriptions[subscription] == source
        viewing.set(B_FRAMES, Suited(made, B_FRAMES, "h264 → h264", rendition="h264"))
        await turns()
        assert engine.subscriptions == {subscription: made}
        # A new offer begins with what is sent now, not with the source.
        pictures.apply(None)
        pictures.apply(PictureLine(session, (VIDEO,)))
        assert list(engine.subscriptions.values()) == [made]
        # The camera was set anew, and there is no room for that.
        viewing.set((replace(B_FRAMES[0], generation=2),), Busy("no room", code="convert-budget"))
        await turns()
        assert told[-1][0] == "convert-budget"
        await pictures.close()
        await turns()
        assert not engine.subscriptions
