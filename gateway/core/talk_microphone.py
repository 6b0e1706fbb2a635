"""A channel's microphone as a member: a tap of its stream's sound, opened while a group with it is in use.

One for each stream, however many groups hear it. Where the channel has a loudspeaker too, the media plane turns the
microphone down while that plays speech, and what it says does not come out of it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from gateway import codecs
from gateway.base.errors import GatewayError
from gateway.contract.voice import KeyedBy, SeatWish
from gateway.core.mediaplane import MediaPlane
from gateway.core.streams import Streams
from gateway.core.talk_party import Party
from gateway.model.ids import StreamId
from gateway.model.principal import SYSTEM
from gateway.model.voice import GroupId, MemberKind, MemberState

log = logging.getLogger(__name__)

RETRY_S = 2.0
MICROPHONE = ":mic"
"""Ends the member's id; the rest is the channel's."""


class Microphone:
    """On the event loop. `want` says which groups use it."""

    def __init__(self, streams: Streams, plane: MediaPlane, stream: StreamId, title: str) -> None:
        self.stream = stream
        wish = SeatWish(
            id=f"{stream}{MICROPHONE}",
            kind=MemberKind.DEVICE,
            name=title,
            keyed_by=KeyedBy.VOICE,
            may_listen=False,
        )
        self.party = Party(plane, wish, person=False, state=MemberState.IDLE)
        self.party.watchers.append(self._guard)
        self._streams = streams
        self._plane = plane
        self._wanted_by: set[GroupId] = set()
        self._task: asyncio.Task[None] | None = None
        self._loudspeaker: Party | None = None
        self._guarded: tuple[int, int] | None = None

    def beside(self, loudspeaker: Party | None) -> None:
        """The channel's loudspeaker, once it is offered."""
        if loudspeaker is self._loudspeaker:
            return
        if self._loudspeaker is not None:
            self._loudspeaker.own_microphone = None
            with suppress(ValueError):
                self._loudspeaker.watchers.remove(self._guard)
        self._loudspeaker = loudspeaker
        if loudspeaker is not None:
            loudspeaker.own_microphone = self.party
            loudspeaker.watchers.append(self._guard)
        self._guard()

    def want(self, group: GroupId, wanted: bool) -> None:
        if wanted:
            self._wanted_by.add(group)
        else:
            self._wanted_by.discard(group)
        if self._wanted_by and self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"microphone {self.stream}")
        elif not self._wanted_by and self._task is not None:
            self._task.cancel()
            self._task = None

    async def remove(self) -> None:
        self._wanted_by.clear()
        self.beside(None)
        task, self._task = self._task, None
        self.party.end("withdrawn")
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        """Until cancelled. A tap that ended is opened anew; a stream that can not be had is asked for again."""
        try:
            while True:
                self._show(MemberState.CONNECTING)
                try:
                    async with self._streams.view(self.stream, SYSTEM, "talk") as viewing:
                        await self._tap(viewing.handle)
                except GatewayError as exc:
                    self._show(MemberState.WAITING, exc.code, str(exc))
                except codecs.MediaError as exc:
                    self._show(MemberState.WAITING, "link-down", str(exc))
                await asyncio.sleep(RETRY_S)
        finally:
            self._show(MemberState.IDLE)

    async def _tap(self, stream: int) -> None:
        engine = self._plane.engine
        voice = engine.open_voice_tap(stream)
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def heard(event: codecs.VoiceEvent) -> None:
            if event.state == "closed" and not closed.done():
                closed.set_result(None)

        try:
            self.party.heard(heard)
            self.party.voice(voice)
            await closed
        finally:
            self.party.release()
            self.party.voice(None)
            self.party.calm()
            engine.close_voice(voice)

    def _show(self, state: MemberState, code: str = "", detail: str = "") -> None:
        self.party.state = state
        self.party.say(code, detail)

    def _guard(self) -> None:
        """Half-duplex ducking between the two, while both are open."""
        microphone = self.party.handle
        loudspeaker = self._loudspeaker.handle if self._loudspeaker is not None else None
        wanted = (microphone, loudspeaker) if microphone is not None and loudspeaker is not None else None
        if wanted == self._guarded:
            return
        if self._guarded is not None and (wanted is None or wanted[0] != self._guarded[0]):
            self._plane.engine.guard_echo(self._guarded[0], None)
        if wanted is not None:
            self._plane.engine.guard_echo(*wanted)
        self._guarded = wanted
