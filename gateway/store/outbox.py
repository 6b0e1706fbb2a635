"""What waits to be sent on: events, a row each and uplink, and the rows of files that wait on the disk.

`post` runs inside the transaction of whoever stores what the event speaks of. There is room for so many rows and bytes
an uplink: what goes beyond pushes out the lowest rank, its oldest first.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gateway.base.moment import Moment, TimeQuality
from gateway.model.forward import ClockMark, Event, EventKind, ForwardFile, Rank, Uplink, WaitingFile
from gateway.store.database import Database

BOOTS = 64
"""Pairs of clocks kept, of as many boots."""

_EVENT = "id, kind, rank, severity, body, boot, boot_id, mono, wall, quality"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of each uplink."""

    rows: int
    bytes: int


class OutboxRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    # — uplinks —

    def uplinks(self) -> Sequence[Uplink]:
        """At start."""
        return self._db.read_now(_uplinks)

    async def standing(self) -> Sequence[Uplink]:
        return await self._db.read(_uplinks)

    async def join(self, name: str, adapter: str, at: float) -> None:
        """Rows are kept for it from now on. Durable."""
        await self._db.write(
            lambda conn: conn.execute(
                "INSERT INTO outbox_uplink (name, adapter, since) VALUES (?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET adapter = excluded.adapter",
                (name, adapter, at),
            ),
            durable=True,
        )

    async def leave(self, name: str) -> Sequence[str]:
        """It is no more, nor is what waited for it; the ids of files that nobody waits for any more."""

        def job(conn: sqlite3.Connection) -> list[str]:
            theirs = conn.execute("DELETE FROM outbox_file WHERE uplink = ? RETURNING id", (name,)).fetchall()
            files = [str(id_) for (id_,) in theirs if _nobody_waits(conn, id_)]
            conn.execute("DELETE FROM outbox WHERE uplink = ?", (name,))
            conn.execute("DELETE FROM outbox_uplink WHERE name = ?", (name,))
            return files

        return await self._db.write(job, durable=True)

    # — events —

    async def put(self, uplinks: Sequence[str], event: Event, bounds: Bounds, *, durable: bool) -> dict[str, int]:
        """As `post`, in a transaction of its own."""
        return await self._db.write(lambda conn: post(conn, uplinks, event, bounds), durable=durable)

    async def waiting(self, uplink: str, *, limit: int, without: Sequence[str] = ()) -> Sequence[Event]:
        """The first by rank and age, but those with the ids in `without`."""

        def job(conn: sqlite3.Connection) -> list[Event]:
            under_way, found = set(without), list[Event]()
            sql = f"SELECT {_EVENT} FROM outbox WHERE uplink = ? ORDER BY rank, number LIMIT ?"  # noqa: S608
            for row in conn.execute(sql, (uplink, limit + len(under_way))):
                if row[0] not in under_way and len(found) < limit:
                    found.append(_event(row))
            return found

        return await self._db.read(job)

    async def acknowledge(self, uplink: str, ids: Sequence[str]) -> None:
        """The far side has them: they go. Durable."""
        rows = [(uplink, id_) for id_ in ids]
        sql = "DELETE FROM outbox WHERE uplink = ? AND id = ?"
        await self._db.write(lambda conn: conn.executemany(sql, rows), durable=True)

    async def expire(self, now: Moment, keep_s: dict[EventKind, float]) -> dict[str, int]:
        """Those that are too old go; uplink → how many. Age is known within one boot, or where both wall clocks were
        good; else an event is not too old."""

        def job(conn: sqlite3.Connection) -> dict[str, int]:
            gone: dict[str, int] = {}
            for kind, keep in keep_s.items():
                where = "kind = ? AND ((boot_id = ? AND mono < ?)"
                values: list[object] = [kind.value, now.boot_id, now.mono - keep]
                if now.quality.good:
                    where += " OR (boot_id <> ? AND quality <> ? AND wall < ?)"
                    values += [now.boot_id, TimeQuality.UNSYNCED.value, now.wall - keep]
                sql = f"DELETE FROM outbox WHERE {where}) RETURNING uplink"  # noqa: S608  (our own text)
                for (uplink,) in conn.execute(sql, values):
                    gone[uplink] = gone.get(uplink, 0) + 1
            for uplink, number in gone.items():
                conn.execute("UPDATE outbox_uplink SET expired = expired + ? WHERE name = ?", (number, uplink))
            return gone

        return await self._db.write(job)

    # — clocks —

    def mark(self, mark: ClockMark) -> None:
        def job(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT OR REPLACE INTO clock_mark (boot_id, mono, wall) VALUES (?, ?, ?)",
                (mark.boot_id, mark.mono, mark.wall),
            )
            conn.execute(
                "DELETE FROM clock_mark WHERE rowid NOT IN (SELECT rowid FROM clock_mark ORDER BY rowid DESC LIMIT ?)",
                (BOOTS,),
            )

        self._db.write_soon(job)

    def marks(self) -> Sequence[ClockMark]:
        """At start; the one that was kept last is the last."""
        sql = "SELECT boot_id, mono, wall FROM clock_mark ORDER BY rowid"
        return self._db.read_now(lambda conn: [ClockMark(*row) for row in conn.execute(sql)])

    # — files —

    async def put_file(self, uplinks: Sequence[str], file: ForwardFile, moment: Moment | None = None) -> None:
        """For each of `uplinks` that there still are. `moment` is now: its age is told by it. Durable."""
        known = {} if moment is None else {"moment": [moment.boot_id, moment.mono, moment.wall, moment.quality.value]}
        body = json.dumps(asdict(file) | known)
        rows = [(uplink, file.id, int(file.rank), file.size, body, uplink) for uplink in uplinks]
        sql = (
            "INSERT OR IGNORE INTO outbox_file (uplink, id, rank, size, body)"
            " SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM outbox_uplink WHERE name = ?)"
        )
        await self._db.write(lambda conn: conn.executemany(sql, rows), durable=True)

    async def files(self, uplink: str = "", *, limit: int = 1000, without: Sequence[str] = ()) -> Sequence[WaitingFile]:
        """Of one uplink, or of all; the first by rank and age, but those with the ids in `without`."""

        def job(conn: sqlite3.Connection) -> list[WaitingFile]:
            put_off, found = set(without), list[WaitingFile]()
            sql = "SELECT uplink, id, sent, body FROM outbox_file WHERE ? IN ('', uplink) ORDER BY rank, id LIMIT ?"
            for to, id_, sent, body in conn.execute(sql, (uplink, limit + len(put_off))):
                if id_ not in put_off and len(found) < limit:
                    found.append(WaitingFile(_file(body), to, sent))
            return found

        return await self._db.read(job)

    async def file_bytes(self) -> int:
        """What files take on the disk: one that goes to several counts once."""
        sql = "SELECT coalesce(sum(size), 0) FROM (SELECT max(size) AS size FROM outbox_file GROUP BY id)"
        return int(await self._db.read(lambda conn: conn.execute(sql).fetchone()[0]))

    def file_progress(self, uplink: str, id_: str, sent: int) -> None:
        """Not waited for: the far side says after a restart how much it has."""
        sql = "UPDATE outbox_file SET sent = ? WHERE uplink = ? AND id = ?"
        self._db.write_soon(lambda conn: conn.execute(sql, (sent, uplink, id_)))

    async def file_done(self, uplink: str, id_: str) -> bool:
        """The row goes; True when nobody waits for the file any more. Durable."""
        return await self._db.write(lambda conn: _file_gone(conn, uplink, id_), durable=True)

    async def file_never(self, uplink: str, id_: str) -> bool:
        """As `file_done`, of one that will not get there: it is counted as dropped."""

        def job(conn: sqlite3.Connection) -> bool:
            conn.execute("UPDATE outbox_uplink SET dropped = dropped + 1 WHERE name = ?", (uplink,))
            return _file_gone(conn, uplink, id_)

        return await self._db.write(job, durable=True)

    async def expire_files(self, now: Moment, keep_s: float) -> tuple[dict[str, int], Sequence[str]]:
        """Those that are too old go, as in `expire`: uplink → how many; and the ids of files that nobody waits for any
        more."""
        boot, mono, wall, quality = (f"json_extract(body, '$.moment[{place}]')" for place in range(4))
        where, values = f"({boot} = ? AND {mono} < ?)", list[object]([now.boot_id, now.mono - keep_s])
        if now.quality.good:
            where += f" OR ({boot} <> ? AND {quality} <> ? AND {wall} < ?)"
            values += [now.boot_id, TimeQuality.UNSYNCED.value, now.wall - keep_s]

        def job(conn: sqlite3.Connection) -> tuple[dict[str, int], list[str]]:
            gone: dict[str, int] = {}
            ids = dict[str, None]()
            sql = f"DELETE FROM outbox_file WHERE {where} RETURNING uplink, id"  # noqa: S608  (our own text)
            for uplink, id_ in conn.execute(sql, values).fetchall():
                gone[uplink] = gone.get(uplink, 0) + 1
                ids[str(id_)] = None
            for uplink, number in gone.items():
                conn.execute("UPDATE outbox_uplink SET expired = expired + ? WHERE name = ?", (number, uplink))
            return gone, [id_ for id_ in ids if _nobody_waits(conn, id_)]

        return await self._db.write(job, durable=True)

    async def drop_file(self, id_: str) -> Sequence[str]:
        """There was no room for it; the uplinks that will not get it."""

        def job(conn: sqlite3.Connection) -> list[str]:
            gone = [
                str(row[0]) for row in conn.execute("DELETE FROM outbox_file WHERE id = ? RETURNING uplink", (id_,))
            ]
            for uplink in gone:
                conn.execute("UPDATE outbox_uplink SET dropped = dropped + 1 WHERE name = ?", (uplink,))
            return gone

        return await self._db.write(job, durable=True)


