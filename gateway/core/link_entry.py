"""One link: what its bearer, its interface, the configuration and its judge say of it, put together."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.config.links import Links as LinksConfig
from gateway.config.links import LinkSection
from gateway.core.link_choice import Candidate, Tier
from gateway.core.link_judge import Judge, Standing
from gateway.core.link_quota import Use
from gateway.model.link import BearerFacts, BearerKind, Link, LinkPhase, TrafficClass
from gateway.net.rtnetlink import Interface

NOTHING = LinkSection()
_MODEMS = (BearerKind.LTE, BearerKind.NR)
_COSTLY = (*_MODEMS, BearerKind.SATELLITE)
_TOLD_UP = (LinkPhase.UP, LinkPhase.DEGRADED)


@dataclass(frozen=True, slots=True)
class Bearer:
    """What its adapter last told."""

    kind: BearerKind
    facts: BearerFacts
    recover: Callable[[str], None] | None = None
    tended: bool = True


def radio_kind(kind: BearerKind, facts: BearerFacts) -> BearerKind:
    """A modem's kind by the network that serves it now; what it was while it tells none, or an older one than 4G."""
    if kind not in _MODEMS:
        return kind
    technology = facts.signal.technology
    if technology.startswith("nr"):
        return BearerKind.NR
    return BearerKind.LTE if technology.startswith("lte") else kind


