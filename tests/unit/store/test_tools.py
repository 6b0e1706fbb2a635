"""Databases that came by different ways have the same shape."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.store.migrate import schemas
from gateway.store.store import FILE, Store
from gateway.store.tools import shape

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("old", sorted(p.name for p in FIXTURES.glob("schema-*.sql")))
def test_an_old_database_becomes_what_a_new_one_is(old: str, tmp_path: Path) -> None:
    for folder in ("new", "old"):
        (tmp_path / folder).mkdir()
    with sqlite3.connect(tmp_path / "old" / FILE) as conn:
        conn.executescript((FIXTURES / old).read_text())
    conn.close()
    shapes = []
    for folder in ("new", "old"):
        Store(tmp_path / folder, b"k").close()
        shapes.append(shape(tmp_path / folder / FILE))
    new, brought_up = shapes
    assert new.schema == brought_up.schema == schemas()[-1][0]
    assert [(t.name, t.columns, t.indexes) for t in new.tables] == [
        (t.name, t.columns, t.indexes) for t in brought_up.tables
    ]
    assert {t.name: t.rows for t in brought_up.tables}["device"] == 1


def test_every_schema_but_the_newest_has_its_fixture() -> None:
    """Whoever adds a schema keeps a database as the one before wrote it."""
    kept = {int(p.stem.removeprefix("schema-")) for p in FIXTURES.glob("schema-*.sql")}
    assert kept == {number for number, _ in schemas()[:-1]}


def test_looking_never_writes(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        shape(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
