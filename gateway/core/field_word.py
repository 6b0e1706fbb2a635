"""The field team's four words, by one rule from links, centers, devices, adapters and the kit itself. Sans-IO.

```
 ready       a center holds the kit, and pictures go        connecting  no center yet; it is being called
 degraded    voice or messages, but no pictures             technician  waiting does not help
```
A word, and the one reason that stands under it, change only when the new one has lasted a moment: sooner to the worse
than to the better, so that a link at its edge does not make the lamp flicker. `TECHNICIAN` for want of a center comes
when that has lasted for `patience_s`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.model.kit import CenterState, KitState, LinkUse
from gateway.model.kit_state import FieldLink, FieldState, FieldWord, KitCondition

WORSE_S, BETTER_S = 3.0, 6.0
PICTURE_BPS, PICTURE_AGAIN_BPS = 200_000.0, 300_000.0
"""Below the first there is voice only; above the second there are pictures again."""
MORE = 3
LINKS = 8

# What waiting does not mend, in words of center and pairing.
_PAIRING = frozenset({"kit-revoked", "revoked", "unknown-key", "kit-unknown", "kit-stale", "duplicate-gateway"})
# Of the daemon: it can not keep what it should.
_BROKEN = frozenset({"store-corrupt", "store-fault", "disk-full", "disk-read-only"})
# What the team can do something about, the most urgent first.
_URGENT = (
    "battery-critical",
    "too-hot",
    "disk-full",
    "disk-read-only",
    "store-fault",
    "store-corrupt",
    "battery-low",
    "battery-untold",
    "hot",
    "field-adapter",
    "field-no-device",
    "gnss-jump",
    "clock-past",
    "clock-off",
    "disk-low",
    "disk-worn",
    "position-none",
    "position-old",
    "on-battery",
)
_QUIET = frozenset({"on-battery", "position-none", "position-old", "disk-worn", "clock-past", "clock-off"})
"""Said among the others, but never the one reason under "ready"."""


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What the rule looks at. `links`: the bearers of this kit; `stuck`: those of their codes that only a person ends
    (no SIM, a PIN); `failed`: codes of adapters that stopped for a setting; `messages`: a broker holds the kit."""

    condition: KitCondition
    centers: Sequence[CenterState] = ()
    paired: int = 0
    wanted: bool = True
    """Whether there should be a center at all: without, links and devices decide."""
    messages: bool = False
    links: Sequence[FieldLink] = ()
    stuck: frozenset[str] = frozenset()
    failed: Sequence[str] = ()
    broken: Sequence[str] = ()
    devices: int = 0
    devices_online: int = 0
    started: bool = True
    is_center: bool = False
    """This is a center itself: nobody holds it, and nothing is missing for that."""


