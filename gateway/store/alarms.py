"""Alarms: one row for each, repeats counted in it. What is sent on of it is put in the same transaction."""

# ruff: noqa: S608 - the only text put into statements is this file's own lists of columns
from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId
from gateway.store.database import Database

_COLUMNS = [
    "device",
    "channel",
    "key",
    "severity",
    "kind",
    "method",
    "description",
    "raised_at",
    "received_at",
    "cleared",
    "id",
    "repeats",
    "acknowledged_by",
    "acknowledged_at",
]
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM alarm"


MOST_OF_A_KIT = 50_000
"""Alarms that a center keeps of one kit; beyond, acknowledged ones go, then the oldest."""

Forward = Callable[[sqlite3.Connection, Alarm, bool], None]
"""Puts what is sent on of an alarm, within its transaction; True: it is a new one."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of an alarm: its row as it stands now, and whether it is a new one (of `take`: or a changed one)."""

    alarm: Alarm
    new: bool


class AlarmRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def keep(self, alarm: Alarm, *, within_s: float, forward: Forward = lambda _conn, _alarm, _new: None) -> Kept:
        """Store `alarm`, or count it in the one of the same key that was last reported within `within_s`.

        `forward` is called in the transaction for a new one, and for one that is cleared now. Durable when it returns.
        """

        def job(conn: sqlite3.Connection) -> Kept:
            sql = f"{_SELECT} WHERE key = ? AND last_at > ? ORDER BY last_at DESC LIMIT 1"
            found = conn.execute(sql, (alarm.key, alarm.received_at - within_s)).fetchone()
            if found is not None and not (before := _alarm(found)).cleared:
                conn.execute(
                    "UPDATE alarm SET repeats = repeats + 1, last_at = max(last_at, ?), cleared = ? WHERE id = ?",
                    (alarm.received_at, int(alarm.cleared), before.id),
                )
                now = _alarm(conn.execute(f"{_SELECT} WHERE id = ?", (before.id,)).fetchone())
                if now.cleared:
                    forward(conn, now, False)
                return Kept(now, new=False)
            values = asdict(alarm) | {"severity": alarm.severity.value, "cleared": int(alarm.cleared)}
            columns = [*_COLUMNS, "last_at"]
            conn.execute(
                f"INSERT INTO alarm ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})",
                values | {"last_at": alarm.received_at},
            )
            forward(conn, alarm, True)
            return Kept(alarm, new=True)

        return await self._db.write(job, durable=True)

    async def take(self, alarm: Alarm) -> Kept:
        """Store an alarm of another gateway under the id that it has there; again: what changed is taken over.

        An acknowledgement made here stays. Durable when it returns.
        """

        return await self._db.write(lambda conn: take_alarm(conn, alarm), durable=True)

    async def acknowledge(
        self, id_: str, by: str, at: float, forward: Forward = lambda _conn, _alarm, _new: None, *, far: str = ""
    ) -> Alarm | None:
        """The alarm as it is now; None if there is none of that id. `forward` as in `keep`. `far`: the kit whose it is,
        which has not heard of it (`untold`)."""

        def job(conn: sqlite3.Connection) -> Alarm | None:
            sql = "UPDATE alarm SET acknowledged_by = ?, acknowledged_at = ? WHERE id = ? AND acknowledged_at IS NULL"
            changed = conn.execute(sql, (by, at, id_)).rowcount
            row = conn.execute(f"{_SELECT} WHERE id = ?", (id_,)).fetchone()
            if row and changed:
                forward(conn, _alarm(row), False)
                if far:
                    conn.execute("INSERT OR IGNORE INTO alarm_untold (id, gateway) VALUES (?, ?)", (id_, far))
            return _alarm(row) if row else None

        return await self._db.write(job, durable=True)

    async def untold(self, gateway: str, *, limit: int) -> Sequence[Alarm]:
        """Alarms of a kit that were acknowledged here, and it has not heard of it."""
        where = "id IN (SELECT id FROM alarm_untold WHERE gateway = ?) ORDER BY acknowledged_at LIMIT ?"
        return await self._db.read(
            lambda conn: [_alarm(row) for row in conn.execute(f"{_SELECT} WHERE {where}", (gateway, limit))]
        )

    def untold_gateways(self) -> Sequence[str]:
        """At start."""
        sql = "SELECT DISTINCT gateway FROM alarm_untold"
        return self._db.read_now(lambda conn: [str(gateway) for (gateway,) in conn.execute(sql)])

    async def told(self, id_: str) -> None:
        await self._db.write(lambda conn: conn.execute("DELETE FROM alarm_untold WHERE id = ?", (id_,)))

    async def get(self, id_: str) -> Alarm | None:
        def job(conn: sqlite3.Connection) -> Alarm | None:
            row = conn.execute(f"{_SELECT} WHERE id = ?", (id_,)).fetchone()
            return _alarm(row) if row else None

        return await self._db.read(job)

    async def recent(
        self,
        *,
        scope: str = "",
        device: str = "",
        open_only: bool = False,
        before: float | None = None,
        limit: int = 200,
    ) -> Sequence[Alarm]:
        """Newest first; `scope` as in Principal."""
        where, values = ["1"], list[object]()
        if device:
            where.append("device = ?")
            values.append(device)
        if scope:
            where.append("(device || '/' || channel || '/') LIKE ? ESCAPE '\\'")
            values.append(_like(scope))
        if open_only:
            where.append("cleared = 0 AND acknowledged_at IS NULL")
        if before is not None:
            where.append("received_at < ?")
            values.append(before)
        sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY received_at DESC, id DESC LIMIT ?"

        def job(conn: sqlite3.Connection) -> list[Alarm]:
            return [_alarm(row) for row in conn.execute(sql, [*values, limit])]

        return await self._db.read(job)

    def prune(self, before: float, unacknowledged: float) -> None:
        """Acknowledged alarms older than `before` go, and those that nobody acknowledged older than the other."""
        sql = "DELETE FROM alarm WHERE received_at < CASE WHEN acknowledged_at IS NULL THEN ? ELSE ? END"
        self._db.write_soon(lambda conn: conn.execute(sql, (unacknowledged, before)))


