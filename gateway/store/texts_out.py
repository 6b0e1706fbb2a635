"""Short messages that go out: a row each, from when it was put until long after its end."""

# ruff: noqa: S608 - the only text put into statements is this file's own lists of columns
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.texts import CarrierKind, TextOut, TextPriority, TextState
from gateway.store.database import Database

REPORT_WITHIN_S = 7 * 86400.0
"""Numbers of the network come again after 256 messages: a report is for the newest that has its number."""

_COLUMNS = (
    "number, id, recipient, body, priority, kind, state, code, detail, author, wanted, carrier, parts, parts_done,"
    " attempts, unsure, made_at, max_age_s, done_at"
)
_LIVE = "('waiting', 'sending')"


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """`boot_id` and `mono`: when it was put, by a clock that does not jump. `replaces`: of this name one waits."""

    text: TextOut
    replaces: str
    boot_id: str
    mono: float


class TextOutRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    def waiting(self) -> Sequence[WaitingRow]:
        """At start; what was under way when we died comes as it stands there."""
        sql = f"SELECT {_COLUMNS}, replaces, boot_id, mono FROM text_out WHERE state IN {_LIVE} ORDER BY number"
        return self._db.read_now(lambda conn: [WaitingRow(_text(row[:-3]), *row[-3:]) for row in conn.execute(sql)])

    async def tried(self, name: str, limit: int) -> Sequence[WaitingRow]:
        """The newest that a carrier has tried, of those whose `replaces` begins with `name`."""
        sql = (
            f"SELECT {_COLUMNS}, replaces, boot_id, mono FROM text_out"
            " WHERE substr(replaces, 1, ?) = ? AND attempts > 0 ORDER BY number DESC LIMIT ?"
        )
        values = (len(name), name, limit)
        return await self._db.read(
            lambda conn: [WaitingRow(_text(row[:-3]), *row[-3:]) for row in conn.execute(sql, values)]
        )

    async def put(self, row: WaitingRow) -> tuple[TextOut, bool]:
        """With its number; False: there is one of that id already, as it stands there. Durable."""
        one = row.text
        values = (one.id, one.to, one.body, int(one.priority), one.kind, one.state, one.code, one.detail, one.by)
        more = (one.wanted, one.carrier, one.parts, one.parts_done, one.attempts, one.unsure, one.made_at)
        last = (one.max_age_s, one.done_at, row.replaces, row.boot_id, row.mono)

        def job(conn: sqlite3.Connection) -> tuple[TextOut, bool]:
            columns = _COLUMNS.removeprefix("number, ") + ", replaces, boot_id, mono"
            sql = f"INSERT OR IGNORE INTO text_out ({columns}) VALUES ({', '.join('?' * 21)})"
            new = bool(conn.execute(sql, (*values, *more, *last)).rowcount)
            found = conn.execute(f"SELECT {_COLUMNS} FROM text_out WHERE id = ?", (one.id,)).fetchone()
            return _text(found), new

        return await self._db.write(job, durable=True)

    async def update(self, one: TextOut, references: Sequence[str] = ()) -> None:
        """How it stands now; `references`: the network's numbers of its parts. Durable."""

        def job(conn: sqlite3.Connection) -> None:
            state = (one.state, one.code, one.detail, one.carrier)
            counts = (one.parts, one.parts_done, one.attempts, one.unsure)
            conn.execute(
                "UPDATE text_out SET state = ?, code = ?, detail = ?, carrier = ?, parts = ?, parts_done = ?,"
                " attempts = ?, unsure = ?, done_at = ? WHERE number = ?",
                (*state, *counts, one.done_at, one.number),
            )
            sql = "INSERT OR REPLACE INTO text_sent (carrier, reference, text, sent_at) VALUES (?, ?, ?, ?)"
            conn.executemany(sql, [(one.carrier, ref, one.number, one.done_at or one.made_at) for ref in references])

        await self._db.write(job, durable=True)

    async def report(
        self, carrier: str, reference: str, delivered: bool, code: str, detail: str, now: float
    ) -> TextOut | None:
        """The message as it stands then; None where no part is known by that number."""

        def job(conn: sqlite3.Connection) -> TextOut | None:
            found = conn.execute(
                "SELECT text FROM text_sent WHERE carrier = ? AND reference = ? AND sent_at > ? AND delivered IS NULL"
                " ORDER BY text DESC LIMIT 1",
                (carrier, reference, now - REPORT_WITHIN_S),
            ).fetchone()
            if found is None:
                return None
            (number,) = found
            conn.execute(
                "UPDATE text_sent SET delivered = ? WHERE text = ? AND reference = ?", (delivered, number, reference)
            )
            # Parts that went before a restart have no number here: of those nobody will know.
            known = "SELECT sum(delivered) FROM text_sent WHERE text = ?"
            parts = "SELECT max(parts, 1) FROM text_out WHERE number = ?"
            if not delivered:
                sql = "UPDATE text_out SET code = ?, detail = ? WHERE number = ? AND state = 'sent'"
                conn.execute(sql, (code or "text-undelivered", detail, number))
            elif conn.execute(f"SELECT ({known}) >= ({parts})", (number, number)).fetchone()[0]:
                conn.execute("UPDATE text_out SET state = 'delivered', code = '' WHERE number = ?", (number,))
            return _text(conn.execute(f"SELECT {_COLUMNS} FROM text_out WHERE number = ?", (number,)).fetchone())

        return await self._db.write(job, durable=True)

    async def get(self, id_: str) -> TextOut | None:
        def job(conn: sqlite3.Connection) -> TextOut | None:
            row = conn.execute(f"SELECT {_COLUMNS} FROM text_out WHERE id = ?", (id_,)).fetchone()
            return _text(row) if row else None

        return await self._db.read(job)

    async def recent(self, *, before: int | None, limit: int, to: str = "") -> Sequence[TextOut]:
        """Newest first; `before` is a number, `to` a part of the recipient's."""
        sql = (
            f"SELECT {_COLUMNS} FROM text_out WHERE number < ? AND instr(recipient, ?) > 0 ORDER BY number DESC LIMIT ?"
        )
        values = (2**62 if before is None else before, to, limit)
        return await self._db.read(lambda conn: [_text(row) for row in conn.execute(sql, values)])

    def prune(self, before: float) -> None:
        def job(conn: sqlite3.Connection) -> None:
            conn.execute(f"DELETE FROM text_out WHERE made_at < ? AND state NOT IN {_LIVE}", (before,))
            conn.execute("DELETE FROM text_sent WHERE text NOT IN (SELECT number FROM text_out)")

        self._db.write_soon(job)


def _text(row: Sequence[object]) -> TextOut:
    number, id_, to, body, priority, kind, state, code, detail, by, wanted, carrier, *rest = row
    parts, done, attempts, unsure, made_at, max_age_s, done_at = rest
    return TextOut(
        id=str(id_),
        to=str(to),
        body=str(body),
        priority=TextPriority(int(priority)),  # type: ignore[call-overload]
        kind=CarrierKind(str(kind)),
        state=TextState(str(state)),
        code=str(code),
        detail=str(detail),
        by=str(by),
        wanted=str(wanted),
        carrier=str(carrier),
        number=int(number),  # type: ignore[call-overload]
        parts=int(parts),  # type: ignore[call-overload]
        parts_done=int(done),  # type: ignore[call-overload]
        attempts=int(attempts),  # type: ignore[call-overload]
        unsure=int(unsure),  # type: ignore[call-overload]
        made_at=float(made_at),  # type: ignore[arg-type]
        max_age_s=float(max_age_s),  # type: ignore[arg-type]
        done_at=None if done_at is None else float(done_at),  # type: ignore[arg-type]
    )
