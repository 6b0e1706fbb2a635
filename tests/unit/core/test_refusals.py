"""Refusals over and over: the first are told one by one, the rest by their count, whoever causes them."""

from __future__ import annotations

import math

import pytest

from gateway.base.errors import Busy, Denied
from gateway.config.sources import Program
from gateway.core.refusals import ALL_AT_ONCE, AT_ONCE, FIRST_S, LONGEST_S, NAMES, PLACES, Refusals
from gateway.model.principal import Principal, Role
from gateway.store.rows import AuditRow
from tests.fakes.loop import advance
from tests.unit.core.house import AUDITOR, House, housed

HERE = "192.0.2.7"


def told(one: Refusals, now: float, name: str = "admin", address: str = HERE, act: str = "sign-in") -> bool:
    return one.tells(Principal(name, Role.VIEWER, "x", address=address), act, "", "bad-credentials", now)


def test_the_first_of_a_place_are_rows_and_then_one_row_a_window() -> None:
    one = Refusals()
    assert [told(one, 0.0, f"name-{n}") for n in range(AT_ONCE + 30)] == [True] * AT_ONCE + [False] * 30
    assert told(one, 1.0, address="192.0.2.8") and told(one, 1.0, act="view.start"), "others have their own"
    assert one.due(FIRST_S - 1) == [] and one.next_timer() == FIRST_S
    [row] = one.due(FIRST_S)
    assert row.detail == "30 more in 60 s, of 30 names; the last"
    assert (row.who.name, row.who.address, row.code) == (f"name-{AT_ONCE + 29}", HERE, "bad-credentials")
    now, lengths = FIRST_S, []
    for _ in range(6):
        assert not told(one, now + 1), "while it goes on each window has one row"
        at = max(window.ends for window in one._windows.values())
        [row] = [r for r in one.due(at) if r.who.address == HERE]
        lengths.append(at - now)
        assert row.detail.startswith("1 more in") and "the same name" in row.detail
        now = at
    assert lengths == [120, 240, 480, LONGEST_S, LONGEST_S, LONGEST_S]
    assert one.due(now + LONGEST_S) == [] and one.next_timer() is None
    assert told(one, now + LONGEST_S), "calm for a window: it begins anew"


def test_from_everywhere_too_the_rows_of_a_minute_are_bounded() -> None:
    one = Refusals()
    rows = sum(told(one, 0.0, address=f"10.{n // 250}.{n % 250}.1") for n in range(5000))
    assert rows == ALL_AT_ONCE and len(one._windows) <= PLACES + 1
    counts = [int(row.detail.split()[0]) for row in one.due(math.inf)]
    assert sum(counts) == 5000 - rows, "none is left out of the counts"
    for n in range(1000):
        told(one, 0.0, name=f"{n}" * 1000)
    assert max(len(w.names) for w in one._windows.values()) <= NAMES


async def sign_ins(house: House, least: int) -> list[AuditRow]:
    """Their rows, once there are so many: the store's thread takes real time."""
    rows: list[AuditRow] = []
    while len(rows) < least:
        rows = [row for row in await house.core.audit.read(AUDITOR) if row.act == "program.sign-in"]
    return rows


@housed
async def test_thousands_of_refused_names_are_few_rows_of_the_record(house: House) -> None:
    house.config.program["truck"] = Program.model_validate({"password": "of-its-own-12"})
    house.core.sources_changed()
    for n in range(2000):
        with pytest.raises((Denied, Busy)):
            house.core.programs.known(f"name-{n}", HERE)
    for n in range(50):
        house.core.programs.failed(f"name-{n}", HERE)
    await advance(FIRST_S + 1)
    rows = await sign_ins(house, AT_ONCE + 1)
    assert len(rows) <= AT_ONCE + 3
    [counted] = [row for row in rows if row.session == "counted"]
    assert "more in 60 s" in counted.detail and counted.outcome == "refused"
    before = len(rows)
    house.core.programs.failed("one more", HERE)
    await advance(2 * FIRST_S + 1)
    rows = await sign_ins(house, before + 1)
    assert [row.detail for row in rows[before:]] == ["1 more in 120 s, of the same name; the last"]
