"""Invitations, the phones that used them, and their reports."""

# ruff: noqa: S608 - the only text put into statements is this file's own lists of columns
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.ids import DeviceId
from gateway.model.informant import Invitation, Report, ReportKind, Where
from gateway.store.database import Database

_INVITATION = ["id", "label", "place", "made_by", "made_at", "expires_at", "most_phones", "revoked_at"]
_REPORT = [
    "id",
    "device",
    "who",
    "place",
    "kind",
    "text",
    "media_type",
    "size",
    "sha256",
    "taken_at",
    "received_at",
    "longitude",
    "latitude",
    "accuracy_m",
    "position_at",
    "complete_at",
    "seen_by",
    "seen_at",
]
_SELECT = f"SELECT {', '.join(_REPORT)} FROM report"


@dataclass(frozen=True, slots=True)
class PhoneRow:
    slug: str
    digest: bytes
    name: str
    invitation: str
    joined_at: float
    seen_at: float


class InformantRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    # — invitations and phones —

    def invitations(self) -> Sequence[tuple[Invitation, bytes, frozenset[str]]]:
        """Each with the digest of its secret and the slugs of its phones."""

        def job(conn: sqlite3.Connection) -> list[tuple[Invitation, bytes, frozenset[str]]]:
            used: dict[str, set[str]] = {}
            for invitation, phone in conn.execute("SELECT invitation, phone FROM invitation_use"):
                used.setdefault(invitation, set()).add(phone)
            found = []
            for digest, *row in conn.execute(f"SELECT digest, {', '.join(_INVITATION)} FROM invitation"):
                one = Invitation(**dict(zip(_INVITATION, row, strict=True)))
                found.append((one, bytes(digest), frozenset(used.get(one.id, ()))))
            return found

        return self._db.read_now(job)

    def phones(self) -> Sequence[PhoneRow]:
        sql = "SELECT slug, digest, name, invitation, joined_at, seen_at FROM phone"
        return self._db.read_now(lambda conn: [PhoneRow(*row) for row in conn.execute(sql)])

    async def put_invitation(self, one: Invitation, digest: bytes) -> None:
        columns = [*_INVITATION, "digest"]
        values = [getattr(one, name) for name in _INVITATION] + [digest]
        sql = f"INSERT OR REPLACE INTO invitation ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        await self._db.write(lambda conn: conn.execute(sql, values), durable=True)

    async def put_phone(self, phone: PhoneRow) -> None:
        """With its use of the invitation."""

        def job(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT OR REPLACE INTO phone (slug, digest, name, invitation, joined_at, seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (phone.slug, phone.digest, phone.name, phone.invitation, phone.joined_at, phone.seen_at),
            )
            use = "INSERT OR IGNORE INTO invitation_use (invitation, phone) VALUES (?, ?)"
            conn.execute(use, (phone.invitation, phone.slug))

        await self._db.write(job, durable=True)

    def saw(self, slug: str, at: float) -> None:
        self._db.write_soon(lambda conn: conn.execute("UPDATE phone SET seen_at = ? WHERE slug = ?", (at, slug)))

    def prune_invitations(self, before: float) -> None:
        """Those that ended before that, and phones that no invitation knows any more."""

        def job(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM invitation WHERE expires_at < ? OR revoked_at < ?", (before, before))
            conn.execute("DELETE FROM invitation_use WHERE invitation NOT IN (SELECT id FROM invitation)")
            conn.execute("DELETE FROM phone WHERE slug NOT IN (SELECT phone FROM invitation_use)")

        self._db.write_soon(job)

    # — reports —

    async def put(self, report: Report) -> bool:
        """Durable when it returns. False: there is one of that id already, and it stays as it is."""
        values = _values(report)
        sql = f"INSERT OR IGNORE INTO report ({', '.join(_REPORT)}) VALUES ({', '.join(':' + c for c in _REPORT)})"
        return bool(await self._db.write(lambda conn: conn.execute(sql, values).rowcount, durable=True))

    async def complete(self, id_: str, at: float) -> None:
        sql = "UPDATE report SET complete_at = ? WHERE id = ? AND complete_at IS NULL"
        await self._db.write(lambda conn: conn.execute(sql, (at, id_)), durable=True)

    async def seen(self, id_: str, by: str, at: float) -> Report | None:
        """The report as it is now; None if there is none of that id."""

        def job(conn: sqlite3.Connection) -> Report | None:
            conn.execute("UPDATE report SET seen_by = ?, seen_at = ? WHERE id = ? AND seen_at IS NULL", (by, at, id_))
            row = conn.execute(f"{_SELECT} WHERE id = ?", (id_,)).fetchone()
            return _report(row) if row else None

        return await self._db.write(job, durable=True)

    async def get(self, id_: str) -> Report | None:
        def job(conn: sqlite3.Connection) -> Report | None:
            row = conn.execute(f"{_SELECT} WHERE id = ?", (id_,)).fetchone()
            return _report(row) if row else None

        return await self._db.read(job)

    async def remove(self, id_: str) -> None:
        await self._db.write(lambda conn: conn.execute("DELETE FROM report WHERE id = ?", (id_,)), durable=True)

    async def recent(
        self,
        *,
        scope: str = "",
        device: str = "",
        before: float | None = None,
        limit: int = 200,
        positions: bool = True,
    ) -> Sequence[Report]:
        """Newest first; `scope` as in Principal, `before` of `received_at`, `positions` False: those alone left out."""
        where, values = ["1"], list[object]()
        for text in (scope, device):
            if text:
                where.append("(device || '/') LIKE ? ESCAPE '\\'")
                values.append(_like(text))
        if before is not None:
            where.append("received_at < ?")
            values.append(before)
        if not positions:
            where.append("kind <> 'position'")
        sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY received_at DESC, id DESC LIMIT ?"
        return await self._db.read(lambda conn: [_report(row) for row in conn.execute(sql, [*values, limit])])

    async def unfinished(self, device: str) -> int:
        sql = "SELECT count(*) FROM report WHERE device = ? AND complete_at IS NULL"
        return int(await self._db.read(lambda conn: conn.execute(sql, (device,)).fetchone()[0]))

    async def received(self, device: str, after: float, until: float, *, files: bool) -> int:
        """How many of a device came in a time: those with a file, or those without."""
        sql = "SELECT count(*) FROM report WHERE received_at > ? AND received_at <= ? AND device = ? AND (size > 0) = ?"
        values = (after, until, device, files)
        return int(await self._db.read(lambda conn: conn.execute(sql, values).fetchone()[0]))

    async def held_bytes(self, device: str) -> tuple[int, int]:
        """What the files of all reports take, also of those still on the way; and what of it this device's do."""
        sql = "SELECT coalesce(sum(size), 0), coalesce(sum(size) FILTER (WHERE device = ?), 0) FROM report"
        held, own = await self._db.read(lambda conn: conn.execute(sql, (device,)).fetchone())
        return int(held), int(own)

    async def older(self, before: float, unfinished_before: float) -> Sequence[str]:
        sql = (
            "SELECT id FROM report WHERE received_at < ? OR (complete_at IS NULL AND received_at < ?)"
            " ORDER BY received_at LIMIT 1000"
        )
        return await self._db.read(lambda conn: [str(row[0]) for row in conn.execute(sql, (before, unfinished_before))])


def _like(scope: str) -> str:
    text = scope.rstrip("/").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{text}/%"


def _values(report: Report) -> dict[str, object]:
    where = report.where
    values: dict[str, object] = {name: getattr(report, name, None) for name in _REPORT}
    return values | {
        "kind": report.kind.value,
        "longitude": where.longitude if where else None,
        "latitude": where.latitude if where else None,
        "accuracy_m": where.accuracy_m if where else None,
        "position_at": where.taken_at if where else None,
    }


def _report(row: Sequence[object]) -> Report:
    values: dict[str, object] = dict(zip(_REPORT, row, strict=True))
    longitude, latitude, accuracy, at = (values.pop(n) for n in ("longitude", "latitude", "accuracy_m", "position_at"))
    values["kind"] = ReportKind(str(values["kind"]))
    values["device"] = DeviceId(str(values["device"]))
    if longitude is not None:
        values["where"] = Where(longitude, latitude, accuracy, at)  # type: ignore[arg-type]
    return Report(**values)  # type: ignore[arg-type]
