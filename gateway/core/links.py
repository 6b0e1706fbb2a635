"""The links of this machine: bearers as their adapters tell them. Fulfils `contract.link.Links`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from gateway.base.clock import Clock
from gateway.base.errors import Busy, LocalProtocolError
from gateway.config.units import is_slug
from gateway.core.messages import Bus
from gateway.model.link import BearerFacts, BearerKind, Link, LinkPhase, TrafficClass, Way

log = logging.getLogger(__name__)

UNTENDED = BearerFacts(LinkPhase.ABSENT, code="link-untended")
BEGUN = BearerFacts(LinkPhase.CONNECTING)


class Seat:
    """A bearer that is offered. Fulfils `contract.link.LinkSeat`."""

    def __init__(
        self, links: Links, name: str, kind: BearerKind, recover: Callable[[str], None] | None, facts: BearerFacts
    ) -> None:
        self._links = links
        self.name = name
        self.kind = kind
        self.recover = recover
        self.facts = facts
        self.tended = True

    def tell(self, facts: BearerFacts) -> None:
        if self.tended and facts != self.facts:
            self.facts = facts
            self._links.told(self)


class Links:
    """On the event loop only."""

    def __init__(self, gateway: str, bus: Bus, clock: Clock) -> None:
        self._gateway = gateway
        self._bus = bus
        self._clock = clock
        self._seats: dict[str, Seat] = {}
        self._shown: dict[str, Link] = {}
        self._heard: list[Callable[[], None]] = []

    # — those who tend bearers —

    @contextmanager
    def offer(self, name: str, kind: BearerKind, *, recover: Callable[[str], None] | None = None) -> Iterator[Seat]:
        if not is_slug(name):
            raise LocalProtocolError(f"{name!r} is no bearer's name")
        known = self._seats.get(name)
        if known is not None and known.tended:
            raise Busy(f"somebody tends a bearer {name} already", code="link-taken")
        seat = self._seats[name] = Seat(self, name, kind, recover, BEGUN)
        self.told(seat)
        try:
            yield seat
        finally:
            seat.tended = False
            seat.recover = None
            seat.facts = replace(UNTENDED, recoveries=seat.facts.recoveries, device=seat.facts.device)
            if self._seats.get(name) is seat:
                self.told(seat)

    def told(self, seat: Seat) -> None:
        """A bearer stands otherwise."""
        facts, before = seat.facts, self._shown.get(seat.name)
        since = self._clock.wall() if before is None or before.phase is not facts.phase else before.since
        link = Link(
            name=seat.name,
            kind=seat.kind,
            interface=facts.interface,
            phase=facts.phase,
            code=facts.code,
            detail=facts.detail,
            since=since,
            usable=facts.phase in (LinkPhase.UP, LinkPhase.DEGRADED) and bool(facts.interface),
            cost=facts.cost or 0,
            metered=bool(facts.metered),
            roaming=facts.roaming,
            used_bytes=facts.used_bytes or 0,
            signal=facts.signal,
            device=facts.device,
            step=facts.step,
            recoveries=facts.recoveries,
            bearer_phase=facts.phase,
        )
        if before is None or before.phase is not link.phase:
            log.info("link %s: %s%s", link.name, link.phase.value, f" ({link.code})" if link.code else "")
        self._shown[seat.name] = link
        self._bus.publish("link", f"{self._gateway}/{link.name}", link)
        for called in list(self._heard):
            called()

    # — those who call out —

    def view(self) -> Sequence[Link]:
        return [self._shown[name] for name in sorted(self._shown)]

    def ways(self, traffic: TrafficClass) -> Sequence[Way]:
        return []

    def may_use(self, interface: str) -> str:
        return ""

    def cost(self, interface: str) -> int | None:
        return None

    def passed(self, interface: str, rtt_s: float | None = None) -> None:
        pass

    def on_change(self, called: Callable[[], None]) -> Callable[[], None]:
        self._heard.append(called)
        return lambda: self._heard.remove(called) if called in self._heard else None
