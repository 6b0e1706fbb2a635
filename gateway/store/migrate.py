"""Numbered schemas: `schema/NNNN_what.sql`, each applied once, in order, in one transaction of its own.

The number of the last one applied stands in `PRAGMA user_version`. A database newer than this build is refused:
an older program must not write into it.
"""

from __future__ import annotations

import re
import sqlite3
from functools import cache
from pathlib import Path

from gateway.base.errors import ConfigError

_FOLDER = Path(__file__).parent / "schema"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@cache
def schemas() -> tuple[tuple[int, Path], ...]:
    """Number and file of every schema, ascending without a gap."""
    found = sorted((int(m.group(1)), p) for p in _FOLDER.iterdir() if (m := _NAME.fullmatch(p.name)))
    if [number for number, _ in found] != list(range(1, len(found) + 1)):
        raise RuntimeError(f"the schemas in {_FOLDER} are not numbered 0001, 0002, … without a gap")
    return tuple(found)


def version(conn: sqlite3.Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def migrate(conn: sqlite3.Connection) -> int:
    """Bring the database to the newest schema; returns how many were applied. Raises ConfigError if it is newer."""
    have = version(conn)
    newest = schemas()[-1][0]
    if have > newest:
        raise ConfigError(
            "gateway.state_dir",
            f"its database has schema {have}, this build knows {newest}: run the newer fieldgate, or restore a backup",
        )
    applied = 0
    for number, path in schemas():
        if number > have:
            sql = path.read_text(encoding="utf-8")
            try:
                conn.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
            except sqlite3.Error:
                if conn.in_transaction:
                    conn.rollback()
                raise
            applied += 1
    return applied
