"""Accounts and tokens. Password hashes and token digests leave this file only towards core.accounts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.model.principal import Role
from gateway.store.database import Database
from gateway.store.rows import Account, TokenInfo


class PeopleRepo:
    def __init__(self, db: Database) -> None:
        self._db = db

    def accounts(self) -> Sequence[tuple[Account, str]]:
        """Each with its password's hash."""

        def job(conn: sqlite3.Connection) -> list[tuple[Account, str]]:
            sql = "SELECT name, role, scope, created_at, changed_at, disabled, last_login_at, hash FROM account"
            return [
                (Account(name, Role(role), scope, created, changed, bool(disabled), last), hash_)
                for name, role, scope, created, changed, disabled, last, hash_ in conn.execute(sql)
            ]

        return self._db.read_now(job)

    async def put_account(self, account: Account, hash_: str) -> None:
        row = (
            account.name,
            account.role.value,
            account.scope,
            hash_,
            account.created_at,
            account.changed_at,
            int(account.disabled),
            account.last_login_at,
        )
        await self._db.write(
            lambda conn: conn.execute(
                "INSERT OR REPLACE INTO account (name, role, scope, hash, created_at, changed_at, disabled,"
                " last_login_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            ),
            durable=True,
        )

    def logged_in(self, name: str, at: float) -> None:
        self._db.write_soon(
            lambda conn: conn.execute("UPDATE account SET last_login_at = ? WHERE name = ?", (at, name))
        )

    async def remove_account(self, name: str) -> None:
        """With its tokens."""

        def job(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM account WHERE name = ?", (name,))
            conn.execute("DELETE FROM token WHERE name = ? AND kind = 'session'", (name,))

        await self._db.write(job, durable=True)

    def tokens(self, now: float) -> Sequence[tuple[TokenInfo, bytes]]:
        """Those that have not expired, each with its digest; expired ones are removed."""

        def job(conn: sqlite3.Connection) -> list[tuple[TokenInfo, bytes]]:
            sql = (
                "SELECT id, name, role, scope, created_at, expires_at, idle_s, kind, note, digest"
                " FROM token WHERE expires_at > ?"
            )
            return [
                (TokenInfo(id_, name, Role(role), scope, created, expires, idle, kind, note), digest)
                for id_, name, role, scope, created, expires, idle, kind, note, digest in conn.execute(sql, (now,))
            ]

        self._db.write_soon(lambda conn: conn.execute("DELETE FROM token WHERE expires_at <= ?", (now,)))
        return self._db.read_now(job)

    async def put_token(self, info: TokenInfo, digest: bytes) -> None:
        row = (
            info.id,
            digest,
            info.name,
            info.role.value,
            info.scope,
            info.kind,
            info.note,
            info.created_at,
            info.expires_at,
            info.idle_s,
        )
        await self._db.write(
            lambda conn: conn.execute(
                "INSERT INTO token (id, digest, name, role, scope, kind, note, created_at, expires_at, idle_s)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            ),
            durable=info.kind == "program",
        )

    async def remove_token(self, id_: str) -> None:
        await self._db.write(lambda conn: conn.execute("DELETE FROM token WHERE id = ?", (id_,)), durable=True)

    def remove_token_soon(self, id_: str) -> None:
        self._db.write_soon(lambda conn: conn.execute("DELETE FROM token WHERE id = ?", (id_,)))
