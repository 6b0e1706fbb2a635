"""Who spoke when: one row a spurt, bounded by age and number."""

# ruff: noqa: S608 - the only text put into statements is this file's own list of columns
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict

from gateway.model.voice import GroupId, MemberKind, Priority, Spurt
from gateway.store.database import Database

_COLUMNS = ["id", "group", "member", "kind", "name", "priority", "emergency", "began", "ended", "ended_by"]
_NAMES = ", ".join("talk_group" if column == "group" else column for column in _COLUMNS)
MOST = 500_000
"""Rows kept, whatever their age: some 60 MB."""


class SpurtRepo:
    """Nothing here is waited for: speech goes on whatever the disk does."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, spurt: Spurt) -> None:
        values = asdict(spurt) | {"emergency": int(spurt.emergency)}
        sql = f"INSERT OR REPLACE INTO spurt ({_NAMES}) VALUES ({', '.join(':' + c for c in _COLUMNS)})"
        self._db.write_soon(lambda conn: conn.execute(sql, values))

    async def recent(self, group: str, *, before: float | None = None, limit: int = 200) -> Sequence[Spurt]:
        """Newest first; those that began before `before` (unix seconds)."""
        sql = f"SELECT {_NAMES} FROM spurt WHERE talk_group = ? AND (? IS NULL OR began < ?)"

        def job(conn: sqlite3.Connection) -> list[Spurt]:
            rows = conn.execute(f"{sql} ORDER BY began DESC, id DESC LIMIT ?", (group, before, before, limit))
            return [_spurt(row) for row in rows]

        return await self._db.read(job)

    def prune(self, before: float, *, most: int = MOST) -> None:
        """Older ones go, and the oldest beyond `most`."""

        def job(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM spurt WHERE began < ?", (before,))
            conn.execute(
                "DELETE FROM spurt WHERE rowid IN (SELECT rowid FROM spurt ORDER BY began DESC LIMIT -1 OFFSET ?)",
                (most,),
            )

        self._db.write_soon(job)


def _spurt(row: Sequence[object]) -> Spurt:
    values: dict[str, object] = dict(zip(_COLUMNS, row, strict=True))
    values["group"] = GroupId(str(values["group"]))
    values["kind"] = MemberKind(str(values["kind"]))
    values["priority"] = Priority(str(values["priority"]))
    values["emergency"] = bool(values["emergency"])
    return Spurt(**values)  # type: ignore[arg-type]
