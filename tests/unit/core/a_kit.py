"""A kit in memory as its center's core meets it: a bundle that opens pictures and voices on order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.base.errors import GatewayError
from gateway.contract.fleet import FarLine, KitAbout, KitHold
from gateway.contract.home import ApiAnswer, ApiRequest, VoiceEnd
from gateway.contract.media import Publication
from gateway.contract.voice import SeatWish
from gateway.model.command import Command, CommandResult, Outcome
from gateway.model.device import Capabilities, Channel, Device, DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import Snapshot, StreamState, StreamStatus
from gateway.model.pairing import PairedKit
from gateway.model.principal import Principal
from gateway.model.voice import (
    Floor,
    FloorAnswer,
    FloorState,
    FloorWord,
    GroupId,
    GroupMode,
    GroupStatus,
    MemberKind,
)
from tests.fakes.loop import settle
from tests.unit.core.house import House

FRONT = StreamId("kit7/ball-1/ch1")
FAR_OPS = GroupId("kit7/talk/ops")
CHANNEL = Channel("ch1", "34020000001320000001", "Front", capabilities=Capabilities(ptz=True), stream=FRONT)
BALL = Device(
    DeviceId("kit7/ball-1"), "gb28181", "34020000001320000001", "Ball 1", DeviceState.ONLINE, channels=(CHANNEL,)
)
FRONT_STATUS = StreamStatus(FRONT, BALL.id, "Front", StreamState.IDLE, "idle")
LOUDSPEAKER = VoiceEnd(FRONT, BALL.id, "Ball 1", MemberKind.LOUDSPEAKER, talks=False)
OPS_STATUS = GroupStatus(FAR_OPS, "Ops", GroupMode.HALF, Floor(FloorState.IDLE), number="7600")


class ALine:
    """Fulfils `contract.fleet.FarLine`."""

    def __init__(self, voice: int, member: str, full: bool) -> None:
        self.voice, self.member, self.full = voice, member, full
        self.pressed: list[str] = []
        self.sends: list[bool] = []
        self.failing: GatewayError | None = None
        self._over: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    def send(self, on: bool) -> None:
        if not self.sends or self.sends[-1] != on:
            self.sends.append(on)

    async def press(self, *, emergency: bool = False) -> None:
        if self.failing is not None:
            raise self.failing
        self.pressed.append("emergency" if emergency else "press")

    async def release(self) -> None:
        self.pressed.append("release")

    def on_word(self, called: Any) -> None:
        self.word = called

    def on_hears(self, called: Any) -> None:
        self.hears = called

    async def ended(self) -> tuple[str, str]:
        return await asyncio.shield(self._over)

    # — what the kit does —

    def says(self, answer: FloorAnswer, code: str = "") -> None:
        self.word(FloorWord(self.member, answer, code))

    def end(self, code: str, detail: str = "") -> None:
        self._over.set_result((code, detail))


@dataclass
class ABundle:
    """Fulfils `contract.fleet.KitBundle`."""

    house: House
    name: str = "uplink"
    orders: list[tuple[Command, float]] = field(default_factory=list)
    asked: list[tuple[ApiRequest, Principal]] = field(default_factory=list)
    opened: list[StreamId] = field(default_factory=list)
    publications: list[Publication] = field(default_factory=list)
    lines: list[ALine] = field(default_factory=list)
    wishes: list[SeatWish] = field(default_factory=list)
    result: CommandResult = field(default_factory=lambda: CommandResult("", Outcome.DONE))
    answer: ApiAnswer = field(default_factory=lambda: ApiAnswer(200, body=b"{}"))
    failing: GatewayError | None = None

    async def command(self, command: Command, left_s: float) -> CommandResult:
        if self.failing is not None:
            raise self.failing
        self.orders.append((command, left_s))
        return self.result

    async def open(self, stream: StreamId, publication: Publication) -> None:
        self.opened.append(stream)
        self.publications.append(publication)
        if self.failing is not None:
            raise self.failing
        leg = publication.rtp(None)
        try:
            await leg.ended()
        finally:
            leg.close()

    async def snapshot(self, stream: StreamId, *, height: int = 0, quality: int = 75) -> Snapshot:
        if self.failing is not None:
            raise self.failing
        return Snapshot(f"jpeg {height} {quality}".encode(), 640, 360, self.house.clock.wall(), 0.4)

    async def api(self, request: ApiRequest, who: Principal) -> ApiAnswer:
        self.asked.append((request, who))
        return self.answer

    def answers(self, value: Any) -> None:
        self.answer = ApiAnswer(200, {"content-type": "application/json"}, json.dumps(value).encode())

    @asynccontextmanager
    async def talk(self, target: str, wish: SeatWish) -> AsyncIterator[FarLine]:
        if self.failing is not None:
            raise self.failing
        full = "/talk/" not in target
        line = ALine(self.house.engine.a_voice(), f"{wish.id}@kit1", full)
        self.lines.append(line)
        self.wishes.append(wish)
        yield line


async def a_kit(house: House, *, boot: int = 3) -> tuple[KitHold, ABundle]:
    """Paired, up, with a ball, its loudspeaker and a talk group."""
    if house.core.pairings.kit("kit7") is None:
        await house.core.pairings.admit_kit(PairedKit("kit7", bytes(32), "County 7"))
    bundle = ABundle(house)
    hold = house.core.fleet.kit_up("kit7", KitAbout(boot=boot), bundle)
    hold.devices([BALL])
    hold.streams([FRONT_STATUS])
    hold.groups([OPS_STATUS])
    hold.voices([LOUDSPEAKER])
    await settle()
    return hold, bundle
