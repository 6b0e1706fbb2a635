"""Named accounts, bearer tokens and one-time codes.

Tokens are 256 random bits of which only the SHA-256 is kept; they are looked up in memory. Wrong passwords lock the
name for the place they came from, and after many more for everybody (`lockout`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import Denied, GatewayError, NotFound
from gateway.core.audit import Audit
from gateway.core.facts import Issued
from gateway.core.lockout import Lockout
from gateway.core.passwords import LONGEST, NOBODY, Passwords
from gateway.core.rights import at_least, in_scope, require, require_role
from gateway.core.secrets import Secrets, readable
from gateway.model.command import Action
from gateway.model.principal import Principal, Role
from gateway.store.people import PeopleRepo
from gateway.store.rows import Account, TokenInfo

if TYPE_CHECKING:
    from gateway.config.root import Accounts as AccountsConfig
    from gateway.config.root import Api as ApiConfig

log = logging.getLogger(__name__)

MAX_CODES = 64
LOCAL = "unix"
"""The address of whoever came by the socket in the state directory, which only its owner can open."""
TOKEN_PREFIX = "fg_"  # noqa: S105 - a mark that lets scanners find leaked tokens
TOKEN = re.compile(r"fg_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[\w.@-]{1,64}")


async def _at_once() -> None:
    pass


@dataclass(slots=True)
class _Token:
    info: TokenInfo
    digest: bytes
    used_at: float  # monotonic
    ends_at: float  # monotonic: a jump of the wall clock signs nobody out, and keeps nobody in


@dataclass(slots=True)
class _Code:
    role: Role
    scope: str
    name: str
    until: float  # monotonic
    minted_by: Principal


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class Accounts:
    def __init__(
        self,
        repo: PeopleRepo,
        audit: Audit,
        kept: Secrets,
        clock: Clock,
        config: Callable[[], AccountsConfig],
        api: Callable[[], ApiConfig],
    ) -> None:
        self._repo = repo
        self._audit = audit
        self._kept = kept
        self._clock = clock
        self._config = config
        self._api = api
        self._accounts = {account.name: (account, hash_) for account, hash_ in repo.accounts()}
        now = clock.monotonic()
        wall = clock.wall()
        self._tokens = {
            digest: _Token(info, digest, now, now + info.expires_at - wall) for info, digest in repo.tokens(wall)
        }
        self._codes: OrderedDict[bytes, _Code] = OrderedDict()
        self.guests: list[Callable[[str, str], Principal | None]] = []
        """Who else may be known by a bearer: asked with it and the address when it is none of ours."""
        self._lockout = Lockout(clock, config)
        self._passwords = Passwords()
        self._making: asyncio.Event | None = None
        """Set when the first accounts, which are being made, are there."""

    # — first start —

    async def first_start(self, when: Callable[[], Awaitable[object]] = _at_once) -> None:
        """Make the first administrator and the auditor, who is somebody else. Their passwords stand in 0600 files.
        The files are there at once, the accounts some time after `when` returns; who signs in meanwhile waits."""
        first = [("admin", Role.ADMINISTRATOR), ("auditor", Role.AUDITOR)]
        roles = {account.role for account, _ in self._accounts.values()}
        if not (missing := [(name, role) for name, role in first if role not in roles]):
            return
        self._making = asyncio.Event()
        try:
            passwords = [(name, role, self._kept.first_password(name).reveal()) for name, role in missing]
            await when()
            await self._make_first(passwords)
        finally:
            self._making.set()

    async def _make_first(self, passwords: Sequence[tuple[str, Role, str]]) -> None:
        for name, role, password in passwords:
            hash_ = await self._passwords.hashed(password)
            now = self._clock.wall()
            await self._keep(Account(name, role, created_at=now, changed_at=now), hash_)
            log.info("account %s made; its first password stands in the state directory, file %s-password", name, name)

    # — signing in —

    async def sign_in(self, name: str, password: str, address: str) -> Issued:
        """Raises Denied (`bad-credentials`, `locked-out`), Busy when too many are being checked."""
        account = await self._checked(name, password, address, "sign-in")
        self._repo.logged_in(name, self._clock.wall())
        self._accounts[name] = (replace(account, last_login_at=self._clock.wall()), self._accounts[name][1])
        api = self._api()
        issued = await self._new_token(
            name, account.role, account.scope, ttl_s=api.session_max, idle_s=api.session_idle, kind="session"
        )
        self._audit.note(Principal(name, account.role, issued.info.id, account.scope, address), "sign-in")
        return issued

    async def authenticate(self, name: str, password: str, address: str) -> Principal:
        """A person who shows name and password to a protocol that has no session (RTSP, RTMP). Raises as `sign_in`."""
        account = await self._checked(name, password, address, "program.sign-in")
        return Principal(name, account.role, f"{name}@{address}", account.scope, address)

    async def _checked(self, name: str, password: str, address: str, act: str) -> Account:
        who = Principal(name[:64], Role.VIEWER, "sign-in", address=address)
        if (left := self._lockout.left(name, address)) > 0:
            self._audit.refused(who, act, code="locked-out")
            raise Denied(f"signing in as {name[:64]!r} is locked for {left:.0f} s", code="locked-out")
        if self._making is not None:
            await self._making.wait()
        account, hash_ = self._accounts.get(name, (None, NOBODY))
        fits = await self._passwords.fits(hash_, password)
        if account is None or not fits or account.disabled:
            self._lockout.failed(name, address)
            self._audit.refused(who, act, code="bad-credentials")
            raise Denied("name or password is wrong", code="bad-credentials")
        self._lockout.passed(name, address)
        return account

    def verify(self, token: str, address: str = "", *, touch: bool = True) -> Principal | None:
        """Whom a bearer token speaks for, or None. With `touch` the idle time of a session begins anew."""
        found = self._tokens.get(_digest(token))
        if found is None:
            return next((who for guest in self.guests if (who := guest(token, address)) is not None), None)
        now, info = self._clock.monotonic(), found.info
        idle = info.idle_s > 0 and now - found.used_at > info.idle_s
        if idle or found.ends_at <= now:
            del self._tokens[found.digest]
            self._repo.remove_token_soon(info.id)
            return None
        if info.kind == "session":
            account, _ = self._accounts.get(info.name, (None, ""))
            if account is None or account.disabled:
                return None
        if touch:
            found.used_at = now
        return Principal(info.name, info.role, info.id, info.scope, address)

    async def sign_out(self, token: str) -> None:
        found = self._tokens.pop(_digest(token), None)
        if found is not None:
            await self._repo.remove_token(found.info.id)
            self._audit.note(Principal(found.info.name, found.info.role, found.info.id), "sign-out")

    # — tokens for programs —

    async def issue(
        self, who: Principal, *, name: str, role: Role, scope: str = "", ttl_s: float = 90 * 86400.0, note: str = ""
    ) -> Issued:
        require_role(who, Role.ADMINISTRATOR, "make tokens")
        scope = scope or who.scope
        _grantable(who, role, scope)
        if not _NAME.fullmatch(name):
            raise GatewayError(f"{name[:80]!r} is no name for a token", code="bad-request")
        if not 60 <= ttl_s <= 3660 * 86400:
            raise GatewayError("a token lives from a minute to ten years", code="bad-request")
        issued = await self._new_token(name, role, scope, ttl_s=ttl_s, idle_s=0.0, kind="program", note=note[:200])
        await self._audit.record(who, "token.issue", detail=f"{issued.info.id} {name} {role} {scope}")
        return issued

    async def revoke(self, who: Principal, token_id: str) -> None:
        require_role(who, Role.ADMINISTRATOR, "revoke tokens")
        for digest, token in list(self._tokens.items()):
            if token.info.id == token_id and in_scope(who, token.info.scope):
                await self._repo.remove_token(token_id)
                self._tokens.pop(digest, None)
                await self._audit.record(who, "token.revoke", detail=f"{token_id} {token.info.name}")
                return
        raise NotFound(f"there is no token {token_id[:80]!r}")

    def tokens(self, who: Principal) -> Sequence[TokenInfo]:
        require_role(who, Role.ADMINISTRATOR, "list tokens")
        return [token.info for token in self._tokens.values() if in_scope(who, token.info.scope)]

    # — whose links are still good —

    def account_in_force(self, name: str) -> Account | None:
        account, _ = self._accounts.get(name, (None, ""))
        return account if account is not None and not account.disabled else None

    def token_in_force(self, id_: str) -> TokenInfo | None:
        now = self._clock.monotonic()
        return next((t.info for t in self._tokens.values() if t.info.id == id_ and t.ends_at > now), None)

    # — one-time codes —

    def mint_code(
        self, who: Principal, *, role: Role = Role.VIEWER, scope: str = "", ttl_s: float = 600.0, name: str = "link"
    ) -> str:
        _grantable(who, role, scope)
        if len(self._codes) >= MAX_CODES:
            self._codes.popitem(last=False)
        code = readable(3)
        until = self._clock.monotonic() + min(ttl_s, 86400.0)
        self._codes[_digest(code)] = _Code(role, scope or who.scope, name[:64], until, who)
        self._audit.note(who, "code.mint", detail=f"{role} {scope}")
        return code

    async def redeem(self, code: str, address: str) -> Issued:
        """Guessing is hopeless (60 bits), and limited as wrong passwords are."""
        if self._lockout.left("one-time code", address) > 0:
            raise Denied("too many wrong codes from this address", code="locked-out")
        found = self._codes.pop(_digest(code.strip().lower()), None)
        if found is None or found.until < self._clock.monotonic():
            self._lockout.failed("one-time code", address)
            raise Denied("the code is unknown, used or too old: ask for another link", code="bad-credentials")
        api = self._api()
        issued = await self._new_token(
            found.name, found.role, found.scope, ttl_s=api.session_max, idle_s=api.session_idle, kind="code"
        )
        who = Principal(found.name, found.role, issued.info.id, found.scope, address)
        self._audit.note(who, "code.redeem", detail=f"minted by {found.minted_by.name}")
        return issued

    # — accounts; the rights of the acts are checked by core.commands —

    def accounts(self, who: Principal) -> Sequence[Account]:
        require_role(who, Role.ADMINISTRATOR, "list accounts")
        return [account for account, _ in self._accounts.values() if in_scope(who, account.scope)]

    async def add(self, who: Principal, *, name: str, role: Role, scope: str, password: str) -> Account:
        require(who, Action.ACCOUNT_ADD)
        _may_make(who, role)
        if not _NAME.fullmatch(name):
            raise GatewayError("a name is 1 to 64 letters, digits, '.', '_', '-', '@'", code="bad-request")
        if name in self._accounts:
            raise GatewayError(f"there is an account {name} already", code="bad-request")
        now = self._clock.wall()
        account = Account(name, role, scope, created_at=now, changed_at=now)
        await self._keep(account, await self._hashed(password))
        return account

    async def change(
        self,
        who: Principal,
        name: str,
        *,
        role: Role | None = None,
        scope: str | None = None,
        password: str | None = None,
        disabled: bool | None = None,
    ) -> Account:
        """Everybody may change their own password; the rest is the administrator's."""
        account, hash_ = self._known(name)
        only_password = role is None and scope is None and disabled is None
        if not (only_password and who.name == name and not who.scope):
            require(who, Action.ACCOUNT_CHANGE)
        if role is not None and role is not account.role:
            _may_make(who, role)
        # The administrator must not become the auditor by giving its account a password.
        if account.role is Role.AUDITOR and who.name != name and who.role is not Role.AUDITOR and password is not None:
            raise Denied("the auditor's password is the auditor's own")
        changed = replace(
            account,
            role=role or account.role,
            scope=account.scope if scope is None else scope,
            disabled=account.disabled if disabled is None else disabled,
            changed_at=self._clock.wall(),
        )
        self._one_administrator_stays(account, changed)
        await self._keep(changed, await self._hashed(password) if password is not None else hash_)
        if password is not None:
            self._kept.drop_first_password(name)
            self._lockout.passed(name, "")
        await self._end_sessions(name, but=who.session)
        return changed

    async def remove(self, who: Principal, name: str) -> None:
        require(who, Action.ACCOUNT_REMOVE)
        account, _ = self._known(name)
        self._one_administrator_stays(account, None)
        await self._repo.remove_account(name)
        del self._accounts[name]
        self._kept.drop_first_password(name)
        await self._end_sessions(name)

    # — within —

    def _known(self, name: str) -> tuple[Account, str]:
        try:
            return self._accounts[name]
        except KeyError:
            raise NotFound(f"there is no account {name[:80]!r}") from None

    def _one_administrator_stays(self, before: Account, after: Account | None) -> None:
        for role in (Role.ADMINISTRATOR, Role.AUDITOR):
            if before.role is not role or (after is not None and after.role is role and not after.disabled):
                continue
            others = (a for a, _ in self._accounts.values() if a.name != before.name and not a.disabled)
            if not any(a.role is role for a in others):
                raise GatewayError(f"{before.name} is the last {role}: make another one first", code="bad-request")

    async def _end_sessions(self, name: str, but: str = "") -> None:
        for digest, token in list(self._tokens.items()):
            if token.info.name == name and token.info.kind == "session" and token.info.id != but:
                self._tokens.pop(digest, None)
                await self._repo.remove_token(token.info.id)

    async def _hashed(self, password: str) -> str:
        least = self._config().min_password
        if not least <= len(password) <= LONGEST:
            raise GatewayError(f"a password has {least} to {LONGEST} characters", code="bad-request")
        return await self._passwords.hashed(password)

    async def _keep(self, account: Account, hash_: str) -> None:
        await self._repo.put_account(account, hash_)
        self._accounts[account.name] = (account, hash_)

    async def _new_token(
        self, name: str, role: Role, scope: str, *, ttl_s: float, idle_s: float, kind: str, note: str = ""
    ) -> Issued:
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        now = self._clock.wall()
        info = TokenInfo(secrets.token_hex(8), name, role, scope, now, now + ttl_s, idle_s, kind, note)
        try:
            await self._repo.put_token(info, _digest(token))
        except GatewayError as exc:
            # A full disk must not lock people out: a session lives in memory, until the daemon ends.
            if kind == "program":
                raise
            log.warning("the session of %s is kept in memory only: %s", name, exc)
        began = self._clock.monotonic()
        self._tokens[_digest(token)] = _Token(info, _digest(token), began, began + ttl_s)
        return Issued(token, info)


def _may_make(who: Principal, role: Role) -> None:
    """Auditors come from the machine's owner (`fieldgate accounts add` on the kit), never from an administrator."""
    if role is Role.INFORMANT:
        raise Denied("phones are invited, they have no account: `fieldgate invite`")
    if role is Role.AUDITOR and who.address != LOCAL:
        raise Denied("an auditor's account is made on the gateway itself: `fieldgate accounts add`")


def _grantable(who: Principal, role: Role, scope: str) -> None:
    """Nobody gives away more than they have."""
    inside = not who.scope or scope == who.scope or scope.startswith(who.scope.rstrip("/") + "/") or not scope
    if not at_least(who.role, role) or not inside:
        raise Denied(f"{who.name} ({who.role}) may not give the rights of a {role}{f' on {scope}' if scope else ''}")
