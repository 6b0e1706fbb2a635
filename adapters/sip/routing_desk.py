"""`Desk`: the one `Routing`. Who calls, may he, where does it go, by which ways is a number reached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from adapters.sip.config import SipConfig
from adapters.sip.guard import Guard, Offence
from adapters.sip.numbers import Meaning, NumberPlan, dialled
from adapters.sip.registrar import Location
from adapters.sip.registrar_auth import Door, Refused
from adapters.sip.registrar_refusals import Refusals
from adapters.sip.routing import Origin, Route, Target
from adapters.sip.routing_rights import Caller, Caps, check_rights
from adapters.sip.routing_ways import Ways, escaped
from adapters.sip.trunk import Trunk
from adapters.sip.trunk_calls import called_numbers, caller_of, diversion_of, listed
from adapters.sip.trunks import Trunks
from adapters.sip.users import Users
from gateway.base.clock import Clock
from gateway.base.day_budget import DayBudget
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, NotFound, RemoteProtocolError
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.net.sip import IncomingCall, SipEndpoint
from gateway.wire.sip import Hop, SipRequest, printable
from gateway.wire.sip.hop import format_address

log = logging.getLogger(__name__)

_MAX_REMEMBERED = 4096  # calls whose dialled number is remembered for Diversion

_STATUS = {Denied: 403, NotFound: 404, Busy: 486, LinkDown: 480}


class Desk:
    """See adapters/sip/routing.py. `plan`, `trunks`, `location` are looked at afresh with each call."""

    def __init__(
        self,
        config: SipConfig,
        endpoint: SipEndpoint,
        *,
        plan: NumberPlan,
        users: Users,
        location: Location,
        door: Door,
        guard: Guard,
        refusals: Refusals,
        trunks: Trunks,
        clock: Clock | None = None,
        budgets: Mapping[str, DayBudget] | None = None,
    ) -> None:
        self.caps = Caps(config.max_calls, budgets)
        self.refused = 0
        self._config = config
        self._plan = plan
        self._users = users
        self._location = location
        self._door = door
        self._guard = guard
        self._refusals = refusals
        self._trunks = trunks
        self._clock = clock or Clock()
        self._listeners: list[Callable[[], None]] = []
        self._mourners: list[Callable[[str, str], None]] = []
        self._ways = Ways(endpoint, users, location, trunks, self.caps, self._clock, plan)
        self._dialled: dict[str, str] = {}  # session of a principal → the number that he dialled

    # — Routing —

    async def incoming(self, call: IncomingCall) -> Origin | None:
        request, hop = call.request, call.hop
        trunk = self._trunks.trunk_of(hop)
        if trunk is not None and self._is_phone(request, hop, trunk):
            trunk = None
        if trunk is None:
            judged = self._door.judge(request, hop, self._clock.monotonic())
            if isinstance(judged, Refused):
                await self._refusals.refuse(judged, hop, "INVITE", call.reject, call.drop)
                return None
            label = f"user:{judged.user}"
        else:
            label = f"trunk:{trunk.name}"
        try:
            if trunk is None:
                return self._of_user(label.removeprefix("user:"), request, hop)
            return self._of_trunk(trunk, request, hop)
        except GatewayError as exc:
            self._turned_away(call, label, trunk is None, exc)
            return None

    def outgoing(self, who: Principal, number: str, on_behalf: str = "") -> Sequence[Route]:
        caller = self.caller_of(who)
        meaning = self._mean(caller, number)
        if meaning.user:
            return self._ways.to_user(meaning, who)
        if not meaning.trunks:
            raise NotFound(f"{number[:64]!r} is no phone but {meaning.target.ref}", code="no-route")
        return self._ways.to_trunks(meaning, who, self._dialled.get(who.session, ""), on_behalf)

    def moved(self, called: Callable[[], None]) -> None:
        self._listeners.append(called)

    def trunk_lost(self, called: Callable[[str, str], None]) -> None:
        self._mourners.append(called)

    def lookup(self, who: Principal, number: str) -> Target:
        return self._mean(self.caller_of(who), number).target

    def refer_to(self, who: Principal, number: str, trunk: str = "") -> str:
        meaning = self._mean(self.caller_of(who), number)
        if not trunk:
            return f"sip:{escaped(dialled(number))}"
        found = self._trunks.get(trunk)
        uri = self._ways.from_afar(found, meaning, dialled(number)) if found is not None else ""
        if not uri:
            raise NotFound(f"the far side of {trunk} has no number for {number[:64]!r}", code="no-route")
        return uri

    # — beside it —

    def tell_moved(self) -> None:
        for called in list(self._listeners):
            called()

    def tell_lost(self, trunk: str, words: str) -> None:
        for called in list(self._mourners):
            called(trunk, words)

    def caller_of(self, who: Principal) -> Caller:
        """What a principal may call: a softphone or trunk whose call we have, the gateway itself, or a person."""
        if who == SYSTEM:
            return Caller("system", (), everything=True)
        if who.session.startswith("sip:"):
            kind, _, name = who.name.partition(":")
            if kind == "sip":
                return Caller(f"user:{name}", self._users.policy(name).calls)
            trunk = self._trunks.get(name)
            return Caller(who.name, trunk.config.calls if trunk is not None else ())
        if who.role in (Role.VIEWER, Role.AUDITOR):
            return Caller("people", ())
        return Caller("people", self._config.people)

    # — in —

    def _is_phone(self, request: SipRequest, hop: Hop, trunk: Trunk) -> bool:
        """A softphone on the host of a trunk's server: registered by this very way, or proving itself to our realm."""
        if hop.flow and trunk.hop is not None and trunk.hop.flow == hop.flow:
            return False
        if self._location.by_hop(hop, self._clock.monotonic()) is not None:
            return True
        return self._door.is_answered(request)

    def _of_user(self, user: str, request: SipRequest, hop: Hop) -> Origin:
        number = _called(request)
        policy = self._users.policy(user)
        caller = Caller(f"user:{user}", policy.calls)
        meaning = self._mean(caller, number)
        emergency = meaning.emergency or _emergency(request)
        give_back = self.caps.take(f"user:{user}", policy.max_calls, over=meaning.emergency)
        known = self._users.get(user)
        who = self._principal(f"sip:{user}", policy.role, request, hop, number)
        return Origin(
            name=user,
            trunk="",
            principal=who,
            number=known.number if known is not None else user,
            display=known.display if known is not None else user,
            policy=policy.media.policy(),
            dialled=number,
            target=meaning.target,
            emergency=emergency,
            ended=self._ending(give_back, who),
        )

    def _of_trunk(self, trunk: Trunk, request: SipRequest, hop: Hop) -> Origin:
        config = trunk.config
        called = _called(request)
        account = trunk.account(called)
        caller = Caller(f"trunk:{trunk.name}", config.calls)
        if account is not None:
            number, meaning = called, self._plan.configured(account.config.target)
            # Named in the configuration for this very account: that is its right.
            check_rights(Caller(caller.label, (*config.calls, "number:.")), meaning, called, self._config.group_callers)
        else:
            forms = called_numbers(called, config)
            number = listed(forms, config)
            if not number:
                raise Denied(f"{called[:64]!r} is no number that {trunk.name} may call", code="number-denied")
            meaning = self._mean(caller, number)
        identity = caller_of(request, config)
        emergency = meaning.emergency or (config.emergency and _emergency(request))
        give_back = self.caps.take(caller.label, config.max_calls, over=emergency, budget_s=config.day_budget)
        who = self._principal(f"trunk:{trunk.name}", config.role, request, hop, number)
        return Origin(
            name=trunk.name,
            trunk=trunk.name,
            principal=who,
            number=identity.number,
            display=identity.display,
            policy=config.media.policy(trunk=True),
            dialled=number,
            target=meaning.target,
            emergency=emergency,
            diversion=diversion_of(request, config),
            again=trunk.again_after(hop),
            ended=self._ending(give_back, who),
        )

    def _mean(self, caller: Caller, number: str) -> Meaning:
        meaning = self._plan.find(number)
        return check_rights(caller, meaning, dialled(number), self._config.group_callers)

    def _principal(self, name: str, role: Role, request: SipRequest, hop: Hop, number: str) -> Principal:
        session = f"sip:{printable(request.call_id)[:128]}"
        if len(self._dialled) < _MAX_REMEMBERED:
            self._dialled[session] = number
        return Principal(name, role, session, address=format_address(hop.remote))

    def _ending(self, give_back: Callable[[], None], who: Principal) -> Callable[[], None]:
        def ended() -> None:
            give_back()
            self._dialled.pop(who.session, None)

        return ended

    def _turned_away(self, call: IncomingCall, label: str, softphone: bool, exc: GatewayError) -> None:
        """Proven, and yet no call: a number that nobody allowed, a cap, no way there. Always logged."""
        self.refused += 1
        status = next((s for kind, s in _STATUS.items() if isinstance(exc, kind)), 500)
        if status == 486 and exc.code != "trunk-full":
            status = 503 if not softphone else 486
        log.warning("SIP call of %s from %s refused (%d, %s): %s", label, call.hop, status, exc.code, exc)
        if isinstance(exc, Denied | NotFound):
            # A phone that tries number after number looks for a way to phone at our cost.
            self._guard.offence(call.hop.remote[0], Offence.FORBIDDEN, self._clock.monotonic(), label)
        headers = [("Retry-After", "30")] if status == 503 else []
        call.reject(status, headers=[*headers, ("Warning", f'399 fieldgate "{exc.code}"')])


def _called(request: SipRequest) -> str:
    """The user part that was called. Raises NotFound for a Request-URI that names nobody."""
    try:
        uri = request.uri
        user = uri.partition(":")[2] if uri.lower().startswith("tel:") else request.target.user
    except RemoteProtocolError as exc:
        raise NotFound("the Request-URI names nobody", code="no-route") from exc
    if not user:
        raise NotFound("the Request-URI names nobody", code="no-route")
    return dialled(user)


def _emergency(request: SipRequest) -> bool:
    """Priority: emergency (RFC 3261 §20.26)."""
    return (request.headers.get("Priority") or "").strip().lower() == "emergency"
