"""A call by a modem with its sound: the team in a talk group and the far side of the mobile network hear each other."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from array import array
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from adapters.modem import call as modem_call
from adapters.sip.routing import MediaPolicy
from gateway.base.log import LogSetup
from gateway.config.load import load_config
from gateway.core import talk_dialled
from gateway.core.core import Core
from gateway.daemon import Daemon
from gateway.model.link import LinkPhase
from gateway.model.principal import SYSTEM
from gateway.model.voice import CallState, CallStatus, GroupId, Member, MemberKind, MemberState
from gateway.net.sip import Listen, SipEndpoint
from gateway.registry import Installed
from gateway.sim.radio import tone_share
from tests.fakes.modem import EC25, SIM7600, Chip, FakeModem, PcmEnd, PtyEnd
from tests.paths.sip_rig import Phone, a_plane
from tests.paths.sip_sound import PATIENCE_S, Ear
from tests.peers.stage import ports

PASSWORD = "correct horse battery"
FAR = "13900001111"
MEMBER = f"tel:{FAR}"
OPS = GroupId("kit1/talk/ops")
TEAM_HZ, FAR_HZ = 700.0, 1100.0
POLICY = MediaPolicy(srtp="off", audio=("pcma",))

ARECORD = """#!{python}
import math, os, struct, time
at, due = 0, time.monotonic()
while True:
    os.write(1, struct.pack("<160h", *(round(8000 * math.sin(math.tau * {hz} * (at + n) / 8000)) for n in range(160))))
    at, due = at + 160, due + 0.02
    time.sleep(max(0.0, due - time.monotonic()))
"""
APLAY = """#!{python}
import os
with open({heard!r}, "ab", buffering=0) as out:
    while data := os.read(0, 65536):
        out.write(data)
"""


class Field:
    """`team` is a handset of the kit; `modem` has the far side behind it, its sound on `pcm`."""

    def __init__(self, core: Core, team: Phone, modem: FakeModem, end: PtyEnd, pcm: PcmEnd, sip: int) -> None:
        self.core, self.team, self.modem, self.end, self.pcm, self.sip = core, team, modem, end, pcm, sip
        self.ear: Ear | None = None

    async def until(self, true: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not true():  # noqa: ASYNC110  (asked of several lists at once)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(
                (self.calls(), self.member(), self.modem.calls, self.modem.sounds, self.core.links.view())
            ) from None

    async def ready(self) -> None:
        await self.until(
            lambda: any(one.name == "lte0" and one.bearer_phase is LinkPhase.UP for one in self.core.links.view())
        )

    async def joins(self) -> None:
        """The handset dials the group."""
        await self.team.call_as(PASSWORD, self.sip, "600")

    async def up(self) -> CallStatus:
        """The group's number has been dialled, and the far side has taken it."""
        await self.until(lambda: any(call.stat == 3 for call in self.modem.calls))
        self.modem.far_answers()
        await self.until(lambda: [one.state for one in self.calls()] == [CallState.UP])
        return self.calls()[0]

    async def both_hear(self) -> None:
        if self.ear is None:
            self.ear = self.team.listen()
            self.team.say(round(TEAM_HZ))
        await self.pcm.hears(TEAM_HZ, PATIENCE_S)
        await self.ear.hears(FAR_HZ)

    def calls(self) -> list[CallStatus]:
        return [one for one in self.core.calls.list(SYSTEM) if one.scheme == "tel" and one.state != CallState.ENDED]

    def ended(self) -> list[CallStatus]:
        return [one for one in self.core.calls.list(SYSTEM) if one.scheme == "tel" and one.state == CallState.ENDED]

    def member(self) -> Member | None:
        members = self.core.talk.status(OPS).members
        return next((one for one in members if one.kind is MemberKind.PHONE), None)


@asynccontextmanager
async def field(
    place: Path, chip: Chip, where: str, more: str = "", *, members: str = MEMBER, audio: str = ""
) -> AsyncIterator[Field]:
    async with AsyncExitStack() as stack:
        at = stack.enter_context(ports())
        plane = await stack.enter_async_context(a_plane())
        team = Phone(plane, "8101", POLICY)
        team.endpoint = await stack.enter_async_context(SipEndpoint([Listen("udp", "127.0.0.1", 0)]))
        team.endpoint.on_call(team.on_call)
        modem = FakeModem(chip)
        end = stack.enter_context(PtyEnd(modem, place / "at"))
        pcm = stack.enter_context(PcmEnd(modem, place / "pcm", where=where, hz=FAR_HZ))
        file = place / "kit.toml"
        file.write_text(
            at.config().replace("0.0.0.0", "127.0.0.1")
            + f"""
[gateway]
id = "kit1"
[adapter.sip.users.8101]
password = "{PASSWORD}"
calls = ["groups"]
[adapter.modem.modems.lte0]
backend = "at"
port = "{end.path}"
interface = "wwan9"
poll = "1s"
[adapter.modem.modems.lte0.calls]
audio = "{audio or f"pcm:{pcm.path}"}"
to = ["{FAR}"]
callers = ["+86{FAR}"]
ring = "ops"
silent_after = "1s"
{more}
[talk.group.ops]
number = "600"
mode = "full"
members = ["{members}"]
"""
        )
        registry = Installed()
        found = load_config(file, registry)
        found = dataclasses.replace(found, gateway=found.gateway.model_copy(update={"state_dir": place / "state"}))
        logs = LogSetup("warning", "text")
        stack.callback(logs.stop)
        daemon = Daemon(found, file, place / "state", registry=registry)
        await stack.enter_async_context(daemon.started())
        made = Field(daemon.core, team, modem, end, pcm, at.phones)
        await made.ready()
        try:
            yield made
        finally:
            if team.leg is not None:
                await team.leg.hang_up()


