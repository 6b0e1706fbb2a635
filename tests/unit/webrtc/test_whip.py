"""Publishers: the stream lives as long as the session; names can not be taken from devices or other accounts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from aiortc.mediastreams import AudioStreamTrack

from adapters.webrtc import seam
from gateway.base.errors import Busy, Denied, NotFound, RemoteProtocolError
from gateway.model.ids import StreamId
from gateway.model.media import StreamState
from gateway.model.principal import Role
from tests.unit.webrtc.client import CHROMIUM_OFFER, Client
from tests.unit.webrtc.conftest import Rig
from tests.unit.webrtc.fakes import BOB, until

SDP = "application/sdp"
SENDS = CHROMIUM_OFFER.replace("a=recvonly", "a=sendonly").encode()


async def publish(rig: Rig, client: Client, name: str = "phone") -> str:
    body = await client.offer(direction="sendonly", tracks=(AudioStreamTrack(),))
    response = await rig.call("POST", f"/whip/{name}", body, content_type=SDP)
    assert response.status == 201
    await client.answer(response.body)
    await asyncio.wait_for(client.connected.wait(), 10)
    await until(lambda: rig.context.streams.publications, "published")
    return response.headers["Location"]


async def test_a_publisher_makes_a_stream_and_takes_it_along(rig: Rig) -> None:
    client = Client()
    location = await publish(rig, client)
    assert location.startswith("/whip-session/")
    publication = rig.context.streams.publications[0]
    (info,) = rig.context.push_points.infos
    assert (info.protocol, info.title) == ("whip", "phone (alice)")
    assert publication.stream == "kit1/phone/main" and "kit1/phone/main" in rig.context.streams.known
    await until(lambda: publication.legs, "a leg")
    leg = publication.legs[0]
    assert leg["session"] in rig.engine.armed and not leg["video"] and len(leg["audio"]) == 4
    await client.close()
    await until(lambda: not rig.engine.sessions, "gone")
    assert "kit1/phone/main" not in rig.context.streams.known and publication.closed == 1


async def test_the_same_account_comes_again_and_replaces_itself(rig: Rig) -> None:
    first, second = Client(), Client()
    location = await publish(rig, first)
    await publish(rig, second)
    assert json.loads((await rig.call("GET", location)).body)["code"] == "session-replaced"
    assert len(rig.engine.sessions) == 1 and len(rig.context.streams.publications) == 2
    for client in (first, second):
        await client.close()


async def test_a_publisher_that_answers_no_checks_stays_while_its_media_comes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.02)
    monkeypatch.setattr("aioice.stun.RETRY_RTO", 0.01)
    client = Client()
    location = await publish(rig, client)
    known = rig.context.streams.known
    status = known[StreamId("kit1/phone/main")]
    expired = asyncio.Event()
    closing = seam.NativeConnection.close

    async def close(self: seam.NativeConnection) -> None:
        await closing(self)
        expired.set()

    monkeypatch.setattr(seam.NativeConnection, "close", close)
    session = next(iter(rig.engine.sessions))
    rig.engine.handlers[session] = lambda event: None  # no answer comes any more
    for state in (StreamState.LIVE, StreamState.STALLED):
        known[status.id] = replace(status, state=state)
        await asyncio.wait_for(expired.wait(), 10)
        expired.clear()
        assert session in rig.engine.sessions
    known[status.id] = replace(status, state=StreamState.OPENING)
    await until(lambda: not rig.engine.sessions, "silent in both ways: gone")
    assert json.loads((await rig.call("GET", location)).body)["code"] == "viewer-silent"
    await client.close()


async def test_names_of_others_are_not_to_be_had(rig: Rig) -> None:
    client = Client()
    await publish(rig, client)
    with pytest.raises(Busy):
        await rig.call("POST", "/whip/phone", SENDS, content_type=SDP, who=BOB)
    with pytest.raises(Denied):
        await rig.call("POST", "/whip/ball-1", SENDS, content_type=SDP)  # a device's stream
    with pytest.raises(RemoteProtocolError):
        await rig.call("POST", "/whip/kit2/cam/ch1", SENDS, content_type=SDP)
    with pytest.raises(NotFound):
        await rig.call("POST", "/whip/UPPER CASE", SENDS, content_type=SDP)
    assert len(rig.engine.sessions) == 1
    await client.close()


async def test_who_may_ask_at_all(rig: Rig) -> None:
    """Programs too, and phones publish; what they may publish and read, the names decide."""
    http = rig.context.http
    for way, programs, phones in (("whip", True, True), ("whep", True, False), ("talk", False, False)):
        path = f"/{way}/{{stream:path}}"
        assert http.programs["POST", path] is programs and (Role.INFORMANT in http.also["POST", path]) is phones


async def test_what_obs_and_gstreamer_rely_on(rig: Rig) -> None:
    """RFC 9725: an absolute path as Location, the ETag of the ICE session, PATCH with it, and its software is told."""
    client = Client()
    body = await client.offer(direction="sendonly", tracks=(AudioStreamTrack(),))
    made = await rig.call("POST", "/whip/obs", body, content_type=SDP, user_agent="OBS/31.0")
    await client.answer(made.body)
    assert made.headers["Location"].startswith("/whip-session/") and made.headers["ETag"].startswith('"')
    assert made.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
    assert rig.context.push_points.infos[0].software == "OBS/31.0"
    assert rig.context.push_points.infos[0].protocol == "whip"
    fragment = b"a=end-of-candidates\r\n"
    kind = "application/trickle-ice-sdpfrag"
    patched = await rig.call(
        "PATCH", made.headers["Location"], fragment, content_type=kind, if_match=made.headers["ETag"]
    )
    assert patched.status == 204
    ended = await rig.call("DELETE", made.headers["Location"])
    assert ended.status == 200
    await client.close()
