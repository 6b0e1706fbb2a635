"""Members of talk groups for the core's tests: somebody at a seat, an endpoint in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.base.errors import GatewayError
from gateway.config.talk import TalkGroup
from gateway.contract.voice import KeyedBy, SeatWish, VoiceLine, VoiceOffer
from gateway.core.talk_party import Party
from gateway.model.ids import DeviceId
from gateway.model.principal import Principal
from gateway.model.voice import FloorWord, GroupId, Member, MemberKind, Spurt, VoiceId
from tests.fakes.loop import settle
from tests.unit.core.house import House

OPS = GroupId("kit1/talk/ops")
RADIO = VoiceId("kit1/radio-1/ch1")


@dataclass
class Person:
    """Somebody seated: what was told to them is kept."""

    seat: Party
    voice: int
    words: list[FloorWord]
    transmits: list[bool]
    ends: list[tuple[str, str]]

    @property
    def said(self) -> list[str]:
        return [f"{word.answer}{' ' + word.code if word.code else ''}" for word in self.words]


@asynccontextmanager
async def seated(
    house: House,
    id_: str,
    *,
    group: str = OPS,
    kind: MemberKind = MemberKind.SIP,
    keyed_by: KeyedBy = KeyedBy.ORDER,
    principal: Principal | None = None,
    converse: bool = False,
    waiting: bool = False,
    voice: bool = True,
    **more: Any,
) -> AsyncIterator[Person]:
    words: list[FloorWord] = []
    transmits: list[bool] = []
    ends: list[tuple[str, str]] = []
    wish = SeatWish(
        id_,
        kind,
        id_,
        keyed_by=keyed_by,
        principal=principal,
        on_word=words.append,
        on_transmit=transmits.append,
        on_end=lambda code, detail: ends.append((code, detail)),
        **more,
    )
    talk = house.core.talk
    if converse:
        held = talk.converse(group, wish)
    elif waiting:
        held = talk.waiting_room(wish, group)
    else:
        held = talk.seat(GroupId(group), wish)
    async with held as seat:
        handle = house.engine.a_voice()
        if voice:
            seat.voice(handle)
        try:
            yield Person(seat, handle, words, transmits, ends)
        finally:
            seat.voice(None)
            house.engine.close_voice(handle)


@dataclass
class Channel:
    """An adapter's endpoint. `failing` is raised by `open`; `silent`: it never hands over a voice."""

    house: House
    id: VoiceId = RADIO
    kind: MemberKind = MemberKind.RADIO
    failing: GatewayError | None = None
    silent: bool = False
    opened: int = 0
    closed: int = 0
    voice: int = 0
    line: Any = None
    transmits: list[bool] = field(default_factory=list)
    words: list[FloorWord] = field(default_factory=list)

    async def open(self, line: VoiceLine) -> None:
        self.opened += 1
        self.line = line
        if self.failing is not None:
            raise self.failing
        line.on_transmit(self.transmits.append)
        line.on_word(self.words.append)
        self.voice = self.house.engine.a_voice()
        try:
            if not self.silent:
                line.voice(self.voice)
            await asyncio.get_running_loop().create_future()
        finally:
            self.closed += 1
            self.house.engine.close_voice(self.voice)

    def offer(self, **more: Any) -> VoiceOffer:
        device = DeviceId(self.id.rpartition("/")[0])
        given: dict[str, Any] = {"on_demand": False} | more
        return VoiceOffer(self.id, device, "Radio 1", self.kind, self.open, **given)


def rules(house: House, name: str = "ops", **changes: object) -> None:
    """Change a group in the configuration, and take it over."""
    groups = house.config.talk.group
    groups[name] = groups.get(name, TalkGroup()).model_copy(update=changes)
    house.core.talk.settings_changed()


def member(house: House, id_: str, group: str = OPS) -> Member:
    return next(m for m in house.core.talk.status(GroupId(group)).members if m.id == id_)


def members(house: House, group: str = OPS) -> set[str]:
    return {m.id for m in house.core.talk.status(GroupId(group)).members}


async def turn() -> None:
    """The eventfd is read by a real selector: give it a turn."""
    for _ in range(3):
        await settle()


def routes(house: House, voice: int) -> Any:
    return cast(Any, [rooms[voice] for rooms in house.engine.routes.values() if voice in rooms])


async def spurts(house: House, group: str = OPS) -> Sequence[Spurt]:
    """Once what was put before is written."""
    await house.core.store.db.write(lambda conn: conn.execute("SELECT 1"))
    return await house.core.store.spurts.recent(group)
