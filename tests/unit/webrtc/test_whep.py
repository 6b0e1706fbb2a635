"""Viewers, from offer to end, against an aiortc client on real sockets and an engine without media."""

from __future__ import annotations

import asyncio
import gc
import json

import pylibsrtp
import pytest
from aiortc.rtcdtlstransport import RTCCertificate
from aiortc.rtp import RtpPacket

from adapters.webrtc import peer as peer_module
from adapters.webrtc.peer import NativePeer
from gateway.base.errors import Busy, Denied, NotFound, RemoteProtocolError, Unsupported
from gateway.model.media import Codec, StreamState, Track, TrackKind
from tests.unit.webrtc.client import CHROMIUM_OFFER, Client, seen_from
from tests.unit.webrtc.conftest import Rig
from tests.unit.webrtc.fakes import ALICE, BOB, SessionEvent, SubscriptionEvent, until

SDP = "application/sdp"
TRICKLE = "application/trickle-ice-sdpfrag"
STREAM = "/whep/kit1/ball-1/ch1"


async def watch(rig: Rig, client: Client) -> tuple[str, dict[str, str]]:
    """Join and connect; the session's path and the answer's headers."""
    response = await rig.call("POST", STREAM, await client.offer("video", "audio"), content_type=SDP)
    assert response.status == 201 and response.content_type == SDP
    await client.answer(response.body)
    await asyncio.wait_for(client.connected.wait(), 10)
    return response.headers["Location"], dict(response.headers)


async def status(rig: Rig, location: str) -> dict[str, object]:
    return json.loads((await rig.call("GET", location)).body)  # type: ignore[no-any-return]


async def test_a_viewer_connects_and_the_engine_gets_keys_that_work(rig: Rig) -> None:
    client = Client()
    location, headers = await watch(rig, client)
    assert headers["ETag"].startswith('"') and headers["Accept-Patch"] == TRICKLE
    session = next(iter(rig.engine.sessions))
    await until(lambda: session in rig.engine.armed, "armed")
    armed = rig.engine.armed[session]
    assert armed["profile"] == "AEAD_AES_128_GCM"
    assert (len(armed["tx_key"]), len(armed["tx_salt"])) == (16, 12)

    # A packet that we protect with tx must come out of the client's receiver.
    given = next(iter(rig.engine.subscribed.values()))
    policy = pylibsrtp.Policy(
        key=armed["tx_key"] + armed["tx_salt"],
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    )
    packet = RtpPacket(
        payload_type=8, sequence_number=1, timestamp=160, ssrc=given["audio_ssrc"], payload=b"\xd5" * 160
    )
    rig.engine.send_media(session, pylibsrtp.Session(policy).protect(packet.serialize()))
    receiver = next(one for one in client.pc.getReceivers() if one.track.kind == "audio")
    seen = receiver._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]
    await until(lambda: given["audio_ssrc"] in seen, "the packet came out")
    assert (await status(rig, location))["state"] == "connected"
    await client.close()


async def test_subscribed_at_once_with_what_was_agreed(rig: Rig) -> None:
    client = Client()
    await rig.call("POST", STREAM, await client.offer("video", "audio"), content_type=SDP)
    given = next(iter(rig.engine.subscribed.values()))
    assert not rig.engine.armed  # before any path: the source opens meanwhile
    assert given["stream"] == 1 and given["video_mid"] == "0" and given["audio_mid"] == "1"
    assert given["mid_ext"] > 0 and len(given["video"]) == 2 and len(given["audio"]) == 4
    assert len({given["video_ssrc"], given["video_rtx_ssrc"], given["audio_ssrc"]}) == 3
    await client.close()


