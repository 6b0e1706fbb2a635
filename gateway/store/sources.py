"""Sources that a person added: their URLs hold the devices' passwords, as the table of devices does."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.store.database import Database


@dataclass(frozen=True, slots=True)
class SourceRow:
    """`urls`: channel → URL with its credentials."""

    name: str
    title: str
    urls: Mapping[str, str] = field(repr=False)
    on_demand: bool
    added_by: str
    added_at: float


class SourceRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    def load(self) -> Sequence[SourceRow]:
        """All of them, at start, the oldest first."""

        def job(conn: sqlite3.Connection) -> list[SourceRow]:
            sql = "SELECT name, title, urls, on_demand, added_by, added_at FROM source ORDER BY rowid"
            return [
                SourceRow(name, title, json.loads(urls), bool(on_demand), by, at)
                for name, title, urls, on_demand, by, at in conn.execute(sql)
            ]

        return self._db.read_now(job)

    async def put(self, row: SourceRow) -> None:
        """Durable when it returns."""
        values = (row.name, row.title, json.dumps(dict(row.urls)), int(row.on_demand), row.added_by, row.added_at)
        await self._db.write(
            lambda conn: conn.execute(
                "INSERT OR REPLACE INTO source (name, title, urls, on_demand, added_by, added_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            ),
            durable=True,
        )

    async def remove(self, name: str) -> None:
        await self._db.write(lambda conn: conn.execute("DELETE FROM source WHERE name = ?", (name,)), durable=True)
