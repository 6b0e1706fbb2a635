"""The record: in order, durable, and tampering shows."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.base.errors import Denied, GatewayError
from gateway.core import audit as audit_module
from gateway.core.audit import Audit
from gateway.model.command import Action, Outcome
from gateway.model.principal import SYSTEM
from gateway.store.audit import AuditRepo
from gateway.store.rows import AuditHead, AuditRow
from tests.fakes.loop import advance, by_hand, settle
from tests.unit.core.house import ADMIN, AUDITOR, OPERATOR, House, a_house, housed
from tests.unit.core.test_commands import order


def tamper(house: House, sql: str) -> None:
    with sqlite3.connect(house.state_dir / "state.db", timeout=5) as conn:
        conn.execute(sql)


async def some_acts(house: House) -> None:
    for number in range(5):
        await house.core.audit.record(OPERATOR, "ptz.move", f"kit1/ball-{number}")


@housed
async def test_a_sound_record_is_found_sound(house: House) -> None:
    await some_acts(house)
    verdict = await house.core.audit.verify(AUDITOR)
    assert verdict.sound and verdict.rows >= 5
    rows = await house.core.audit.read(AUDITOR)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize(
    ("sql", "broken_at"),
    [
        ("UPDATE audit SET name = 'somebody else' WHERE number = 2", 2),
        ("UPDATE audit SET at = at + 1 WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number >= 4", 4),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET digest = (SELECT digest FROM audit WHERE number = 1) WHERE number = 4", 4),
        ("UPDATE audit_head SET number = 3", None),
    ],
)
def test_tampering_shows(sql: str, broken_at: int | None, tmp_path: Path) -> None:
    async def runs(house: House) -> None:
        await some_acts(house)
        tamper(house, sql)
        verdict = await house.core.store.audit.verify()
        assert not verdict.sound
        assert broken_at is None or verdict.broken_at == broken_at

    housed(runs)(tmp_path)


@housed
async def test_only_the_auditor_reads_it(house: House) -> None:
    for who in (ADMIN, OPERATOR, SYSTEM):
        with pytest.raises(Denied):
            await house.core.audit.read(who)
        with pytest.raises(Denied):
            await house.core.audit.verify(who)


class FullDisk(AuditRepo):
    """Refuses while `full`."""

    full = True

    async def append(self, acts: object) -> None:
        if self.full:
            raise GatewayError("no room", code="disk-full")
        await super().append(acts)  # type: ignore[arg-type]


@housed
async def test_rows_wait_for_room_in_order_and_lost_ones_are_told(
    house: House,
) -> None:
    repo = FullDisk(house.core.store.db, b"k" * 32)
    audit = Audit(repo, house.clock)
    task = asyncio.create_task(audit.run())
    with pytest.raises(GatewayError) as full:
        await audit.record(OPERATOR, "first")
    assert full.value.code == "disk-full"
    for number in range(audit_module.HELD + 9):
        audit.note(OPERATOR, f"act {number}")
    await settle()
    assert audit.lost == 10
    repo.full = False
    await advance(audit_module.RETRY_S + 0.1)
    await audit.record(OPERATOR, "last")
    rows = await repo.read(limit=10_000)
    assert (rows[0].act, rows[0].detail) == ("audit.lost", "10 rows were lost while the disk was full")
    assert (rows[1].act, rows[-1].act) == ("act 9", "last") and len(rows) == audit_module.HELD + 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@by_hand
async def test_what_was_noted_last_is_kept_when_the_daemon_ends(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        for number in range(600):
            house.core.audit.note(OPERATOR, f"act {number}")
    async with a_house(tmp_path) as house:
        rows = await house.core.store.audit.read(limit=1000)
        assert [row.act for row in rows] == [f"act {number}" for number in range(600)]
        assert (await house.core.store.audit.verify()).sound


@housed
async def test_the_export_is_whole_and_in_the_record_before_it_leaves(house: House) -> None:
    await some_acts(house)
    commands = house.core.commands
    done = await commands.execute(order(house, AUDITOR, Action.EXPORT, "audit"))
    assert done.outcome is Outcome.DONE
    told = [row async for row in house.core.audit.export(AUDITOR)]
    *rows, head = told
    assert isinstance(head, AuditHead) and head.number == len(rows) and head.seal
    assert [row.number for row in rows if isinstance(row, AuditRow)] == list(range(1, head.number + 1))
    last = rows[-1]
    assert isinstance(last, AuditRow) and (last.act, last.name, last.target) == ("export", "aude", "audit")
    assert len({row.digest for row in rows if isinstance(row, AuditRow)}) == head.number
    for who in (ADMIN, OPERATOR):
        refused = await commands.execute(order(house, who, Action.EXPORT, "audit"))
        assert (refused.outcome, refused.code) == (Outcome.REFUSED, "denied")
        with pytest.raises(Denied):
            await anext(house.core.audit.export(who))
    assert (await commands.execute(order(house, AUDITOR, Action.EXPORT, "alarms"))).code == "unsupported"


@housed
async def test_a_record_cut_off_while_it_leaves_shows_by_its_head(house: House) -> None:
    await some_acts(house)
    house.core.audit.note(OPERATOR, "ptz.move")
    export = house.core.audit.export(AUDITOR)
    first = await anext(export)
    tamper(house, "DELETE FROM audit WHERE number > 3")
    rest = [row async for row in export]
    assert isinstance(first, AuditRow) and isinstance(rest[-1], AuditHead) and rest[-1].number >= 5