def post(conn: sqlite3.Connection, uplinks: Sequence[str], event: Event, bounds: Bounds) -> dict[str, int]:
    """Put `event` for each of `uplinks` that there are, within a transaction; uplink → how many had to give way."""
    moment = event.moment
    row = (event.id, event.kind.value, int(event.rank), event.severity, event.body, event.boot, moment.boot_id)
    clocks = (moment.mono, moment.wall, moment.quality.value)
    dropped: dict[str, int] = {}
    for uplink in uplinks:
        conn.execute(
            f"INSERT OR IGNORE INTO outbox (uplink, {_EVENT})"  # noqa: S608  (our own list of columns)
            " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM outbox_uplink WHERE name = ?)",
            (uplink, *row, *clocks, uplink),
        )
        if gone := _make_room(conn, uplink, bounds):
            dropped[uplink] = gone
    return dropped


def _make_room(conn: sqlite3.Connection, uplink: str, bounds: Bounds) -> int:
    gone = 0
    standing = "SELECT rows, bytes FROM outbox_uplink WHERE name = ?"
    while (has := conn.execute(standing, (uplink,)).fetchone()) and (has[0] > bounds.rows or has[1] > bounds.bytes):
        # Two look-ups in the index, however many rows there are.
        (rank,) = conn.execute("SELECT max(rank) FROM outbox WHERE uplink = ?", (uplink,)).fetchone()
        conn.execute(
            "DELETE FROM outbox WHERE number = (SELECT min(number) FROM outbox WHERE uplink = ? AND rank = ?)",
            (uplink, rank),
        )
        gone += 1
    if gone:
        conn.execute("UPDATE outbox_uplink SET dropped = dropped + ? WHERE name = ?", (gone, uplink))
    return gone


