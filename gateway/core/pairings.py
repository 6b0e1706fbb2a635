"""Who is paired with us, in memory; and our own key. Fulfils `contract.fleet.Pairings`.

Admitting and revoking is done here too; who may, is asked before (`core.commands`, the command line). Changes of who is
paired take turns: each reads the row, writes it to the disk and takes it over before the next one reads, so that what a
kit says of itself never undoes what a person decided meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from gateway.base.clock import Clock
from gateway.base.errors import Busy, ConfigError, Denied, GatewayError, NotFound
from gateway.model.ids import is_slug
from gateway.model.pairing import KEY_BYTES, PairedCenter, PairedKit
from gateway.store.pairings import PairingRepo

log = logging.getLogger(__name__)

T = TypeVar("T")

KEY_FILE = "bundle.key"
UDP_PORT = 8444
"""Where a center takes bundles unless its adapter says otherwise."""
MOST_KEYS, WITHIN_S = 8, 3600.0
"""New keys that a kit may announce, and the time they count for: each is a write that waits for the disk."""


class Pairings:
    """On the event loop only."""

    def __init__(self, repo: PairingRepo, state_dir: Path, clock: Clock) -> None:
        self._repo = repo
        self._file = state_dir / KEY_FILE
        self._clock = clock
        self._next_file = state_dir / f"{KEY_FILE}.next"
        self._key = b""
        self._next: bytes | None = None
        self._told_file = state_dir / f"{KEY_FILE}.told"
        self._told: set[str] | None = None
        self._knows_next: set[str] = set()
        self._kits = {row.gateway: row for row in repo.kits()}
        self._centers = {row.gateway: row for row in repo.centers()}
        self._listeners: list[Callable[[], None]] = []
        self._turn = asyncio.Lock()
        self._turns: set[asyncio.Task[object]] = set()
        self._announced: dict[str, deque[float]] = {}
        self.udp_port = UDP_PORT

    # — what adapters ask —

    def private_key(self) -> bytes:
        if not self._key:
            self._key = read_key(self._file)
        return self._key

    def public_key(self) -> bytes:
        return X25519PrivateKey.from_private_bytes(self.private_key()).public_key().public_bytes_raw()

    def shared_with(self, key: bytes) -> bytes | None:
        """The secret that we have with whoever has this public key (RFC 7748 §6.1); None for a key that is none."""
        try:
            return X25519PrivateKey.from_private_bytes(self.private_key()).exchange(
                X25519PublicKey.from_public_bytes(key)
            )
        except ValueError:
            return None

    def shared_with_center(self, center: PairedCenter) -> bytes | None:
        """As `shared_with`, by the key of ours that this center knows, over restarts too: once it was told the new one,
        it reads that, and once it has met it no other."""
        mine = self.next_key() if center.gateway in self._knows_next | self._were_told() else b""
        try:
            private = X25519PrivateKey.from_private_bytes(mine or self.private_key())
            return private.exchange(X25519PublicKey.from_public_bytes(center.key))
        except ValueError:
            return None

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
            self._told = set()
        self._changed()

    def _were_told(self) -> set[str]:
        """Centers that have our next key on their disks."""
        if self._told is None:
            self._told = set()
            if self.next_key() and self._told_file.exists():
                with suppress(OSError):
                    head, *names = self._told_file.read_text(encoding="ascii", errors="replace").split("\n")
                    self._told = set(filter(None, names)) if head == _print(self.next_key()) else set()
        return self._told

    def key_told(self, gateway: str) -> None:
        if gateway not in self._were_told() and self.next_key():
            self._note_told(self._were_told() | {gateway})

    def _note_told(self, names: set[str]) -> None:
        """Of a key that is not the next one any more it says nothing, whenever it is read."""
        fresh = self._told_file.with_name(f"{self._told_file.name}.new")
        try:
            with fresh.open("w", encoding="ascii") as out:
                out.write("\n".join((_print(self.next_key()), *sorted(names))))
                out.flush()
                os.fsync(out.fileno())
            _place(fresh, self._told_file)
        except OSError as exc:
            raise GatewayError(f"{self._told_file} can not be written: {exc.strerror}", code="disk-full") from exc
        self._told = names

    def key_taken(self, gateway: str) -> None:
        self._knows_next.add(gateway)
        centers = {row.gateway for row in self._centers.values() if row.revoked_at is None}
        if not self.next_key() or not centers <= self._knows_next:
            return
        try:
            _place(self._next_file, self._file)
        except OSError as exc:
            log.error("our new key can not take the place of the old one yet: %s", exc.strerror)
            return
        self._key, self._next, self._told = self.next_key(), b"", set()
        self._knows_next.clear()
        with suppress(OSError):
            self._told_file.unlink(missing_ok=True)
        log.info("our new key is known to all centers: the old one is no more")
        self._changed()

    async def announce_key(self, gateway: str, key: bytes, by: bytes) -> None:
        async def announce() -> None:
            row = self._kits.get(gateway)
            if row is None or row.revoked_at is not None or row.key != by:
                raise NotFound(f"{gateway[:80]!r} is not paired here by the key that it came with", code="kit-revoked")
            if key in (row.key, row.next_key):
                return
            if self._other(gateway, key) is not None:
                raise Denied(f"{gateway} announces a key that is another's", code="kit-foreign-id")
            self._count(gateway)
            await self._keep_kit(replace(row, next_key=key))

        await self._in_turn(announce)

    async def promote_key(self, gateway: str, by: bytes) -> None:
        async def promote() -> None:
            row = self._kits.get(gateway)
            if row is not None and row.revoked_at is None and row.key == by and row.next_key:
                await self._keep_kit(replace(row, key=row.next_key, next_key=b""))
                log.info("kit %s has a new key", gateway)

        await self._in_turn(promote)

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
        """Durable when it returns. The same gateway again gets the new row. Raises Denied (`pair-key-known`)."""

        async def admit() -> None:
            if (other := self._other(row.gateway, row.key)) is not None:
                # Two rows with one key would be one kit, by the id of whichever came last.
                raise Denied(f"{other.gateway} is paired by the key that {row.gateway} shows", code="pair-key-known")
            await self._keep_kit(row)

        await self._in_turn(admit)

    async def admit_center(self, row: PairedCenter) -> None:
        async def admit() -> None:
            # Paired anew it knows our key of now, as our code told it, and of no next one.
            if row.gateway in self._were_told():
                self._note_told(self._were_told() - {row.gateway})
            self._knows_next.discard(row.gateway)
            known = self._centers.get(row.gateway)
            last = max((one.place for one in self._centers.values()), default=0)
            await self._keep_center(replace(row, place=known.place if known is not None else last + 1))

        await self._in_turn(admit)

    async def revoke_kit(self, gateway: str, detail: str = "") -> PairedKit:
        """Its sessions end at once, and it is refused from then on. Raises NotFound."""

        async def revoke() -> PairedKit:
            row = self._kits.get(gateway)
            if row is None:
                raise NotFound(f"there is no kit {gateway[:80]!r}")
            row = replace(row, revoked_at=self._clock.wall(), detail=detail)
            await self._keep_kit(row)
            return row

        return await self._in_turn(revoke)

    async def revoke_center(self, gateway: str, detail: str = "") -> PairedCenter:
        """It is not called any more. Raises NotFound."""

        async def revoke() -> PairedCenter:
            row = self._centers.get(gateway)
            if row is None:
                raise NotFound(f"there is no center {gateway[:80]!r}")
            row = replace(row, revoked_at=self._clock.wall(), detail=detail)
            await self._keep_center(row)
            return row

        return await self._in_turn(revoke)

    async def forget_kit(self, gateway: str) -> None:
        """Not even that it was revoked is known any more."""

        async def forget() -> None:
            await self._repo.remove("kit", gateway)
            self._announced.pop(gateway, None)
            if self._kits.pop(gateway, None) is not None:
                self._changed()

        await self._in_turn(forget)

    async def forget_center(self, gateway: str) -> None:
        async def forget() -> None:
            await self._repo.remove("center", gateway)
            if self._centers.pop(gateway, None) is not None:
                self._changed()

        await self._in_turn(forget)

    # — within —

    async def _in_turn(self, change: Callable[[], Awaitable[T]]) -> T:
        """One change at a time, and each whole: also where whoever asked for it does not wait for its end."""

        async def turn() -> T:
            async with self._turn:
                return await change()

        task = asyncio.get_running_loop().create_task(turn(), name="change of pairings")
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)
        return await asyncio.shield(task)

    def _other(self, gateway: str, key: bytes) -> PairedKit | None:
        """Another kit than `gateway` that this key is, or will be."""
        others = (row for row in self._kits.values() if row.gateway != gateway)
        return next((row for row in others if key in (row.key, row.next_key)), None)

    async def _keep_kit(self, row: PairedKit) -> None:
        _check(row.gateway, row.key)
        await self._repo.put_kit(row)
        self._kits[row.gateway] = row
        self._changed()

    async def _keep_center(self, row: PairedCenter) -> None:
        _check(row.gateway, row.key)
        await self._repo.put_center(row)
        self._centers[row.gateway] = row
        self._changed()

    def _count(self, gateway: str) -> None:
        """Raises Busy (`too-many`): it announces one key after the other."""
        now, told = self._clock.monotonic(), self._announced.setdefault(gateway, deque(maxlen=MOST_KEYS))
        if len(told) == MOST_KEYS and now - told[0] < WITHIN_S:
            raise Busy(f"{gateway} has announced {MOST_KEYS} keys within an hour", code="too-many")
        told.append(now)

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
        _place(fresh, file)
    except OSError as exc:
        raise ConfigError("gateway.state_dir", f"{file} can not be read or written: {exc.strerror}") from exc
    return key


def _print(key: bytes) -> str:
    return hashlib.sha256(b"told " + key).hexdigest()[:32]


def _place(fresh: Path, file: Path) -> None:
    """In the place of `file`, also after a power cut: the folder is on the disk when it returns. Raises OSError."""
    fresh.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
