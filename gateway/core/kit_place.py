"""Where the kit is, of all who say so: the best source that speaks now; jumps are refused with a reason. Sans-IO.

```
   a fix ─► can it be? ──no──► refused (gnss-bad)
               │ yes
               ▼
   could the kit have got there since the last good one? ──no──► held back (gnss-jump): taken after all when it stays
               │ yes                                              there for STAYS fixes and STAYS_S, or another
               ▼                                                  source says the same
   best by rank (receiver, modem, satphone, station, network, written down), then by accuracy; a source that
   speaks no more gives way after SILENT_S
```
A source that says the same moment again and again does not speak: it is stuck (gnss-stuck). How wrong a fix may be by
its own word counts up to WIDEST_M: whoever says "somewhere on the earth" could say any place otherwise. A receiver
whose date is wrong (its weeks wrapped, its almanac is empty) may still know where it is: its place counts, its date
does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from gateway.model.kit_state import Fix, Place
from gateway.model.position import Datum, PositionSource

SILENT_S = 20.0
OLD_S = 300.0
FASTEST_M_S = 120.0
"""Faster than a train or a helicopter: what seems to move so fast did not move."""
SLACK_M = 200.0
STAYS, STAYS_S, STAYS_M = 10, 30.0, 300.0
TOLD_S = 20.0
"""A jump is told for so long: one that comes and goes each second is one trouble, not twenty."""
WIDEST_M = 500.0
"""A worse accuracy than this does not make more room for jumps; a receiver that says more than WORST_M has no fix."""
WORST_M = 5000.0
LOWEST_M, HIGHEST_M = -500.0, 50_000.0
BETTER_FOR_S = 10.0
"""A source of a better rank speaks so long before it takes over."""
MOST_SOURCES = 16
DATE_S = 5.0

RANKS = {"receiver": 0, "modem": 1, "satphone": 2, "station": 3, "network": 4, "fixed": 5}
_KINDS = {
    "receiver": PositionSource.GNSS,
    "modem": PositionSource.GNSS,
    "satphone": PositionSource.GNSS,
    "station": PositionSource.GNSS,
    "network": PositionSource.NETWORK,
    "fixed": PositionSource.MANUAL,
}


@dataclass(slots=True)
class _Source:
    rank: int
    kind: PositionSource
    place: Place | None = None
    at: float = -1e9  # monotonic, of the last good fix
    since: float = -1e9  # it has spoken without a pause since
    spoke: float = -1e9
    code: str = ""  # why its last word does not count
    jumped: float = -1e9  # a jump of it was refused
    taken: float | None = None  # the moment that it told last, by its own clock
    apart: list[tuple[float, Fix]] = field(default_factory=list)  # fixes that are held back


class PlaceChooser:
    """`wall` and `now` (monotonic) come with every call."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._chosen = ""
        self._good: Place | None = None
        self._good_at = -1e9

    def fixed(self, longitude: float, latitude: float, datum: Datum, altitude_m: float | None, wall: float) -> None:
        """Written down by a technician: never too old, and the last resort."""
        source = self._source("fixed", "fixed")
        if source is not None:
            source.place = Place(
                longitude, latitude, datum, PositionSource.MANUAL, "fixed", wall, altitude_m=altitude_m
            )
            source.at = source.since = source.spoke = math.inf

    def take(self, name: str, kind: str, fix: Fix, wall: float, now: float) -> str:
        """`kind` is one of RANKS. Returns why it does not count, "" when it does."""
        source = self._source(name, kind)
        if source is None:
            return "gnss-bad"
        source.spoke = now
        stuck = fix.taken_at is not None and fix.taken_at == source.taken
        source.taken = fix.taken_at
        if stuck:  # some say each moment twice: that is no news, and no trouble until it lasts
            source.code = "gnss-stuck" if now - source.at > SILENT_S else source.code
            return source.code
        fix = _sane(fix)
        source.code = self._refused(source, name, fix, now)
        if source.code:
            source.jumped = now if source.code == "gnss-jump" else source.jumped
            return source.code
        source.apart.clear()
        if now - source.at > SILENT_S:
            source.since = now
        source.at = now
        source.place = _placed(name, source.kind, fix, wall)
        if self._choose(now) == name or self._good is None:
            self._good, self._good_at = source.place, now
        return ""

    def silent(self, name: str, kind: str, code: str, now: float) -> None:
        """A source says that it has nothing: `gnss-no-fix`, `gnss-silent`."""
        source = self._source(name, kind)
        if source is not None:
            source.code, source.spoke = code, now

    def gone(self, name: str) -> None:
        """Unplugged, or switched off: it is not counted any more; the last place of it stands."""
        source = self._sources.pop(name, None)
        if source is not None and source.place is not None and self._chosen == name:
            self._chosen = ""

    def stepped(self, by_s: float) -> None:
        """Our clock jumped: what was dated by it is dated anew, so that its age is right."""
        for source in self._sources.values():
            source.place = _later(source.place, by_s)
        self._good = _later(self._good, by_s)

    def look(self, now: float) -> tuple[Place | None, str]:
        """The place, and what is wrong with it: `position-none`, `position-old`, or why the best source's last word
        does not count."""
        name = self._choose(now)
        source = self._sources.get(name)
        place = source.place if source is not None else self._good
        trouble = self._trouble(now)
        if place is None:
            return None, trouble or "position-none"
        old = source is None or now - source.at > OLD_S
        code = trouble or ("position-old" if old else "")
        return replace(place, code=code), code

    # — within —

    def _source(self, name: str, kind: str) -> _Source | None:
        found = self._sources.get(name)
        if found is None and kind in RANKS and len(self._sources) < MOST_SOURCES:
            found = self._sources[name] = _Source(RANKS[kind], _KINDS[kind])
        return found

    def _trouble(self, now: float) -> str:
        """Of a source that would be better than the chosen one, or is it."""
        chosen = self._sources.get(self._chosen)
        most = chosen.rank if chosen is not None else max(RANKS.values())
        near = [one for one in self._sources.values() if one.rank <= most]
        told = [(one.rank, one.code) for one in near if one.code and now - one.spoke <= OLD_S]
        if chosen is not None and not chosen.code and now - chosen.at <= SILENT_S and chosen.rank < RANKS["fixed"]:
            told = [one for one in told if one[1] == "gnss-jump"]
        told += [(one.rank, "gnss-jump") for one in near if now - one.jumped <= TOLD_S]
        return min(told, default=(0, ""))[1]

    def _choose(self, now: float) -> str:
        speaking = {
            name: one for name, one in self._sources.items() if one.place is not None and now - one.at <= SILENT_S
        }
        if any(
            one.place is not None and now - one.at <= OLD_S for name, one in self._sources.items() if name != "fixed"
        ):
            speaking.pop("fixed", None)  # a tunnel does not move the kit to where it once stood
        kept = speaking.get(self._chosen)
        best = min(speaking, key=lambda name: _order(speaking[name]), default="")
        if not best:
            # Nobody speaks: who spoke last is as good as there is.
            told = {name: one for name, one in self._sources.items() if one.place is not None and name != "fixed"}
            self._chosen = max(told, key=lambda name: told[name].at, default="")
        elif kept is None or (best != self._chosen and self._takes_over(speaking[best], kept, now)):
            self._chosen = best
        return self._chosen

    @staticmethod
    def _takes_over(better: _Source, kept: _Source, now: float) -> bool:
        return better.rank < kept.rank and (now - better.since >= BETTER_FOR_S or kept.rank == RANKS["fixed"])

    def _refused(self, source: _Source, name: str, fix: Fix, now: float) -> str:
        numbers = (fix.longitude, fix.latitude)
        if not all(math.isfinite(one) for one in numbers) or abs(fix.longitude) > 180 or abs(fix.latitude) > 90:
            return "gnss-bad"
        if fix.longitude == fix.latitude == 0.0:  # what receivers without a fix send
            return "gnss-bad"
        if source.kind is PositionSource.GNSS and (fix.accuracy_m or 0.0) > WORST_M:
            return "gnss-no-fix"
        before = self._good
        if before is None or before.source is PositionSource.MANUAL or before.datum is not fix.datum:
            return ""
        slack = SLACK_M + 3 * sum(min(one.accuracy_m or 0.0, WIDEST_M) for one in (fix, before))
        far = distance_m(before.longitude, before.latitude, fix.longitude, fix.latitude)
        if far <= slack + FASTEST_M_S * max(0.0, now - self._good_at):
            return ""
        if self._confirmed(source, name, fix, now):
            for one in self._sources.values():
                one.jumped = -1e9
            return ""
        return "gnss-jump"

    def _confirmed(self, source: _Source, name: str, fix: Fix, now: float) -> bool:
        """It stays there, or another source says the same: then it is where the kit was carried in the meantime."""
        apart = source.apart
        if apart and _metres(apart[-1][1], fix) > STAYS_M:
            apart.clear()
        apart.append((now, fix))
        del apart[1 : -2 * STAYS]  # the first one, since when, and the newest
        others = (one for other, one in self._sources.items() if other != name and one.apart)
        if any(now - one.apart[-1][0] <= SILENT_S and _metres(one.apart[-1][1], fix) <= STAYS_M for one in others):
            return True
        return len(apart) >= STAYS and now - apart[0][0] >= STAYS_S


