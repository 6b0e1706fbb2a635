"""Who is paired with us: at a kit its centers, at a center its kits. Revoked ones stay, so that they are known."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from gateway.model.pairing import PairedCenter, PairedKit
from gateway.model.principal import Role
from gateway.store.database import Database

Side = Literal["kit", "center"]


class PairingRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    def kits(self) -> Sequence[PairedKit]:
        """At a center, at start."""
        return [
            PairedKit(gateway=gateway, key=key, **body | {"next_key": bytes.fromhex(body["next_key"])})
            for gateway, key, body in self._rows("kit")
        ]

    def centers(self) -> Sequence[PairedCenter]:
        """At a kit, at start; in the order in which they were paired."""
        found = [
            PairedCenter(gateway=gateway, key=key, **body | {"hosts": tuple(body["hosts"]), "role": Role(body["role"])})
            for gateway, key, body in self._rows("center")
        ]
        return sorted(found, key=lambda row: (row.place, row.admitted_at))

    async def put_kit(self, row: PairedKit) -> None:
        """Durable when it returns; the same gateway again changes its row."""
        await self._put("kit", row.gateway, row.key, asdict(row) | {"next_key": row.next_key.hex()})

    async def put_center(self, row: PairedCenter) -> None:
        await self._put("center", row.gateway, row.key, asdict(row))

    async def remove(self, side: Side, gateway: str) -> None:
        """For good: it is unknown from then on. To revoke one, put it with `revoked_at`."""
        sql = "DELETE FROM pairing WHERE side = ? AND gateway = ?"
        await self._db.write(lambda conn: conn.execute(sql, (side, gateway)), durable=True)

    async def _put(self, side: Side, gateway: str, key: bytes, body: dict[str, Any]) -> None:
        del body["gateway"], body["key"]
        text = json.dumps(body, ensure_ascii=False)
        sql = "INSERT OR REPLACE INTO pairing (side, gateway, key, body) VALUES (?, ?, ?, ?)"
        await self._db.write(lambda conn: conn.execute(sql, (side, gateway, key, text)), durable=True)

    def _rows(self, side: Side) -> list[tuple[str, bytes, dict[str, Any]]]:
        def job(conn: sqlite3.Connection) -> list[tuple[str, bytes, dict[str, Any]]]:
            sql = "SELECT gateway, key, body FROM pairing WHERE side = ? ORDER BY gateway"
            return [(gateway, key, json.loads(body)) for gateway, key, body in conn.execute(sql, (side,))]

        return self._db.read_now(job)
