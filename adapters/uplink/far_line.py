"""A seat that somebody here has at a kit: fulfils `contract.fleet.FarLine`."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from adapters.uplink.bundle import Bundle
from adapters.uplink.line import Line
from adapters.uplink.voice import VoiceWire
from adapters.uplink.words import one, text, whole
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.voice import SeatWish
from gateway.model.command import Action, Command
from gateway.model.principal import SYSTEM, Principal
from gateway.model.voice import FloorWord
from gateway.wire.records import plain

log = logging.getLogger(__name__)

KEY_S = 5.0
SIT_S = 15.0


class FarSeatLine:
    """One seat."""

    def __init__(self, line: Line, wire: VoiceWire, target: str, who: Principal) -> None:
        self._line = line
        self._wire = wire
        self._target = target
        self._who = who
        self.member = ""
        self.full = True
        self._words: list[FloorWord] = []
        self._word: Callable[[FloorWord], None] = self._words.append
        self._hearing = False
        self._hears: Callable[[bool], None] = lambda _on: None
        self._over: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    @property
    def voice(self) -> int:
        return self._wire.voice

    def send(self, on: bool) -> None:
        self._wire.send(on)

    async def press(self, *, emergency: bool = False) -> None:
        await self._key(Action.TALK_REQUEST, {"member": self.member, "emergency": emergency})

    async def release(self) -> None:
        await self._key(Action.TALK_RELEASE, {"member": self.member})

    def on_word(self, called: Callable[[FloorWord], None]) -> None:
        self._word = called
        for word in self._words:
            called(word)

    def on_hears(self, called: Callable[[bool], None]) -> None:
        self._hears = called
        if self._hearing:
            called(True)

    async def ended(self) -> tuple[str, str]:
        return await asyncio.shield(self._over)

    # — what the kit tells —

    def told(self, word: FloorWord) -> None:
        self._word(word)

    def hears(self, on: bool) -> None:
        self._hearing = on
        self._hears(on)

    def end(self, code: str, detail: str = "") -> None:
        if not self._over.done():
            self._over.set_result((code, detail))

    async def _key(self, action: Action, args: dict[str, Any]) -> None:
        """An order to the kit's floor; its word comes as one of the floor, whatever the answer is."""
        order = Command(f"key-{time.time_ns()}", self._who, action, self._target, time.time() + KEY_S, args)
        await self._line.ask("command", {"command": plain(order), "left_s": KEY_S}, within_s=KEY_S)


class FarLines:
    """All seats at one kit."""

    def __init__(self, bundle: Bundle, line: Line, playout_ms: Callable[[], int]) -> None:
        self._bundle = bundle
        self._line = line
        self._playout_ms = playout_ms
        self._numbers = itertools.count(1)
        self._seats: dict[str, FarSeatLine] = {}
        line.hear("word", self._told)
        line.hear("hears", self._hears)
        line.hear("risen", self._risen)

    @asynccontextmanager
    async def sit(self, target: str, wish: SeatWish) -> AsyncIterator[FarSeatLine]:
        """Raises what the kit answers (PeerError with its code), LinkDown."""
        who = wish.principal or SYSTEM
        try:
            wire = VoiceWire(self._bundle, self._playout_ms())
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="kit-unreachable") from exc
        number = str(next(self._numbers))
        seat = self._seats[number] = FarSeatLine(self._line, wire, target, who)
        try:
            args = {"seat": number, "target": target, "wish": _wish(wish), "as": named(who), "flow": wire.number}
            answer = await self._line.ask("talk", args, within_s=SIT_S)
            told: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
            seat.member, seat.full = text(told, "member", 300), told.get("full") is True
            await wire.join(whole(told, "flow"))
            yield seat
        finally:
            del self._seats[number]
            with suppress(GatewayError):
                await self._line.ask("rise", {"seat": number}, within_s=KEY_S)
            wire.close()

    def close(self, code: str, detail: str = "") -> None:
        """The session is over."""
        for seat in list(self._seats.values()):
            seat.end(code, detail)

    def _told(self, args: Mapping[str, Any]) -> None:
        if (seat := self._seats.get(text(args, "seat", 32))) is not None:
            seat.told(one(FloorWord, args, "word"))

    def _hears(self, args: Mapping[str, Any]) -> None:
        if (seat := self._seats.get(text(args, "seat", 32))) is not None:
            seat.hears(args.get("on") is True)

    def _risen(self, args: Mapping[str, Any]) -> None:
        if (seat := self._seats.get(text(args, "seat", 32))) is not None:
            seat.end(text(args, "code", 64), text(args, "detail"))


def named(who: Principal) -> dict[str, str]:
    """Somebody of ours, as a kit is told who asks."""
    return {
        "name": who.name[:64],
        "role": who.role.value,
        "session": who.session[:64],
        "address": who.address[:64],
        "scope": who.scope[:256],
    }


def _wish(wish: SeatWish) -> dict[str, Any]:
    return {
        "id": wish.id[:100],
        "kind": wish.kind.value,
        "name": wish.name[:100],
        "may_talk": wish.may_talk,
        "may_listen": wish.may_listen,
        "priority": wish.priority.value,
        "emergency": wish.emergency,
    }
