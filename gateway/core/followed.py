"""Those who follow one thing's changes: each gets the latest, whatever it missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Followed(Generic[T]):
    """On the event loop. `read` gives how it stands now; `last` says of which none comes after."""

    def __init__(self, read: Callable[[], T], last: Callable[[T], bool]) -> None:
        self._read = read
        self._last = last
        self._followers: set[asyncio.Event] = set()

    def wake(self) -> None:
        """They look once more."""
        for follower in self._followers:
            follower.set()

    async def changes(self) -> AsyncGenerator[T, None]:
        """How it stands, then every change; a slow reader gets the latest only. Ends after the last."""
        wake = asyncio.Event()
        self._followers.add(wake)
        try:
            while True:
                wake.clear()
                now = self._read()
                yield now
                if self._last(now):
                    return
                await wake.wait()
        finally:
            self._followers.discard(wake)
