"""What a browser can not take is made, and its one subscription moves to that: over an aiortc client."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.base.errors import Busy, RemoteProtocolError
from gateway.contract.media import Suited
from gateway.model.media import Codec, Rendition, RenditionState, Track, TrackKind
from tests.unit.webrtc.client import Client
from tests.unit.webrtc.conftest import Rig
from tests.unit.webrtc.fakes import SubscriptionEvent, until
from tests.unit.webrtc.test_whep import SDP, STREAM, status, watch

H265 = Track(TrackKind.VIDEO, Codec.H265, 90_000, 1, 1280, 720)
H264 = Track(TrackKind.VIDEO, Codec.H264, 90_000, 2, 1280, 720)
MADE = Suited(77, (H264,), "h265 1280x720 → h264 1280x720", rendition="h264")


async def test_the_subscription_moves_to_what_is_made_and_back(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    viewing = rig.context.streams.viewings[0]
    (subscription,) = rig.engine.subscribed
    hear = rig.context.media.subscriptions[subscription]
    # The source's tracks are known: a browser without H.265 is refused, and something is made for it.
    viewing.answer = MADE
    hear(SubscriptionEvent(subscription, 1, "refused", "codec-unsupported", "h265"))
    viewing.set(tracks=(H265,))
    await until(lambda: rig.engine.subscribed[subscription]["stream"] == 77, "it moved")
    needs = viewing.asked[0]
    assert Codec.H264 in needs.video and Codec.H265 not in needs.video
    assert not needs.b_frames and needs.mixes and Codec.OPUS in needs.audio
    told = await status(rig, location)
    assert told["converted"] == MADE.converted and told["code"] == "waiting-key-frame"
    hear(SubscriptionEvent(subscription, 77, "first-frame"))
    assert (await status(rig, location))["code"] == ""
    # What the first stream still says is of no interest any more.
    hear(SubscriptionEvent(subscription, 1, "refused", "codec-unsupported", "h265"))
    assert (await status(rig, location))["code"] == ""
    # Its worker died: the picture stands, and the page can say why.
    fault = Rendition("h264", state=RenditionState.WAITING, code="convert-worker-died", detail="SIGSEGV")
    viewing.set(renditions=(fault,))
    assert (await status(rig, location))["code"] == "convert-worker-died"
    viewing.set(renditions=(replace(fault, state=RenditionState.RUNNING, code="", detail=""),))
    assert (await status(rig, location))["code"] == ""
    # The camera is set to H.264: its own stream will do.
    viewing.answer = Suited(1, (H264,))
    viewing.set(tracks=(H264,), renditions=())
    await until(lambda: rig.engine.subscribed[subscription]["stream"] == 1, "it moved back")
    assert list(rig.engine.subscribed) == [subscription], "all in one subscription"
    await client.close()


async def test_what_is_being_made_is_said_while_it_lasts(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    viewing = rig.context.streams.viewings[0]
    viewing.answer = MADE
    viewing.made.clear()
    viewing.set(tracks=(H265,))
    await until(lambda: viewing.asked, "asked")
    assert (await status(rig, location))["code"] == "convert-starting"
    viewing.made.set()
    (subscription,) = rig.engine.subscribed
    await until(lambda: rig.engine.subscribed[subscription]["stream"] == 77, "it moved")
    assert (await status(rig, location))["code"] == "waiting-key-frame"
    await client.close()


async def test_no_room_is_said_and_asked_for_again(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    viewing = rig.context.streams.viewings[0]
    (subscription,) = rig.engine.subscribed
    viewing.answer = Busy("h264 waits", code="convert-budget")
    viewing.set(tracks=(H265,))
    await until(lambda: viewing.asked, "asked")
    told = await status(rig, location)
    assert (told["state"], told["code"]) == ("connected", "convert-budget") and told["cure"]["zh"]  # type: ignore[index]
    viewing.answer = MADE
    viewing.set(renditions=(Rendition("h264", state=RenditionState.RUNNING),))
    await until(lambda: rig.engine.subscribed[subscription]["stream"] == 77, "it moved")
    # Sound alone, while there is no room for the picture.
    viewing.answer = Suited(78, (), missing=(("video", "convert-budget"),), rendition="opus")
    viewing.set(renditions=())
    await until(lambda: rig.engine.subscribed[subscription]["stream"] == 78, "it moved")
    assert (await status(rig, location))["code"] == "convert-budget"
    await client.close()


async def test_quality_is_asked_for_in_the_address(rig: Rig) -> None:
    client = Client()
    offer = await client.offer("video")
    answer = await rig.call("POST", STREAM, offer, content_type=SDP, query={"quality": "low"})
    assert answer.status == 201
    viewing = rig.context.streams.viewings[0]
    viewing.set(tracks=(H264,))
    await until(lambda: viewing.asked, "asked")
    assert (viewing.asked[0].max_height, viewing.asked[0].max_fps) == (360, 10.0) and viewing.asked[0].audio == ()
    await client.close()
    with pytest.raises(RemoteProtocolError) as refused:
        await rig.call("POST", STREAM, offer, content_type=SDP, query={"quality": "best"})
    assert refused.value.code == "bad-request"