def _uplinks(conn: sqlite3.Connection) -> list[Uplink]:
    found = []
    sql = "SELECT name, adapter, since, rows, bytes, dropped, expired FROM outbox_uplink ORDER BY name"
    for name, adapter, since, rows, size, dropped, expired in conn.execute(sql).fetchall():
        counted = "SELECT kind, count(*) FROM outbox WHERE uplink = ? GROUP BY kind"
        waiting = {str(kind): int(number) for kind, number in conn.execute(counted, (name,))}
        oldest = conn.execute(
            "SELECT wall FROM outbox WHERE uplink = ? ORDER BY rank, number LIMIT 1", (name,)
        ).fetchone()
        totals = "SELECT count(*), coalesce(sum(size - sent), 0) FROM outbox_file WHERE uplink = ?"
        files, file_bytes = conn.execute(totals, (name,)).fetchone()
        found.append(
            Uplink(
                name=name,
                adapter=adapter,
                since=since,
                rows=rows,
                bytes=size,
                files=files,
                file_bytes=file_bytes,
                dropped=dropped,
                expired=expired,
                oldest_at=oldest[0] if oldest else None,
                waiting=waiting,
            )
        )
    return found


def _file_gone(conn: sqlite3.Connection, uplink: str, id_: str) -> bool:
    conn.execute("DELETE FROM outbox_file WHERE uplink = ? AND id = ?", (uplink, id_))
    return _nobody_waits(conn, id_)


def _nobody_waits(conn: sqlite3.Connection, id_: str) -> bool:
    return conn.execute("SELECT 1 FROM outbox_file WHERE id = ?", (id_,)).fetchone() is None


def _event(row: Sequence[object]) -> Event:
    id_, kind, rank, severity, body, boot, boot_id, mono, wall, quality = row
    moment = Moment(str(boot_id), float(mono), float(wall), TimeQuality(str(quality)))  # type: ignore[arg-type]
    return Event(str(id_), EventKind(str(kind)), Rank(int(rank)), str(severity), str(body), moment, int(boot))  # type: ignore[call-overload]


def _file(body: str) -> ForwardFile:
    values = json.loads(body)
    known = ForwardFile.__dataclass_fields__
    return ForwardFile(
        **{name: value for name, value in values.items() if name in known} | {"rank": Rank(values["rank"])}
    )
