"""Who hears whom in one room of the media plane: what should be, against what was ordered; only changes are ordered.

The mixer gives each listener the sum of the talking others, never itself, so a route says two things of a voice:
whether it is heard, and whether it hears. A loudspeaker whose microphone sits in the same group must not hear that
either, else it howls: it listens in a room of its own, where all the others talk.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

from gateway import codecs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    talk: bool
    listen: bool


ASIDE = 3
"""Loudspeakers of one group with a room of their own: a voice may be in 8 rooms, and may speak in several groups.
Further ones listen only while somebody else than their microphone speaks."""


class Rooms:
    """One group's."""

    def __init__(self, engine: codecs.Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._main = Room(engine, name)
        self._aside: dict[int, Room] = {}  # by loudspeaker

    def apply(self, wanted: Mapping[int, Route], own: Mapping[int, int], speak_beside: Container[int]) -> None:
        """`own`: loudspeaker → its microphone, both in `wanted`. `speak_beside`: loudspeakers for which somebody else
        speaks now."""
        aside = dict(list(own.items())[:ASIDE])
        for loudspeaker in [known for known in self._aside if known not in aside]:
            self._aside.pop(loudspeaker).close()
        main: dict[int, Route] = {}
        for voice, route in wanted.items():
            if voice in aside:
                route = replace(route, listen=False)
            elif voice in own:
                route = replace(route, listen=route.listen and voice in speak_beside)
            main[voice] = route
        self._main.apply(main)
        for loudspeaker, microphone in aside.items():
            room = self._aside.setdefault(loudspeaker, Room(self._engine, f"{self._name} {loudspeaker}"))
            others = {
                voice: Route(talk=route.talk, listen=False)
                for voice, route in wanted.items()
                if voice not in (loudspeaker, microphone)
            }
            room.apply(others | {loudspeaker: Route(talk=False, listen=wanted[loudspeaker].listen)})

    def forget(self, voice: int) -> None:
        """Its owner closes it, or has."""
        if (room := self._aside.pop(voice, None)) is not None:
            room.close()
        for room in (self._main, *self._aside.values()):
            room.forget(voice)

    def close(self) -> None:
        for room in (self._main, *self._aside.values()):
            room.close()
        self._aside.clear()


class Room:
    """It is there while somebody with a voice is."""

    def __init__(self, engine: codecs.Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._room: int | None = None
        self._set: dict[int, Route] = {}

    def apply(self, wanted: Mapping[int, Route]) -> None:
        """Silence comes before sound: whoever lost the floor is off before the next one is on."""
        if not wanted:
            self.close()
            return
        if self._room is None:
            self._room = self._engine.open_room(self._name)
        for voice in [voice for voice in self._set if voice not in wanted]:
            del self._set[voice]
            self._engine.leave(self._room, voice)
        changes = [(voice, route) for voice, route in wanted.items() if self._set.get(voice) != route]
        for voice, route in sorted(changes, key=lambda change: change[1].talk):
            try:
                self._engine.route(self._room, voice, talk=route.talk, listen=route.listen)
            except codecs.MediaError as exc:
                log.warning("%s: voice %d has no place in the mix: %s", self._name, voice, exc)
            else:
                self._set[voice] = route

    def forget(self, voice: int) -> None:
        if self._set.pop(voice, None) is not None and self._room is not None:
            self._engine.leave(self._room, voice)

    def close(self) -> None:
        if self._room is not None:
            self._engine.close_room(self._room)
        self._room = None
        self._set.clear()
