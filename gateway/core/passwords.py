"""Passwords as they are kept: argon2id. One takes some 50 ms and 64 MB, so it is made and checked in a thread, two at a
time, and more than `QUEUE` waiting are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from gateway.base.errors import Busy

if TYPE_CHECKING:
    from argon2 import PasswordHasher

CHECKERS = 2
QUEUE = 16
LONGEST = 256
# The hash of a random word that nobody knows: checking an unknown name takes as long as a known one.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=1$M1Q3QMAHGgQwEyh3lKQIUQ$iBUtNksUo7r2MsZT4gkkH+OMb3KY7xk2rlWBfIPsQ5U"

T = TypeVar("T")


class Passwords:
    """Both raise Busy when too many wait."""

    def __init__(self) -> None:
        self._checkers = asyncio.Semaphore(CHECKERS)
        self._checking = 0

    async def hashed(self, password: str) -> str:
        return await self._work(_hash, password)

    async def fits(self, hash_: str, password: str) -> bool:
        return len(password) <= LONGEST and await self._work(_matches, hash_, password)

    async def _work(self, work: Callable[..., T], *args: str) -> T:
        if self._checking >= QUEUE:
            raise Busy("too many passwords are being checked", code="busy")
        self._checking += 1
        try:
            async with self._checkers:
                return await asyncio.to_thread(work, *args)
        finally:
            self._checking -= 1


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)


def _hash(password: str) -> str:
    return _hasher().hash(password)


def _matches(hash_: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hash_, password)
    except (VerificationError, InvalidHashError):
        return False
