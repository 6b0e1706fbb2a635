"""Iridium: what sessions say; a unit against a fake whose network is away, and whose answers get lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from adapters.satphone.config import PhoneConfig
from adapters.satphone.protocol.sbd import parts, read_session
from adapters.satphone.sbd import SbdUnit
from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError
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


async def test_both_ways_and_why_not() -> None:
    fake, rig = FakeIridium(), Rig()
    server = await fake.serve()
    config = PhoneConfig(port=f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", kind="sbd", look_every="1s")  # type: ignore[arg-type]
    unit = SbdUnit("ir1", config, rig.context)
    task = asyncio.create_task(unit.run())
    try:
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
        for status, kind, code in ((32, LinkDown, "sbd-no-network"), (37, PeerError, "sbd-blocked")):
            fake.status = status
            with pytest.raises(kind) as refused:
                await unit.send(out("sbd:", "x"), progress)
            assert refused.value.code == code
        fake.status, fake.bars = 0, 0
        await rig.until(lambda: rig.phase is LinkPhase.SEARCHING)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.close()
