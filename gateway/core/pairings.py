"""Who is paired with us, in memory; and our own key. Fulfils `contract.fleet.Pairings`.

Admitting and revoking is done here too; who may, is asked before (`core.commands`, the command line).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.base.clock import Clock
from gateway.base.errors import ConfigError, Denied, GatewayError, NotFound
from gateway.model.ids import is_slug
from gateway.model.pairing import KEY_BYTES, PairedCenter, PairedKit
from gateway.store.pairings import PairingRepo

log = logging.getLogger(__name__)

KEY_FILE = "bundle.key"
UDP_PORT = 8444
"""Where a center takes bundles unless its adapter says otherwise."""


class Pairings:
    """On the event loop only."""

    def __init__(self, repo: PairingRepo, state_dir: Path, clock: Clock) -> None:
        self._repo = repo
        self._file = state_dir / KEY_FILE
        self._clock = clock
        self._next_file = state_dir / f"{KEY_FILE}.next"
        self._key = b""
        self._next: bytes | None = None
        self._knows_next: set[str] = set()
        self._kits = {row.gateway: row for row in repo.kits()}
        self._centers = {row.gateway: row for row in repo.centers()}
        self._listeners: list[Callable[[], None]] = []
        self.udp_port = UDP_PORT

    # — what adapters ask —

    def private_key(self) -> bytes:
        if not self._key:
            self._key = read_key(self._file)
        return self._key

    def public_key(self) -> bytes:
        return X25519PrivateKey.from_private_bytes(self.private_key()).public_key().public_bytes_raw()

    # — a new key: told to each center over its standing session, used there from then on, ours alone when all have it —

    def next_key(self) -> bytes:
        if self._next is None:
            self._next = read_key(self._next_file) if self._next_file.exists() else b""
        return self._next

    async def renew_key(self) -> None:
        """One that is being told already stays."""
        if not self.next_key():
            self._next = await asyncio.to_thread(read_key, self._next_file)
            self._knows_next.clear()
        self._changed()

    def key_taken(self, gateway: str) -> None:
        self._knows_next.add(gateway)
        centers = {row.gateway for row in self._centers.values() if row.revoked_at is None}
        if self.next_key() and centers <= self._knows_next:
            self._next_file.replace(self._file)
            self._key, self._next = self.next_key(), b""
            self._knows_next.clear()
            log.info("our new key is known to all centers: the old one is no more")
            self._changed()

    async def announce_key(self, gateway: str, key: bytes) -> None:
        row = self._kits.get(gateway)
        if row is None or row.revoked_at is not None:
            raise NotFound(f"{gateway[:80]!r} is not paired here")
        if any(key in (other.key, other.next_key) for other in self._kits.values() if other.gateway != gateway):
            raise Denied(f"{gateway} announces a key that is another's", code="kit-foreign-id")
        if key not in (row.key, row.next_key):
            await self.admit_kit(replace(row, next_key=key))

    async def promote_key(self, gateway: str) -> None:
        row = self._kits.get(gateway)
        if row is not None and row.next_key:
            await self.admit_kit(replace(row, key=row.next_key, next_key=b""))
            log.info("kit %s has a new key", gateway)

    # — who is paired —

    def kits(self) -> Sequence[PairedKit]:
        return list(self._kits.values())

    def centers(self) -> Sequence[PairedCenter]:
        return list(self._centers.values())

    def kit(self, gateway: str) -> PairedKit | None:
        return self._kits.get(gateway)

    def paired_center(self, gateway: str) -> PairedCenter | None:
        return self._centers.get(gateway)

    def reachable_at(self, udp_port: int) -> None:
        self.udp_port = udp_port

    def on_change(self, called: Callable[[], None]) -> Callable[[], None]:
        self._listeners.append(called)

        def undo() -> None:
            if called in self._listeners:
                self._listeners.remove(called)

        return undo

    # — what people do —

    async def admit_kit(self, row: PairedKit) -> None:
        """Durable when it returns. The same gateway again gets the new row."""
        _check(row.gateway, row.key)
        await self._repo.put_kit(row)
        self._kits[row.gateway] = row
        self._changed()

    async def admit_center(self, row: PairedCenter) -> None:
        _check(row.gateway, row.key)
        await self._repo.put_center(row)
        self._centers[row.gateway] = row
        self._changed()

    async def revoke_kit(self, gateway: str, detail: str = "") -> PairedKit:
        """Its sessions end at once, and it is refused from then on. Raises NotFound."""
        row = self._kits.get(gateway)
        if row is None:
            raise NotFound(f"there is no kit {gateway[:80]!r}")
        row = replace(row, revoked_at=self._clock.wall(), detail=detail)
        await self.admit_kit(row)
        return row

    async def revoke_center(self, gateway: str, detail: str = "") -> PairedCenter:
        """It is not called any more. Raises NotFound."""
        row = self._centers.get(gateway)
        if row is None:
            raise NotFound(f"there is no center {gateway[:80]!r}")
        row = replace(row, revoked_at=self._clock.wall(), detail=detail)
        await self.admit_center(row)
        return row

    async def forget_kit(self, gateway: str) -> None:
        """Not even that it was revoked is known any more."""
        await self._repo.remove("kit", gateway)
        if self._kits.pop(gateway, None) is not None:
            self._changed()

    async def forget_center(self, gateway: str) -> None:
        await self._repo.remove("center", gateway)
        if self._centers.pop(gateway, None) is not None:
            self._changed()

    def _changed(self) -> None:
        for called in list(self._listeners):
            try:
                called()
            except Exception:
                log.exception("a change of pairings was not taken over")


def _check(gateway: str, key: bytes) -> None:
    if not is_slug(gateway) or len(key) != KEY_BYTES:
        raise GatewayError("a pairing has a gateway's id and a key of 32 bytes", code="bad-request")


def read_key(file: Path) -> bytes:
    """The gateway's own private key; made where there is none. Raises ConfigError."""
    try:
        if file.exists():
            key = file.read_bytes()
            if len(key) == KEY_BYTES:
                return key
            raise ConfigError("gateway.state_dir", f"{file} is damaged: restore it, or remove it and pair anew")
        key = X25519PrivateKey.generate().private_bytes_raw()
        # Whole or not at all: half a key after a power cut would be nobody's.
        fresh = file.with_name(f"{file.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(key)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
    except OSError as exc:
        raise ConfigError("gateway.state_dir", f"{file} can not be read or written: {exc.strerror}") from exc
    return key