async def test_delete_ends_and_frees_everything(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    assert len(rig.context.streams.viewings) == 1
    assert (await rig.call("DELETE", location)).status == 200
    assert not rig.engine.sessions and not rig.engine.subscribed and not rig.context.streams.viewings
    told = await status(rig, location)  # still tells why
    assert (told["state"], told["code"]) == ("closed", "viewer-left")
    assert (await rig.call("DELETE", location)).status == 200  # idempotent
    await asyncio.wait_for(client.ended.wait(), 10)  # it heard our close_notify
    await client.close()


async def test_a_page_that_closes_ends_its_session(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await client.close()
    await until(lambda: not rig.engine.sessions, "the session is gone")
    assert (await status(rig, location))["code"] == "viewer-left"


async def test_a_settled_session_lets_go_of_openssl_and_still_hears_and_says_goodbye(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "SETTLED_S", 0.01)
    monkeypatch.setattr("aioice.stun.RETRY_RTO", 0.02)
    clients = [Client(), Client()]
    locations = [(await watch(rig, client))[0] for client in clients]
    peers = [one.peer for one in rig.adapter.registry or ()]
    await until(lambda: all(peer and peer._farewell and peer._dtls is None for peer in peers), "settled")

    session = next(iter(rig.engine.sessions))
    armed = rig.engine.armed[session]
    forged = b"\x15\xfe\xfd" + bytes(30)
    rig.engine.receive(armed["port"], forged, (armed["host"], armed["host_port"]))
    assert peers[0] is not None and peers[0]._asking is not None
    await asyncio.wait_for(peers[0]._asking, 5)
    assert (await status(rig, locations[0]))["state"] == "connected"  # it answered

    await clients[0].close()
    await until(lambda: len(rig.engine.sessions) == 1, "the session is gone")
    assert (await status(rig, locations[0]))["code"] == "viewer-left"
    await rig.call("DELETE", locations[1])
    await asyncio.wait_for(clients[1].ended.wait(), 10)  # it read the close_notify that was kept for it
    await clients[1].close()


@pytest.mark.parametrize(("state", "code"), [("silent", "viewer-silent"), ("bye", "viewer-left")])
async def test_silence_and_bye_end_the_session(rig: Rig, state: str, code: str) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    session = next(iter(rig.engine.sessions))
    rig.engine.handlers[session](SessionEvent(session, state))
    await until(lambda: not rig.engine.sessions, "the session is gone")
    assert (await status(rig, location))["code"] == code
    await client.close()


async def test_lost_consent_ends_the_session(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.02)
    monkeypatch.setattr("aioice.stun.RETRY_RTO", 0.01)
    client = Client()
    location, _ = await watch(rig, client)
    session = next(iter(rig.engine.sessions))
    await until(lambda: session in rig.engine.armed, "armed")
    rig.engine.handlers[session] = lambda event: None  # nothing comes any more
    await until(lambda: not rig.engine.sessions, "the session is gone")
    assert (await status(rig, location))["code"] == "viewer-silent"
    await client.close()


async def test_no_path_fails_in_words(rig: Rig) -> None:
    rig.adapter.config.__dict__["connect_timeout"] = 0.2
    response = await rig.call("POST", STREAM, CHROMIUM_OFFER.encode(), content_type=SDP)
    location = response.headers["Location"]
    await until(lambda: not rig.engine.sessions, "the session is gone")
    told = await status(rig, location)
    assert (told["state"], told["code"]) == ("failed", "ice-failed")
    assert set(told["cause"]) == {"en", "zh"} and set(told["cure"]) == {"en", "zh"}  # type: ignore[call-overload]


async def test_handshake_that_never_ends_fails_in_words(rig: Rig) -> None:
    rig.adapter.config.__dict__["handshake_timeout"] = 0.2
    rig.engine.drop_dtls = True
    client = Client()
    response = await rig.call("POST", STREAM, await client.offer("video"), content_type=SDP)
    await client.answer(response.body)
    await until(lambda: not rig.engine.sessions, "the session is gone")
    assert (await status(rig, response.headers["Location"]))["code"] == "dtls-failed"
    await client.close()


async def test_wrong_certificate_is_refused(rig: Rig) -> None:
    client = Client()
    body = await client.offer("video")
    real = client.pc._RTCPeerConnection__certificates[0].getFingerprints()[0].value  # type: ignore[attr-defined]
    other = RTCCertificate.generateCertificate().getFingerprints()[0].value
    response = await rig.call("POST", STREAM, body.replace(real.encode(), other.encode()), content_type=SDP)
    await client.answer(response.body)
    await until(lambda: not rig.engine.sessions, "the session is gone")
    assert not rig.engine.armed
    assert (await status(rig, response.headers["Location"]))["code"] == "dtls-failed"
    await client.close()


async def test_a_source_that_drops_kicks_nobody(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    viewing = rig.context.streams.viewings[0]
    viewing.set(state=StreamState.OFFLINE, code="device-offline", detail="since 10:00")
    told = await status(rig, location)
    assert (told["state"], told["stream_state"], told["code"]) == ("connected", "offline", "device-offline")
    viewing.set(state=StreamState.LIVE, code="", detail="")
    assert (await status(rig, location))["code"] == "waiting-key-frame"
    subscription = next(iter(rig.engine.subscribed))
    rig.context.media.subscriptions[subscription](SubscriptionEvent(subscription, 1, "first-frame"))
    assert (await status(rig, location))["code"] == ""
    await client.close()


async def test_a_removed_stream_lets_its_viewers_go(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    rig.context.streams.viewings[0].set(state=StreamState.REMOVED)
    await until(lambda: not rig.engine.sessions, "the session is gone")
    assert (await status(rig, location))["code"] == "stream-removed"
    await client.close()


async def test_a_stream_that_the_media_plane_gave_up_makes_the_page_come_again(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    viewing = rig.context.streams.viewings[0]
    viewing.handle = 2
    viewing.set(code="stream-panic")
    await until(lambda: not rig.engine.sessions, "the session is gone")
    told = await status(rig, location)
    assert (told["state"], told["code"]) == ("failed", "stream-panic")
    await client.close()


async def test_refusals_of_the_media_plane_reach_the_page(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    subscription = next(iter(rig.engine.subscribed))
    hear = rig.context.media.subscriptions[subscription]
    hear(SubscriptionEvent(subscription, 1, "refused", "b-frames", "main@4.0"))
    told = await status(rig, location)
    assert (told["state"], told["code"], told["detail"]) == ("connected", "b-frames", "main@4.0")
    hear(SubscriptionEvent(subscription, 1, "first-frame"))
    hear(SubscriptionEvent(subscription, 1, "congested"))
    assert (await status(rig, location))["code"] == "viewer-slow"
    hear(SubscriptionEvent(subscription, 1, "recovered"))
    assert (await status(rig, location))["code"] == ""
    await client.close()


async def test_a_stream_of_sound_alone_waits_for_no_key_frame(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    viewing = rig.context.streams.viewings[0]
    assert (await status(rig, location))["code"] == "waiting-key-frame"
    viewing.tracks = (Track(TrackKind.AUDIO, Codec.PCMA, 8000),)
    assert (await status(rig, location))["code"] == ""
    await client.close()


async def test_a_refusal_goes_when_the_camera_is_set_anew(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    await until(lambda: rig.engine.armed, "armed")
    viewing = rig.context.streams.viewings[0]
    viewing.tracks = (Track(TrackKind.VIDEO, Codec.H265, 90000, generation=1),)
    subscription = next(iter(rig.engine.subscribed))
    hear = rig.context.media.subscriptions[subscription]
    hear(SubscriptionEvent(subscription, 1, "first-frame"))
    hear(SubscriptionEvent(subscription, 1, "refused", "codec-unsupported"))
    assert (await status(rig, location))["code"] == "codec-unsupported"
    viewing.tracks = (Track(TrackKind.VIDEO, Codec.H264, 90000, generation=2),)
    assert (await status(rig, location))["code"] == ""
    await client.close()


async def test_errors_of_the_offer(rig: Rig) -> None:
    with pytest.raises(RemoteProtocolError) as bad:
        await rig.call("POST", STREAM, b"nonsense", content_type=SDP)
    assert bad.value.code == "bad-sdp"
    with pytest.raises(Unsupported) as none:
        video = CHROMIUM_OFFER[: CHROMIUM_OFFER.index("m=audio")]
        await rig.call("POST", STREAM, video.replace("H26", "VP").encode(), content_type=SDP)
    assert none.value.code == "codec-unsupported"
    with pytest.raises(NotFound):
        await rig.call("POST", "/whep/kit1/none/ch1", CHROMIUM_OFFER.encode(), content_type=SDP)
    rig.context.push_points.unread.add(BOB.name)
    with pytest.raises(Denied) as denied:
        await rig.call("POST", STREAM, CHROMIUM_OFFER.encode(), content_type=SDP, who=BOB)
    assert denied.value.code == "read-denied"
    wrong = await rig.call("POST", STREAM, CHROMIUM_OFFER.encode(), content_type="text/plain")
    assert (wrong.status, wrong.headers["Accept-Post"]) == (415, SDP)
    assert not rig.engine.sessions and not rig.context.streams.viewings


@pytest.mark.parametrize("rig", [{"max_sessions": 2, "max_sessions_per_user": 1}], indirect=True)
async def test_too_many(rig: Rig) -> None:
    body = CHROMIUM_OFFER.encode()
    await rig.call("POST", STREAM, body, content_type=SDP)
    with pytest.raises(Busy) as caught:
        await rig.call("POST", STREAM, body, content_type=SDP)
    assert caught.value.code == "too-many-viewers"
    await rig.call("POST", STREAM, body, content_type=SDP, who=BOB)
    with pytest.raises(Busy):
        await rig.call("POST", STREAM, body, content_type=SDP, who=BOB)


async def test_sessions_belong_to_who_made_them(rig: Rig) -> None:
    response = await rig.call("POST", STREAM, CHROMIUM_OFFER.encode(), content_type=SDP, who=ALICE)
    location = response.headers["Location"]
    assert len(location.rpartition("/")[2]) >= 32
    for method in ("GET", "DELETE", "PATCH"):
        with pytest.raises(NotFound):
            await rig.call(method, location, who=BOB)
    assert len(rig.engine.sessions) == 1


async def test_trickle(rig: Rig) -> None:
    client = Client()
    body = (await client.offer("video")).decode()
    candidates = [line for line in body.splitlines() if line.startswith(("a=candidate", "a=end-of"))]
    bare = "\r\n".join(line for line in body.splitlines() if line not in candidates) + "\r\n"
    response = await rig.call("POST", STREAM, bare.encode(), content_type=SDP)
    location, tag = response.headers["Location"], response.headers["ETag"]
    fragment = "\r\n".join(["m=video 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", *candidates, ""]).encode()

    assert (await rig.call("PATCH", location, fragment, content_type=TRICKLE)).status == 428
    assert (await rig.call("PATCH", location, fragment, content_type=TRICKLE, if_match='"x"')).status == 412
    assert (await rig.call("PATCH", location, fragment, content_type=SDP, if_match=tag)).status == 415
    assert (await rig.call("PATCH", location, fragment, content_type=TRICKLE, if_match=tag)).status == 204
    await client.answer(response.body)
    await asyncio.wait_for(client.connected.wait(), 10)
    await client.close()


async def test_ice_restart_is_refused_in_words_and_changes_nothing(rig: Rig) -> None:
    client = Client()
    location, headers = await watch(rig, client)
    restart = b"a=ice-ufrag:NewU\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    for tag in ("*", headers["ETag"]):
        response = await rig.call("PATCH", location, restart, content_type=TRICKLE, if_match=tag)
        assert response.status == 422 and json.loads(response.body)["code"] == "ice-restart"
    assert (await status(rig, location))["state"] in ("connecting", "connected")
    await client.close()


async def test_the_media_follows_a_new_nomination(rig: Rig) -> None:
    client = Client()
    await watch(rig, client)
    session = next(iter(rig.engine.sessions))
    await until(lambda: session in rig.engine.armed, "armed")
    peer: NativePeer = next(iter(rig.adapter.registry)).peer  # type: ignore[union-attr, arg-type, assignment]
    other = await seen_from(client, "127.0.0.2")
    await until(lambda: rig.engine.moves, "moved")
    assert rig.engine.moves[-1][2] == "127.0.0.2" and peer.remote_address.startswith("127.0.0.2:")
    await other.close()
    await client.close()


async def test_hostile_datagrams_are_counted_and_dropped(rig: Rig) -> None:
    client = Client()
    location, _ = await watch(rig, client)
    peer: NativePeer = next(iter(rig.adapter.registry)).peer  # type: ignore[union-attr, arg-type, assignment]
    session, port = next(iter(rig.engine.sessions)), next(iter(rig.engine.ports))
    good = bytes.fromhex("000100002112a442") + b"x" * 12
    lies = [
        b"\x00",
        good[:19],
        good[:2] + b"\x00\x08" + good[4:] + b"\x00\x20\x00\x01\x00\x00\x00\x00",  # XOR-MAPPED-ADDRESS too short
        good[:2] + b"\x00\x08" + good[4:] + b"\x00\x24\x00\x02\x00\x00\x00\x00",  # PRIORITY too short
        good[:2] + b"\x00\x08" + good[4:] + b"\x00\x06\xff\xff\xff\xff\xff\xff",  # USERNAME longer than all
        b"\x16\xfe\xfd" + b"\xff" * 40,
    ]
    for data in lies:
        rig.engine.receive(port, b"\x20" + data, ("127.0.0.1", 9))  # as DTLS of nobody
        peer.feed(type("D", (), {"port": port, "data": data, "host": "127.0.0.1", "host_port": 9})())
    assert session in rig.engine.sessions
    assert (await status(rig, location))["state"] == "connected"
    await client.close()


async def test_stopping_the_adapter_ends_every_session(rig: Rig) -> None:
    client = Client()
    await watch(rig, client)
    await rig.stop()
    assert not rig.engine.sessions and not rig.context.streams.viewings
    await client.close()


@pytest.mark.parametrize("rig", [{"remember": "0s", "max_sessions_per_user": 500}], indirect=True)
async def test_joins_and_leaves_leave_nothing(rig: Rig) -> None:
    async def come_and_go() -> None:
        response = await rig.call("POST", STREAM, CHROMIUM_OFFER.encode(), content_type=SDP)
        await rig.call("DELETE", response.headers["Location"])

    for _ in range(20):
        await come_and_go()
    gc.collect()
    before, tasks = len(gc.get_objects()), len(asyncio.all_tasks())
    for _ in range(200):
        await come_and_go()
    gc.collect()
    assert len(asyncio.all_tasks()) == tasks
    assert len(gc.get_objects()) - before < 200  # less than one object a join


async def test_link_header_and_options(rig: Rig) -> None:
    response = await rig.call("OPTIONS", STREAM)
    assert (response.status, response.headers["Accept-Post"]) == (204, SDP)
