"""Who watches what, now."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.base.clock import Clock
from gateway.core.facts import ViewingInfo
from gateway.core.rights import at_least, in_scope
from gateway.model.principal import Principal, Role


class Sessions:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._viewings: dict[str, ViewingInfo] = {}

    @property
    def count(self) -> int:
        return len(self._viewings)

    @contextmanager
    def viewing(self, stream: str, who: Principal, kind: str) -> Iterator[ViewingInfo]:
        id_ = secrets.token_hex(8)
        info = ViewingInfo(id_, stream, who.name, who.session, who.address, kind, self._clock.wall())
        self._viewings[id_] = info
        try:
            yield info
        finally:
            del self._viewings[id_]

    def viewings(self, who: Principal) -> Sequence[ViewingInfo]:
        """All in scope for a technician and up; a viewer's own otherwise."""
        everybody = at_least(who.role, Role.TECHNICIAN)
        return [
            info
            for info in self._viewings.values()
            if in_scope(who, info.stream) and (everybody or info.name == who.name)
        ]
