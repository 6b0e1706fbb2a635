"""The links of this machine: which there are, how each stands, what takes which. Fulfils `contract.link.Links`.

A link is a bearer that an adapter tends, an interface that the configuration names, or one with a default route; a
bearer and its interface are one link under the bearer's name, however the interface is called after it was plugged
anew. Judged by `link_judge`, ordered by `link_choice`; sockets, routes and the clock's beat are `link_watch`'s.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from gateway.base.clock import Clock
from gateway.base.errors import Busy, LocalProtocolError
from gateway.config.links import Links as LinksConfig
from gateway.config.links import LinkSection
from gateway.config.units import is_slug
from gateway.core.link_choice import Candidate, Choice, Tier, length
from gateway.core.link_entry import NOTHING, Bearer, Entry, radio_kind
from gateway.core.link_judge import Judge, Standing
from gateway.core.link_quota import Use
from gateway.core.messages import Bus
from gateway.model.link import BearerFacts, BearerKind, Link, LinkPhase, TrafficClass
from gateway.net.rtnetlink import Interface

log = logging.getLogger(__name__)

UNTENDED = BearerFacts(LinkPhase.ABSENT, code="link-untended")
BEGUN = BearerFacts(LinkPhase.CONNECTING)
MOST = 32
"""Links; further interfaces are left alone."""
FORGET_S = 3600.0
"""An interface that nobody named and that is gone, and a bearer that nobody tends, are forgotten after this long."""
KEPT = 256
"""Links that are gone and whose used quota is remembered."""
RECOVER_S, RECOVER_ALONE_S, RECOVER_AGAIN_S, RECOVER_SELDOM_S = 10.0, 60.0, 60.0, 1800.0
"""A bearer that says "up" while nothing passes is asked to recover: soon, and each minute, where data pass elsewhere.
Where nothing passes anywhere it may be the far side that is down: later, and ever more seldom."""
NEWS_S = 5.0
"""Figures that changed are told this often; how a link stands at once."""
EARLY_S = 0.2
"""A beat that comes a hair early is in time."""

_MOVING = (Standing.BAD, Standing.PROBATION)


class Seat:
    """A bearer that is offered. Fulfils `contract.link.LinkSeat`."""

    def __init__(self, links: Links, name: str, bearer: Bearer) -> None:
        self._links = links
        self.name = name
        self.bearer = bearer

    def tell(self, facts: BearerFacts) -> None:
        if self.bearer.tended and facts != self.bearer.facts:
            self._set(replace(self.bearer, kind=radio_kind(self.bearer.kind, facts), facts=facts))

    def leave(self) -> None:
        facts = self.bearer.facts
        told = replace(UNTENDED, recoveries=facts.recoveries, device=facts.device)
        self._set(replace(self.bearer, facts=told, recover=None, tended=False))

    def _set(self, bearer: Bearer) -> None:
        before, self.bearer = self.bearer, bearer
        self._links.told(self.name, before, bearer)


class Links:
    """On the event loop only. `config` and `said` give `[links]` and `[link.<name>]` now in force."""

    def __init__(
        self,
        gateway: str,
        bus: Bus,
        clock: Clock,
        config: Callable[[], LinksConfig] = LinksConfig,
        said: Callable[[], Mapping[str, LinkSection]] = dict,
        used: Mapping[str, tuple[str, int]] | None = None,
    ) -> None:
        self._gateway = gateway
        self._bus = bus
        self._clock = clock
        self.config = config
        self._said = said
        self._kept = dict(used or {})
        self._bearers: dict[str, Bearer] = {}
        self._left: dict[str, float] = {}
        self._interfaces: dict[str, Interface] = {}
        self.entries: dict[str, Entry] = {}
        self._gone: dict[str, float] = {}
        self._too_many = False
        self.choices = {traffic: Choice(traffic) for traffic in TrafficClass}
        self._candidates: list[Candidate] = []
        self._heard: list[Callable[[], None]] = []
        self._told_at = 0.0
        self.on_down: Callable[[Entry, Interface], None] = lambda _entry, _was: None
        """A link that was usable is so no more, or not by the same addresses; as its interface was then."""
        self.on_stir: Callable[[], None] = lambda: None
        """Something was told of links: whoever looks at them by the clock looks soon."""

    # — those who tend bearers —

    @contextmanager
    def offer(self, name: str, kind: BearerKind, *, recover: Callable[[str], None] | None = None) -> Iterator[Seat]:
        if not is_slug(name):
            raise LocalProtocolError(f"{name!r} is no bearer's name")
        known = self._bearers.get(name)
        if known is not None and known.tended:
            raise Busy(f"somebody tends a bearer {name} already", code="link-taken")
        seat = Seat(self, name, Bearer(kind, BEGUN, recover))
        self.told(name, known, seat.bearer)
        try:
            yield seat
        finally:
            seat.leave()

    def told(self, name: str, before: Bearer | None, bearer: Bearer) -> None:
        """A bearer stands otherwise."""
        if before is not None and self._bearers.get(name) is not before:
            return
        self._bearers[name] = bearer
        if bearer.tended:
            self._left.pop(name, None)
        else:
            self._left[name] = self._clock.monotonic()
        if before is None or before.facts.interface != bearer.facts.interface or name not in self.entries:
            self._rebuild()
        elif name in self.entries:
            self.entries[name].bearer = bearer
        self.update()
        self.on_stir()

    # — what the machine has —

    def found(self, interfaces: Sequence[Interface]) -> None:
        """The interfaces of this machine are these now."""
        before, self._interfaces = self._interfaces, {one.name: one for one in interfaces}
        self._rebuild()
        self.update()
        if before != self._interfaces:
            self._tell()  # another gateway or number of an interface is news to who makes routes
            self.on_stir()

    def _rebuild(self) -> None:
        config, said, now = self.config(), self._said(), self._clock.monotonic()
        # Names in the configuration are in lower case; the kernel's may not be ("enP8p1s0").
        lower = {name.lower(): name for name in self._interfaces}
        owners: dict[str, str] = {}  # interface → link
        names: dict[str, str] = {}  # link → interface
        for name in [name for name, left in self._left.items() if now - left > FORGET_S]:
            del self._left[name], self._bearers[name]
        for name, bearer in self._bearers.items():
            names[name] = bearer.facts.interface or said.get(name, NOTHING).interface
            if names[name]:
                owners[names[name]] = name
        for name, section in said.items():
            interface = section.interface or name
            if interface not in self._interfaces:
                interface = lower.get(interface.lower(), interface)
            if name not in names and interface not in owners:
                names[name] = interface
                owners[interface] = name
        for one in self._interfaces.values():
            if one.name in owners or any(fnmatch.fnmatch(one.name, skip) for skip in config.without):
                continue
            known = one.name in self.entries
            if known or (one.up and ((one.out4 and one.v4) or (one.out6 and one.v6))):
                names.setdefault(one.name, one.name)
        for name, entry in list(self.entries.items()):
            if name in names:
                self._gone.pop(name, None)
                continue
            gone = self._gone.setdefault(name, now)
            claimed = entry.interface is not None and entry.interface.name in owners
            if claimed or now - gone > FORGET_S:
                self._drop(name)
            else:
                names[name] = name
        # Those that somebody named come first: what a kit has besides may be many.
        taken = sorted(names, key=lambda name: (name not in self._bearers and name not in said, name))
        if len(taken) > MOST and not self._too_many:
            log.warning("%d links are found, %d are followed", len(taken), MOST)
        self._too_many = len(taken) > MOST
        for name in taken[MOST:]:
            if name in self.entries:
                self._drop(name)
        for name in taken[:MOST]:
            entry = self.entries.get(name) or self._add(name, now)
            entry.bearer = self._bearers.get(name)
            entry.interface = self._interfaces.get(names[name])
            entry.said = said.get(name) or said.get(names[name]) or said.get(names[name].lower()) or NOTHING

    def _add(self, name: str, now: float) -> Entry:
        period, used = self._kept.get(name, ("", 0))
        entry = self.entries[name] = Entry(name, Judge(now), use=Use(period, used))
        return entry

    def _drop(self, name: str) -> None:
        entry = self.entries.pop(name)
        self._gone.pop(name, None)
        self._kept[name] = (entry.use.period, entry.use.used)
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        if entry.shown is not None:
            self._bus.publish("link", f"{self._gateway}/{name}", entry.shown, gone=True)

    def config_changed(self) -> None:
        self._rebuild()
        self.update()
        self._tell()  # cost and classes are no part of how a link stands
        self.on_stir()

    # — the beat —

    @property
    def calm(self) -> bool:
        """Nothing is about to be otherwise within a second or two but by what is told: none is down, proves itself or
        loses much, none waits to take over, no quota is counted."""
        now = self._clock.monotonic()
        return (
            not self.counting
            and not any(
                entry.bad_since is not None or entry.judge.lossy or entry.judge.standing in _MOVING
                for entry in self.entries.values()
            )
            and all(choice.next_timer(now) is None for choice in self.choices.values())
        )

    @property
    def counting(self) -> bool:
        """What passes by some link decides within a second: it has a quota, or its traffic says when it is asked."""
        return any(
            entry.said.quota is not None or (entry.judge.asks and entry.judge.spares) for entry in self.entries.values()
        )

    def update(self) -> None:
        """Judge, choose, tell what is otherwise; cheap, and called several times a second."""
        now, wall, config = self._clock.monotonic(), self._clock.wall(), self.config()
        for entry in self.entries.values():
            judge = entry.judge
            judge.interval_s = config.interval
            judge.rest_s = max(config.interval, config.metered_interval) if entry.metered else config.interval
            judge.good_s = config.back_after
            judge.ask(bool(entry.probe), now)
            judge.handle_timer(now)
            entry.use.turn(now, wall, entry.said.quota_every, entry.said.quota_day)
            if judge.standing is not Standing.BAD or not entry.addressed:
                entry.bad_since = None
            elif entry.bad_since is None:
                entry.bad_since = now
            self._recover(entry, now)
            self._carried(entry, config)
        candidates = [entry.candidate(config) for entry in self.entries.values()]
        # As they were, and none waits to have been better for long enough: nothing is chosen anew.
        same = candidates == self._candidates
        self._candidates = candidates
        for traffic, choice in self.choices.items():
            if same and choice.next_timer(now) is None:
                continue
            before = choice.order[0] if choice.order else ""
            if choice.update(now, candidates) and choice.order:
                log.info(
                    "%s goes by %s%s", traffic.value, choice.order[0], f", no longer by {before}" if before else ""
                )
        self._show(now, wall, config)

    def _show(self, now: float, wall: float, config: LinksConfig) -> None:
        figures = now - self._told_at >= NEWS_S - EARLY_S
        if figures:
            self._told_at = now
        news = False
        for entry in self.entries.values():
            carries = tuple(t for t, choice in self.choices.items() if choice.order[:1] == (entry.name,))
            before, link = entry.shown, entry.link(config, wall, carries)
            if link == before:
                continue
            otherwise = before is None or _standing(before) != _standing(link)
            if not (otherwise or figures):
                continue
            entry.shown = link
            if before is None or (before.phase, before.code) != (link.phase, link.code):
                log.info("link %s: %s%s", link.name, link.phase.value, f" ({link.code})" if link.code else "")
            self._bus.publish("link", f"{self._gateway}/{link.name}", link)
            news = news or otherwise
        if news:
            self._tell()

    def _tell(self) -> None:
        for called in list(self._heard):
            called()

    def _carried(self, entry: Entry, config: LinksConfig) -> None:
        was, one = entry.carried, entry.interface
        entry.carried = one if entry.tier(config) is not Tier.NONE else None
        if was is None:
            return
        left = {*one.v4, *one.v6} if entry.carried is not None and one is not None else set()
        gone = [[address for address in some if address not in left] for some in (was.v4, was.v6)]
        if gone[0] or gone[1]:
            self.on_down(entry, replace(was, v4=gone[0], v6=gone[1]))

    def _recover(self, entry: Entry, now: float) -> None:
        """A bearer that says all is well while nothing passes is asked to take its next step back."""
        bearer = entry.bearer
        if bearer is None or bearer.recover is None or entry.bad_since is None:
            entry.asked_back = None
            if entry.judge.carries:
                entry.asked_times = 0
            return
        if bearer.facts.phase not in (LinkPhase.UP, LinkPhase.DEGRADED) or entry.barred(self.config()):
            return
        elsewhere = self._passes_elsewhere(entry, now)
        if not elsewhere:
            for other in self.entries.values():  # those that are asked seldom may not know yet
                other.judge.look(now)
        if now - entry.bad_since < (RECOVER_S if elsewhere else RECOVER_ALONE_S):
            return
        again = RECOVER_AGAIN_S if elsewhere else min(RECOVER_SELDOM_S, RECOVER_AGAIN_S * 2.0**entry.asked_times)
        if entry.asked_back is None or now - entry.asked_back >= again:
            entry.asked_back = now
            entry.asked_times = min(entry.asked_times + 1, 16)
            log.warning("link %s: nothing passes though its bearer says it is up: it is asked to recover", entry.name)
            try:
                bearer.recover("link-no-reply")
            except Exception:
                log.exception("link %s: its bearer could not be asked to recover", entry.name)

    def _passes_elsewhere(self, entry: Entry, now: float) -> bool:
        others = (other for other in self.entries.values() if other is not entry)
        return any(other.heard_of and other.judge.lively(now) for other in others)

    # — those who call out —

    def view(self) -> Sequence[Link]:
        found = (self.entries[name].shown for name in sorted(self.entries))
        return [link for link in found if link is not None]

    def may_use(self, interface: str) -> str:
        entry = self._of(interface)
        return entry.barred(self.config()) if entry is not None else ""

    def cost(self, interface: str) -> int | None:
        entry = self._of(interface)
        if entry is None:
            return None
        told = entry.facts.cost if entry.facts is not None else None
        return entry.said.cost if entry.said.cost is not None else told

    def classes(self, interface: str) -> frozenset[TrafficClass]:
        entry = self._of(interface)
        return frozenset(TrafficClass(one) for one in (entry.said if entry is not None else NOTHING).classes)

    def passed(self, interface: str, rtt_s: float | None = None) -> None:
        entry = self._of(interface)
        if entry is not None:
            entry.heard_of = True
            before = entry.judge.standing, length(entry.judge.srtt_s)
            entry.judge.passed(self._clock.monotonic(), rtt_s)
            if before != (entry.judge.standing, length(entry.judge.srtt_s)):
                self.on_stir()

    def silent(self, interface: str) -> None:
        entry = self._of(interface)
        now = self._clock.monotonic()
        if entry is None or not entry.heard_of:
            return
        # Where probes are sent they are the better judge. And if nothing passes elsewhere, it may be the far side.
        if entry.probe:
            entry.judge.doubted(now)
        elif self._passes_elsewhere(entry, now):
            entry.judge.silenced(now)
            self.update()
            self.on_stir()

    def on_change(self, called: Callable[[], None]) -> Callable[[], None]:
        self._heard.append(called)
        return lambda: self._heard.remove(called) if called in self._heard else None

    def best(self) -> Entry | None:
        """Where what nobody steers goes (SIP, MQTT, HTTP): as control does."""
        order = self.choices[TrafficClass.CONTROL].order
        return self.entries.get(order[0]) if order else None

    def fit(self) -> Sequence[Entry]:
        """Links that may carry now or are on probation."""
        config = self.config()
        return [one for one in self.entries.values() if one.tier(config) is not Tier.NONE]

    def _of(self, interface: str) -> Entry | None:
        return next((one for one in self.entries.values() if one.interface and one.interface.name == interface), None)


def _standing(link: Link) -> tuple[object, ...]:
    """What is news at once."""
    place = (link.interface, link.addresses, link.usable, link.carries)
    return (link.phase, link.bearer_phase, link.code, link.step, link.roaming, *place)
