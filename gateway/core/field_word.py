"""The field team's four words, by one rule from links, centers, devices, adapters and the kit itself. Sans-IO.

```
 ready       a center holds the kit, and pictures go        connecting  no center yet; it is being called
 degraded    voice or messages, but no pictures             technician  waiting does not help
```
A word, and the one reason that stands under it, change only when the new one has lasted a moment: sooner to the worse
than to the better, so that a link at its edge does not make the lamp flicker. What is worse counts from when it was
first worse, whatever reasons follow each other in the meantime: a word that is too good would stand otherwise for as
long as a modem changes its mind. `TECHNICIAN` for want of a center comes when that has lasted for `patience_s`; a
center that is there for a blink does not begin that anew. It comes at once for what only a person ends (`PERSONS`),
never for what ends by itself.
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

PERSONS = frozenset(
    {
        "sim-absent", "sim-pin", "sim-pin-wrong", "sim-pin-last", "sim-puk", "sim-failed", "satphone-pin",
        "satphone-no-card", "bd-no-card", "mm-not-allowed", "mm-which", "mm-taken",
    }
)  # fmt: skip
"""Reasons of links that only a person ends: a card, a PIN, a setting. A modem that starts, is unplugged or has nobody
who tends it just now comes back by itself."""
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
    "kit-unread",
    "disk-worn",
    "position-none",
    "position-old",
    "on-battery",
)
_QUIET = frozenset(
    {"on-battery", "position-none", "position-old", "disk-worn", "clock-past", "clock-off", "kit-unread"}
)
"""Said among the others, but never the one reason under "ready"."""


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What the rule looks at. `links`: the bearers of this kit; `failed`: codes of adapters that stopped for a setting,
    `severed`: of the one among them that calls the centers, "" while it is none; `broken`: reasons of the daemon's own
    parts; `messages`: a broker holds the kit."""

    condition: KitCondition
    centers: Sequence[CenterState] = ()
    paired: int = 0
    wanted: bool = True
    """Whether there should be a center at all: without, links and devices decide."""
    messages: bool = False
    links: Sequence[FieldLink] = ()
    voiceless: frozenset[str] = frozenset()
    """Links that carry short messages alone: BeiDou terminals, SBD units."""
    failed: Sequence[str] = ()
    severed: str = ""
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
    _worse_since: float | None = None
    _better_since: float | None = None
    _alone_since: float | None = None
    _held_since: float | None = None
    _thin: dict[str, bool] = field(default_factory=dict)
    _looked: bool = False

    def look(self, facts: FieldFacts, now: float, wall: float) -> FieldState:
        wished = self._judge(facts, now)
        if wished != self._next:
            self._next, self._next_since = wished, now
        word, code = self.state.word, self.state.code
        if self._due(facts, wished, now):
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

    @property
    def settled(self) -> bool:
        """Nothing waits to have lasted long enough: the same facts will give the same word."""
        if not self._looked or self._next != (self.state.word, self.state.code):
            return False
        counts = self._held_since is not None or self._next[0] is FieldWord.CONNECTING
        return self._alone_since is None or not counts

    def stepped(self, by_s: float) -> None:
        """Our clock jumped: the word has not stood for a year for that."""
        self.state = replace(self.state, since=self.state.since + by_s if self.state.since else 0.0)

    def _due(self, facts: FieldFacts, wished: tuple[FieldWord, str], now: float) -> bool:
        """Whether what is wished has lasted long enough to be said."""
        word, then = self.state.word, wished[0]
        if not self._looked and facts.started and then is not FieldWord.TECHNICIAN:
            self._looked = True
            return True
        by = _ORDER.index(then) - _ORDER.index(word)
        self._worse_since = (self._worse_since if self._worse_since is not None else now) if by > 0 else None
        self._better_since = (self._better_since if self._better_since is not None else now) if by < 0 else None
        if by > 0:
            due = self._worse_since is not None and now - self._worse_since >= WORSE_S
        elif by < 0:
            due = self._better_since is not None and now - self._better_since >= BETTER_S
        else:
            due = wished != (word, self.state.code) and now - self._next_since >= WORSE_S
        if due:
            self._looked, self._worse_since, self._better_since = True, None, None
        return due

    # — the rule, without its patience —

    def _judge(self, facts: FieldFacts, now: float) -> tuple[FieldWord, str]:
        if not facts.started:
            return FieldWord.CONNECTING, "field-starting"
        holds = [center for center in facts.centers if center.state is not KitState.OFFLINE]
        held = bool(holds) or facts.is_center or (not facts.wanted and any(link.carries for link in facts.links))
        if "internal" in facts.broken:
            held = False  # the loop, the store or the media plane does not answer: nothing goes through it
        self._count(now, held=held)
        if held:
            return self._held(facts, holds)
        if "internal" in facts.broken:
            return self._waited(now, "internal")
        code = self._why_alone(facts)
        if facts.messages:
            return FieldWord.DEGRADED, "field-messages-only"
        if space := [link for link in facts.links if link.kind == "satphone" and link.carries]:
            return FieldWord.DEGRADED, _by_space(space, facts)
        if code in _PAIRING or code == "field-no-center" or code in PERSONS:
            return FieldWord.TECHNICIAN, code
        if facts.wanted and facts.severed:
            return FieldWord.TECHNICIAN, facts.severed
        if facts.failed and not facts.links:
            return FieldWord.TECHNICIAN, facts.failed[0]
        broken = next((one for one in facts.broken if one in _BROKEN), "")
        if broken:
            return FieldWord.TECHNICIAN, broken
        return self._waited(now, code, long=facts.wanted)

    def _count(self, now: float, *, held: bool) -> None:
        """How long the kit is alone: a center that is there for a moment does not begin that anew."""
        if not held:
            self._held_since = None
            self._alone_since = now if self._alone_since is None else self._alone_since
            return
        self._held_since = now if self._held_since is None else self._held_since
        if now - self._held_since >= BETTER_S:
            self._alone_since = None

    def _waited(self, now: float, code: str, *, long: bool = False) -> tuple[FieldWord, str]:
        if self._alone_since is None or now - self._alone_since < self.patience_s:
            return FieldWord.CONNECTING, code
        plain = long and code in ("field-no-link", "field-center-away")
        return FieldWord.TECHNICIAN, "field-too-long" if plain else code

    def _held(self, facts: FieldFacts, holds: Sequence[CenterState]) -> tuple[FieldWord, str]:
        thin = [self._is_thin(center) for center in holds]
        self._thin = {center.gateway: one for center, one in zip(holds, thin, strict=True)}
        if thin and all(thin):
            return FieldWord.DEGRADED, "field-voice-only"
        carriers = [link for link in facts.links if link.carries]
        if not holds and carriers and all(link.kind == "satphone" for link in carriers):
            return FieldWord.DEGRADED, _by_space(carriers, facts)
        urgent = next((one for one in self._noted(facts) if one not in _QUIET), "")
        return FieldWord.READY, urgent

    def _is_thin(self, center: CenterState) -> bool:
        """Whether its links carry too little for pictures. Each center by itself: they share the same bearers."""
        was = self._thin.get(center.gateway, False)
        links = [link for link in center.links if link.state is LinkUse.IN]
        known = [link.usable_bps for link in links if link.usable_bps is not None]
        if not known or len(known) < len(links):
            return was and bool(known)
        return sum(known) < (PICTURE_AGAIN_BPS if was else PICTURE_BPS)

    def _why_alone(self, facts: FieldFacts) -> str:
        """The most important reason: pairing, then the links from the best to the worst, then the center."""
        if facts.wanted and not facts.paired and not facts.centers:
            return "field-no-center"
        # One center that refuses the kit is the reason only where no other may come yet.
        refused = [center.code for center in facts.centers if center.code in _PAIRING]
        if refused and len(refused) == len(facts.centers):
            return refused[0]
        if any(link.carries for link in facts.links):
            return "field-center-away"
        told = [link for link in facts.links if link.phase != "off"] or list(facts.links)
        # One that may come yet is the reason to wait; only where all are stuck is that the reason.
        moving = [link for link in told if link.code not in PERSONS]
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
    "off": 6,
}
_ORDER = (FieldWord.READY, FieldWord.DEGRADED, FieldWord.CONNECTING, FieldWord.TECHNICIAN)


def _by_space(links: Sequence[FieldLink], facts: FieldFacts) -> str:
    """What satellite phones and terminals are good for."""
    return "field-texts-only" if all(one.name in facts.voiceless for one in links) else "field-satphone-only"


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
