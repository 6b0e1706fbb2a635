"""The sessions that are, and for a minute those that were: limits, who may touch which, and their tasks."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator

from adapters.webrtc.session import Session
from gateway.base.errors import Busy, NotFound
from gateway.model.principal import Principal

MAX_REMEMBERED = 512


class Registry:
    def __init__(self, tasks: asyncio.TaskGroup, *, most: int, most_per_user: int, remember_s: float) -> None:
        self._tasks = tasks
        self._most = most
        self._most_per_user = most_per_user
        self._remember_s = remember_s
        self._live: dict[str, Session] = {}
        self._past: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._live.values()))

    def of(self, who: Principal) -> list[Session]:
        """Those of one account: the live ones, and those still remembered."""
        return [one for one in (*self._past.values(), *self._live.values()) if one.who.name == who.name]

    def new_id(self) -> str:
        """192 random bits: the Location is all that a peer needs, so nobody may guess it (RFC 9725 §4.1)."""
        return secrets.token_urlsafe(24)

    def admit(self, who: Principal) -> None:
        """Raises Busy (`too-many-viewers`) when `who` may not have one more session now."""
        if len(self._live) >= self._most:
            raise Busy(f"{len(self._live)} of {self._most} sessions are open", code="too-many-viewers")
        own = sum(one.who.name == who.name for one in self._live.values())
        if own >= self._most_per_user:
            raise Busy(f"{who.name} has {own} of {self._most_per_user} sessions open", code="too-many-viewers")

    def start(self, session: Session) -> None:
        self._live[session.id] = session
        task = self._tasks.create_task(session.run(), name=f"{session.kind} {session.id[:8]}")
        task.add_done_callback(lambda _: self._ended(session))

    def _ended(self, session: Session) -> None:
        self._live.pop(session.id, None)
        if self._remember_s > 0:
            self._past[session.id] = session
        self.forget_old()

    def forget_old(self) -> None:
        """Drop what ended long ago; called at each end and by the adapter's clock."""
        now = time.monotonic()
        for ident, session in list(self._past.items()):
            old = now - (session.ended_at or 0.0) > self._remember_s
            if not old and len(self._past) <= MAX_REMEMBERED:
                break  # in order of their end
            del self._past[ident]

    def get(self, ident: str, who: Principal, *, live: bool = False) -> Session:
        """The session, if it is `who`'s own. Somebody else's looks the same as none: NotFound."""
        session = self._live.get(ident) or (None if live else self._past.get(ident))
        if session is None or session.who.name != who.name:
            raise NotFound("no such session, or it ended a while ago", code="not-found")
        return session
