"""The ways to a number: a user's phones, or trunks, each complete as a `Route`."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from adapters.sip.accounts import Account
from adapters.sip.numbers import Meaning, NumberPlan
from adapters.sip.registrar import Location
from adapters.sip.routing import Route
from adapters.sip.routing_rights import Caps
from adapters.sip.trunk import Trunk
from adapters.sip.trunk_calls import identity_headers, listed, our_uri, outgoing_number, target_uri
from adapters.sip.trunks import Trunks
from adapters.sip.users import Users
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown, NotFound
from gateway.model.principal import SYSTEM, Principal
from gateway.net.sip import SipEndpoint
from gateway.wire.sip import SipUri, printable

_USER_CHARS = "+*!~'()&=$,;?/-_."


class Ways:
    def __init__(
        self,
        endpoint: SipEndpoint,
        users: Users,
        location: Location,
        trunks: Trunks,
        caps: Caps,
        clock: Clock,
        plan: NumberPlan,
    ) -> None:
        self._endpoint = endpoint
        self._users = users
        self._location = location
        self._trunks = trunks
        self._caps = caps
        self._clock = clock
        self._plan = plan

    def to_user(self, meaning: Meaning, who: Principal) -> Sequence[Route]:
        """To every phone of a user, the one heard last first."""
        user = meaning.user
        bindings = self._location.of(user, self._clock.monotonic())
        if not bindings:
            known = self._users.get(user)
            code = "phone-offline" if known is not None else "no-route"
            kind = LinkDown if known is not None else NotFound
            raise kind(f"no phone of {user} is registered", code=code)
        policy = self._users.policy(user)
        number, display = self._shown(who)
        routes: list[Route] = []
        for binding in bindings:
            # One place for the call, taken by its first way: the others are tried instead of it, not beside it.
            ended = self._caps.take(f"user:{user}", policy.max_calls) if not routes else _nothing
            host = binding.hop.local[0]
            routes.append(
                Route(
                    endpoint=self._endpoint,
                    hop=binding.hop,
                    uri=binding.contact,
                    from_uri=str(SipUri(host, escaped(number))),
                    from_display=display,
                    contact_user=escaped(number),
                    headers=(),
                    policy=policy.media.policy(),
                    name=user,
                    trunk="",
                    ended=ended,
                )
            )
        return routes

    def to_trunks(self, meaning: Meaning, who: Principal, diverted_from: str, on_behalf: str = "") -> Sequence[Route]:
        routes: list[Route] = []
        failed: GatewayError | None = None
        for name in meaning.trunks:
            try:
                routes.append(self._by_trunk(self._trunks.get(name), meaning, who, diverted_from, on_behalf))
            except GatewayError as exc:
                failed = exc
        if not routes:
            raise failed or NotFound(f"no trunk leads to {meaning.number}", code="no-route")
        return routes

    def from_afar(self, trunk: Trunk, meaning: Meaning, number: str) -> str:
        """How the far side of a trunk reaches what `meaning` says: a number of its own, an account that is for it, or a
        number that it may call at our address; "" where it can not."""
        config = trunk.config
        if trunk.name in meaning.trunks:
            return target_uri(config, outgoing_number(meaning.number, config))
        for account in trunk.accounts:
            if (mine := self._target(account)) is not None and _same(mine, meaning):
                return our_uri(config, escaped(account.user))
        return f"sip:{escaped(number)}" if listed([number], config) else ""

    def _target(self, account: Account) -> Meaning | None:
        try:
            return self._plan.configured(account.config.target)
        except NotFound:
            return None  # a group that is no more

    def _by_trunk(
        self, trunk: Trunk | None, meaning: Meaning, who: Principal, diverted_from: str, on_behalf: str
    ) -> Route:
        """Raises LinkDown `trunk-down`, Busy `trunk-full`."""
        if trunk is None:
            raise NotFound("there is no such trunk", code="no-route")
        hop, config = trunk.hop, trunk.config
        if hop is None:
            status = trunk.status
            raise LinkDown(f"trunk {trunk.name}: {status.detail or status.state}", code="trunk-down")
        number, display = self._shown(who)
        account = self._account_for(trunk, who, number, on_behalf)
        if account is not None:
            user, display = account.user, account.config.name or display
        else:
            user = config.caller_id or number
        ended = self._caps.take(
            f"trunk:{trunk.name}", config.max_calls, over=meaning.emergency, budget_s=config.day_budget
        )
        asserted = config.caller_id or number
        headers = identity_headers(config, account, asserted, display, diverted_from)
        if meaning.emergency:
            headers.append(("Priority", "emergency"))
        return Route(
            endpoint=self._endpoint,
            hop=hop,
            uri=target_uri(config, outgoing_number(meaning.number, config)),
            from_uri=our_uri(config, escaped(user)),
            from_display=display,
            contact_user=escaped(user),
            headers=tuple(headers),
            policy=config.media.policy(trunk=True),
            name=trunk.name,
            trunk=trunk.name,
            credentials=account.credentials if account is not None else None,
            ended=ended,
            again=trunk.again_after(hop),
            engine=config.engine,
        )

    def _account_for(self, trunk: Trunk, who: Principal, number: str, on_behalf: str) -> Account | None:
        """The account in whose name `who` calls: his own, that of the group or channel he calls for, else the first;
        None on a static trunk. Raises LinkDown."""
        registered = [account for account in trunk.accounts if account.registered]
        kind, _, name = who.name.partition(":")
        own = {f"user:{name}", number} if kind == "sip" else set()
        for account in registered:
            if account.config.target in own:
                return account
        for account in registered if on_behalf else ():
            if (mine := self._target(account)) is not None and not mine.user and mine.target.ref == on_behalf:
                return account
        if trunk.config.mode == "register" and not registered:
            raise LinkDown(f"trunk {trunk.name}: no account is registered", code="trunk-down")
        return next(iter(registered), None)

    def _shown(self, who: Principal) -> tuple[str, str]:
        """Number and name under which `who` calls."""
        kind, _, name = who.name.partition(":")
        if kind == "sip" and (known := self._users.get(name)) is not None:
            return known.number, known.display
        return ("fieldgate", "Fieldgate") if who == SYSTEM else (printable(who.name)[:64], printable(who.name)[:64])


def _same(one: Meaning, other: Meaning) -> bool:
    if one.user or other.user:
        return one.user == other.user
    return (one.target.kind, one.target.ref, one.number) == (other.target.kind, other.target.ref, other.number)


def _nothing() -> None:
    return None


def escaped(user: str) -> str:
    """A user part as SIP can carry it."""
    return quote(user, safe=_USER_CHARS)
