"""Seats of ours in talk groups of kits, and kits' voices as endpoints of ours.

The floor is the kit's: a key that goes down here is an order to it, and its word comes back. What is said goes over one
pair of voice flows for each seat; nothing is sent while somebody else has the floor. A seat outlives the link: while
the kit is away it is silent and says why, and it sits down again when the kit is back.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.base.clock import Clock
from gateway.base.errors import Denied, GatewayError, LinkDown, NotFound, RemoteProtocolError
from gateway.contract.fleet import FarLine
from gateway.contract.home import ApiRequest, VoiceEnd
from gateway.contract.voice import KeyedBy, SeatWish, VoiceLine, VoiceOffer
from gateway.core.audit import Audit
from gateway.core.far_kit import FarKit
from gateway.core.far_seat import FarSeat
from gateway.core.mediaplane import MediaPlane
from gateway.core.messages import Bus
from gateway.core.rights import allowed
from gateway.core.talk_members import Members
from gateway.core.talk_party import Party
from gateway.model.command import Action
from gateway.model.ids import DeviceId
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.model.voice import GroupStatus, Spurt, VoiceId
from gateway.wire.records import record

if TYPE_CHECKING:
    from gateway.core.fleet import Fleet

log = logging.getLogger(__name__)

BACK_S = 0.5
"""Between looks whether the kit is back."""
AWAY = frozenset({"kit-offline", "kit-unreachable", "kit-bundle-cut", "kit-no-bundle", "link-down"})
"""Ends of a line after which it is worth waiting for the kit."""
MOST_SPURTS = 1000
IDLE_S = 10.0
"""A loudspeaker of a kit is let go so long after the last word."""


class FarTalk:
    """On the event loop only."""

    def __init__(
        self,
        fleet: Fleet,
        members: Members,
        plane: MediaPlane,
        bus: Bus,
        audit: Audit,
        clock: Clock,
        spawn: Callable[[str, Coroutine[Any, Any, None]], None],
    ) -> None:
        self._fleet = fleet
        self._members = members
        self._plane = plane
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._spawn = spawn
        self._offered: dict[str, dict[str, VoiceEnd]] = {}  # by kit
        fleet.items.on_voices = self.voices
        for kit in fleet.all():
            self.voices(kit)

    # — groups, as people see them —

    def groups(self) -> Iterable[GroupStatus]:
        return self._fleet.groups()

    def group(self, group: str) -> GroupStatus | None:
        return self._fleet.group(group)

    async def spurts(self, who: Principal, group: str, before: float | None, limit: int) -> Sequence[Spurt]:
        """The kit's own record; none while it can not be asked."""
        kit = self._fleet.known(group.partition("/")[0])
        bundle = kit.bundle() if kit is not None else None
        if kit is None or bundle is None:
            return ()
        query = f"limit={min(limit, MOST_SPURTS)}" + (f"&before={before}" if before is not None else "")
        answer = await bundle.api(ApiRequest("GET", f"/api/v1/talk/{group}/spurts", query), who)
        if answer.status != 200:
            return ()
        try:
            return [record(Spurt, one) for one in json.loads(answer.body)[:MOST_SPURTS]]
        except (ValueError, TypeError) as exc:
            raise RemoteProtocolError(f"{kit.gateway}: {exc}", code="record-damaged") from exc

    # — sitting there —

    @asynccontextmanager
    async def seat(self, group: GroupStatus, wish: SeatWish) -> AsyncIterator[Party]:
        """Raises NotFound, Denied (`talk-denied`), Busy, LinkDown; later outages end nothing."""
        wish = self._allowed(group, wish)
        kit = self._fleet.known(group.id.partition("/")[0])
        if kit is None:
            raise NotFound(f"there is no kit of {group.id}")
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(self._line(kit, group.id, wish))
            party = Party(self._plane, replace(wish, id=line.member))
            seat = FarSeat(group.id, party, self._plane, self._bus, self._clock, self._spawn)
            began = asyncio.get_running_loop().time()
            if wish.principal is not None:
                self._audit.note(wish.principal, "talk.join", group.id, detail=line.member)
            stays = asyncio.create_task(self._stay(kit, group.id, wish, seat, line, stack), name=f"seat {group.id}")
            try:
                yield party
            finally:
                stays.cancel()
                await asyncio.gather(stays, return_exceptions=True)
                party.end("stopping", tell=False)
                seat.close()
                if wish.principal is not None:
                    seconds = asyncio.get_running_loop().time() - began
                    self._audit.note(wish.principal, "talk.leave", group.id, detail=f"{party.id} {seconds:.0f} s")

    def _line(self, kit: FarKit, target: str, wish: SeatWish) -> Any:
        return kit.carrying().talk(target, wish)

    async def _stay(
        self, kit: FarKit, group: str, wish: SeatWish, seat: FarSeat, line: FarLine, stack: AsyncExitStack
    ) -> None:
        """Keep the line up; a kit that ends it for a reason of its own has ended the seat."""
        while True:
            seat.line(line)
            code, detail = await line.ended()
            seat.line(None)
            await stack.aclose()
            if code not in AWAY:
                seat.party.end(code, detail)
                return
            seat.party.say(code, detail, held=True)
            line = await self._again(kit, group, wish, seat, stack)
            seat.party.say("")

    async def _again(self, kit: FarKit, group: str, wish: SeatWish, seat: FarSeat, stack: AsyncExitStack) -> FarLine:
        while True:
            await asyncio.sleep(BACK_S)
            if kit.bundle() is None:
                continue
            try:
                line: FarLine = await stack.enter_async_context(self._line(kit, group, wish))
            except GatewayError as exc:
                seat.party.say(exc.code, str(exc), held=True)
                continue
            return line

    def _allowed(self, group: GroupStatus, wish: SeatWish) -> SeatWish:
        """As for groups of our own; the kit asks its own rights again."""
        who = wish.principal
        if who is None:
            return wish
        if who.role is Role.AUDITOR or not allowed(who, Action.STREAM_OPEN, group.id):
            self._audit.note(who, "talk.join", group.id, outcome="refused", code="talk-denied")
            raise Denied(f"{who.name} ({who.role}) may not join {group.id}", code="talk-denied")
        return replace(wish, may_talk=wish.may_talk and allowed(who, Action.TALK_REQUEST, group.id))

    # — their loudspeakers and radios —

    def voices(self, kit: FarKit) -> None:
        """What can be talked to at a kit, or whether it is here, changed."""
        offered = self._offered.setdefault(kit.gateway, {})
        for id_ in [id_ for id_ in offered if id_ not in kit.voices]:
            del offered[id_]
            self._members.withdraw(id_)
        for voice in kit.voices.values():
            self._members.reachable(DeviceId(voice.device), kit.here and voice.online, kit.code or "device-offline")
            if offered.get(voice.id) != voice:
                offered[voice.id] = voice
                self._members.offer(self._offer(kit, voice), soon=True)
        if not offered:
            del self._offered[kit.gateway]

    def is_far(self, voice: str) -> bool:
        return voice in self._offered.get(voice.partition("/")[0], {})

    def _offer(self, kit: FarKit, voice: VoiceEnd) -> VoiceOffer:
        """What it hears at home (its channel's microphone) comes back by the same line: it always talks."""
        return VoiceOffer(
            id=VoiceId(voice.id),
            device=DeviceId(voice.device),
            title=voice.title[:100],
            kind=voice.kind,
            open=partial(self._open, kit, voice),
            listens=voice.listens,
            keyed_by=KeyedBy.VOICE,
            idle_close_s=IDLE_S,
            labels={"kit": kit.gateway},
        )

    async def _open(self, kit: FarKit, voice: VoiceEnd, line: VoiceLine) -> None:
        center = self._fleet.gateway
        wish = SeatWish(f"center:{center}", voice.kind, center, may_talk=voice.listens, principal=SYSTEM)
        async with self._line(kit, voice.id, wish) as far:
            line.voice(far.voice)
            try:
                far.send(True)
                code, detail = await far.ended()
            finally:
                line.voice(None)
            raise LinkDown(detail, code=code or "link-down")
