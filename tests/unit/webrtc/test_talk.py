"""Browsers that talk: a seat in a group or a conversation, its voice, its rights, and every way that it ends."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from adapters.webrtc.offer import make_answer, make_plan
from adapters.webrtc.sdp import parse_offer
from adapters.webrtc.talk import allow
from gateway.base.errors import Busy, Denied, NotFound, RemoteProtocolError, Unsupported
from gateway.contract.voice import KeyedBy
from gateway.model.principal import Principal, Role
from gateway.model.voice import MemberKind, Priority
from tests.unit.webrtc.client import CHROMIUM_OFFER, Client, seen_from
from tests.unit.webrtc.conftest import Rig
from tests.unit.webrtc.fakes import ALICE, BOB, FakeSeat, VoiceEvent, until
from tests.unit.webrtc.test_offer import LOCAL

SDP = "application/sdp"
CODECS = ("h264", "h265", "opus", "pcma", "pcmu", "g722")
AUDIO = "m=audio" + CHROMIUM_OFFER.partition("m=audio")[2]
HEAD = CHROMIUM_OFFER.partition("a=group")[0]


def spoken(direction: str = "sendrecv") -> bytes:
    """What Chromium offers for one microphone."""
    return (HEAD + "a=group:BUNDLE 1\r\n" + AUDIO.replace("a=recvonly", f"a={direction}")).encode()


async def talk(
    rig: Rig, client: Client, group: str = "ops", direction: str = "sendrecv", who: Principal = ALICE, **headers: str
) -> tuple[str, dict[str, str], bytes]:
    """Join and connect; the session's path, the answer's headers and the answer."""
    body = await client.offer("audio", direction=direction)
    response = await rig.call("POST", f"/talk/{group}", body, who=who, content_type=SDP, **headers)
    assert response.status == 201 and response.content_type == SDP
    await client.answer(response.body)
    await asyncio.wait_for(client.connected.wait(), 10)
    return response.headers["Location"], dict(response.headers), response.body


async def seat_of(rig: Rig) -> FakeSeat:
    """The one seat, once it has its voice."""
    await until(lambda: rig.context.talk.seats and rig.context.talk.seats[0].handles, "a voice")
    (seat,) = rig.context.talk.seats
    return seat  # type: ignore[no-any-return]


async def status(rig: Rig, location: str, who: Principal = ALICE) -> dict[str, Any]:
    return json.loads((await rig.call("GET", location, who=who)).body)  # type: ignore[no-any-return]


# — offers and answers —


@pytest.mark.parametrize(
    ("offered", "answered"), [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly")]
)
def test_sound_goes_as_far_as_the_peer_wants(offered: str, answered: str) -> None:
    plan = make_plan(parse_offer(spoken(offered)), CODECS, "talk")
    assert plan.audio is not None and plan.audio.direction == answered and plan.video is None
    answer = make_answer(plan, LOCAL, session=1)
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111 8 0 9\r\n" in answer
    assert f"a={answered}" in answer and "a=rtpmap:111 opus/48000/2" in answer
    assert [one.codec for one in plan.audio.payloads] == ["opus", "pcma", "pcmu", "g722"]


def test_pictures_are_no_part_of_a_talk() -> None:
    plan = make_plan(parse_offer(CHROMIUM_OFFER.encode()), CODECS, "talk")
    assert plan.video is None and "m=video 0 " in make_answer(plan, LOCAL, session=1)
    only_video = CHROMIUM_OFFER.partition("m=audio")[0].encode()
    with pytest.raises(Unsupported, match="OPUS") as refused:
        make_plan(parse_offer(only_video), CODECS, "talk")
    assert refused.value.code == "codec-unsupported"


def test_a_viewer_listens_and_one_who_only_talks_is_refused() -> None:
    both = make_plan(parse_offer(spoken()), CODECS, "talk")
    assert allow(both, ALICE) is both
    listens = allow(both, BOB).audio
    assert listens is not None and listens.direction == "sendonly" and not listens.receives
    with pytest.raises(Denied):
        allow(make_plan(parse_offer(spoken("sendonly")), CODECS, "talk"), BOB)


def test_inactive_sound_is_no_sound() -> None:
    with pytest.raises(Unsupported):
        make_plan(parse_offer(spoken("inactive")), CODECS, "talk")


# — the stay —


async def test_a_seat_gets_its_voice_once_the_path_is_safe(rig: Rig) -> None:
    client = Client()
    location, headers, answer = await talk(rig, client)
    assert location.startswith("/talk-session/") and b"a=sendrecv" in answer
    seat = await seat_of(rig)
    assert (seat.group, seat.member) == ("kit1/talk/ops", headers["Fieldgate-Member"])
    wish = seat.wish
    assert (wish.kind, wish.keyed_by, wish.name) == (MemberKind.BROWSER, KeyedBy.ORDER, "alice")
    assert (wish.may_talk, wish.may_listen, wish.emergency, wish.priority) == (True, True, True, Priority.DISPATCHER)
    assert wish.principal == ALICE and wish.id.startswith("browser:")
    (voice,) = rig.engine.voices.values()
    assert seat.handles == [next(iter(rig.engine.voices))]
    assert (
        len(voice["send"]) == len(voice["receive"]) >= 3
        and not voice["mute_in"]
        and voice["mid"] == "0"
        and voice["mid_ext"] > 0
    )
    assert f"a=ssrc:{voice['ssrc']} cname:{voice['cname']}".encode() in answer
    told = await status(rig, location)
    assert (told["state"], told["group"], told["member"], told["may_talk"]) == (
        "connected", "kit1/talk/ops", wish.id, True,
    )  # fmt: skip
    await client.close()


async def test_a_viewer_only_listens(rig: Rig) -> None:
    client = Client()
    location, _, answer = await talk(rig, client, who=BOB)
    seat = await seat_of(rig)
    assert (seat.wish.may_talk, seat.wish.may_listen, seat.wish.emergency) == (False, True, False)
    assert seat.wish.priority is Priority.NORMAL and b"a=sendonly" in answer
    (voice,) = rig.engine.voices.values()
    assert voice["mute_in"] and voice["transmit"] == "always"
    assert (await status(rig, location, BOB))["may_talk"] is False
    await client.close()


async def test_one_who_only_talks_is_sent_nothing(rig: Rig) -> None:
    client = Client()
    _, _, answer = await talk(rig, client, direction="sendonly")
    seat = await seat_of(rig)
    assert (seat.wish.may_talk, seat.wish.may_listen) == (True, False) and b"a=recvonly" in answer
    (voice,) = rig.engine.voices.values()
    assert voice["transmit"] == "never" and not voice["mute_in"]
    await client.close()


@pytest.mark.parametrize("name", ["ops", "kit1/talk/ops", "600"])
async def test_a_group_by_id_name_or_number(rig: Rig, name: str) -> None:
    await rig.call("POST", f"/talk/{name}", spoken(), content_type=SDP)
    assert rig.context.talk.seats[0].group == "kit1/talk/ops"


async def test_a_channel_makes_a_conversation_of_its_own(rig: Rig) -> None:
    client = Client()
    location, _, _ = await talk(rig, client, "kit1/ball-1/ch1")
    assert (await seat_of(rig)).group == "kit1/talk/call-1"
    assert (await status(rig, location))["group"] == "kit1/talk/call-1"
    await client.close()


async def test_refusals_are_the_cores_words(rig: Rig) -> None:
    with pytest.raises(NotFound):
        await rig.call("POST", "/talk/nobody", spoken(), content_type=SDP)
    with pytest.raises(Denied) as denied:
        await rig.call("POST", "/talk/ops", spoken(), content_type=SDP, who=replace(ALICE, scope="kit1/ball-1"))
    rig.context.talk.full = True
    with pytest.raises(Busy) as full:
        await rig.call("POST", "/talk/ops", spoken(), content_type=SDP)
    assert (denied.value.code, full.value.code) == ("talk-denied", "group-full")
    with pytest.raises(RemoteProtocolError):
        await rig.call("POST", "/talk/ops", b"\x00" * 100, content_type=SDP)
    assert (await rig.call("POST", "/talk/ops", b"{}", content_type="application/json")).status == 415
    assert not rig.engine.sessions


@pytest.mark.parametrize("rig", [{"max_sessions_per_user": 1}], indirect=True)
async def test_seats_count_as_sessions(rig: Rig) -> None:
    await rig.call("POST", "/talk/ops", spoken(), content_type=SDP)
    with pytest.raises(Busy) as refused:
        await rig.call("POST", "/whep/kit1/ball-1/ch1", CHROMIUM_OFFER.encode(), content_type=SDP)
    assert refused.value.code == "too-many-viewers"


async def test_several_groups_are_several_sessions(rig: Rig) -> None:
    rig.context.talk.groups["kit1/talk/fire"] = "601"
    clients = [Client(), Client()]
    members = [
        (await talk(rig, client, group))[1]["Fieldgate-Member"]
        for client, group in zip(clients, ("ops", "fire"), strict=True)
    ]
    await until(lambda: len(rig.engine.voices) == 2, "two voices")
    assert len(set(members)) == 2 and len(rig.engine.ports) == 1
    for client in clients:
        await client.close()


# — ends —


async def test_delete_frees_seat_voice_and_session(rig: Rig) -> None:
    client = Client()
    location, _, _ = await talk(rig, client)
    seat = await seat_of(rig)
    assert (await rig.call("DELETE", location)).status == 200
    assert seat.handles[-1] is None and not rig.context.talk.seats and not rig.engine.voices
    assert (await status(rig, location))["code"] == "viewer-left"
    await client.close()


async def test_the_core_ends_the_seat_and_the_page_reads_why(rig: Rig) -> None:
    client = Client()
    location, _, _ = await talk(rig, client)
    seat = await seat_of(rig)
    assert seat.wish.on_end is not None
    seat.wish.on_end("stream-removed", "the group was taken out of the configuration")
    await until(lambda: not rig.engine.sessions, "the session is gone")
    told = await status(rig, location)
    assert (told["state"], told["code"]) == ("closed", "stream-removed") and told["detail"].startswith("the group")
    await asyncio.wait_for(client.ended.wait(), 10)
    await client.close()


async def test_a_page_that_closes_frees_its_seat(rig: Rig) -> None:
    client = Client()
    await talk(rig, client)
    await seat_of(rig)
    await client.close()
    await until(lambda: not rig.context.talk.seats and not rig.engine.voices, "the seat is free")


async def test_a_page_that_never_connects_frees_its_seat(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.adapter.config.__dict__["connect_timeout"] = 0.2
    response = await rig.call("POST", "/talk/ops", spoken(), content_type=SDP)
    assert len(rig.context.talk.seats) == 1
    await until(lambda: not rig.context.talk.seats, "the seat is free")
    assert (await status(rig, response.headers["Location"]))["code"] == "ice-failed"


async def test_a_path_that_moves_keeps_seat_and_voice(rig: Rig) -> None:
    client = Client()
    location, _, _ = await talk(rig, client)
    seat = await seat_of(rig)
    other = await seen_from(client, "127.0.0.2")
    await until(lambda: rig.engine.moves, "moved")
    assert rig.engine.moves[-1][2] == "127.0.0.2" and len(seat.handles) == 1
    told = await status(rig, location)
    assert told["state"] == "connected" and told["path"].startswith("127.0.0.2:")
    await other.close()
    await client.close()


async def test_a_new_network_takes_the_own_seat_over(rig: Rig) -> None:
    first, second, third, other = Client(), Client(), Client(), Client()
    location, headers, _ = await talk(rig, first)
    member = headers["Fieldgate-Member"]
    newer, again, _ = await talk(rig, second, fieldgate_member=member)
    assert again["Fieldgate-Member"] == member
    assert (await status(rig, location))["code"] == "session-replaced"
    await rig.call("DELETE", newer)
    _, late, _ = await talk(rig, third, fieldgate_member=member)  # the gateway had noticed; it is still the same person
    assert late["Fieldgate-Member"] == member
    # Somebody else's seat is not to be had by its name.
    _, theirs, _ = await talk(rig, other, who=replace(BOB, role=Role.OPERATOR), fieldgate_member=member)
    assert theirs["Fieldgate-Member"] != member and len(rig.context.talk.seats) == 2
    for client in (first, second, third, other):
        await client.close()


async def test_trouble_with_the_sound_is_said_and_forgotten(rig: Rig) -> None:
    client = Client()
    location, _, _ = await talk(rig, client)
    seat = await seat_of(rig)
    seat.tell(VoiceEvent(seat.handles[0] or 0, "problem", "codec-unsupported", "pt 99"))
    seat.tell(VoiceEvent(seat.handles[0] or 0, "stopped"))
    told = await status(rig, location)
    assert (told["code"], told["detail"], told["sound_stopped"]) == ("codec-unsupported", "pt 99", True)
    seat.tell(VoiceEvent(seat.handles[0] or 0, "media", "", "opus"))
    told = await status(rig, location)
    assert (told["code"], told["sound_stopped"]) == ("", False)
    seat.tell(VoiceEvent(seat.handles[0] or 0, "closed", "stream-panic", "the voice is gone"))
    await until(lambda: not rig.engine.sessions, "the session is gone")
    assert (await status(rig, location))["code"] == "stream-panic"
    await client.close()


async def test_a_stopping_adapter_frees_all_seats(rig: Rig) -> None:
    client = Client()
    await talk(rig, client)
    await seat_of(rig)
    await rig.stop()
    assert not rig.context.talk.seats and not rig.engine.voices
    await client.close()
