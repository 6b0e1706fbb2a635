"""Passwords are hashed and checked in few threads, and not more than so many wait."""

from __future__ import annotations

import asyncio

import pytest

from gateway.base.errors import Busy
from gateway.core.passwords import CHECKERS, LONGEST, NOBODY, QUEUE, Passwords


async def test_one_fits_and_others_do_not() -> None:
    passwords = Passwords()
    hash_ = await passwords.hashed("correct horse")
    assert hash_.startswith("$argon2id$") and await passwords.fits(hash_, "correct horse")
    for kept, password in ((hash_, "wrong horse"), (NOBODY, "correct horse"), ("no hash", "correct horse")):
        assert not await passwords.fits(kept, password)
    assert not await passwords.fits(hash_, "x" * (LONGEST + 1)), "what is too long costs nothing"


async def test_more_than_may_wait_are_refused_at_once() -> None:
    passwords = Passwords()
    tasks = [asyncio.create_task(passwords.fits(NOBODY, "x")) for _ in range(QUEUE)]
    await asyncio.sleep(0)
    with pytest.raises(Busy) as busy:
        await passwords.hashed("one more")
    assert busy.value.code == "busy" and QUEUE > CHECKERS
    assert await asyncio.gather(*tasks) == [False] * QUEUE
    await passwords.hashed("and now")
