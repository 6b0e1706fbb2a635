"""WHIP into the real media plane: what a phone sends plays for a viewer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from gateway import codecs
from tests.paths.test_webrtc_play import frames, watch
from tests.paths.webrtc_rig import Kit, kit
from tests.unit.webrtc.client import Client, only_loopback
from tests.unit.webrtc.fakes import until

SDP = "application/sdp"
PHONE = "kit1/phone/main"


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


@pytest.fixture
async def running() -> AsyncIterator[Kit]:
    async with kit() as made:
        yield made


async def publish(kit: Kit, client: Client) -> str:
    body = await client.offer(direction="sendonly", tracks=(VideoStreamTrack(), AudioStreamTrack()))
    response = await kit.call("POST", "/whip/phone", body, content_type=SDP)
    await client.answer(response.body)
    await asyncio.wait_for(client.connected.wait(), 10)
    await until(lambda: PHONE in kit.streams.handles, "published")
    return response.headers["Location"]


async def test_what_is_published_plays(running: Kit) -> None:
    phone, viewer = Client(), Client()
    await publish(running, phone)
    await until(lambda: running.of(codecs.TrackEvent), "a track")
    await watch(running, viewer, "video", "audio", stream=PHONE)
    seen = await frames(viewer, "video", 10)
    assert {(one.width, one.height) for one in seen} == {(640, 480)}
    assert await frames(viewer, "audio", 10)
    await viewer.close()
    await phone.close()
    await until(lambda: PHONE not in running.streams.known, "gone with its publisher")