@dataclass(eq=False, slots=True)
class Entry:
    name: str
    judge: Judge
    bearer: Bearer | None = None
    interface: Interface | None = None
    said: LinkSection = NOTHING
    use: Use = field(default_factory=Use)
    table: int = 0
    probe: str = ""
    heard_of: bool = False  # traffic or probes have been told of ever
    since: float = 0.0
    bad_since: float | None = None  # monotonic
    asked_back: float | None = None  # monotonic: when the bearer was last asked to recover
    asked_times: int = 0  # since it last carried
    carried: Interface | None = None  # as it was when it was last usable
    bytes_in: int = 0
    bytes_out: int = 0
    in_bps: float = 0.0
    out_bps: float = 0.0
    counted: tuple[str, float, int, int] | None = None
    shown: Link | None = None

    @property
    def kind(self) -> BearerKind:
        if self.said.kind:
            return BearerKind(self.said.kind)
        if self.bearer is not None:
            return self.bearer.kind
        return BearerKind(self.interface.bearer) if self.interface is not None else BearerKind.UNKNOWN

    @property
    def facts(self) -> BearerFacts | None:
        return self.bearer.facts if self.bearer is not None else None

    @property
    def cost(self) -> int:
        told = self.facts.cost if self.facts is not None else None
        return self.said.cost if self.said.cost is not None else told or 0

    @property
    def metered(self) -> bool:
        """Where nobody says: what is cellular or a satellite costs."""
        told = self.facts.metered if self.facts is not None else None
        if self.said.metered is not None:
            return self.said.metered
        return told if told is not None else self.kind in _COSTLY

    @property
    def used(self) -> int:
        """What its bearer or network counted itself comes before what we did."""
        told = self.facts.used_bytes if self.facts is not None else None
        return told if told is not None else self.use.used

    def barred(self, config: LinksConfig) -> str:
        """Why nothing may be sent by it; ""."""
        if not self.said.use:
            return "link-switched-off"
        roams = self.said.roaming if self.said.roaming is not None else config.roaming
        if self.facts is not None and self.facts.roaming and not roams:
            return "link-roaming"
        if self.said.quota is not None and self.used >= self.said.quota:
            return "link-quota-spent"
        return ""

    @property
    def addressed(self) -> bool:
        one = self.interface
        return one is not None and one.up and bool(one.v4 or one.v6)

    def sources(self, family: socket.AddressFamily) -> tuple[str, ...]:
        """Addresses of that family by which it leads out: there is a default route by it, or but one far end. What a
        modem's adapter calls up leads out by IPv4, whoever makes the route."""
        one = self.interface
        if one is None or not one.up:
            return ()
        if family == socket.AF_INET6:
            return tuple(one.v6) if one.out6 or one.direct else ()
        modem = self.facts is not None and self.kind in _MODEMS
        return tuple(one.v4) if one.out4 or one.direct or modem else ()

    @property
    def leads_out(self) -> bool:
        return bool(self.sources(socket.AF_INET) or self.sources(socket.AF_INET6))

    def tier(self, config: LinksConfig) -> Tier:
        if self.barred(config) or not self.leads_out:
            return Tier.NONE
        if self.facts is not None and self.facts.phase not in _TOLD_UP:
            return Tier.NONE
        judge = self.judge
        if judge.standing is Standing.BAD:
            return Tier.NONE
        if judge.standing is Standing.PROBATION or (judge.standing is Standing.TRYING and self.probe):
            return Tier.PROBATION
        return Tier.LOSSY if judge.lossy else Tier.GOOD

    def candidate(self, config: LinksConfig) -> Candidate:
        judge = self.judge
        rtt_ms = judge.srtt_s * 1000 if judge.srtt_s is not None else None
        classes = frozenset(TrafficClass(one) for one in self.said.classes)
        return Candidate(self.name, self.tier(config), self.cost, self.metered, rtt_ms, classes)

    def phase(self, config: LinksConfig) -> tuple[LinkPhase, str, str]:
        """How it stands, with code and detail: its bearer's word, unless what it carries says worse."""
        facts = self.facts
        if why := self.barred(config):
            return LinkPhase.OFF, why, ""
        if facts is not None and facts.phase not in _TOLD_UP:
            return facts.phase, facts.code, facts.detail
        if self.interface is None and facts is not None and not facts.interface and self.kind not in _MODEMS:
            # A phone carries no packets; what passes by a station or radio without an interface is not known.
            wanting = self.kind is not BearerKind.SATPHONE and facts.phase in _TOLD_UP
            return facts.phase, facts.code or ("link-unnamed" if wanting else ""), facts.detail
        if self.interface is None:
            if facts is None:
                return LinkPhase.ABSENT, "link-no-interface", ""
            return LinkPhase.CONNECTING, "link-no-interface", facts.detail
        if not self.addressed:
            return LinkPhase.DOWN if facts is None else LinkPhase.CONNECTING, "link-off", ""
        if not self.leads_out:
            return LinkPhase.DOWN if facts is None else LinkPhase.CONNECTING, "link-no-route", ""
        match self.judge.standing:
            case Standing.BAD:
                return LinkPhase.DOWN, "link-no-reply", self.probe
            case Standing.PROBATION:
                return LinkPhase.DEGRADED, "link-probation", ""
            case Standing.TRYING if self.probe:
                return LinkPhase.CONNECTING, "", ""
        if self.judge.lossy:
            return LinkPhase.DEGRADED, "link-lossy", f"{100 * (self.judge.loss or 0):.0f} %"
        if facts is not None:
            return facts.phase, facts.code, facts.detail
        return LinkPhase.UP, "", ""

    def link(self, config: LinksConfig, wall: float, carries: tuple[TrafficClass, ...]) -> Link:
        phase, code, detail = self.phase(config)
        if self.shown is None or self.shown.phase is not phase:
            self.since = wall
        facts, judge, one = self.facts, self.judge, self.interface
        empty = BearerFacts(LinkPhase.UP)
        told = facts or empty
        return Link(
            name=self.name,
            kind=self.kind,
            interface=one.name if one is not None else told.interface,
            phase=phase,
            code=code,
            detail=detail,
            since=self.since,
            usable=self.tier(config) is not Tier.NONE,
            carries=carries,
            cost=self.cost,
            metered=self.metered,
            roaming=told.roaming,
            quota_bytes=self.said.quota,
            used_bytes=self.used,
            signal=told.signal,
            device=told.device,
            step=told.step,
            recoveries=told.recoveries,
            addresses=(*one.v4, *one.v6) if one is not None else (),
            rtt_ms=round(judge.srtt_s * 1000, 1) if judge.srtt_s is not None else None,
            loss=round(judge.loss, 3) if judge.loss is not None else None,
            in_bps=self.in_bps,
            out_bps=self.out_bps,
            downs=judge.downs,
            probe=self.probe,
            bearer_phase=facts.phase if facts is not None else None,
        )
