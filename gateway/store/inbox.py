"""At a center: what kits told, each event once, with what follows from it in the same transaction; and their files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gateway.base.moment import Moment, TimeQuality
from gateway.model.forward import Dating, Event, EventKind, ForwardFile, KeptEvent, KeptFile, Rank
from gateway.store.database import Database
from gateway.store.opening import is_fault

_COLUMNS = "gateway, id, kind, rank, severity, body, boot, boot_id, mono, wall, quality, at, dating, received_at"

Effect = Callable[[sqlite3.Connection, KeptEvent], Any]
"""What an event changes beside its own row. An exception of it (not of the disk) takes back its event alone."""


SHARE = 2
"""One kit has at most this part of it: it must not push out what others told."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of events of all kits."""

    rows: int
    bytes: int


class InboxRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(
        self, events: Sequence[KeptEvent], effect: Effect, bounds: Bounds
    ) -> tuple[Sequence[tuple[KeptEvent, Any]], dict[str, str]]:
        """Keep those that are new, each with its effect; those, with what `effect` returned. All are durable when it
        returns, also those that were known; the repeated event changes nothing. And those that can not be kept,
        whatever is done: id → why. Beyond `bounds` what is least important of the kit goes, its oldest first; beyond
        those of all, of the kit that has most."""

        def job(conn: sqlite3.Connection) -> tuple[list[tuple[KeptEvent, Any]], dict[str, str]]:
            new, never = list[tuple[KeptEvent, Any]](), dict[str, str]()
            for event in events:
                conn.execute("SAVEPOINT event")
                try:
                    if (one := _take(conn, event, effect)) is not None:
                        new.append(one)
                except Exception as exc:
                    if isinstance(exc, sqlite3.Error) and is_fault(exc):
                        raise
                    conn.execute("ROLLBACK TO event")
                    never[event.event.id] = f"{type(exc).__name__} {exc}"[:200]
                conn.execute("RELEASE event")
            for gateway in {event.gateway for event in events}:
                _make_room(conn, gateway, bounds)
            return new, never

        return await self._db.write(job, durable=True)

    async def recent(
        self, *, gateway: str = "", after: int = 0, before: float | None = None, limit: int = 200
    ) -> Sequence[KeptEvent]:
        """Newest first, by the order in which they came; `after` is a number, `before` a time of `received_at`."""
        where, values = ["number > ?"], list[object]([after])
        if gateway:
            where.append("gateway = ?")
            values.append(gateway)
        if before is not None:
            where.append("received_at < ?")
            values.append(before)
        sql = f"SELECT number, {_COLUMNS} FROM kit_event WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"  # noqa: S608
        return await self._db.read(lambda conn: [_kept(row) for row in conn.execute(sql, [*values, limit])])

    def prune(self, before: float) -> None:
        self._db.write_soon(lambda conn: conn.execute("DELETE FROM kit_event WHERE received_at < ?", (before,)))

    async def forget(self, gateway: str) -> None:
        def job(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM kit_event WHERE gateway = ?", (gateway,))
            conn.execute("DELETE FROM kit_file WHERE gateway = ?", (gateway,))

        await self._db.write(job, durable=True)

    # — files —

    async def file(self, gateway: str, id_: str) -> KeptFile | None:
        sql = "SELECT gateway, body, received_at, complete_at FROM kit_file WHERE gateway = ? AND id = ?"

        def job(conn: sqlite3.Connection) -> KeptFile | None:
            row = conn.execute(sql, (gateway, id_)).fetchone()
            return _file(row) if row else None

        return await self._db.read(job)

    async def put_file(self, file: KeptFile) -> None:
        row = (file.gateway, file.file.id, file.file.size, json.dumps(asdict(file.file)), file.received_at)
        sql = "INSERT OR IGNORE INTO kit_file (gateway, id, size, body, received_at) VALUES (?, ?, ?, ?, ?)"
        await self._db.write(lambda conn: conn.execute(sql, row), durable=True)

    async def complete_file(self, gateway: str, id_: str, at: float) -> None:
        sql = "UPDATE kit_file SET complete_at = ? WHERE gateway = ? AND id = ?"
        await self._db.write(lambda conn: conn.execute(sql, (at, gateway, id_)), durable=True)

    async def remove_file(self, gateway: str, id_: str) -> None:
        sql = "DELETE FROM kit_file WHERE gateway = ? AND id = ?"
        await self._db.write(lambda conn: conn.execute(sql, (gateway, id_)), durable=True)

    async def files(self, *, gateway: str = "", before: float | None = None, limit: int = 200) -> Sequence[KeptFile]:
        """Newest first."""
        sql = (
            "SELECT gateway, body, received_at, complete_at FROM kit_file"
            " WHERE ? IN ('', gateway) AND (? IS NULL OR received_at < ?) ORDER BY received_at DESC, id DESC LIMIT ?"
        )
        values = (gateway, before, before, limit)
        return await self._db.read(lambda conn: [_file(row) for row in conn.execute(sql, values)])

    async def older_files(self, before: float) -> Sequence[tuple[str, str]]:
        sql = "SELECT gateway, id FROM kit_file WHERE received_at < ? ORDER BY received_at LIMIT 1000"
        return await self._db.read(lambda conn: [(str(g), str(i)) for g, i in conn.execute(sql, (before,))])

    async def file_bytes(self, gateway: str) -> tuple[int, int]:
        """What files of all kits take, those on the way counted whole; and what of it this kit's do."""
        sql = "SELECT coalesce(sum(size), 0), coalesce(sum(size) FILTER (WHERE gateway = ?), 0) FROM kit_file"
        held, own = await self._db.read(lambda conn: conn.execute(sql, (gateway,)).fetchone())
        return int(held), int(own)


def _make_room(conn: sqlite3.Connection, gateway: str, bounds: Bounds) -> None:
    held = "SELECT rows, bytes FROM kit_event_held WHERE gateway = ?"
    most = "SELECT gateway FROM kit_event_held WHERE gateway <> '' ORDER BY max(rows * ?, bytes * ?) DESC LIMIT 1"
    while True:
        rows, size = conn.execute(held, (gateway,)).fetchone() or (0, 0)
        if rows <= bounds.rows // SHARE and size <= bounds.bytes // SHARE:
            rows, size = conn.execute(held, ("",)).fetchone()
            if rows <= bounds.rows and size <= bounds.bytes:
                return
            (gateway,) = conn.execute(most, (1.0 / bounds.rows, 1.0 / bounds.bytes)).fetchone()
            (rows,) = conn.execute("SELECT rows FROM kit_event_held WHERE gateway = ?", (gateway,)).fetchone()
        (rank,) = conn.execute("SELECT max(rank) FROM kit_event WHERE gateway = ?", (gateway,)).fetchone()
        gone = conn.execute(
            "DELETE FROM kit_event WHERE number IN"
            " (SELECT number FROM kit_event WHERE gateway = ? AND rank = ? ORDER BY number LIMIT ?)",
            (gateway, rank, max(1, rows // 100)),
        ).rowcount
        if gone == 0:
            return


def _take(conn: sqlite3.Connection, kept: KeptEvent, effect: Effect) -> tuple[KeptEvent, Any] | None:
    event, moment = kept.event, kept.event.moment
    row: list[object] = [
        kept.gateway,
        event.id,
        event.kind.value,
        int(event.rank),
        event.severity,
        event.body,
        event.boot,
    ]
    row += [moment.boot_id, moment.mono, moment.wall, moment.quality.value]
    row += [kept.at, kept.dating.value, kept.received_at]
    values = ", ".join("?" * len(row))
    # OR IGNORE would take a value that is missing for an event that is known.
    sql = f"INSERT INTO kit_event ({_COLUMNS}) VALUES ({values}) ON CONFLICT (gateway, id) DO NOTHING"  # noqa: S608
    if not conn.execute(sql, row).rowcount:
        return None
    return kept, effect(conn, kept)


def _kept(row: Sequence[Any]) -> KeptEvent:
    number, gateway, id_, kind, rank, severity, body, boot, boot_id, mono, wall, quality, at, dating, received_at = row
    moment = Moment(boot_id, mono, wall, TimeQuality(quality))
    event = Event(id_, EventKind(kind), Rank(rank), severity, body, moment, boot)
    return KeptEvent(gateway, event, at, Dating(dating), received_at, number)


def _file(row: Sequence[Any]) -> KeptFile:
    gateway, body, received_at, complete_at = row
    values = json.loads(body)
    file = ForwardFile(**{**values, "rank": Rank(values["rank"])})
    return KeptFile(gateway, file, file.size if complete_at is not None else 0, received_at, complete_at)