def take_alarm(conn: sqlite3.Connection, alarm: Alarm) -> Kept:
    """As `AlarmRepo.take`, within a transaction."""
    found = conn.execute(f"{_SELECT} WHERE id = ?", (alarm.id,)).fetchone()
    values = asdict(alarm) | {"severity": alarm.severity.value, "cleared": int(alarm.cleared)}
    if found is None:
        columns = [*_COLUMNS, "last_at"]
        conn.execute(
            f"INSERT INTO alarm ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})",
            values | {"last_at": alarm.received_at},
        )
        _make_room(conn, alarm.device.partition("/")[0])
        return Kept(alarm, new=True)
    before = _alarm(found)
    if before.device != alarm.device:
        return Kept(before, new=False)
    if alarm.acknowledged_at is not None:
        conn.execute("DELETE FROM alarm_untold WHERE id = ?", (alarm.id,))
    conn.execute(
        "UPDATE alarm SET repeats = max(repeats, :repeats), cleared = max(cleared, :cleared),"
        " last_at = max(last_at, :received_at),"
        " acknowledged_by = CASE WHEN acknowledged_at IS NULL THEN :acknowledged_by ELSE acknowledged_by END,"
        " acknowledged_at = coalesce(acknowledged_at, :acknowledged_at) WHERE id = :id",
        values,
    )
    after = _alarm(conn.execute(f"{_SELECT} WHERE id = ?", (alarm.id,)).fetchone())
    return Kept(after, new=after != before)


def _make_room(conn: sqlite3.Connection, gateway: str) -> None:
    (rows,) = conn.execute("SELECT rows FROM alarm_held WHERE gateway = ?", (gateway,)).fetchone()
    if rows > MOST_OF_A_KIT:
        conn.execute(
            "DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE device > ? AND device < ?"
            " ORDER BY acknowledged_at IS NULL, received_at LIMIT ?)",
            (f"{gateway}/", f"{gateway}0", max(1, MOST_OF_A_KIT // 100)),  # "0" comes behind "/"
        )


def _like(scope: str) -> str:
    text = scope.rstrip("/").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{text}/%"


def _alarm(row: Sequence[object]) -> Alarm:
    values: dict[str, object] = dict(zip(_COLUMNS, row, strict=True))
    values["severity"] = AlarmSeverity(str(values["severity"]))
    values["cleared"] = bool(values["cleared"])
    values["device"] = DeviceId(str(values["device"]))
    return Alarm(**values)  # type: ignore[arg-type]
