"""Looking at a database without writing into it: for the doctor and tests. By sqlite-utils."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.store.migrate import version


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    rows: int
    columns: tuple[str, ...]  # "name type", in the order of the table
    indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    schema: int
    tables: tuple[Table, ...]


def shape(path: Path) -> Shape:
    """Schema number, tables with their columns, indexes and rows. Raises sqlite3.Error for what is no database."""
    # Imported here: the daemon itself never needs it.
    from sqlite_utils import Database

    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as conn:
        db = Database(conn)
        return Shape(version(conn), tuple(_table(db, name) for name in sorted(_names(db.table_names()))))


def _names(names: Sequence[str]) -> Sequence[str]:
    return [name for name in names if not name.startswith("sqlite_")]


def _table(db: object, name: str) -> Table:
    table = db[name]  # type: ignore[index]
    return Table(
        name,
        table.count,
        tuple(f"{column.name} {column.type}" for column in table.columns),
        tuple(sorted(index.name for index in table.indexes if not index.name.startswith("sqlite_autoindex"))),
    )
