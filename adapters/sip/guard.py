"""Who guesses, floods or scans: slowed first, then banned. Sans-IO.

A source is an IPv4 address or an IPv6 /64. Offences count for ten minutes; at `ban_after` the source is banned, each
time twice as long. Where somebody with a proven password lives (a phone behind the same NAT), the source is never
banned: only attempts that prove nothing are dropped, all but one in a while, and the living flow is not touched.

Bounded: the source that has been quiet longest gives way, one without a ban first.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from adapters.sip.config import GuardConfig
from gateway.base.place import place_of
from gateway.base.throttle import Throttle
from gateway.wire.sip import Address, Hop, SipRequest, Transport, printable

log = logging.getLogger(__name__)

WINDOW_S = 600.0
FORGET_S = 86_400.0  # a ban's length is remembered so long
SLOW_FIRST_S = 0.25
LENIENT_EVERY_S = 5.0  # an unproven attempt from a source where somebody lives, after `ban_after` offences
BURST = 10.0

# User agents of tools that look for open PBXs; they say so themselves.
_SCANNERS = (
    "friendly-scanner",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipsak",
    "sundayddr",
    "vaxsipuseragent",
    "pplsip",
    "friendly-request",
    "smap",
    "iwar",
    "cosmic",
    "sivus",
    "gulp",
    "voipbuster",
)


class Offence(Enum):
    """What it weighs and its reason code."""

    PASSWORD = (1.0, "sip-wrong-password")  # wrong password, or a user that nobody knows: outside they look alike
    REPLAY = (0.5, "sip-replay")  # an answer that was used before
    FORBIDDEN = (1.0, "number-denied")  # a number that nobody allowed
    STRANGER = (0.5, "sip-stranger")  # a request that shows no right to come from there
    FLOOD = (1.0, "sip-flood")
    GARBAGE = (0.25, "protocol")
    SCANNER = (1000.0, "sip-scanner")

    @property
    def weight(self) -> float:
        return self.value[0]

    @property
    def code(self) -> str:
        return self.value[1]


@dataclass(slots=True)
class _Source:
    offences: float = 0.0
    since: float = 0.0
    banned_until: float = 0.0
    bans: int = 0
    code: str = ""  # of the last ban
    heard_at: float = 0.0
    lenient_at: float = 0.0
    flows: set[tuple[Transport, Address]] = field(default_factory=set)  # proven and alive
    registers: float = 0.0  # tokens spent
    invites: float = 0.0
    spent_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban, told to people. `until` on the clock that the guard is driven by."""

    source: str
    code: str
    seconds: float
    until: float
    count: int


