"""Iridium: what sessions say; a unit against a fake whose network is away, and whose answers get lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.satphone.config import PhoneConfig
from adapters.satphone.protocol.sbd import parts, read_session
from adapters.satphone.sbd import SbdUnit
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.model.link import LinkPhase
from tests.fakes.iridium import FakeIridium
from tests.unit.satphone.rig import Rig, out, progress


def test_what_a_session_says() -> None:
    told = read_session("+SBDIX: 0, 17, 1, 23, 12, 3")
    assert told.sent and told.came and (told.in_number, told.queued) == (23, 3)
    assert read_session("+SBDIX: 32, 17, 2, 0, 0, 0").why_not()[0] == "sbd-no-network"
    assert read_session("+SBDIX: 12, 17, 0, 0, 0, 0").why_not()[0] == "text-refused"
    for bad in ("+SBDIX: 0", "OK", "+SBDIX: 0, 99999999, 1, 2, 3, 4"):
        with pytest.raises(RemoteProtocolError):
            read_session(bad)


def test_long_ones_are_cut() -> None:
    pieces = parts("山" * 300)
    assert len(pieces) == 3 and all(len(one.encode()) <= 340 for one in pieces)


@asynccontextmanager
async def a_unit(fake: FakeIridium, rig: Rig) -> AsyncIterator[SbdUnit]:
    server = await fake.serve()
    config = PhoneConfig(port=f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", kind="sbd", look_every="1s")  # type: ignore[arg-type]
    unit = SbdUnit("ir1", config, rig.context)
    task = asyncio.create_task(unit.run())
    try:
        yield unit
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.close()


async def look(unit: SbdUnit, rig: Rig) -> None:
    rig.told.clear()
    unit._wake.set()
    await rig.until(lambda: bool(rig.told))


async def test_one_whose_answer_was_lost_goes_once() -> None:
    fake, rig = FakeIridium(lost_answers=1), Rig()
    async with a_unit(fake, rig) as unit:
        await rig.until(lambda: rig.ready)
        with pytest.raises(LinkDown) as unsure:
            await unit.send(out("sbd:", "all well"), progress)
        assert unsure.value.code == "text-unsure" and fake.sent == [b"all well"]
        await rig.until(lambda: rig.code == "serial-lost")
        await rig.until(lambda: rig.ready)
        await unit.send(out("sbd:", "all well"), progress)
        assert fake.sent == [b"all well"]
        await unit.send(out("sbd:", "and again"), progress)
        assert len(fake.sent) == 2


async def test_what_came_lies_in_the_unit_until_it_is_kept() -> None:
    fake, rig = FakeIridium(waiting=[b"one", b"two"]), Rig()
    async with a_unit(fake, rig) as unit:
        await rig.until(lambda: rig.ready)
        rig.full = GatewayError("full", code="disk-full")
        # It was sent, whatever becomes of what the session fetched.
        assert (await unit.send(out("sbd:", "x"), progress)).parts == 1
        with pytest.raises(GatewayError) as refused:
            await unit.send(out("sbd:", "y"), progress)  # another session would overwrite it
        assert refused.value.code == "disk-full" and fake.sent == [b"x"] and fake.lying
        rig.full = None
        await rig.until(lambda: len(rig.came) == 1)
        await unit.send(out("sbd:", "y"), progress)
        await rig.until(lambda: len(rig.came) == 2)
        assert [one.body for one in rig.came] == ["one", "two"] and fake.sent == [b"x", b"y"]


async def test_one_that_was_not_sent_does_not_go_along_with_the_next_session() -> None:
    fake, rig = FakeIridium(status=32), Rig()
    async with a_unit(fake, rig) as unit:
        await rig.until(lambda: rig.ready)
        with pytest.raises(LinkDown):
            await unit.send(out("sbd:", "all well"), progress)
        fake.status, fake.waiting = 0, [b"come back"]
        fake.ring()
        await rig.until(lambda: len(rig.came) == 1)
        assert fake.sent == []
        await unit.send(out("sbd:", "all well"), progress)
        assert fake.sent == [b"all well"], "once"


async def test_what_is_to_be_sent_goes_between_those_that_wait() -> None:
    fake, rig = FakeIridium(), Rig()
    async with a_unit(fake, rig) as unit:
        await rig.until(lambda: rig.ready)
        fake.waiting = [b"%d" % number for number in range(40)]
        fake.ring()
        await rig.until(lambda: bool(rig.came))
        await unit.send(out("sbd:", "help"), progress)
        assert fake.sent == [b"help"] and len(fake.waiting) > 20
        await rig.until(lambda: len(rig.came) == 40)


async def test_sessions_that_may_cost_are_few() -> None:
    fake, rig = FakeIridium(queue_lies=3), Rig()
    async with a_unit(fake, rig) as unit:
        await rig.until(lambda: rig.ready and fake.sessions == 1)
        for _ in range(3):
            await look(unit, rig)
        assert fake.sessions == 1  # it fetched nothing: not again for a minute
        for status, code in ((33, "sbd-antenna"), (36, "sbd-wait"), (37, "sbd-blocked")):
            fake.status = status
            with pytest.raises(LinkDown) as refused:
                await unit.send(out("sbd:", "x"), progress)
            assert refused.value.code == code  # it waits: none of these is for good
            await look(unit, rig)
            assert not rig.ready and rig.code == code
            sessions = fake.sessions
            with pytest.raises(LinkDown):
                await unit.send(out("sbd:", "x"), progress)
            assert fake.sessions == sessions
            unit._hold_until = 0.0


async def test_both_ways_and_why_not() -> None:
    fake, rig = FakeIridium(), Rig()
    async with a_unit(fake, rig) as unit:
        await rig.until(lambda: rig.ready)
        fake.waiting = [b"come back", b"now"]
        await unit.send(out("sbd:", "all well"), progress)
        assert fake.sent == [b"all well"]
        await rig.until(lambda: len(rig.came) == 1)
        fake.ring()
        await rig.until(lambda: len(rig.came) == 2)
        assert [(one.sender, one.body, one.mark) for one in rig.came] == [
            ("sbd:", "come back", "1"),
            ("sbd:", "now", "2"),
        ]
        for status, kind, code in ((32, LinkDown, "sbd-no-network"), (12, PeerError, "text-refused")):
            fake.status = status
            with pytest.raises(kind) as refused:
                await unit.send(out("sbd:", "x"), progress)
            assert refused.value.code == code
        fake.status, fake.bars = 0, 0
        await look(unit, rig)
        assert rig.phase is LinkPhase.SEARCHING