def _sane(fix: Fix) -> Fix:
    """What can not be beside a place that can is as if it were not told."""
    wide, high = fix.accuracy_m, fix.altitude_m
    return replace(
        fix,
        accuracy_m=wide if wide is not None and math.isfinite(wide) and wide >= 0 else None,
        altitude_m=high if high is not None and LOWEST_M <= high <= HIGHEST_M else None,
    )


def _order(source: _Source) -> tuple[int, float]:
    accuracy = source.place.accuracy_m if source.place is not None else None
    return source.rank, accuracy if accuracy is not None else 50.0


def _placed(name: str, kind: PositionSource, fix: Fix, wall: float) -> Place:
    dated = fix.taken_at if fix.taken_at is not None and abs(fix.taken_at - wall) <= DATE_S else wall
    return Place(fix.longitude, fix.latitude, fix.datum, kind, name, dated, fix.accuracy_m, fix.altitude_m)


def _later(place: Place | None, by_s: float) -> Place | None:
    return None if place is None else replace(place, taken_at=place.taken_at + by_s)


def _metres(a: Fix, b: Fix) -> float:
    return distance_m(a.longitude, a.latitude, b.longitude, b.latitude)


def distance_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Along the surface of a sphere, good to half a per cent at any distance."""
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    half = math.sin((phi_b - phi_a) / 2) ** 2
    half += math.cos(phi_a) * math.cos(phi_b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * 6371008.8 * math.asin(min(1.0, math.sqrt(half)))