@dataclass(slots=True)
class FieldJudge:
    """`look` at every beat and after every change; `now` is monotonic, `wall` unix seconds."""

    patience_s: float = 600.0
    state: FieldState = field(default_factory=FieldState)
    _next: tuple[FieldWord, str] = (FieldWord.CONNECTING, "field-starting")
    _next_since: float = 0.0
    _alone_since: float | None = None
    _thin: bool = False
    _looked: bool = False

    def look(self, facts: FieldFacts, now: float, wall: float) -> FieldState:
        wished = self._judge(facts, now)
        if wished != self._next:
            self._next, self._next_since = wished, now
        word, code = self.state.word, self.state.code
        first = not self._looked and facts.started
        if first or (wished != (word, code) and now - self._next_since >= _waits(word, wished[0])):
            self._looked = self._looked or facts.started
            word, code = wished
        more = [one for one in self._noted(facts) if one != code][:MORE]
        power = facts.condition.power
        self.state = replace(
            self.state,
            word=word,
            code=code,
            since=wall if word is not self.state.word or not self.state.since else self.state.since,
            more=tuple(more),
            links=tuple(facts.links[:LINKS]),
            centers=sum(center.state is not KitState.OFFLINE for center in facts.centers),
            power=power.source,
            level=power.level,
        )
        return self.state

    # — the rule, without its patience —

    def _judge(self, facts: FieldFacts, now: float) -> tuple[FieldWord, str]:
        if not facts.started:
            return FieldWord.CONNECTING, "field-starting"
        holds = [center for center in facts.centers if center.state is not KitState.OFFLINE]
        if holds or facts.is_center or (not facts.wanted and any(link.carries for link in facts.links)):
            self._alone_since = None
            return self._held(facts, holds)
        if self._alone_since is None:
            self._alone_since = now
        code = self._why_alone(facts)
        if facts.messages:
            return FieldWord.DEGRADED, "field-messages-only"
        if any(link.kind == "satphone" and link.carries for link in facts.links):
            return FieldWord.DEGRADED, "field-satphone-only"
        if code in _PAIRING or code == "field-no-center" or code in facts.stuck:
            return FieldWord.TECHNICIAN, code
        if facts.failed and not facts.links:
            return FieldWord.TECHNICIAN, facts.failed[0]
        broken = next((one for one in facts.broken if one in _BROKEN), "")
        if broken:
            return FieldWord.TECHNICIAN, broken
        if now - self._alone_since >= self.patience_s:
            return FieldWord.TECHNICIAN, code if code not in (
                "field-no-link",
                "field-center-away",
            ) else "field-too-long"
        return FieldWord.CONNECTING, code

    def _held(self, facts: FieldFacts, holds: Sequence[CenterState]) -> tuple[FieldWord, str]:
        links = [link for center in holds for link in center.links if link.state is LinkUse.IN]
        known = [link.usable_bps for link in links if link.usable_bps is not None]
        if known and len(known) == len(links):
            self._thin = sum(known) < (PICTURE_AGAIN_BPS if self._thin else PICTURE_BPS)
        if self._thin and known:
            return FieldWord.DEGRADED, "field-voice-only"
        carriers = [link for link in facts.links if link.carries]
        if not holds and carriers and all(link.kind == "satphone" for link in carriers):
            return FieldWord.DEGRADED, "field-satphone-only"
        urgent = next((one for one in self._noted(facts) if one not in _QUIET), "")
        return FieldWord.READY, urgent

    def _why_alone(self, facts: FieldFacts) -> str:
        """The most important reason: pairing, then the links from the best to the worst, then the center."""
        if facts.wanted and not facts.paired and not facts.centers:
            return "field-no-center"
        pairing = next((center.code for center in facts.centers if center.code in _PAIRING), "")
        if pairing:
            return pairing
        if any(link.carries for link in facts.links):
            return "field-center-away"
        told = [link for link in facts.links if link.phase != "off"]
        # One that may come yet is the reason to wait; only where all are stuck is that the reason.
        moving = [link for link in told if link.code not in facts.stuck]
        best = min(moving or told, key=lambda link: _NEARNESS.get(link.phase, 9), default=None)
        if best is not None and best.code:
            return best.code
        if not facts.links:
            away = next((center.code for center in facts.centers if center.code), "")
            return away or "field-no-link"
        return "field-no-link"

    @staticmethod
    def _noted(facts: FieldFacts) -> list[str]:
        noted = {*facts.condition.codes, *(one for one in facts.broken if one in _BROKEN)}
        if facts.failed:
            noted.add("field-adapter")
        if facts.devices and not facts.devices_online:
            noted.add("field-no-device")
        return [code for code in _URGENT if code in noted]


# How near to being up a link is in each phase.
_NEARNESS = {
    "up": 0,
    "degraded": 0,
    "connecting": 1,
    "recovering": 2,
    "registered": 2,
    "searching": 3,
    "locked": 4,
    "absent": 5,
    "down": 2,
}
_ORDER = (FieldWord.READY, FieldWord.DEGRADED, FieldWord.CONNECTING, FieldWord.TECHNICIAN)


def _waits(now: FieldWord, then: FieldWord) -> float:
    return WORSE_S if _ORDER.index(then) >= _ORDER.index(now) else BETTER_S


def stuck_codes(phases: Sequence[tuple[str, str]]) -> frozenset[str]:
    """Of (phase, code): those that do not change by waiting."""
    return frozenset(code for phase, code in phases if phase in ("locked", "absent") and code)


def links_of(centers: Sequence[CenterState]) -> list[FieldLink]:
    """The links of the bundle, where nobody told of the bearers themselves."""
    found: dict[str, FieldLink] = {}
    for center in centers:
        for link in center.links:
            carries = link.state is LinkUse.IN
            if link.name not in found or carries:
                phase = {"in": "up", "out": "degraded", "trying": "connecting", "off": "off"}[link.state.value]
                found[link.name] = FieldLink(link.name, link.bearer, carries, phase, link.code)
    return list(found.values())
