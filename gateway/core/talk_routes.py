"""Who hears whom in one room of the media plane: what should be, against what was ordered; only changes are ordered.

The mixer gives each listener the sum of the talking others, never itself, so a route says two things of a voice:
whether it is heard, and whether it hears.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from gateway import codecs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    talk: bool
    listen: bool


class Room:
    """One group's. It is there while somebody with a voice is."""

    def __init__(self, engine: codecs.Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._room: int | None = None
        self._set: dict[int, Route] = {}

    @property
    def handle(self) -> int | None:
        return self._room

    @property
    def routes(self) -> Mapping[int, Route]:
        """As ordered, by voice."""
        return self._set

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
        """Its owner closes it, or has: it is no more in this room."""
        if self._set.pop(voice, None) is not None and self._room is not None:
            self._engine.leave(self._room, voice)

    def close(self) -> None:
        if self._room is not None:
            self._engine.close_room(self._room)
        self._room = None
        self._set.clear()
