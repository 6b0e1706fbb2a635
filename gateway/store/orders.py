"""Results of commands, kept so that the same order twice is carried out once; presets' names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from gateway.model.command import CommandResult, Outcome
from gateway.model.ptz import Preset
from gateway.store.database import Database


class ResultRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, result: CommandResult, actor: str, at: float) -> None:
        row = (result.id, at, actor, result.outcome.value, result.code, result.detail, json.dumps(result.data))
        await self._db.write(
            lambda conn: conn.execute(
                "INSERT OR IGNORE INTO command_result (id, at, actor, outcome, code, detail, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            ),
            durable=True,
        )

    async def get(self, id_: str) -> tuple[CommandResult, str] | None:
        """The result and who gave the order."""

        def job(conn: sqlite3.Connection) -> tuple[CommandResult, str] | None:
            sql = "SELECT outcome, code, detail, data, actor FROM command_result WHERE id = ?"
            row = conn.execute(sql, (id_,)).fetchone()
            if row is None:
                return None
            return CommandResult(id_, Outcome(row[0]), row[1], row[2], json.loads(row[3])), row[4]

        return await self._db.read(job)

    def prune(self, before: float) -> None:
        self._db.write_soon(lambda conn: conn.execute("DELETE FROM command_result WHERE at < ?", (before,)))


class PresetRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, device: str, channel: str, preset: Preset) -> None:
        await self._db.write(
            lambda conn: conn.execute(
                "INSERT OR REPLACE INTO preset (device, channel, number, name) VALUES (?, ?, ?, ?)",
                (device, channel, preset.number, preset.name),
            )
        )

    async def remove(self, device: str, channel: str, number: int) -> None:
        await self._db.write(
            lambda conn: conn.execute(
                "DELETE FROM preset WHERE device = ? AND channel = ? AND number = ?", (device, channel, number)
            )
        )

    async def all(self, device: str, channel: str) -> Sequence[Preset]:
        sql = "SELECT number, name FROM preset WHERE device = ? AND channel = ? ORDER BY number"
        return await self._db.read(lambda conn: [Preset(*row) for row in conn.execute(sql, (device, channel))])
