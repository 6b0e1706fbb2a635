"""Senders and readers that are not people: `[program.<name>]`. Fulfils `contract.source.Programs`.

A program's password is the configuration's, or one that was made and stands in the state directory (0600, like the
kit's). It is shown to a technician at one moment only: when it is made. What a program may send and read are patterns
of names; a principal `program:<name>` stands for it, and nothing but those patterns gives it rights.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import TYPE_CHECKING, TypedDict

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, NotFound
from gateway.base.place import address_of, place_of
from gateway.core.accounts import TOKEN
from gateway.core.audit import Audit
from gateway.core.invitations import BEARER
from gateway.core.lockout import EVERYBODY, Lockout
from gateway.core.secrets import Secrets
from gateway.model.principal import Principal, Role
from gateway.model.source import ProgramInfo

if TYPE_CHECKING:
    from gateway.config.root import Accounts as AccountsConfig
    from gateway.config.sources import Program

log = logging.getLogger(__name__)

PREFIX = "program:"
KEY, TAIL = "stream key", "stream key in a name"
"""Whose wrong ones are counted where no name came with them."""
SHORTEST_KEY = 8
"""As the configuration has it; what is shorter is no key."""
MAX_TAILS = 4096
MAX_SECRET = 256

Authenticate = Callable[[str, str, str], Awaitable[Principal]]


class _Refused(TypedDict, total=False):
    refused_at: float
    refused_from: str
    refused_code: str


class Programs:
    def __init__(
        self,
        config: Callable[[], Mapping[str, Program]],
        secrets: Secrets,
        audit: Audit,
        clock: Clock,
        accounts: Callable[[], AccountsConfig],
        authenticate: Authenticate,
    ) -> None:
        """`authenticate(name, password, address)`: a person."""
        self._config = config
        self._secrets = secrets
        self._audit = audit
        self._clock = clock
        self._authenticate = authenticate
        self._lockout = Lockout(clock, accounts)
        self._made: dict[str, str] = {}
        self._seen: dict[str, tuple[float, str]] = {}
        self._refused: dict[str, tuple[float, str, str]] = {}  # when, whence, why
        self._tails: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self.config_changed()

    # — what adapters ask —

    def secret(self, user: str) -> str | None:
        program = self._config().get(user)
        if program is None or not program.enabled:
            return None
        return program.password.get_secret_value() or self._made.get(user)

    async def check(self, user: str, password: str, address: str) -> Principal:
        """Names of programs come before those of people."""
        if user not in self._config():
            self._free(user, address)
            try:
                return await self._authenticate(user, password, address)
            except Denied as exc:
                if exc.code == "locked-out":
                    raise Busy(str(exc), code="locked") from exc
                raise self._wrong(user, address, "program-unknown") from exc
        self._free(user, address)
        if not _same(self.secret(user), password):
            raise self._wrong(user, address, "program-password")
        return self._passed(user, address)

    def _holder(self, key: str) -> str:
        """Whose key it is. All are compared, so that the time taken tells nothing."""
        found = ""
        for name in self._config():
            if _same(self.secret(name), key):
                found = name
        return found

    def by_key(self, key: str, address: str) -> Principal:
        """Wrong keys name nobody, so they count for the place they come from alone: who guesses locks nobody else."""
        self._free(KEY, address)
        found = self._holder(key)
        if not found:
            raise self._wrong(KEY, address, "program-password", everybody=False)
        self._lockout.passed(KEY, address)
        return self._passed(found, address)

    def by_bearer(self, key: str, address: str) -> Principal | None:
        """As `by_key`, but what looks like a token of ours that has ended, and is nobody's key, is no guess: None."""
        if (TOKEN.fullmatch(key) or BEARER.fullmatch(key)) and not self._holder(key):
            return None
        return self.by_key(key, address)

    def by_tail(self, tail: str, address: str) -> Principal | None:
        """Who needs no password may still write a key where a name's last part stands. Names are no guesses: each
        counts once, and a place is locked only after many."""
        if len(tail) < SHORTEST_KEY:
            return None
        self._free(TAIL, address)
        if found := self._holder(tail):
            return self._passed(found, address)
        mark = place_of(address), hashlib.blake2b(tail.encode("utf-8", "replace"), digest_size=16).digest()
        if mark not in self._tails:
            if len(self._tails) >= MAX_TAILS:
                self._tails.popitem(last=False)
            self._tails[mark] = None
            self._lockout.failed(TAIL, address, everybody=False, times=EVERYBODY)
        else:
            self._tails.move_to_end(mark)
        return None

    def known(self, user: str, address: str) -> Principal:
        self._free(user, address)
        if self.secret(user) is None:
            raise self._wrong(user, address, "program-unknown")
        return self._passed(user, address)

    def failed(self, user: str, address: str) -> None:
        self._wrong(user, address, "program-password")

    def anonymous(self, address: str) -> Principal | None:
        """The narrowest network counts."""
        where = address_of(address)
        if where is None:
            return None
        best, width = "", -1
        for name, program in self._config().items():
            for text in program.without_password_from if program.enabled else ():
                network = ip_network(text)
                if network.version == where.version and where in network and network.prefixlen > width:
                    best, width = name, network.prefixlen
        return self._passed(best, address) if best else None

    # — what push points ask —

    def of(self, who: Principal) -> Program | None:
        """The program that `who` is; None for people. Raises Denied when it was taken out of the configuration."""
        if not who.name.startswith(PREFIX):
            return None
        name = who.name.removeprefix(PREFIX)
        program = self._config().get(name)
        if program is None or not program.enabled:
            raise Denied(f"there is no program {name}", code="program-unknown")
        return program

    def may_be_published(self, name: str) -> bool:
        """Some program may."""
        return any(matches(name, program.publish) for program in self._config().values() if program.enabled)

    def policy(self, name: str) -> str:
        """Of the first program that may publish the name and says one."""
        for program in self._config().values():
            if program.push_policy and matches(name, program.publish):
                return program.push_policy
        return ""

    def literal(self) -> Sequence[str]:
        """Names without patterns that may be published: they are listed before anybody has."""
        names = [name for program in self._config().values() if program.enabled for name in program.publish]
        return [name for name in dict.fromkeys(names) if not set(name) & set("*?")]

    # — what people ask; roles are checked by whoever calls —

    def names(self) -> Sequence[str]:
        return list(self._config())

    def info(self, name: str, publishing: tuple[str, ...] = (), reading: tuple[str, ...] = ()) -> ProgramInfo:
        program, seen = self._config()[name], self._seen.get(name)
        return ProgramInfo(
            name=name,
            publish=tuple(program.publish),
            read=tuple(program.read),
            without_password_from=tuple(program.without_password_from),
            push_policy=program.push_policy,
            enabled=program.enabled,
            made=not program.password.get_secret_value(),
            last_seen=seen[0] if seen else None,
            address=seen[1] if seen else "",
            publishing=publishing,
            reading=reading,
            **self._last_refused(name),
        )

    def _last_refused(self, name: str) -> _Refused:
        at, address, code = self._refused.get(name, (0.0, "", ""))
        return {"refused_at": at, "refused_from": address, "refused_code": code} if code else {}

    def renew(self, name: str) -> str:
        """A new password, shown this once. Raises NotFound, and GatewayError where the configuration has it."""
        program = self._config().get(name)
        if program is None:
            raise NotFound(f"there is no program {name[:80]!r}")
        if program.password.get_secret_value():
            raise GatewayError(
                f"the password of {name} stands in the configuration: change it there", code="bad-request"
            )
        self._made[name] = self._secrets.renew_program(name)
        return self._made[name]

    def config_changed(self) -> None:
        """Programs without a password get one; it stays over restarts and while the program is switched off."""
        wanted = {name for name, program in self._config().items() if not program.password.get_secret_value()}
        self._made = {name: self._made.get(name) or self._secrets.program(name) for name in wanted}
        self._seen = {name: seen for name, seen in self._seen.items() if name in self._config()}

    # — within —

    def _free(self, user: str, address: str) -> None:
        if (left := self._lockout.left(user, address)) > 0:
            raise Busy(f"{user[:64]!r} from {address} is locked for {left:.0f} s", code="locked")

    def _wrong(self, user: str, address: str, code: str, *, everybody: bool = True) -> Denied:
        """Counted and recorded; the words are the same for all, so that names can not be found out."""
        self._lockout.failed(user, address, everybody=everybody)
        who = Principal(user[:64], Role.VIEWER, "program", address=address)
        self._audit.refused(who, "program.sign-in", code=code)
        self._note(user, address, code)
        return Denied("name or password is wrong", code=code)

    def turned_away(self, who: Principal, code: str) -> None:
        """It is known, and may not have what it asked for."""
        self._note(who.name.removeprefix(PREFIX), who.address, code)

    def _note(self, name: str, address: str, code: str) -> None:
        """For whoever looks why a sender does not come; of names that there are, so it is bounded."""
        if name in self._config():
            self._refused[name] = (self._clock.wall(), address, code)

    def _passed(self, name: str, address: str) -> Principal:
        self._lockout.passed(name, address)
        self._seen[name] = (self._clock.wall(), address)
        self._refused.pop(name, None)
        return Principal(f"{PREFIX}{name}", Role.VIEWER, f"{PREFIX}{name}", address=address)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """`name` is device/channel without the gateway's part; a pattern without a slash means the device's all."""
    device, _, _ = name.partition("/")
    return any(fnmatchcase(name if "/" in pattern else device, pattern) for pattern in patterns)


def _same(secret: str | None, given: str) -> bool:
    if not secret or not given or len(given) > MAX_SECRET:
        return False
    return hmac.compare_digest(secret.encode(), given.encode("utf-8", "surrogatepass"))
