"""The audit record: a chain in which every row's digest is keyed and covers the digest before it.

Changing, removing or inserting a row breaks the chain from there on; cutting off its end does not fit the sealed
head. Neither can be mended without the key, which is no part of the database.
"""

# ruff: noqa: S608 - the only text put into statements is this file's own lists of columns
from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.store.database import Database
from gateway.store.rows import AuditRow, AuditVerdict

_COLUMNS = "number, at, name, role, session, address, act, target, outcome, code, detail, digest"


@dataclass(frozen=True, slots=True)
class Act:
    """One row before it has its place in the chain."""

    at: float
    name: str
    role: str
    session: str
    address: str
    act: str
    target: str
    outcome: str
    code: str
    detail: str


class AuditRepo:
    def __init__(self, db: Database, key: bytes) -> None:
        self._db = db
        self._key = key

    async def append(self, acts: Sequence[Act]) -> None:
        """Durable when it returns; all of them or none."""

        def job(conn: sqlite3.Connection) -> None:
            number, digest = conn.execute(
                "SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1"
            ).fetchone() or (0, "")
            for act in acts:
                number += 1
                digest = self._digest(number, act, digest)
                values = (number, *(getattr(act, name) for name in Act.__dataclass_fields__), digest)
                conn.execute(f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            conn.execute(
                "INSERT OR REPLACE INTO audit_head (one, number, seal) VALUES (1, ?, ?)",
                (number, self._seal(number, digest)),
            )

        await self._db.write(job, durable=True)

    async def read(self, *, after: int = 0, limit: int = 500) -> Sequence[AuditRow]:
        def job(conn: sqlite3.Connection) -> list[AuditRow]:
            sql = f"SELECT {_COLUMNS} FROM audit WHERE number > ? ORDER BY number LIMIT ?"
            return [AuditRow(*row) for row in conn.execute(sql, (after, limit))]

        return await self._db.read(job)

    async def head(self) -> tuple[int, str]:
        """Number of the newest row and the seal over it; (0, "") while there is none."""

        def job(conn: sqlite3.Connection) -> tuple[int, str]:
            return conn.execute("SELECT number, seal FROM audit_head").fetchone() or (0, "")

        return await self._db.read(job)

    async def verify(self) -> AuditVerdict:
        """Walk the whole chain. About a million rows in 5 s, in the reader's thread."""
        return await self._db.read(self._verify)

    def _verify(self, conn: sqlite3.Connection) -> AuditVerdict:
        before, expected = "", 1
        for row in conn.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY number"):
            number, digest = row[0], row[-1]
            if number != expected:
                return AuditVerdict(False, expected - 1, expected, f"row {expected} is missing")
            if not hmac.compare_digest(digest, self._digest(number, Act(*row[1:-1]), before)):
                return AuditVerdict(False, expected - 1, number, f"row {number} was changed")
            before, expected = digest, expected + 1
        last = expected - 1
        head = conn.execute("SELECT number, seal FROM audit_head").fetchone()
        if head is None and last == 0:
            return AuditVerdict(True, 0)
        if head is None or head[0] != last or not hmac.compare_digest(head[1], self._seal(last, before)):
            told = head[0] if head else "no"
            return AuditVerdict(False, last, last + 1, f"the head tells {told} rows, not {last}: the end was cut off")
        return AuditVerdict(True, last)

    def _digest(self, number: int, act: Act, before: str) -> str:
        body = [number, *(getattr(act, name) for name in Act.__dataclass_fields__), before]
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _seal(self, number: int, digest: str) -> str:
        return hmac.new(self._key, f"head {number} {digest}".encode(), hashlib.sha256).hexdigest()
