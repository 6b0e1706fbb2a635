"""Opening the database file: its pragmas, its check, and what happens to one that is broken.

A broken file is moved aside, never deleted; the newest good backup takes its place, else an empty database: a kit
that starts with less is better than one that does not start.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import time
from pathlib import Path

from gateway.base.errors import ConfigError, GatewayError
from gateway.store.migrate import migrate

log = logging.getLogger(__name__)

CHECK_S = 0.4
"""Longest that the check at start may take: a larger database is checked as far as that goes."""

# Primary result codes of SQLite that mean the file or the disk, not the statement.
_FAULTS = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FAULTS |= {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


def _primary(exc: sqlite3.Error) -> int:
    return int(getattr(exc, "sqlite_errorcode", 0) or 0) & 0xFF


def is_fault(exc: sqlite3.Error) -> bool:
    return _primary(exc) in _FAULTS


def translate(exc: sqlite3.Error, path: Path) -> GatewayError:
    """SQLite's word for it → our code."""
    primary = _primary(exc)
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _no_space(path)):
        return GatewayError(f"writing {path}: {exc}", code="disk-full")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return GatewayError(f"reading {path}: {exc}", code="store-corrupt")
    return GatewayError(f"using {path}: {exc}", code="store-fault" if is_fault(exc) else "internal")


def _no_space(path: Path) -> bool:
    """I/O errors of the WAL index do not say that the disk is full."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(path.parent).free < 64 * 1024
    return False


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode; transactions are begun by whoever needs one."""
    conn = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    conn.execute("PRAGMA foreign_keys = ON")
    if read_only:
        conn.execute("PRAGMA query_only = ON")
    return conn


def open_checked(path: Path) -> sqlite3.Connection:
    """Open for writing, newest schema, sound. Raises ConfigError when the folder can not be used."""
    _prepare(path)
    try:
        return _open(path)
    except sqlite3.DatabaseError as exc:
        if _primary(exc) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            error = translate(exc, path)
            text = f"the database in it can not be opened ({exc}): check its owner, permissions and free space"
            raise ConfigError("gateway.state_dir", text, code=error.code) from exc
        kept = _move_aside(path)
        backup = path.with_suffix(".backup")
        log.error("the database was broken (%s): moved to %s", exc, kept)
    if backup.exists():
        try:
            shutil.copyfile(backup, path)
            path.chmod(0o600)
            conn = _open(path)
        except sqlite3.DatabaseError as exc:
            log.error("the backup is broken as well (%s): starting with an empty database", exc)
            _move_aside(path)
        else:
            log.error("the backup of %s takes its place", time.ctime(backup.stat().st_mtime))
            return conn
    return _open(path)


def _prepare(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Passwords of devices stand in it: made private before SQLite gives its files the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        text = f"{path.parent} can not be used ({exc.strerror}): give it to the gateway's user, or name another folder"
        raise ConfigError("gateway.state_dir", text) from exc


def _open(path: Path) -> sqlite3.Connection:
    conn = connect(path)
    try:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA journal_size_limit = 16777216")
        _check(conn)
        migrate(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def _check(conn: sqlite3.Connection) -> None:
    end = time.monotonic() + CHECK_S
    conn.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        rows = [row[0] for row in conn.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError as exc:
        if _primary(exc) != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        conn.set_progress_handler(None, 0)
    if rows != ["ok"]:
        broken = sqlite3.DatabaseError("; ".join(rows)[:300])
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise broken


def _move_aside(path: Path) -> Path:
    kept = path.with_name(f"{path.stem}.broken-{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns() % 10**6}")
    path.rename(kept)
    for end in ("-wal", "-shm"):
        side = path.with_name(path.name + end)
        if side.exists():
            side.rename(kept.with_name(kept.name + end))
    return kept


def backup(path: Path) -> None:
    """Write a whole, sound copy beside the database, replacing the one before in one step. Blocks; any thread."""
    fresh = path.with_suffix(".backup-new")
    fresh.unlink(missing_ok=True)
    try:
        with contextlib.closing(connect(path)) as conn:
            conn.execute("VACUUM INTO ?", (str(fresh),))
    except sqlite3.Error as exc:
        fresh.unlink(missing_ok=True)
        raise translate(exc, path) from exc
    fresh.chmod(0o600)
    fresh.replace(path.with_suffix(".backup"))
