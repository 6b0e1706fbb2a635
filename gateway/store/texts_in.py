"""Short messages that came: parts as they came, each once, and the whole messages that were made of them.

A part is known again by what the network says of it. Parts of one long message form a set: those of one sender,
reference and count whose network times lie together. A reference of 8 bits comes again after 256 long messages, or at
once with senders that do not count: where two sets of it overlap in time nobody knows whose part is whose, and both
messages are told as `MIXED`. A message of one part that its sender tries again says since when it may have come
(`Arrived.again_s`, kept as its row's reference): the same words of the same sender since then are one message.
"""

# ruff: noqa: S608 - the only text put into statements is this file's own lists of columns
from __future__ import annotations

import hashlib
import math
import secrets
import sqlite3
from collections.abc import Callable, Sequence

from gateway.model.texts import MIXED, Arrived, TextIn
from gateway.store.database import Database

TOGETHER_S = 480.0
APART_S = 300.0
"""Clocks of a sender and of its network differ by less."""
EACH = 0.25
"""Of all messages that are kept one sender has at most this share: who sends very many loses their own oldest."""
_COLUMNS = "number, id, sender, body, carrier, received_at, sent_at, missing, seen_by, seen_at, code, detail"

MakeId = Callable[[], str]
"""Called in the writer's thread."""


