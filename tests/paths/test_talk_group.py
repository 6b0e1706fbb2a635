"""Five in one talk group: each hears exactly the others, and the floor is obeyed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.model.voice import FloorState, MemberState
from tests.paths.five_rig import (
    BALL_MEMBER,
    BROWSER_HZ,
    PHONE_HZ,
    RADIO_HZ,
    RADIO_MEMBER,
    SECURE_HZ,
    Five,
    five,
    sing,
    until,
)
from tests.paths.sip_rig import strength
from tests.peers.stage import Ports, ports
from tests.unit.webrtc.client import only_loopback


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ports]:
    only_loopback(monkeypatch)
    with ports() as found:
        yield found


async def test_each_of_five_is_heard_by_exactly_the_others(tmp_path: Path, free: Ports) -> None:
    async with five(tmp_path, free) as group:
        # The browser, by its key.
        assert (await group.order("talk.request"))["data"]["answer"] == "granted"
        for who in ("phone", "secure", "radio", "ball"):
            await group.hears(who, BROWSER_HZ)
        assert group.ears["browser"](BROWSER_HZ) < 0.05, "nobody hears himself"
        await group.order("talk.release")
        await group.until(lambda status: status.floor.state is not FloorState.TAKEN)

        # The radio, by its squelch.
        keyed = asyncio.create_task(group.radio.call(4.0))
        await group.until(lambda status: status.floor.holder == RADIO_MEMBER)
        for who in ("phone", "secure", "browser", "ball"):
            await group.hears(who, RADIO_HZ)
        await keyed
        await group.until(lambda status: status.floor.state is not FloorState.TAKEN)

        # The phones, by their voice.
        for name, phone, hz in (("phone", group.phone, PHONE_HZ), ("secure", group.secure, SECURE_HZ)):
            sing(phone, hz, 5.0)
            await group.until(lambda status, user=phone.number: status.floor.holder == f"sip:{user}")  # type: ignore[misc]
            for who in {"phone", "secure", "browser", "radio", "ball"} - {name}:
                await group.hears(who, hz)
            await group.until(lambda status: status.floor.state is not FloorState.TAKEN)


async def test_the_floor_is_one_s_and_an_emergency_takes_it(tmp_path: Path, free: Ports) -> None:
    async with five(tmp_path, free) as group:
        keyed = asyncio.create_task(group.radio.call(6.0))
        await group.until(lambda status: status.floor.holder == RADIO_MEMBER)
        await group.hears("phone", RADIO_HZ)
        assert (await group.order("talk.request"))["data"]["answer"] == "queued"
        status = await group.until(lambda status: status.floor.queue)
        assert status.floor.holder == RADIO_MEMBER
        assert status.floor.queue == (group.member,)

        taken = await group.order("talk.request", emergency=True)
        assert taken["data"]["answer"] == "granted"
        status = await group.until(lambda status: status.floor.emergency)
        assert status.floor.holder == group.member
        await group.hears("phone", BROWSER_HZ)
        await group.hears("secure", BROWSER_HZ)
        keyed.cancel()
        await asyncio.gather(keyed, return_exceptions=True)


async def test_in_a_conference_all_talk_at_once_and_the_ball_s_place_is_heard(tmp_path: Path, free: Ports) -> None:
    async with five(tmp_path, free, mode="full") as group:
        group.track.hz = 0.0
        await group.until(
            lambda status: any(m.id.startswith(BALL_MEMBER) and m.state is MemberState.UP for m in status.members)
        )
        # Nobody speaks: the ball's own pip, each second, is what everybody hears.
        for who in ("phone", "secure", "browser"):
            await heard_now_and_then(group, who, 880.0)
        # All three speak: each hears the two others, and not himself.
        sing(group.phone, PHONE_HZ)
        sing(group.secure, SECURE_HZ)
        group.track.hz = BROWSER_HZ
        await mixed(group, "phone", SECURE_HZ, BROWSER_HZ, PHONE_HZ)
        await mixed(group, "secure", PHONE_HZ, BROWSER_HZ, SECURE_HZ)
        await mixed(group, "browser", PHONE_HZ, SECURE_HZ, BROWSER_HZ)


async def heard_now_and_then(group: Five, who: str, hz: float) -> None:
    """A tone that comes for a fifth of each second, besides what else is heard."""
    if who in group.sip_ears:
        await group.sip_ears[who].hears(hz, share=0.2, windows=1)
    else:
        await until(lambda: group.ears[who](hz) >= 0.2)


async def mixed(group: Five, who: str, first: float, second: float, own: float) -> None:
    """Hears two tones, about equally, and not its own."""

    def fits(share: Callable[[float], float]) -> bool:
        return share(first) > 0.2 and share(second) > 0.2 and share(own) < 0.05

    if who in group.sip_ears:
        await group.sip_ears[who].until(lambda heard: fits(lambda hz: strength(heard, hz)), 2)
    else:
        await until(lambda: fits(group.ears[who]))
