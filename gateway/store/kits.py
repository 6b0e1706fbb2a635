"""What a center last knew of its kits, how links were, and how often this gateway was started."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from gateway.store.database import Database


class KitRepo:
    """Bodies are JSON of the core's; nothing here is waited for: the kit tells it again."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def kits(self) -> Sequence[tuple[str, str]]:
        """Gateway and body of each, at start."""
        return self._db.read_now(lambda conn: list(conn.execute("SELECT gateway, body FROM kit ORDER BY gateway")))

    def items(self) -> Sequence[tuple[str, str, str, str]]:
        """Gateway, kind, id and body, at start."""
        sql = "SELECT gateway, kind, id, body FROM kit_item ORDER BY gateway, kind, id"
        return self._db.read_now(lambda conn: list(conn.execute(sql)))

    def put(self, gateway: str, body: str) -> None:
        sql = "INSERT OR REPLACE INTO kit (gateway, body) VALUES (?, ?)"
        self._db.write_soon(lambda conn: conn.execute(sql, (gateway, body)))

    def put_items(self, gateway: str, items: Iterable[tuple[str, str, str]], gone: Iterable[tuple[str, str]]) -> None:
        """(kind, id, body) to keep, (kind, id) that are no more."""
        kept, removed = list(items), list(gone)

        def job(conn: sqlite3.Connection) -> None:
            conn.executemany(
                "DELETE FROM kit_item WHERE gateway = ? AND kind = ? AND id = ?",
                [(gateway, kind, id_) for kind, id_ in removed],
            )
            conn.executemany(
                "INSERT OR REPLACE INTO kit_item (gateway, kind, id, body) VALUES (?, ?, ?, ?)",
                [(gateway, kind, id_, body) for kind, id_, body in kept],
            )

        self._db.write_soon(job)

    def forget(self, gateway: str) -> None:
        def job(conn: sqlite3.Connection) -> None:
            for table in ("kit", "kit_item", "link_trail"):
                conn.execute(f"DELETE FROM {table} WHERE gateway = ?", (gateway,))  # noqa: S608  (our own names)

        self._db.write_soon(job)


class LinkTrailRepo:
    """Samples of links, packed by `core.link_trails`; ten minutes a row."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, rows: Iterable[tuple[str, str, int, bytes]]) -> None:
        """(gateway, link, began, samples); one that began at the same time is replaced. In one transaction."""
        kept = list(rows)
        sql = "INSERT OR REPLACE INTO link_trail (gateway, link, began, samples) VALUES (?, ?, ?, ?)"
        self._db.write_soon(lambda conn: conn.executemany(sql, kept))

    async def since(self, gateway: str, began: int) -> Sequence[tuple[str, int, bytes]]:
        """(link, began, samples), by link, oldest first."""
        sql = "SELECT link, began, samples FROM link_trail WHERE gateway = ? AND began >= ? ORDER BY link, began"
        return await self._db.read(lambda conn: list(conn.execute(sql, (gateway, began))))

    def prune(self, before: int) -> None:
        self._db.write_soon(lambda conn: conn.execute("DELETE FROM link_trail WHERE began < ?", (before,)))


class CounterRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    def next(self, name: str) -> int:
        """One more than ever before; on the disk soon. Blocks for a read: at start only."""
        sql = "SELECT value FROM counter WHERE name = ?"
        before = self._db.read_now(lambda conn: conn.execute(sql, (name,)).fetchone())
        value = int(before[0]) + 1 if before else 1
        put = "INSERT OR REPLACE INTO counter (name, value) VALUES (?, ?)"
        self._db.write_soon(lambda conn: conn.execute(put, (name, value)), durable=True)
        return value