class TextInRepo:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._taken, self._none_wait = 0, -1
        """Parts that came, and how many had when none waited for others."""

    async def take(
        self, one: Arrived, carrier: str, now: float, make_id: MakeId
    ) -> tuple[bool, TextIn | None, Sequence[TextIn]]:
        """Whether it was new, the message that is whole with it, and those before of which is known now that they are
        mixed with it. Durable."""
        self._taken += 1
        return await self._db.write(lambda conn: _take(conn, one, carrier, now, make_id), durable=True)

    async def give_up(self, before: float, now: float, make_id: MakeId) -> Sequence[TextIn]:
        """Sets of which no part came since `before`: what there is of them becomes a message. Durable. The disk is not
        asked while it is known that no part waits for others."""
        if self._taken == self._none_wait:
            return ()
        taken = self._taken

        def job(conn: sqlite3.Connection) -> tuple[list[TextIn], bool]:
            _join_late(conn, before)
            made = []
            # Those of a time to come were dated before the clock was set back: they have waited long enough.
            stale = (
                "SELECT set_number FROM text_part WHERE text = 0 GROUP BY set_number"
                " HAVING max(received_at) < ? OR min(received_at) > ?"
            )
            for (number,) in conn.execute(stale, (before, now + TOGETHER_S)).fetchall():
                made.append(_whole(conn, number, now, make_id))
            return made, conn.execute("SELECT 1 FROM text_part WHERE text = 0 LIMIT 1").fetchone() is not None

        found, wait = await self._db.write(job, durable=True)
        self._none_wait = -1 if wait else taken
        return found

    async def note(self, number: int, code: str, detail: str) -> None:
        """What became of it. Durable."""
        sql = "UPDATE text_in SET code = ?, detail = ? WHERE number = ?"
        await self._db.write(lambda conn: conn.execute(sql, (code, detail, number)), durable=True)

    async def seen(self, id_: str, by: str, at: float) -> TextIn | None:
        def job(conn: sqlite3.Connection) -> TextIn | None:
            conn.execute("UPDATE text_in SET seen_by = ?, seen_at = ? WHERE id = ? AND seen_at IS NULL", (by, at, id_))
            row = conn.execute(f"SELECT {_COLUMNS} FROM text_in WHERE id = ?", (id_,)).fetchone()
            return _text(row) if row else None

        return await self._db.write(job, durable=True)

    async def recent(self, *, before: int | None, limit: int, sender: str = "") -> Sequence[TextIn]:
        """Newest first; `before` is a number, `sender` a part of the sender's."""
        sql = f"SELECT {_COLUMNS} FROM text_in WHERE number < ? AND instr(sender, ?) > 0 ORDER BY number DESC LIMIT ?"
        values = (2**62 if before is None else before, sender, limit)
        return await self._db.read(lambda conn: [_text(row) for row in conn.execute(sql, values)])

    async def unread(self, after: int, size: int, limit: int) -> Sequence[TextIn]:
        """Whole ones of about `size` characters that nobody has said anything of, oldest first. `after`: a number."""
        sql = (
            f"SELECT {_COLUMNS} FROM text_in WHERE number > ? AND code = '' AND length(body) BETWEEN ? AND ?"
            " ORDER BY number LIMIT ?"
        )
        values = (after, size, size + 8, limit)
        return await self._db.read(lambda conn: [_text(row) for row in conn.execute(sql, values)])

    def prune(self, before: float, known_before: float, most: int) -> None:
        """`known_before`: what came before is not known again any more. Of messages the newest `most` stay."""

        def job(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM text_in WHERE received_at < ?", (before,))
            each = max(int(most * EACH), 1)
            many = "SELECT sender FROM text_in GROUP BY sender HAVING count(*) > ?"
            for (sender,) in conn.execute(many, (each,)).fetchall():
                nth = "SELECT number FROM text_in WHERE sender = ? ORDER BY number DESC LIMIT 1 OFFSET ?"
                conn.execute(f"DELETE FROM text_in WHERE sender = ? AND number <= ({nth})", (sender, sender, each))
            oldest = "SELECT number FROM text_in ORDER BY number DESC LIMIT 1 OFFSET ?"
            conn.execute(f"DELETE FROM text_in WHERE number <= coalesce(({oldest}), 0)", (most,))
            conn.execute("DELETE FROM text_part WHERE text <> 0 AND received_at < ?", (known_before,))
            last = "SELECT number FROM text_part ORDER BY number DESC LIMIT 1 OFFSET ?"
            conn.execute(f"DELETE FROM text_part WHERE text <> 0 AND number <= coalesce(({last}), 0)", (4 * most,))

        self._db.write_soon(job)


class TelemetryRepo:
    """Records of kits at a center."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def latest(self) -> Sequence[tuple[str, int, bytes, str, float]]:
        """Gateway, sequence, record, carrier, received_at: the newest of each, at start."""
        sql = "SELECT gateway, max(sequence), record, carrier, received_at FROM kit_telemetry GROUP BY gateway"
        return self._db.read_now(lambda conn: [(g, n, bytes(r), c, at) for g, n, r, c, at in conn.execute(sql)])

    async def put(self, gateway: str, sequence: int, record: bytes, carrier: str, at: float, keep: int) -> bool:
        """False: it is one that was here before, or older than all that are kept. Durable."""

        def job(conn: sqlite3.Connection) -> bool:
            held, oldest = conn.execute(
                "SELECT count(*), coalesce(min(sequence), 0) FROM kit_telemetry WHERE gateway = ?", (gateway,)
            ).fetchone()
            if held >= keep and sequence < oldest:
                return False
            new = conn.execute(
                "INSERT OR IGNORE INTO kit_telemetry (gateway, sequence, record, carrier, received_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (gateway, sequence, record, carrier, at),
            ).rowcount
            if new and held >= keep:
                # The oldest goes; whatever is older than the new oldest is refused from now on.
                conn.execute("DELETE FROM kit_telemetry WHERE gateway = ? AND sequence = ?", (gateway, oldest))
            return bool(new)

        return await self._db.write(job, durable=True)

    async def recent(self, gateway: str, limit: int) -> Sequence[tuple[int, bytes, str, float]]:
        sql = (
            "SELECT sequence, record, carrier, received_at FROM kit_telemetry WHERE gateway = ?"
            " ORDER BY sequence DESC LIMIT ?"
        )
        return await self._db.read(
            lambda conn: [(n, bytes(r), c, at) for n, r, c, at in conn.execute(sql, (gateway, limit))]
        )

    async def forget(self, gateway: str) -> None:
        sql = "DELETE FROM kit_telemetry WHERE gateway = ?"
        await self._db.write(lambda conn: conn.execute(sql, (gateway,)), durable=True)

    async def next(self, name: str, least: int) -> int:
        """The next of a counter that never gives a number twice, at least `least`; on the disk when it returns."""

        def job(conn: sqlite3.Connection) -> int:
            row = conn.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
            value = max(int(row[0]) + 1 if row else 1, least)
            conn.execute("INSERT OR REPLACE INTO counter (name, value) VALUES (?, ?)", (name, value))
            return value

        return await self._db.write(job, durable=True)


def _take(
    conn: sqlite3.Connection, one: Arrived, carrier: str, now: float, make_id: MakeId
) -> tuple[bool, TextIn | None, Sequence[TextIn]]:
    digest = hashlib.sha256(one.body.encode()).hexdigest()[:32]
    words = "\x00".join((one.sender, one.mark, str(one.reference), str(one.part), str(one.parts), digest))
    known = hashlib.sha256(words.encode()).hexdigest()[:32] if one.mark else secrets.token_hex(16)
    reference = one.reference if one.parts > 1 else math.ceil(one.again_s)
    if (_sent_again if one.parts > 1 else _tried_again)(conn, one, digest, now):
        return False, None, ()
    if conn.execute("SELECT 1 FROM text_part WHERE known = ?", (known,)).fetchone() is not None:
        return False, None, ()
    number = conn.execute(
        "INSERT INTO text_part (known, digest, sender, reference, part, parts, body, carrier, sent_at, received_at,"
        " set_number, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
        (known, digest, one.sender, reference, one.part, one.parts, one.body, carrier, one.sent_at, now),
    ).lastrowid
    set_number = _set_of(conn, one, now) or number
    conn.execute("UPDATE text_part SET set_number = ? WHERE number = ?", (set_number, number))
    sql = "SELECT count(*) FROM text_part WHERE text = 0 AND set_number = ?"
    if conn.execute(sql, (set_number,)).fetchone()[0] < one.parts:
        return True, None, _tell_mixed(conn, set_number)
    whole = _whole(conn, int(set_number or 0), now, make_id)
    return True, whole, _tell_mixed(conn, set_number) if whole.code == MIXED else ()


def _sent_again(conn: sqlite3.Connection, one: Arrived, digest: str, now: float) -> bool:
    """By its sender, who did not hear that it went: the network dates it anew."""
    sql = (
        "SELECT 1 FROM text_part WHERE sender = ? AND reference = ? AND part = ? AND digest = ? AND parts = ?"
        " AND abs(coalesce(sent_at, received_at) - ?) < ?"
    )
    at = one.sent_at if one.sent_at is not None else now
    values = (one.sender, one.reference, one.part, digest, one.parts, at, TOGETHER_S)
    return conn.execute(sql, values).fetchone() is not None


def _tried_again(conn: sqlite3.Connection, one: Arrived, digest: str, now: float) -> bool:
    """A message of one part, by its sender's word; whichever of its attempts came first."""
    at = one.sent_at if one.sent_at is not None else now
    same = "SELECT 1 FROM text_part WHERE sender = ? AND part = 1 AND parts = 1 AND digest = ? AND"
    sent = "coalesce(sent_at, received_at)"
    if one.again_s > 0:
        sql, times = f"{same} {sent} BETWEEN ? AND ?", (at - one.again_s - APART_S, at + APART_S)
        if conn.execute(sql, (one.sender, digest, *times)).fetchone() is not None:
            return True
    # An attempt before one that is here already: it came late.
    sql = f"{same} reference > 0 AND ? BETWEEN {sent} - reference - ? AND {sent}"
    return conn.execute(sql, (one.sender, digest, at, APART_S)).fetchone() is not None


def _set_of(conn: sqlite3.Connection, one: Arrived, now: float) -> int | None:
    """The waiting set that it belongs to: the nearest in time that has no such part yet."""
    if one.parts == 1:
        return None
    at = one.sent_at if one.sent_at is not None else now
    rows = conn.execute(
        "SELECT set_number, min(abs(coalesce(sent_at, received_at) - ?)) AS apart, max(part = ?) AS has FROM text_part"
        " WHERE text = 0 AND set_number <> 0 AND sender = ? AND reference = ? AND parts = ? GROUP BY set_number"
        " HAVING has = 0 AND apart < ? ORDER BY apart LIMIT 1",
        (at, one.part, one.sender, one.reference, one.parts, TOGETHER_S),
    ).fetchone()
    return int(rows[0]) if rows else None


def _overlapping(conn: sqlite3.Connection, set_number: int | None) -> list[int]:
    """Sets of the same sender, reference and count that have another part in the place of one of this set's, and whose
    parts were sent while this one's were: the messages that they became, 0 for one that waits."""
    span = "SELECT set_number AS number, min({0}) AS first, max({0}) AS last, max(text) AS text FROM text_part".format(
        "coalesce(sent_at, received_at)"
    )
    others = (
        "SELECT DISTINCT b.set_number FROM text_part a JOIN text_part b ON a.sender = b.sender AND a.part = b.part"
        " AND a.reference = b.reference AND a.parts = b.parts AND a.digest <> b.digest AND a.set_number <> b.set_number"
        " WHERE a.set_number = ? AND a.parts > 1"
    )
    sql = (
        f"WITH mine AS ({span} WHERE set_number = ?), other AS ({span} WHERE set_number IN ({others})"
        " GROUP BY set_number) SELECT other.text FROM mine, other"
        " WHERE other.first <= mine.last AND mine.first <= other.last"
    )
    return [row[0] for row in conn.execute(sql, (set_number, set_number))]


def _tell_mixed(conn: sqlite3.Connection, set_number: int | None) -> list[TextIn]:
    """Whole ones that were not told so before."""
    told = []
    for number in filter(None, _overlapping(conn, set_number)):
        sql = f"UPDATE text_in SET code = ? WHERE number = ? AND code = '' RETURNING {_COLUMNS}"
        told += [_text(row) for row in conn.execute(sql, (MIXED, number)).fetchall()]
    return told


def _join_late(conn: sqlite3.Connection, before: float) -> None:
    """Sets of one sender, reference and count that fill each other: a part was sent hours after the others."""
    groups = conn.execute(
        "SELECT sender, reference, parts, min(set_number) FROM text_part WHERE text = 0"
        " GROUP BY sender, reference, parts"
        " HAVING count(*) = count(DISTINCT part) AND count(DISTINCT set_number) > 1 AND max(received_at) < ?",
        (before,),
    ).fetchall()
    for sender, reference, parts, number in groups:
        conn.execute(
            "UPDATE text_part SET set_number = ? WHERE text = 0 AND sender = ? AND reference = ? AND parts = ?",
            (number, sender, reference, parts),
        )


def _whole(conn: sqlite3.Connection, set_number: int, now: float, make_id: MakeId) -> TextIn:
    sql = "SELECT part, body, sender, parts, carrier, sent_at FROM text_part WHERE text = 0 AND set_number = ?"
    rows = {row[0]: row for row in conn.execute(sql, (set_number,))}
    first = rows[min(rows)]
    parts = int(first[3])
    body = _joined({part: str(row[1]) for part, row in rows.items()}, parts)
    sent = [row[5] for row in rows.values() if row[5] is not None]
    one = (make_id(), first[2], body, first[4], now, max(sent) if sent else None, parts - len(rows))
    code = MIXED if parts > 1 and _overlapping(conn, set_number) else ""
    columns = "id, sender, body, carrier, received_at, sent_at, missing, seen_by, code, detail"
    cursor = conn.execute(f"INSERT INTO text_in ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, '', ?, '')", (*one, code))
    number = cursor.lastrowid
    conn.execute("UPDATE text_part SET text = ?, body = '' WHERE text = 0 AND set_number = ?", (number, set_number))
    return _text(conn.execute(f"SELECT {_COLUMNS} FROM text_in WHERE number = ?", (number,)).fetchone())


def _joined(found: dict[int, str], parts: int) -> str:
    """One gap for however many are missing between two that came: a number of parts may be a lie."""
    pieces, gap = list[str](), False
    for part in range(1, parts + 1):
        if part in found:
            pieces.append(found[part])
        elif not gap:
            pieces.append("[…]")
        gap = part not in found
    return "".join(pieces)


def _text(row: Sequence[object]) -> TextIn:
    number, id_, sender, body, carrier, received_at, sent_at, missing, seen_by, seen_at, code, detail = row
    return TextIn(
        id=str(id_),
        sender=str(sender),
        body=str(body),
        carrier=str(carrier),
        received_at=float(received_at),  # type: ignore[arg-type]
        sent_at=None if sent_at is None else float(sent_at),  # type: ignore[arg-type]
        missing=int(missing),  # type: ignore[call-overload]
        seen_by=str(seen_by),
        seen_at=None if seen_at is None else float(seen_at),  # type: ignore[arg-type]
        code=str(code),
        detail=str(detail),
        number=int(number),  # type: ignore[call-overload]
    )
