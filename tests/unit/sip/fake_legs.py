"""Legs and an engine that do what a test says, and an INVITE as a handler gets it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

from adapters.sip.ends import refused
from adapters.sip.engine import NO_VIDEO, Leg, LegEnd, LegMedia, LegOwner, LegState, VideoWish
from adapters.sip.routing import Route
from gateway.base.errors import LinkDown, PeerError
from tests.unit.sip.fakes import SwitchEngine


class Deeds(list[Any]):
    """What a leg was told, with a bell."""

    def __init__(self) -> None:
        super().__init__()
        self.more = asyncio.Event()

    def append(self, deed: Any) -> None:
        super().append(deed)
        self.more.set()


class FakeLeg:
    """A leg that does what the test says; its owner sees a real one."""

    def __init__(self, owner: LegOwner, *, incoming: bool, engine: SwitchEngine, answer: Any = None) -> None:
        self.owner = owner
        self.incoming = incoming
        self.engine = engine
        self.state = LegState.NEW
        self.media = LegMedia()
        self.end: LegEnd | None = None
        self.dialog = (f"call-{id(self)}", "a", "b")
        self.did = Deeds()
        self._answer: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        if answer is not None:
            self._answer.set_result(None if answer == "ok" else answer)

    # — what a test does —

    async def until(self, deed: Any) -> None:
        """Wait until it did this."""
        async with asyncio.timeout(60):
            while deed not in self.did:
                self.did.more.clear()
                await self.did.more.wait()

    def flow(self, **changes: Any) -> None:
        self.media = replace(self.media, **changes)
        self.owner.leg_media(cast(Leg, self))

    def up(self) -> None:
        self.state = LegState.UP
        self.media = LegMedia(voice=self.engine.a_voice(), audio="pcma")
        self.owner.leg_up(cast(Leg, self))

    def ends(self, code: str = "peer-hung-up", detail: str = "", status: int = 0) -> None:
        if self.end is None:
            self.end = LegEnd(code, detail, status)
            self.state = LegState.ENDED
            if not self._answer.done():
                self._answer.set_result(LinkDown(code))
            self.owner.leg_ended(cast(Leg, self), self.end)
            if self.media.voice is not None:
                self.engine.close_voice(self.media.voice)

    def answer(self, error: Exception | None = None) -> None:
        self._answer.set_result(error)

    # — Leg —

    def ring(self, *, early: bool = False) -> None:
        self.did.append(("ring", early))
        self.state = LegState.RINGING

    async def accept(self) -> None:
        self.did.append("accept")
        if self.end is not None:
            raise PeerError("cancelled", status=487)
        self.up()

    def reject(self, status: int, words: str = "") -> None:
        self.did.append(("reject", status))
        self.ends("call-rejected", words, status)

    async def answered(self) -> None:
        error = await asyncio.shield(self._answer)
        if isinstance(error, PeerError):
            end = refused(int(error.status), "")
            self.ends(end.code, end.detail, end.status)
        if error is not None:
            raise error
        self.up()

    async def hang_up(self, code: str = "hung-up", detail: str = "") -> None:
        self.did.append(("hang_up", code))
        self.ends(code, detail)

    async def hold(self, held: bool) -> None:
        self.flow(held=held, voice=None if held else self.engine.a_voice())

    async def change_video(self, video: VideoWish) -> None:
        self.did.append(("video", video))

    async def digits(self, digits: str) -> None:
        self.did.append(("digits", digits))

    async def transfer(self, uri: str, *, replaces: Leg | None = None, by: str = "") -> None:
        self.did.append(("transfer", uri, replaces))

    async def want_picture(self) -> None:
        self.did.append("want_picture")

    async def move(self) -> None:
        self.did.append("move")


class FakeSip:
    """An engine whose legs are answered as the test says, one route after the other."""

    name = "fake"

    def __init__(self, engine: SwitchEngine) -> None:
        self.engine = engine
        self.answers: list[Any] = []
        self.legs: list[FakeLeg] = []
        self.placed = asyncio.Event()

    def standing(self) -> int:
        return sum(1 for leg in self.legs if leg.end is None)

    async def place(self, way: Route, owner: LegOwner, video: VideoWish = NO_VIDEO, *, replaces: str = "") -> Leg:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, LinkDown):
            raise answer
        leg = FakeLeg(owner, incoming=False, engine=self.engine, answer=answer)
        leg.did.append(("placed", way.name, video, replaces))
        self.legs.append(leg)
        self.placed.set()
        return cast(Leg, leg)

    def take(
        self, endpoint: Any, call: Any, owner: LegOwner, policy: Any, video: VideoWish = NO_VIDEO, again: Any = None
    ) -> Leg:
        leg = FakeLeg(owner, incoming=True, engine=self.engine)
        leg.did.append(("taken", video))
        self.legs.append(leg)
        call.leg = leg
        self.placed.set()
        return cast(Leg, leg)

    async def leg(self, index: int) -> FakeLeg:
        async with asyncio.timeout(60):
            while len(self.legs) <= index:
                self.placed.clear()
                await self.placed.wait()
        return self.legs[index]


class FakeIncoming:
    """An INVITE as the handler of an endpoint gets it."""

    def __init__(self, body: bytes = b"") -> None:
        self.call_id = "x@test"
        self.request = type("Request", (), {"body": body, "uri": "sip:600@127.0.0.1"})()
        self.replaces: Any = None
        self.end: Any = None
        self.rejected: list[int] = []
        self.leg: FakeLeg | None = None

    @property
    def answered(self) -> bool:
        return bool(self.rejected)

    def reject(self, status: int, reason: str | None = None, *, headers: Any = ()) -> None:
        if self.leg is None:
            self.rejected.append(status)
