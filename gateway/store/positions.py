"""Positions: the latest of each device and channel, and a thinned trail."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict

from gateway.model.ids import DeviceId
from gateway.model.position import Datum, Position, PositionSource
from gateway.store.database import Database


class PositionRepo:
    """Nothing here is waited for: a position lost to a power cut is followed by the next one."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def latest(self) -> Sequence[Position]:
        return self._db.read_now(
            lambda conn: [_read(body) for (body,) in conn.execute("SELECT body FROM position_latest")]
        )

    def put(
        self,
        position: Position,
        *,
        latest: bool = True,
        forward: Callable[[sqlite3.Connection], None] = lambda _conn: None,
    ) -> None:
        """Into the trail; and as the latest, unless an older one came late. `forward` is called in the transaction."""

        def job(conn: sqlite3.Connection) -> None:
            put_position(conn, position, latest=latest)
            forward(conn)

        self._db.write_soon(job)

    async def trail(
        self, device: str, *, channel: str = "", since: float = 0.0, limit: int = 1000
    ) -> Sequence[Position]:
        """The newest `limit` since then, oldest first."""

        def job(conn: sqlite3.Connection) -> list[Position]:
            rows = conn.execute(
                "SELECT body FROM position_trail WHERE device = ? AND (? = '' OR channel = ?) AND taken_at >= ?"
                " ORDER BY taken_at DESC, number DESC LIMIT ?",
                (device, channel, channel, since, limit),
            )
            return [_read(body) for (body,) in rows][::-1]

        return await self._db.read(job)

    def prune(self, before: float) -> None:
        self._db.write_soon(lambda conn: conn.execute("DELETE FROM position_trail WHERE taken_at < ?", (before,)))


def put_position(conn: sqlite3.Connection, position: Position, *, latest: bool) -> None:
    """As `PositionRepo.put`, within a transaction."""
    body = json.dumps(asdict(position))
    where = (position.device, position.channel)
    if latest:
        sql = "INSERT OR REPLACE INTO position_latest (device, channel, body) VALUES (?, ?, ?)"
        conn.execute(sql, (*where, body))
    # A kit's may come by two ways.
    conn.execute(
        "INSERT INTO position_trail (device, channel, taken_at, body) SELECT ?, ?, ?, ? WHERE NOT EXISTS"
        " (SELECT 1 FROM position_trail WHERE device = ? AND taken_at = ? AND channel = ?)",
        (*where, position.taken_at, body, position.device, position.taken_at, position.channel),
    )


def _read(body: str) -> Position:
    values = json.loads(body)
    values["datum"] = Datum(values["datum"])
    values["source"] = PositionSource(values["source"])
    values["device"] = DeviceId(values["device"])
    return Position(**values)
