"""The team talks over a satellite phone: an FXO gateway at its dock is a trunk, a number by it a member of a group."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from adapters.sip.routing import MediaPolicy
from gateway.base.log import LogSetup
from gateway.config.load import load_config
from gateway.core import talk_dialled
from gateway.core.core import Core
from gateway.daemon import Daemon
from gateway.model.principal import SYSTEM
from gateway.model.voice import CallState, CallStatus, GroupId, Member
from gateway.net.sip import IncomingRequest, Listen, SipEndpoint
from gateway.registry import Installed
from tests.paths.sip_rig import Phone, a_plane
from tests.paths.sip_sound import PATIENCE_S
from tests.peers.stage import ports

DOCK = "127.0.0.2"  # a trunk is told by its address: what else calls has another
PASSWORD = "correct horse battery"
FAR = "008610000000"  # the center, by the satellite phone
MEMBER = f"sip:{FAR}"
POLICY = MediaPolicy(srtp="off", audio=("pcma",))


async def alive(incoming: IncomingRequest) -> None:
    incoming.respond(200)


class Field:
    """`team` is a handset of the kit, `dock` the FXO gateway with the far side behind it."""

    def __init__(self, core: Core, team: Phone, dock: Phone, sip: int) -> None:
        self.core, self.team, self.dock, self.sip = core, team, dock, sip

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  (asked of several lists at once)
                await asyncio.sleep(0.02)

    async def joins(self) -> None:
        """The handset dials the group."""
        await self.team.call_as(PASSWORD, self.sip, "600")

    def by_trunk(self) -> list[CallStatus]:
        return [one for one in self.core.calls.list(SYSTEM) if one.trunk == "sat"]

    def member(self) -> Member | None:
        members = self.core.talk.status(GroupId("kit1/talk/ops")).members
        return next((one for one in members if one.id == MEMBER), None)


@asynccontextmanager
async def field(place: Path, budget: str) -> AsyncIterator[Field]:
    async with AsyncExitStack() as stack:
        at = stack.enter_context(ports())
        plane = await stack.enter_async_context(a_plane())
        phones = []
        for number, host in (("8101", "127.0.0.1"), (FAR, DOCK)):
            phone = Phone(plane, number, POLICY)
            phone.endpoint = await stack.enter_async_context(SipEndpoint([Listen("udp", host, 0)]))
            phone.endpoint.on_call(phone.on_call)
            phone.endpoint.on_request("OPTIONS", alive)
            phones.append(phone)
        team, dock = phones
        file = place / "kit.toml"
        file.write_text(
            at.config().replace("0.0.0.0", "127.0.0.1")
            + f"""
[gateway]
id = "kit1"
[[adapter.sip.routes]]
pattern = "00X."
trunks = ["sat"]
[adapter.sip.trunks.sat]
mode = "static"
servers = ["udp:{DOCK}:{dock.port}"]
max_calls = 1
day_budget = "{budget}"
[adapter.sip.trunks.sat.media]
audio = ["pcma"]
[adapter.sip.users.8101]
password = "{PASSWORD}"
calls = ["groups"]
[talk.group.ops]
number = "600"
mode = "full"
members = ["{MEMBER}"]
"""
        )
        registry = Installed()
        found = load_config(file, registry)
        found = dataclasses.replace(found, gateway=found.gateway.model_copy(update={"state_dir": place / "state"}))
        logs = LogSetup("warning", "text")
        stack.callback(logs.stop)
        daemon = Daemon(found, file, place / "state", registry=registry)
        await stack.enter_async_context(daemon.started())
        made = Field(daemon.core, team, dock, at.phones)
        try:
            yield made
        finally:
            for phone in phones:
                if phone.leg is not None:
                    await phone.leg.hang_up()


async def test_the_team_and_the_far_side_hear_each_other_within_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_dialled, "RETRY_FIRST_S", 0.2)
    async with field(tmp_path, "1s") as it:
        assert not it.by_trunk()  # nobody talks: nothing is dialled, nothing is paid for
        await it.joins()
        await it.until(lambda: [one.state for one in it.by_trunk()] == [CallState.UP])
        began = time.monotonic()
        (call,) = it.by_trunk()
        assert (call.peer, call.audio) == (FAR, "pcma")
        await it.until(lambda: it.dock.leg is not None and it.dock.leg.media.voice is not None)
        it.team.say(700)
        it.dock.say(1100)
        await asyncio.gather(it.dock.listen().hears(700), it.team.listen().hears(1100))
        # It lasts as long as it is wanted; what it took counts when another is placed.
        await it.until(lambda: time.monotonic() - began > 1.2)
        assert it.dock.leg is not None
        await it.dock.leg.hang_up()
        await it.until(lambda: (member := it.member()) is not None and member.code == "trunk-budget")
        assert len([one for one in it.by_trunk() if one.state is CallState.UP]) == 0
    async with field(tmp_path, "1s") as it:  # started anew: what was spent is spent
        await it.joins()
        await it.until(lambda: (member := it.member()) is not None and member.code == "trunk-budget")
        assert not it.by_trunk()