class Guard:
    """`on_ban` hears of each ban once. `exempt` hosts (the trunks' servers) are never banned: anybody can forge the
    source address of a datagram, and nobody shall cut the kit off from its center that way."""

    def __init__(
        self,
        config: GuardConfig,
        on_ban: Callable[[Ban], None] = lambda _: None,
        exempt: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._config = config
        self._on_ban = on_ban
        self._exempt = exempt
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._say = Throttle(log, interval_s=10.0)
        self.dropped = 0
        self.bans = 0

    def __len__(self) -> int:
        return len(self._sources)

    def banned(self, now: float) -> dict[str, float]:
        """Source → seconds left."""
        return {name: s.banned_until - now for name, s in self._sources.items() if s.banned_until > now}

    def why(self, source: str) -> str:
        """The reason code of a ban, "" for none."""
        found = self._sources.get(source)
        return found.code if found is not None else ""

    def pardon(self, host: str) -> bool:
        """A technician lifts a ban; False when there is none to lift."""
        return self._sources.pop(place_of(host), None) is not None

    def lets_in(self, host: str, now: float) -> bool:
        """Asked before anything of a packet is read, and for each new connection. Costs one look into a table."""
        source = self._sources.get(place_of(host))
        if source is None or source.banned_until <= now:
            return True
        self.dropped += 1
        return False

    def screens(self, request: SipRequest, hop: Hop, now: float) -> bool:
        """Asked before a request outside of a dialog is answered at all. False: drop it without a word."""
        host = hop.remote[0]
        if is_scanner(request):
            self.dropped += 1
            if hop.transport == "udp":
                # One datagram proves no address: a forged one shall not ban the phone that lives there.
                agent = agent_of(request)
                self._say(f"scanner {place_of(host)}", f"SIP from {host}: {Offence.SCANNER.code} {agent}, dropped")
            else:
                self.offence(host, Offence.SCANNER, now, agent_of(request))
            return False
        source = self._sources.get(place_of(host))
        if source is None or self._lives(source, hop):
            return True
        if source.flows and self._count(source, now) >= self._config.ban_after:
            # Somebody lives there: no ban, but a guess only now and then.
            if now - source.lenient_at < LENIENT_EVERY_S:
                self.dropped += 1
                return False
            source.lenient_at = now
        return True

    def spends(self, method: str, hop: Hop, now: float) -> bool:
        """REGISTER and INVITE are counted by source; False when over the rate (an offence)."""
        per_s = self._config.registers_per_s if method == "REGISTER" else self._config.invites_per_s
        source = self._source(hop.remote[0], now)
        passed, source.spent_at = max(0.0, now - source.spent_at), now
        source.registers = max(0.0, source.registers - passed * self._config.registers_per_s)
        source.invites = max(0.0, source.invites - passed * self._config.invites_per_s)
        spent = source.registers if method == "REGISTER" else source.invites
        if spent + 1.0 > per_s * BURST:
            self.offence(hop.remote[0], Offence.FLOOD, now, method)
            return False
        if method == "REGISTER":
            source.registers += 1.0
        else:
            source.invites += 1.0
        return True

    def offence(self, host: str, what: Offence, now: float, detail: str = "") -> float:
        """Write it down; returns how many seconds the answer should be late (0 to `slow_most`)."""
        source = self._source(host, now)
        count = self._count(source, now) + what.weight
        source.offences, source.since = count, source.since or now
        self._say(f"{what.code} {place_of(host)}", f"SIP from {host}: {what.code} {detail} ({count:g})")
        if (
            count >= self._config.ban_after
            and source.banned_until <= now
            and not source.flows
            and not self._exempt(host)
        ):
            self._ban(place_of(host), source, what, now)
        return min(self._config.slow_most, SLOW_FIRST_S * 2.0 ** min(count - 1.0, 16.0)) if count >= 1 else 0.0

    def proven(self, hop: Hop, now: float) -> None:
        """A right password came by this hop: whoever lives there is not banned."""
        source = self._source(hop.remote[0], now)
        source.flows.add((hop.transport, hop.remote))
        source.banned_until = 0.0

    def gone(self, hop: Hop) -> None:
        """The flow is over, or its registration ran out."""
        source = self._sources.get(place_of(hop.remote[0]))
        if source is not None:
            source.flows.discard((hop.transport, hop.remote))

    def clear(self, host: str) -> None:
        """A right password: what was guessed wrong before by the same person is forgiven, by half."""
        source = self._sources.get(place_of(host))
        if source is not None:
            source.offences /= 2.0

    def _lives(self, source: _Source, hop: Hop) -> bool:
        return (hop.transport, hop.remote) in source.flows

    def _count(self, source: _Source, now: float) -> float:
        if source.since and now - source.since > WINDOW_S:
            source.offences, source.since = 0.0, 0.0
        return source.offences

    def _ban(self, key: str, source: _Source, what: Offence, now: float) -> None:
        seconds = min(self._config.ban_most, self._config.ban_first * 2.0 ** min(source.bans, 30))
        source.bans += 1
        source.code = what.code
        source.banned_until = now + seconds
        source.offences, source.since = 0.0, 0.0
        self.bans += 1
        log.warning("SIP from %s is banned for %.0f s: %s", key, seconds, what.code)
        self._on_ban(Ban(key, what.code, seconds, source.banned_until, source.bans))

    def _source(self, host: str, now: float) -> _Source:
        key = place_of(host)
        source = self._sources.get(key)
        if source is None:
            if len(self._sources) >= self._config.max_sources:
                self._make_room(now)
            source = self._sources[key] = _Source(spent_at=now)
        elif source.bans and now - source.heard_at > FORGET_S:
            source.bans = 0
        source.heard_at = now
        self._sources.move_to_end(key)
        return source

    def _make_room(self, now: float) -> None:
        for key, source in self._sources.items():
            if source.banned_until <= now and not source.flows:
                del self._sources[key]
                return
        self._sources.popitem(last=False)


def agent_of(request: SipRequest) -> str:
    return printable(request.headers.get("User-Agent") or "")[:64]


def is_scanner(request: SipRequest) -> bool:
    agent = agent_of(request).lower()
    return any(name in agent for name in _SCANNERS)
