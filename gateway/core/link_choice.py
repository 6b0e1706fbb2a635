"""Which link takes what: an order of the links for each class of traffic, and no haste in changing it. Sans-IO.

Links that carry come before those that lose much, those before links on probation (taken only when there is no other);
what is down or barred is never taken. Among equals voice and control ask for a short way first, video for a cheap one,
data and bulk for one that is not metered. A link that is no longer fit is left at once; for a better one only when that
has been better for 10 s, and for longer after each such change within 10 minutes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.model.link import TrafficClass

SETTLE_S = 10.0
LONGEST_S = 300.0
MOVES_WITHIN_S = 600.0
SHORT_MS, LONG_MS = 150.0, 400.0


class Tier(IntEnum):
    GOOD = 0
    LOSSY = 1
    PROBATION = 2
    NONE = 3  # down, barred, or without an interface


@dataclass(frozen=True, slots=True)
class Candidate:
    name: str
    tier: Tier
    cost: int = 0
    metered: bool = False
    rtt_ms: float | None = None
    classes: frozenset[TrafficClass] = frozenset(TrafficClass)


def length(rtt_s: float | None) -> int:
    """Of a way, as far as it matters here: short, long, by a satellite."""
    rtt_ms = (rtt_s or 0.0) * 1000
    return 0 if rtt_ms <= SHORT_MS else 1 if rtt_ms <= LONG_MS else 2


def _way(one: Candidate) -> int:
    return length(one.rtt_ms / 1000 if one.rtt_ms is not None else None)


_KEYS: dict[TrafficClass, Callable[[Candidate], tuple[int, ...]]] = {
    TrafficClass.VOICE: lambda one: (_way(one), one.cost),
    TrafficClass.CONTROL: lambda one: (_way(one), one.cost),
    TrafficClass.VIDEO: lambda one: (one.cost, _way(one)),
    TrafficClass.DATA: lambda one: (int(one.metered), one.cost, _way(one)),
    TrafficClass.BULK: lambda one: (int(one.metered), one.cost, _way(one)),
}


def ranked(traffic: TrafficClass, links: Sequence[Candidate]) -> list[Candidate]:
    """Those that may take it, the best first; on probation only where there is nothing else."""
    fit = [one for one in links if one.tier is not Tier.NONE and traffic in one.classes]
    if any(one.tier < Tier.PROBATION for one in fit):
        fit = [one for one in fit if one.tier < Tier.PROBATION]
    return sorted(fit, key=lambda one: (one.tier, *_KEYS[traffic](one), one.name))


class Choice:
    """The order for one class. `now` is monotonic."""

    def __init__(self, traffic: TrafficClass) -> None:
        self.traffic = traffic
        self.order: tuple[str, ...] = ()
        self.moves = 0
        """Changes of the first, but for the very first choice."""
        self._ahead: dict[str, float] = {}
        """Links that are better than the first: since when."""
        self._moved: deque[float] = deque(maxlen=16)

    def update(self, now: float, links: Sequence[Candidate]) -> bool:
        """True when the first is another now."""
        best = [one.name for one in ranked(self.traffic, links)]
        held = self.order[0] if self.order else ""
        first = best[0] if best else ""
        ahead = best[: best.index(held)] if held in best else []
        self._ahead = {name: self._ahead.get(name, now) for name in ahead}
        if ahead:
            first = next((name for name in ahead if now - self._ahead[name] >= self._patience(now)), held)
            if first != held:
                self._moved.append(now)
        if first != held:
            self._ahead = {}
        self.order = tuple(sorted(best, key=lambda name: name != first))
        if first == held:
            return False
        self.moves += held != ""
        return True

    def next_timer(self, now: float) -> float | None:
        """When a better one will have been better for long enough."""
        return min(self._ahead.values()) + self._patience(now) if self._ahead else None

    def _patience(self, now: float) -> float:
        lately = sum(now - at <= MOVES_WITHIN_S for at in self._moved)
        return min(LONGEST_S, SETTLE_S * float(2**lately))
