"""Seats that people of a center have at this kit: in its talk groups, or in conversations with its channels.

The floor is the kit's, and so are the rights: somebody of a center may talk where the center itself may. Their words
and whether anybody is heard go back as notices; what is heard goes out only while somebody is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.uplink.bundle import Bundle
from adapters.uplink.config import UplinkConfig
from adapters.uplink.figures import voice_playout_ms
from adapters.uplink.voice import VoiceWire
from adapters.uplink.words import text, whole
from gateway.base.errors import Busy, GatewayError, NotFound, RemoteProtocolError
from gateway.base.tasks import Nest
from gateway.contract.adapter import Context
from gateway.contract.voice import KeyedBy, Seat, SeatWish
from gateway.model.kit import LinkState
from gateway.model.principal import Principal
from gateway.model.voice import FloorWord, GroupMode, MemberKind, Priority
from gateway.wire.records import plain

log = logging.getLogger(__name__)

MOST_SEATS = 64
SIT_S = 10.0
Say = Callable[[str, Mapping[str, Any]], object]


@dataclass(eq=False, slots=True)
class _Sitting:
    member: str
    full: bool
    flow: int


class Seats:
    """Of one center. `say` sends a notice to it."""

    def __init__(self, context: Context, bundle: Bundle, center: str, config: UplinkConfig, say: Say) -> None:
        self._context = context
        self._bundle = bundle
        self._center = center
        self._config = config
        self.links: Sequence[LinkState] = ()
        """As they were last looked at."""
        self._say = say
        self._nest = Nest("seats of a center", MOST_SEATS)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def sit(self, args: Mapping[str, Any], who: Principal) -> Mapping[str, Any]:
        """Answers `talk`. Raises NotFound, Denied, Busy, LinkDown."""
        wish, target, flow = self._wish(args, who), text(args, "target"), whole(args, "flow")
        seat = text(args, "seat", 32)
        if not seat or seat in self._tasks:
            raise Busy(f"seat {seat!r} is taken already")
        sat: asyncio.Future[_Sitting] = asyncio.get_running_loop().create_future()
        task = self._nest.start(self._hold(seat, target, wish, flow, sat), f"seat of {wish.name}")
        self._tasks[seat] = task
        task.add_done_callback(lambda _task: self._tasks.pop(seat, None))
        try:
            async with asyncio.timeout(SIT_S):
                sitting = await asyncio.shield(sat)
        except BaseException:
            task.cancel()
            raise
        return {"member": sitting.member, "full": sitting.full, "flow": sitting.flow}

    async def rise(self, seat: str) -> None:
        if (task := self._tasks.get(seat)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        await self._nest.close()

    def _wish(self, args: Mapping[str, Any], who: Principal) -> SeatWish:
        wish = args.get("wish")
        if not isinstance(wish, dict):
            raise RemoteProtocolError("a seat without a wish", code="record-damaged")
        try:
            kind, priority = MemberKind(text(wish, "kind")), Priority(text(wish, "priority") or "normal")
        except ValueError as exc:
            raise RemoteProtocolError(str(exc)[:100], code="record-damaged") from exc
        return SeatWish(
            id=f"{text(wish, 'id', 100)}@{self._center}",
            kind=kind,
            name=f"{text(wish, 'name', 100)}@{self._center}",
            keyed_by=KeyedBy.ORDER,
            may_talk=wish.get("may_talk") is True,
            may_listen=wish.get("may_listen") is True,
            priority=priority,
            emergency=wish.get("emergency") is True,
            principal=who,
        )

    async def _hold(self, seat: str, target: str, wish: SeatWish, flow: int, sat: asyncio.Future[_Sitting]) -> None:
        code, detail = "source-ended", ""
        try:
            code, detail = await self._sit(seat, target, wish, flow, sat)
        except GatewayError as exc:
            code, detail = exc.code, str(exc)
            if not sat.done():
                sat.set_exception(exc)
                sat.exception()
        finally:
            if not sat.done():
                sat.cancel()
            self._say("risen", {"seat": seat, "code": code, "detail": detail[:200]})

    async def _sit(
        self, seat: str, target: str, wish: SeatWish, flow: int, sat: asyncio.Future[_Sitting]
    ) -> tuple[str, str]:
        """Until it is ended: why."""
        ended: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        wire = VoiceWire(self._bundle, voice_playout_ms(self._config.voice_playout, self.links))
        full = True

        def hears(on: bool) -> None:
            if not full:
                wire.send(on)
            self._say("hears", {"seat": seat, "on": on})

        def word(told: FloorWord) -> None:
            self._say("word", {"seat": seat, "word": plain(told)})

        def end(code: str, detail: str) -> None:
            if not ended.done():
                ended.set_result((code, detail))

        wish = SeatWish(**{name: getattr(wish, name) for name in SeatWish.__dataclass_fields__} | {
            "on_word": word, "on_transmit": hears, "on_end": end,
        })  # fmt: skip
        try:
            talk = self._context.talk
            try:
                group = talk.resolve(target)
            except NotFound:
                taking = talk.converse(target, wish)
            else:
                full = talk.status(group).mode is GroupMode.FULL
                taking = talk.seat(group, wish)
            async with taking as place:
                await wire.join(flow)
                wire.send(full)
                self._voice(place, wire)
                sat.set_result(_Sitting(place.member, full, wire.number))
                try:
                    return await ended
                finally:
                    place.voice(None)
        finally:
            wire.close()

    @staticmethod
    def _voice(place: Seat, wire: VoiceWire) -> None:
        place.voice(wire.voice)
