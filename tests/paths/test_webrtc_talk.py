"""From one browser's microphone to the other members of its group and back, through the real media plane."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.model.principal import Principal
from tests.paths.talk_rig import HEARD, OPS, UNHEARD, EngineTalk, ToneTrack, hearing, pcm_member
from tests.paths.webrtc_rig import Kit, kit
from tests.unit.webrtc.client import Client, only_loopback, seen_from
from tests.unit.webrtc.fakes import ALICE, BOB, until

SDP = "application/sdp"


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


@pytest.fixture
async def running() -> AsyncIterator[Kit]:
    async with kit() as made:
        made.context.talk = EngineTalk(made.engine)
        yield made
        await until(lambda: made.engine.voice_clock()["voices"] == 0, "no voice is left")


def room(kit: Kit) -> int:
    return kit.context.talk.rooms[OPS]  # type: ignore[no-any-return]


async def talk(kit: Kit, client: Client, hz: float, who: Principal = ALICE, codec: str = "") -> str:
    """Join with a microphone that hears a tone; `codec` alone, else what the client prefers."""
    body = (await client.offer(tracks=(ToneTrack(hz),), direction="sendrecv")).decode()
    if codec:
        numbers = {"PCMA": "8", "PCMU": "0", "G722": "9", "opus": "96"}
        lines = [line for line in body.split("\r\n") if not line.startswith(("a=rtpmap", "a=fmtp", "a=rtcp-fb"))]
        body = "\r\n".join(lines)
        head, _, rest = body.partition("m=audio ")
        port, protocol = rest.split(" ")[:2]
        form = f"m=audio {port} {protocol} {numbers[codec]}\r\n"
        rates = {"opus": "48000/2"}
        body = head + form + rest.partition("\r\n")[2]
        body += f"a=rtpmap:{numbers[codec]} {codec}/{rates.get(codec, '8000')}\r\n"
    response = await kit.call("POST", "/talk/ops", body.encode(), content_type=SDP, who=who)
    assert response.status == 201
    await client.answer(response.body)
    await asyncio.wait_for(client.connected.wait(), 10)
    await until(lambda: any(seat.handles for seat in kit.context.talk.seats), "a voice")
    return response.headers["Location"]


@pytest.mark.parametrize("codec", ["opus", "PCMA", "PCMU"])
async def test_both_ways(running: Kit, codec: str) -> None:
    browser = Client()
    async with pcm_member(running.engine, room(running), 700) as radio:
        await talk(running, browser, 1000, codec=codec)
        async with hearing(browser.tracks["audio"]) as ear:
            await until(lambda: radio.share(1000) > HEARD, "the radio hears the browser")
            await until(lambda: ear.share(700) > HEARD, "the browser hears the radio")
            # Mix-minus: nobody hears themselves.
            assert radio.share(700) < UNHEARD and ear.share(1000) < UNHEARD
        await browser.close()
        await until(lambda: radio.loudest() < 200, "quiet when it is gone")


async def test_three_hear_the_other_two(running: Kit) -> None:
    first, second = Client(), Client()
    async with pcm_member(running.engine, room(running), 700) as radio:
        await talk(running, first, 1000)
        await talk(running, second, 1500)
        async with hearing(first.tracks["audio"]) as one, hearing(second.tracks["audio"]) as two:
            half = HEARD / 2
            await until(lambda: radio.share(1000) > half and radio.share(1500) > half, "the radio hears both")
            await until(lambda: one.share(700) > half and one.share(1500) > half, "the first hears the others")
            await until(lambda: two.share(700) > half and two.share(1000) > half, "the second hears the others")
            assert one.share(1000) < UNHEARD and two.share(1500) < UNHEARD
    assert running.engine.engine_stats()["ports"] == 1
    await first.close()
    await second.close()


async def test_a_viewer_hears_and_is_not_heard(running: Kit) -> None:
    viewer = Client()
    async with pcm_member(running.engine, room(running), 700) as radio:
        await talk(running, viewer, 1000, who=BOB)
        async with hearing(viewer.tracks["audio"]) as ear:
            await until(lambda: ear.share(700) > HEARD, "the viewer hears the radio")
            heard = radio.count
            await until(lambda: radio.count > heard + 16000, "a second more")
            assert radio.loudest() < 200
    await viewer.close()


async def test_the_sound_goes_on_when_the_path_moves(running: Kit) -> None:
    browser = Client()
    async with pcm_member(running.engine, room(running), 700) as radio:
        location = await talk(running, browser, 1000)
        await until(lambda: radio.share(1000) > HEARD, "heard")
        (session,) = running.adapter.registry or ()
        other = await seen_from(browser, "127.0.0.2")
        await until(lambda: session.status()["path"].startswith("127.0.0.2:"), "moved")
        heard = radio.count
        await until(lambda: radio.count > heard + 16000, "a second more")
        assert radio.share(1000) > HEARD and len(running.context.talk.seats) == 1
        await running.call("DELETE", location)
        await other.close()
    await browser.close()


async def test_delete_ends_the_voice_at_once(running: Kit) -> None:
    browser = Client()
    async with pcm_member(running.engine, room(running), 700) as radio:
        location = await talk(running, browser, 1000)
        await until(lambda: radio.share(1000) > HEARD, "heard")
        assert (await running.call("DELETE", location)).status == 200
        assert running.engine.engine_stats()["sessions"] == 0
        await until(lambda: radio.loudest() < 200, "quiet")
    await browser.close()
