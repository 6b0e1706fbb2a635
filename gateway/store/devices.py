"""Admitted devices, their channels with stable keys, and who knocked."""

# ruff: noqa: S608 - the only text put into statements is this file's own lists of columns
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

from gateway.model.device import Capabilities, PendingDevice
from gateway.store.database import Database


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """`listed` is False for a channel that the device no longer names: its key stays its own."""

    key: str
    external_id: str
    name: str
    parent: str = ""
    capabilities: Capabilities = field(default_factory=Capabilities)
    listed: bool = True


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as it is kept. `password` empty: the kit's."""

    id: str
    scheme: str
    external_id: str
    name: str
    admitted_at: float
    admitted_by: str
    alias: str = ""
    password: str = field(default="", repr=False)
    user: str = ""
    remembered: str = ""
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    version: str = ""
    address: str = ""
    last_seen: float | None = None
    channels: tuple[ChannelRow, ...] = ()


_COLUMNS = [name for name in DeviceRow.__dataclass_fields__ if name != "channels"]
_UPDATED = [name for name in _COLUMNS if name not in ("id", "admitted_at", "admitted_by")]


class DeviceRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    def load(self) -> Sequence[DeviceRow]:
        """All of them, at start."""

        def job(conn: sqlite3.Connection) -> list[DeviceRow]:
            channels: dict[str, list[ChannelRow]] = {}
            sql = "SELECT device, key, external_id, name, parent, capabilities, listed FROM channel ORDER BY rowid"
            for device, key, external_id, name, parent, capabilities, listed in conn.execute(sql):
                row = ChannelRow(key, external_id, name, parent, _capabilities(capabilities), bool(listed))
                channels.setdefault(device, []).append(row)
            rows = conn.execute(f"SELECT {', '.join(_COLUMNS)} FROM device ORDER BY rowid")
            made = (DeviceRow(**dict(zip(_COLUMNS, row, strict=True))) for row in rows)
            return [replace(row, channels=tuple(channels.get(row.id, ()))) for row in made]

        return self._db.read_now(job)

    async def admit(self, row: DeviceRow) -> None:
        """Durable when it returns. The same scheme and external id again changes the device."""
        await self._db.write(lambda conn: _put_device(conn, row), durable=True)

    def admit_soon(self, row: DeviceRow) -> None:
        self._db.write_soon(lambda conn: _put_device(conn, row), durable=True)

    async def forget(self, device: str) -> None:
        def job(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM device WHERE id = ?", (device,))
            for table in ("preset", "position_latest", "position_trail"):
                conn.execute(f"DELETE FROM {table} WHERE device = ?", (device,))

        await self._db.write(job, durable=True)

    def learned(self, row: DeviceRow) -> None:
        """What the device said of itself; not waited for."""
        self._db.write_soon(lambda conn: _put_device(conn, row))

    def channels(self, device: str, rows: Iterable[ChannelRow]) -> None:
        """Put these; others of the device stay. Durable: a channel's key must not change over a power cut."""
        kept = list(rows)

        def job(conn: sqlite3.Connection) -> None:
            conn.executemany(
                "INSERT INTO channel (device, key, external_id, name, parent, capabilities, listed)"
                " SELECT ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM device WHERE id = ?)"
                " ON CONFLICT (device, key) DO UPDATE SET name = excluded.name, parent = excluded.parent,"
                " capabilities = excluded.capabilities, listed = excluded.listed",
                [
                    (device, r.key, r.external_id, r.name, r.parent, _json(r.capabilities), int(r.listed), device)
                    for r in kept
                ],
            )

        self._db.write_soon(job, durable=True)

    # — who knocked —

    def pending(self) -> Sequence[PendingDevice]:
        def job(conn: sqlite3.Connection) -> list[PendingDevice]:
            sql = (
                "SELECT scheme, external_id, address, first_seen, last_seen, attempts, code, detail"
                " FROM pending ORDER BY last_seen"
            )
            return [PendingDevice(*row) for row in conn.execute(sql)]

        return self._db.read_now(job)

    def put_pending(self, row: PendingDevice) -> None:
        self._db.write_soon(
            lambda conn: conn.execute(
                "INSERT OR REPLACE INTO pending (scheme, external_id, address, first_seen, last_seen, attempts, code,"
                " detail) VALUES (:scheme, :external_id, :address, :first_seen, :last_seen, :attempts, :code, :detail)",
                asdict(row),
            )
        )

    def drop_pending(self, scheme: str, external_id: str) -> None:
        self._db.write_soon(
            lambda conn: conn.execute("DELETE FROM pending WHERE scheme = ? AND external_id = ?", (scheme, external_id))
        )


def _put_device(conn: sqlite3.Connection, row: DeviceRow) -> None:
    changes = ", ".join(f"{name} = excluded.{name}" for name in _UPDATED)
    conn.execute(
        f"INSERT INTO device ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
        f" ON CONFLICT (id) DO UPDATE SET {changes}",
        [getattr(row, name) for name in _COLUMNS],
    )


def _json(capabilities: Capabilities) -> str:
    return json.dumps({name: True for name, has in asdict(capabilities).items() if has})


def _capabilities(text: str) -> Capabilities:
    """Fields that this build does not know are left out."""
    known = Capabilities.__dataclass_fields__
    return Capabilities(**{name: bool(has) for name, has in json.loads(text).items() if name in known})
