"""Somebody at a center talks into a kit's group and to a ball there, over the real bundle: who is heard where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.model.principal import SYSTEM
from gateway.model.voice import GroupId, MemberState
from gateway.sim.radio import Radio, RadioProfile
from gateway.sim.report import silent
from tests.paths.talk_rig import HEARD, UNHEARD, Ear, ToneTrack, hearing
from tests.paths.uplink_rig import STREAM, County, comes, county, until
from tests.peers.stage import Ports, ports
from tests.unit.webrtc.client import Client, only_loopback

OPS = GroupId("kit7/talk/ops")
RADIO = "kit7/radio-1/ch1"
PERSON_HZ, RADIO_HZ, PIP_HZ = 1100.0, 1700.0, 880.0


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports]]:
    only_loopback(monkeypatch)
    with ExitStack() as stack:
        yield stack.enter_context(ports()), stack.enter_context(ports())


def site(ports: Ports) -> str:
    """A talk group of the kit with its radio and its ball."""
    return f"""
[talk.group.ops]
name = "Ops"
number = "600"
mode = "half"
members = ["radio-1/ch1", "ball-1/ch1"]
[adapter.roip.channels.radio-1]
kind = "usrp"
listen = "127.0.0.1:{ports.usrp}"
peer = "127.0.0.1:{ports.radio}"
"""


@dataclass
class Person:
    """Somebody at the center with a microphone that hears a tone, in a group or a conversation of the kit."""

    http: httpx.AsyncClient
    group: str
    member: str
    ear: Ear

    async def key(self, action: str, **args: Any) -> dict[str, Any]:
        body = {"action": action, "target": self.group, "args": {"member": self.member, **args}}

        async def pressed() -> httpx.Response | None:
            """A busy machine may judge both links to be out for a moment: then one presses again."""
            answer = await self.http.post("/api/v1/commands", json=body)
            return None if answer.status_code == 503 else answer

        answer: httpx.Response = await comes("an answer of the kit", pressed)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def talking(http: httpx.AsyncClient, target: str) -> AsyncIterator[Person]:
    client = Client()
    try:
        offer = await client.offer(tracks=(ToneTrack(PERSON_HZ),), direction="sendrecv")
        answer = await http.post(f"/talk/{target}", content=offer, headers={"Content-Type": "application/sdp"})
        assert answer.status_code == 201, answer.text
        await client.answer(answer.content)
        await asyncio.wait_for(client.connected.wait(), 20)
        # A word with a channel is a conversation of its own: the session says which.
        group = (await http.get(answer.headers["Location"])).json()["group"]
        async with hearing(client.tracks["audio"]) as ear:
            yield Person(http, group, answer.headers["Fieldgate-Member"], ear)
    finally:
        await client.close()


@asynccontextmanager
async def on_the_air(ports: Ports) -> AsyncIterator[Radio]:
    profile = RadioProfile(("127.0.0.1", ports.radio), ("127.0.0.1", ports.usrp), tone_hz=RADIO_HZ)
    async with Radio(profile, silent) as radio:
        yield radio


async def both_ways(made: County, radio: Radio) -> None:
    await until("the group is known", lambda: any(one.id == OPS for one in made.center.core.fleet.groups()))
    async with made.center.person() as anna, talking(anna, OPS) as person:
        # Pressed at the center, heard by the kit's radio and from its ball.
        assert (await person.key("talk.request"))["data"]["answer"] == "granted"
        await until("the radio says it", lambda: radio.heard.strength(PERSON_HZ) > HEARD)
        await until("the ball says it", lambda: abs(made.ball.ear.tone_hz - PERSON_HZ) < 20)
        floor = made.kit.core.talk.group(OPS).floor
        assert floor.holder == person.member
        await person.key("talk.release")
        await until("the floor is free", lambda: floor.holder == "")

        # And back: the radio's squelch opens, the person at the center hears it and has to wait for the floor.
        keyed = asyncio.create_task(radio.call(8.0))
        try:
            await until("the radio has the floor", lambda: floor.holder == RADIO)
            await until("the person hears it", lambda: person.ear.share(RADIO_HZ) > HEARD)
            assert person.ear.share(PERSON_HZ) < UNHEARD, "nobody hears himself"
            assert (await person.key("talk.request"))["data"]["answer"] == "queued"
            await until("the center shows who speaks", lambda: _shown(made) == RADIO)
        finally:
            keyed.cancel()
            await asyncio.gather(keyed, return_exceptions=True)

        # Who spoke when is the kit's record, and is read at the center.
        async def recorded() -> bool:
            rows = (await anna.get(f"/api/v1/talk/{OPS}/spurts")).json()
            return {one["member"] for one in rows} >= {person.member, RADIO}

        await comes("both are in the record", recorded)


async def test_into_a_group_of_the_kit_and_back(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with on_the_air(free[0]) as radio, county(tmp_path, *free, more_kit=site(free[0])) as made:
        await made.here()
        await both_ways(made, radio)


async def test_voices_by_tcp_where_no_udp_passes(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    more = site(free[0])
    async with (
        on_the_air(free[0]) as radio,
        county(tmp_path, *free, kit='udp_patience = "1s"\n', links=1, more_kit=more) as made,
    ):
        made.net.cut, carried = True, made.net.carried
        await made.here()
        await both_ways(made, radio)
        assert made.net.carried == carried


async def test_a_word_with_a_ball(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    """The talk button of a tile: its loudspeaker says it, and its place is heard."""
    async with county(tmp_path, *free) as made:
        await made.here()
        await until("its loudspeaker is offered", lambda: made.center.core.talk.members.find(STREAM))
        async with made.center.person() as anna, talking(anna, STREAM) as person:
            await until("its place is heard", lambda: person.ear.share(PIP_HZ) > HEARD / 2)
            answer = (await person.key("talk.request"))["data"]["answer"]
            assert answer == "granted"
            await until("the ball says it", lambda: abs(made.ball.ear.tone_hz - PERSON_HZ) < 20)
        await until("it is let go", lambda: not [one for one in made.kit.core.talk.groups() if one.spec.adhoc])


async def test_a_seat_outlives_cut_links(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with on_the_air(free[0]) as radio, county(tmp_path, *free, more_kit=site(free[0])) as made:
        await made.here()
        await until("the group is known", lambda: any(one.id == OPS for one in made.center.core.fleet.groups()))
        async with made.center.person() as anna, talking(anna, OPS) as person:
            await until("it sits", lambda: _sits(made, person))
            made.net.cut = True
            await until("cut off", lambda: made.center.core.fleet.kit(SYSTEM, "kit7").code == "kit-unreachable")
            made.net.cut = False
            await until("it is back", lambda: made.center.core.fleet.kit(SYSTEM, "kit7").code == "")
            await until("it sits again", lambda: _sits(made, person))
            await until("it may talk", lambda: made.kit.core.talk.status(OPS).members)
            assert (await person.key("talk.request"))["data"]["answer"] == "granted"
            await until("the radio says it", lambda: radio.heard.strength(PERSON_HZ) > HEARD)


def _sits(made: County, person: Person) -> bool:
    members = made.kit.core.talk.status(OPS).members
    return any(one.id == person.member and one.state is MemberState.UP for one in members)


def _shown(made: County) -> str:
    group = made.center.core.fleet.group(OPS)
    return group.floor.holder if group is not None else ""
