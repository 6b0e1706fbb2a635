"""What of each picture is sent, by what the links carry. Sans-IO; time and figures are given by whoever calls.

    MAIN ─► SUB ─► LOW ─► PICTURES ─► STILLS ─► NOTHING

Down at once: while more is wanted than passes, or whole pictures had to be left out, for `PRESSED_S`, the largest
picture is made smaller until all fit into `SHARE` of what passes. Up with patience: when nothing was pressed for a
while, the smallest picture gets one step back, if it fits; or, since a link is never known to carry more than was
tried, as a trial. A trial that does not hold is taken back, and the next one waits twice as long, up to `WAIT_MOST_S`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

PRESSED_S = 1.0
WAIT_S = 10.0
WAIT_MOST_S = 120.0
TRIAL_S = 15.0
"""A step up that held for so long is none to be taken back as a trial."""
SHARE = 0.85
ROOM = 1.15
"""A step up fits when what passes is so much more than all that would be sent."""


class Step(IntEnum):
    MAIN = 0
    SUB = 1
    LOW = 2
    PICTURES = 3  # one a second
    STILLS = 4  # a JPEG now and then
    NOTHING = 5


NEED_BPS: Mapping[Step, float] = {
    Step.MAIN: 4_000_000.0,
    Step.SUB: 1_000_000.0,
    Step.LOW: 300_000.0,
    Step.PICTURES: 80_000.0,
    Step.STILLS: 12_000.0,
    Step.NOTHING: 0.0,
}
"""Bits per second while nothing was measured."""


@dataclass(slots=True)
class _Picture:
    step: Step = Step.MAIN
    need: dict[Step, float] = field(default_factory=dict)
    without: set[Step] = field(default_factory=set)

    def needs(self, step: Step) -> float:
        """A smaller step never needs more than a larger one that was measured."""
        need = self.need.get(step, NEED_BPS[step])
        return min([need, *(bps for larger, bps in self.need.items() if larger < step)])

    def lower(self) -> Step | None:
        return next((step for step in Step if step > self.step and step not in self.without), None)

    def higher(self) -> Step | None:
        found = [step for step in Step if step < self.step and step not in self.without]
        return found[-1] if found else None


class Ladder:
    """Pictures by a name of the caller's."""

    def __init__(self) -> None:
        self._pictures: dict[str, _Picture] = {}
        self._pressed_since: float | None = None
        self._calm_since = 0.0
        self._wait_s = WAIT_S
        self._trial: tuple[float, str] | None = None

    # — what is sent —

    def add(self, name: str, now: float, usable_bps: float | None = None) -> Step:
        """A picture more; the first step to send it at. One that can not fit is not tried larger than it may."""
        picture = self._pictures[name] = _Picture()
        if usable_bps is not None:
            beside = sum(other.needs(other.step) for key, other in self._pictures.items() if key != name)
            while picture.step < Step.STILLS and beside + picture.needs(picture.step) > usable_bps * 2:
                picture.step = Step(picture.step + 1)
        self._calm_since = max(self._calm_since, now)
        return picture.step

    def remove(self, name: str) -> None:
        self._pictures.pop(name, None)
        if self._trial is not None and self._trial[1] == name:
            self._trial = None

    def measured(self, name: str, step: Step, bps: float) -> None:
        """What a step of it really takes."""
        if (picture := self._pictures.get(name)) is not None and bps > 0:
            picture.need[step] = bps

    def without(self, name: str, step: Step) -> Step:
        """That step can not be had (no sub-stream, no processor to spare): the one to send instead."""
        picture = self._pictures[name]
        picture.without.add(step)
        if picture.step is step:
            picture.step = picture.lower() or Step.NOTHING
        return picture.step

    def again(self, name: str) -> None:
        """What could not be had may be had again."""
        if (picture := self._pictures.get(name)) is not None:
            picture.without.clear()

    def step(self, name: str) -> Step:
        return self._pictures[name].step

    # — what passes —

    def look(self, now: float, usable_bps: float, pressed: bool) -> list[tuple[str, Step]]:
        """Called about once a second. `usable_bps`: of pictures, voices and all else taken off. `pressed`: more is
        wanted than passes, or units had to be left out since the last look. Returns what changes."""
        wanted = sum(picture.needs(picture.step) for picture in self._pictures.values())
        if not self._pictures:
            self._pressed_since, self._calm_since = None, now
            return []
        if not pressed:
            self._pressed_since = None
            return self._up(now, usable_bps, wanted)
        self._calm_since = now
        if self._pressed_since is None:
            self._pressed_since = now
        if now - self._pressed_since < PRESSED_S:
            return []
        self._pressed_since = now
        return self._down(now, usable_bps, wanted)

    # — within —

    def _down(self, now: float, usable_bps: float, wanted: float) -> list[tuple[str, Step]]:
        if self._trial is not None and now - self._trial[0] < TRIAL_S:
            self._wait_s = min(self._wait_s * 2, WAIT_MOST_S)
        self._trial = None
        changed: dict[str, Step] = {}
        while True:
            shrinking = {
                name: picture
                for name, picture in self._pictures.items()
                if picture.step < Step.STILLS and picture.lower() is not None
            }
            if not shrinking:
                break
            name = max(shrinking, key=lambda name: shrinking[name].needs(shrinking[name].step))
            picture = shrinking[name]
            lower = picture.lower()
            assert lower is not None  # noqa: S101  (looked at just now)
            wanted -= picture.needs(picture.step) - picture.needs(lower)
            picture.step = changed[name] = lower
            if wanted <= usable_bps * SHARE:
                break
        return list(changed.items())

    def _up(self, now: float, usable_bps: float, wanted: float) -> list[tuple[str, Step]]:
        if self._trial is not None and now - self._trial[0] >= TRIAL_S:
            self._trial, self._wait_s = None, WAIT_S
        growing = {name: picture for name, picture in self._pictures.items() if picture.higher() is not None}
        if not growing or now - self._calm_since < WAIT_S:
            return []
        name = max(growing, key=lambda name: growing[name].step)
        picture = growing[name]
        higher = picture.higher()
        assert higher is not None  # noqa: S101
        after = wanted - picture.needs(picture.step) + picture.needs(higher)
        if after * ROOM > usable_bps and now - self._calm_since < self._wait_s:
            return []
        picture.step = higher
        self._calm_since = now
        self._trial = (now, name)
        return [(name, higher)]
