"""One seat of ours in a talk group of a kit: what `core.talk_group.Group` is to a party, for a floor that is elsewhere.

The person's voice and the line to the kit share a room of two; a key is an order to the kit; its words come back as
those of a floor of our own would.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.contract.fleet import FarLine
from gateway.core.mediaplane import MediaPlane
from gateway.core.messages import Bus
from gateway.core.talk_party import Party, Place
from gateway.core.talk_routes import Room, Route
from gateway.model.voice import FloorAnswer, FloorWord, GroupId

log = logging.getLogger(__name__)


class FarSeat:
    """On the event loop. Its one place is the party's."""

    def __init__(
        self,
        id_: GroupId,
        party: Party,
        plane: MediaPlane,
        bus: Bus,
        clock: Clock,
        spawn: Callable[[str, Coroutine[Any, Any, None]], None],
    ) -> None:
        self.id = id_
        self.party = party
        self._bus = bus
        self._spawn = spawn
        self._room = Room(plane.engine, f"{id_} {party.id}")
        self._line: FarLine | None = None
        self._granted = False
        self._place = Place(self, party, party.wish.may_talk, party.wish.may_listen, clock.wall())  # type: ignore[arg-type]
        party.places[id_] = self._place

    def line(self, line: FarLine | None) -> None:
        """The line to the kit came or went."""
        if self._line is not None:
            self._room.forget(self._line.voice)
        self._line = line
        self._granted = line is not None and line.full
        if line is not None:
            line.on_word(self._word)
            line.on_hears(self._hears)
        else:
            self._hears(False)
        self._route()

    def close(self) -> None:
        self._line = None
        self._room.close()

    # — what its party asks, as of a group —

    def press(self, place: Place, *, emergency: bool = False, keep_s: float | None = None) -> None:
        if self._line is not None and place.talks and not self._line.full:
            self._spawn(f"press {self.party.id}", self._ask(self._line.press(emergency=emergency)))

    def release(self, place: Place) -> None:
        if self._line is not None and not self._line.full:
            self._spawn(f"release {self.party.id}", self._ask(self._line.release()))

    def changed(self, place: Place, *, status: bool = True) -> None:
        self._route()

    def unroute(self, voice: int) -> None:
        self._room.forget(voice)

    def remove(self, place: Place) -> None:
        self.party.places.pop(self.id, None)
        if self.party.handle is not None:
            self._room.forget(self.party.handle)

    async def _ask(self, order: Coroutine[Any, Any, None]) -> None:
        try:
            await order
        except GatewayError as exc:
            self._word(FloorWord(self.party.id, FloorAnswer.DENIED, exc.code, str(exc)[:200]))

    # — what the kit says —

    def _word(self, word: FloorWord) -> None:
        if word.answer is not FloorAnswer.QUEUED and (self._line is None or not self._line.full):
            self._granted = word.answer is FloorAnswer.GRANTED
            self._route()
        self.party.told(word)
        if (principal := self.party.wish.principal) is not None:
            self._bus.publish("floor", self.id, word, only=principal.name, transient=True)

    def _hears(self, on: bool) -> None:
        self._place.hears = on
        self.party.transmit()

    def _route(self) -> None:
        line, own = self._line, self.party.handle
        if line is None:
            self._room.close()
            return
        talks = self._granted and self._place.talks and not self.party.held
        line.send(talks)
        wanted = {line.voice: Route(talk=True, listen=True)}
        if own is not None:
            wanted[own] = Route(talk=talks, listen=self._place.listens and not self.party.held)
        self._room.apply(wanted)