@pytest.mark.parametrize(("chip", "where"), [(EC25, "nmea"), (SIM7600, "pcm")], ids=["quectel", "simcom"])
async def test_a_number_of_the_group_is_dialled_and_both_sides_hear(tmp_path: Path, chip: Chip, where: str) -> None:
    async with field(tmp_path, chip, where) as it:
        off = list(it.modem.sounds)
        assert off and not it.modem.calls  # what a call of before may have left on was switched off
        it.pcm.pieces = (1, 97)
        it.pcm.burst = 3
        await it.joins()
        call = await it.up()
        assert (call.peer, call.trunk, call.audio) == (FAR, "lte0", "pcm")
        await it.both_hear()
        assert it.calls()[0].code == ""
        member = it.member()
        assert member is not None and (member.id, member.state) == (MEMBER, MemberState.UP)
        it.modem.far_hangs_up()
        await it.until(lambda: [one.code for one in it.ended()] == ["peer-hung-up"])
        assert it.modem.sound == "" and it.modem.sounds[-1] == off[0]


async def test_the_sound_of_a_usb_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two programs stand in for ALSA's: this machine has no sound card, and its kernel no snd-aloop."""
    heard = tmp_path / "heard"
    for name, text in (("arecord", ARECORD), ("aplay", APLAY)):
        program = tmp_path / name
        program.write_text(text.format(python=sys.executable, heard=str(heard), hz=FAR_HZ))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with field(tmp_path, EC25, "nmea", audio="card:plughw:CARD=EC25") as it:
        await it.joins()
        call = await it.up()
        assert call.audio == "card"
        await it.until(lambda: it.modem.sound == "uac")
        it.ear = it.team.listen()
        it.team.say(round(TEAM_HZ))
        await it.ear.hears(FAR_HZ)
        await it.until(lambda: heard.exists() and heard.stat().st_size > 3200)

        def newest() -> array[int]:
            return array("h", heard.read_bytes()[-3200:])

        await it.until(lambda: tone_share(newest(), TEAM_HZ, 8000) > 0.6)
        it.modem.far_hangs_up()
        await it.until(lambda: [one.code for one in it.ended()] == ["peer-hung-up"])
        assert it.modem.sound == ""


async def test_a_call_of_an_allowed_number_is_taken_into_the_group_another_is_refused(tmp_path: Path) -> None:
    async with field(tmp_path, EC25, "nmea", members="kind:phone") as it:
        it.modem.ring("13800009999")
        await it.until(lambda: [one.code for one in it.ended()] == ["caller-denied"])
        await it.until(lambda: not it.modem.calls)
        assert not it.pcm.on
        await it.joins()
        it.modem.ring(FAR)
        await it.until(lambda: [one.state for one in it.calls()] == [CallState.UP])
        await it.both_hear()
        (call,) = it.calls()
        handler = it.core.calls.find(SYSTEM, call.id).handler
        await handler.hang_up(SYSTEM)
        assert not it.modem.calls and it.modem.sound == ""


async def test_a_port_that_gives_no_sound_says_so_and_that_it_does_again(tmp_path: Path) -> None:
    async with field(tmp_path, EC25, "nmea") as it:
        it.pcm.mute = True
        await it.joins()
        await it.up()
        await it.until(lambda: it.calls()[0].code == "call-no-sound")
        assert "no sound comes from the modem: not one sample" in it.calls()[0].detail
        it.pcm.mute = False
        await it.until(lambda: it.calls()[0].code == "")
        it.pcm.zeros = True
        await it.until(lambda: "only silence" in it.calls()[0].detail)
        it.pcm.zeros = False
        await it.both_hear()


async def test_a_port_that_vanishes_in_a_call_is_told_and_taken_again(tmp_path: Path) -> None:
    async with field(tmp_path, EC25, "nmea") as it:
        await it.joins()
        await it.up()
        await it.both_hear()
        it.pcm.unplug()
        await it.until(lambda: it.calls()[0].code == "serial-lost")
        it.pcm.plug()  # another number
        it.pcm.heard = it.pcm.heard[:0]
        await it.both_hear()
        assert it.calls()[0].code == ""


async def test_a_call_without_its_sound_is_not_paid_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modem_call, "WITHOUT_S", 1.0)
    async with field(tmp_path, EC25, "nmea") as it:
        it.pcm.unplug()
        await it.joins()
        await it.up()
        await it.until(lambda: [one.code for one in it.ended()] == ["call-no-sound"])
        assert not it.modem.calls


async def test_the_budget_of_a_day_and_numbers_that_are_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_dialled, "RETRY_FIRST_S", 0.2)
    async with field(tmp_path, EC25, "nmea", 'day_budget = "1s"') as it:
        with pytest.raises(Exception, match="not in calls") as denied:
            await it.core.calls.place(SYSTEM, "tel:13800009999", OPS, False)
        assert getattr(denied.value, "code", "") == "number-denied"
        await it.joins()
        await it.up()
        await asyncio.sleep(1.1)  # it lasts as long as it is wanted, and counts when another is placed
        it.modem.far_hangs_up()
        await it.until(lambda: (member := it.member()) is not None and member.code == "modem-call-budget")
        assert not it.modem.calls


async def test_the_daemon_ends_in_a_call(tmp_path: Path) -> None:
    async with field(tmp_path, EC25, "nmea") as it:
        await it.joins()
        await it.up()
        await it.both_hear()
        modem = it.modem
    assert not modem.calls and modem.sound == ""
