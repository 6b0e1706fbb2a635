"""Invitations: links by which phones without an account report, for a while, a number of phones, until revoked.

A link's secret is 128 random bits, of which only the SHA-256 is kept, as of the key that each phone makes for itself.
The bearer `fgi_<secret>.<key>` is checked in memory. What a phone may do is the role INFORMANT within its own device:
announce reports, send its own picture; it reads nothing.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, NotFound, Unsupported
from gateway.core.audit import Audit
from gateway.core.lockout import Lockout
from gateway.core.rights import in_scope, require_role, require_whole
from gateway.model.ids import DeviceId, device_id
from gateway.model.informant import Invitation, Phone
from gateway.model.principal import Principal, Role
from gateway.store.informants import InformantRepo, PhoneRow

if TYPE_CHECKING:
    from gateway.config.root import Accounts as AccountsConfig

log = logging.getLogger(__name__)

PREFIX = "fgi_"
MOST = 500
"""Invitations in force at one time."""
MOST_PHONES = 200
"""Of one invitation."""
LONGEST_S = 90 * 86400.0
SEEN_EVERY_S = 60.0
KEEP_S = 30 * 86400.0
"""Ended ones are still listed this long."""
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 signs that nobody takes for one another
BEARER = re.compile(r"fgi_([a-z2-9]{26})\.([A-Za-z0-9_-]{16,64})")


@dataclass(slots=True)
class _Live:
    info: Invitation
    digest: bytes
    phones: set[str] = field(default_factory=set)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _words(text: str, most: int, what: str) -> str:
    text = text.strip()
    if len(text) > most or not text.isprintable():
        raise GatewayError(f"{what}: at most {most} printable characters", code="bad-request")
    return text


class Invitations:
    def __init__(
        self,
        gateway: str,
        repo: InformantRepo,
        audit: Audit,
        clock: Clock,
        accounts: Callable[[], AccountsConfig],
    ) -> None:
        self._gateway = gateway
        self._repo = repo
        self._audit = audit
        self._clock = clock
        self._lockout = Lockout(clock, accounts)
        self._live = {digest: _Live(info, digest, set(used)) for info, digest, used in repo.invitations()}
        self._phones = {row.digest: row for row in repo.phones()}
        self._saw: dict[str, float] = {}
        self.served = False
        self.on_phone: Callable[[Phone], None] = lambda _phone: None
        """A phone joined, or gave signs of life again."""
        self.on_revoked: Callable[[Sequence[DeviceId]], None] = lambda _devices: None

    # — people —

    async def invite(
        self, who: Principal, *, label: str, place: str = "", ttl_s: float = 86400.0, phones: int = 5
    ) -> tuple[Invitation, str]:
        """A new one and its secret, which is shown this once. Raises Unsupported (`phones-off`), Denied, Busy."""
        require_role(who, Role.OPERATOR, "invite phones")
        if not self.served:
            raise Unsupported("no adapter serves phones: set [adapter.phone]", code="phones-off")
        if who.scope:
            raise Denied(f"{who.name} sees only {who.scope}; an invitation makes new devices")
        if not 60 <= ttl_s <= LONGEST_S or not 1 <= phones <= MOST_PHONES:
            raise GatewayError(
                f"an invitation lasts a minute to {LONGEST_S / 86400:.0f} days, for 1 to {MOST_PHONES} phones",
                code="bad-request",
            )
        if sum(self._stands(one.info) for one in self._live.values()) >= MOST:
            raise Busy(f"{MOST} invitations are in force: revoke some", code="too-many")
        secret = "".join(secrets.choice(_ALPHABET) for _ in range(26))
        now = self._clock.wall()
        info = Invitation(
            id=secrets.token_hex(6),
            label=_words(label, 64, "label"),
            place=_words(place, 64, "place"),
            made_by=who.name,
            made_at=now,
            expires_at=now + ttl_s,
            most_phones=phones,
        )
        digest = _digest(secret)
        await self._repo.put_invitation(info, digest)
        self._live[digest] = _Live(info, digest)
        await self._audit.record(who, "invitation.make", detail=f"{info.id} {info.label} {info.place}")
        return info, PREFIX + secret

    def invitations(self, who: Principal) -> Sequence[Invitation]:
        """Newest first."""
        require_role(who, Role.OPERATOR, "list invitations")
        if not in_scope(who, self._gateway):
            return []
        shown = [replace(one.info, phones=len(one.phones)) for one in self._live.values()]
        return sorted(shown, key=lambda one: -one.made_at)

    async def revoke(self, who: Principal, id_: str) -> None:
        require_role(who, Role.OPERATOR, "revoke invitations")
        require_whole(who, self._gateway, "revoke invitations")
        for live in self._live.values():
            if live.info.id == id_:
                live.info = replace(live.info, revoked_at=live.info.revoked_at or self._clock.wall())
                await self._repo.put_invitation(live.info, live.digest)
                await self._audit.record(who, "invitation.revoke", detail=f"{id_} {live.info.label}")
                mine = [row.slug for row in self._phones.values() if row.invitation == id_]
                self.on_revoked([device_id(self._gateway, slug) for slug in mine])
                return
        raise NotFound(f"there is no invitation {id_[:40]!r}")

    # — phones —

    def verify(self, bearer: str, address: str = "") -> Principal | None:
        """Whom a phone's bearer speaks for; None when the invitation has ended or the phone has not joined."""
        parts = BEARER.fullmatch(bearer)
        if parts is None:
            return None
        live, row = self._live.get(_digest(parts[1])), self._phones.get(_digest(parts[2]))
        if live is None or row is None or row.slug not in live.phones or not self._stands(live.info):
            return None
        scope = device_id(self._gateway, row.slug)
        return Principal(row.slug, Role.INFORMANT, live.info.id, scope, address)

    async def join(self, bearer: str, name: str, address: str) -> Phone:
        """See contract.informant."""
        if self._lockout.left("invitation", address) > 0:
            raise Denied("too many wrong invitations from this address", code="locked-out")
        parts = BEARER.fullmatch(bearer)
        live = self._live.get(_digest(parts[1])) if parts is not None else None
        if parts is None or live is None:
            self._lockout.failed("invitation", address)
            raise Denied("nobody made this invitation", code="invitation-unknown")
        if not self._stands(live.info):
            raise Denied(f"the invitation {live.info.id} has ended", code="invitation-ended")
        key = _digest(parts[2])
        said = _words(name, 64, "name")  # before a place is taken: one that is refused takes none
        now = self._clock.wall()
        row = self._phones.get(key)
        slug = row.slug if row is not None else f"phone-{secrets.token_hex(4)}"
        if slug not in live.phones:
            if len(live.phones) >= live.info.most_phones:
                raise Denied(f"{len(live.phones)} phones use it already", code="invitation-used-up")
            live.phones.add(slug)  # at once: two phones must not take the last place together
        told = said or (row.name if row is not None else "")
        fresh = PhoneRow(slug, key, told, live.info.id, row.joined_at if row else now, now)
        if row is None or (row.name, row.invitation) != (fresh.name, fresh.invitation):
            try:
                await self._repo.put_phone(fresh)
            except BaseException:
                if row is None:
                    live.phones.discard(slug)
                raise
            who = Principal(slug, Role.INFORMANT, live.info.id, device_id(self._gateway, slug), address)
            self._audit.note(who, "invitation.join", detail=f"{live.info.label} {told}")
        self._phones[key] = fresh
        phone = self._phone(fresh)
        self.on_phone(phone)
        return phone

    def phone(self, who: Principal) -> Phone:
        row = next((row for row in self._phones.values() if row.slug == who.name), None)
        if who.role is not Role.INFORMANT or row is None:
            raise Denied(f"{who.name} is no phone", code="unauthenticated")
        return self._phone(row)

    def seen(self, who: Principal) -> None:
        phone, now = self.phone(who), self._clock.monotonic()
        self.on_phone(phone)
        if now - self._saw.get(who.name, -SEEN_EVERY_S) >= SEEN_EVERY_S:
            self._saw[who.name] = now
            self._repo.saw(who.name, self._clock.wall())

    def prune(self, now: float) -> None:
        """Ended long ago: nobody needs to see them any more."""
        before = now - KEEP_S
        for live in list(self._live.values()):
            if live.info.expires_at < before or (live.info.revoked_at or now) < before:
                del self._live[live.digest]
        known = set().union(*(live.phones for live in self._live.values()))
        self._phones = {key: row for key, row in self._phones.items() if row.slug in known}
        self._repo.prune_invitations(before)

    # — within —

    def _stands(self, info: Invitation) -> bool:
        return info.revoked_at is None and self._clock.wall() < info.expires_at

    def _phone(self, row: PhoneRow) -> Phone:
        info = next((one.info for one in self._live.values() if one.info.id == row.invitation), None)
        name = row.name or (info.label if info else "") or row.slug
        return Phone(device_id(self._gateway, row.slug), name, info.place if info else "", row.invitation)
