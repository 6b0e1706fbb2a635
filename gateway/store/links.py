"""What passed by each link in its quota's period."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.store.database import Database

MOST = 256


class LinkUseRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> dict[str, tuple[str, int]]:
        """link → (period, bytes). Blocks for a read: at start only."""
        sql = "SELECT link, period, bytes FROM link_use LIMIT ?"
        return {
            link: (period, used) for link, period, used in self._db.read_now(lambda c: list(c.execute(sql, (MOST,))))
        }

    def put(self, rows: Iterable[tuple[str, str, int]]) -> None:
        """(link, period, bytes), each in the place of what was known of that link; on the disk soon."""
        kept = list(rows)
        sql = "INSERT OR REPLACE INTO link_use (link, period, bytes) VALUES (?, ?, ?)"
        self._db.write_soon(lambda conn: conn.executemany(sql, kept))
