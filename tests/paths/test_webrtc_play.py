"""From a device's program stream to an aiortc viewer's decoded pictures, through the real media plane."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiortc.mediastreams import MediaStreamError

from gateway import codecs
from tests.paths.webrtc_rig import BALL, SMALL, Kit, ball, kit, loudest, voice
from tests.unit.webrtc.client import Client, only_loopback
from tests.unit.webrtc.fakes import until

SDP = "application/sdp"


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


@pytest.fixture
async def running() -> AsyncIterator[Kit]:
    async with kit() as made:
        yield made


async def watch(kit: Kit, client: Client, *kinds: str, stream: str = BALL) -> str:
    response = await kit.call("POST", f"/whep/{stream}", await client.offer(*kinds), content_type=SDP)
    assert response.status == 201
    await client.answer(response.body)
    await asyncio.wait_for(client.connected.wait(), 10)
    return response.headers["Location"]


async def frames(client: Client, kind: str, count: int) -> list[Any]:
    async with asyncio.timeout(15):
        return [await client.tracks[kind].recv() for _ in range(count)]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_the_picture_decodes_with_its_size(running: Kit) -> None:
    client = Client()
    async with ball(running):
        await watch(running, client, "video")
        seen = await frames(client, "video", 30)
    assert {(one.width, one.height) for one in seen} == {(320, 240)}
    stamps = [one.pts for one in seen]
    assert stamps == sorted(set(stamps))
    await client.close()


async def test_sound_of_the_device_decodes_beside_the_picture(running: Kit) -> None:
    client = Client()
    async with ball(running, settings=replace(SMALL, audio=True)):
        await watch(running, client, "video", "audio")
        sound = await frames(client, "audio", 50)
        await frames(client, "video", 10)
    assert loudest(sound) > 1000
    await client.close()


@pytest.mark.parametrize("codec", ["opus", "pcma"])
async def test_voice_alone(running: Kit, codec: str) -> None:
    client = Client()
    async with voice(running, "kit1/radio-1/ch1", codec):
        await watch(running, client, "audio", stream="kit1/radio-1/ch1")
        sound = await frames(client, "audio", 50)
    assert loudest(sound) > 1000
    await client.close()


async def test_a_viewer_who_comes_first_sees_the_source_when_it_comes(running: Kit) -> None:
    client = Client()
    running.streams.open(BALL)
    await watch(running, client, "video")
    async with ball(running):
        assert len(await frames(client, "video", 5)) == 5
    await client.close()


async def test_a_source_that_comes_again_goes_on_in_the_same_session(running: Kit) -> None:
    client = Client()
    async with ball(running):
        location = await watch(running, client, "video")
        before = await frames(client, "video", 5)
    async with ball(running):
        after = await frames(client, "video", 40)
    assert after[-1].pts > before[-1].pts
    assert (await running.call("GET", location)).status == 200 and running.adapter.registry
    await client.close()


async def test_lost_packets_are_sent_again(running: Kit) -> None:
    """A tenth of the video is lost on the way: NACK and RTX repair it."""
    client = Client()
    async with ball(running):
        await watch(running, client, "video")
        dtls = client.pc.getTransceivers()[0].receiver.transport
        handle, lost = dtls._handle_rtp_data, 0
        rtx = {one.payloadType for one in client.pc.getTransceivers()[0]._codecs if one.name == "rtx"}

        async def lossy(data: bytes, arrival_time_ms: int) -> None:
            nonlocal lost
            sequence = int.from_bytes(data[2:4], "big")
            if data[1] & 0x7F not in rtx and sequence % 10 == 0:
                lost += 1
            else:
                await handle(data, arrival_time_ms)

        dtls._handle_rtp_data = lossy
        await frames(client, "video", 60)
        stats = running.engine.subscription_stats(running.media.subscription)
    assert lost > 3
    assert stats["nacks"] > 0 and stats["retransmits"] > 0, stats
    await client.close()


async def test_two_viewers_do_not_mix(running: Kit) -> None:
    clients = [Client(), Client()]
    async with ball(running):
        for client in clients:
            await watch(running, client, "video")
        for client in clients:
            await frames(client, "video", 10)
        await clients[0].close()
        await frames(clients[1], "video", 20)
    await clients[1].close()


async def test_h265_for_a_peer_without_it_is_refused_in_words(running: Kit) -> None:
    client = Client()
    async with ball(running, settings=replace(SMALL, codec="h265")):
        location = await watch(running, client, "video")
        await until(lambda: [e for e in running.of(codecs.SubscriptionEvent) if e.state == "refused"], "refused")
        told = json.loads((await running.call("GET", location)).body)
    assert (told["state"], told["code"]) == ("connected", "codec-unsupported")
    await client.close()


async def test_b_frames_are_refused_in_words(running: Kit) -> None:
    import json

    client = Client()
    async with ball(running, settings=replace(SMALL, b_frames=2)):
        location = await watch(running, client, "video")
        await until(lambda: [e for e in running.of(codecs.SubscriptionEvent) if e.state == "refused"], "refused")
        told = json.loads((await running.call("GET", location)).body)
    assert told["code"] == "b-frames"
    await client.close()


async def test_leaving_frees_the_engine_and_the_descriptors(running: Kit) -> None:
    async with ball(running):
        for _ in range(2):  # whatever is opened once for all
            client = Client()
            location = await watch(running, client, "video")
            await running.call("DELETE", location)
            await client.close()
        before = open_files()
        for _ in range(10):
            client = Client()
            location = await watch(running, client, "video")
            await running.call("DELETE", location)
            await client.close()
        await until(lambda: open_files() <= before, "descriptors")
        stats = running.engine.engine_stats()
    assert (stats["sessions"], stats["subscriptions"]) == (0, 0)


async def test_media_ends_with_the_session(running: Kit) -> None:
    client = Client()
    async with ball(running):
        location = await watch(running, client, "video")
        await frames(client, "video", 5)
        await running.call("DELETE", location)
        await asyncio.wait_for(client.ended.wait(), 10)
        with pytest.raises(MediaStreamError):
            await frames(client, "video", 500)
    await client.close()
