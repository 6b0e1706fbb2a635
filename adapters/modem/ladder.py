"""The ladder back: which step comes next when a modem hangs, and when. Sans-IO.

    SILENT      retry → reopen → reset (unheard) → power
    GONE        reopen … reopen → power
    NO_DATA     retry → radio → reset → power
    NO_NETWORK  radio → reset → power

A step that the modem has not is left out. After the last one it begins again at the first, each round later than the
one before. A step back is believed when it has lasted: `well`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from adapters.modem.face import Step
from gateway.model.link import Recovery


class Trouble(StrEnum):
    SILENT = "modem-silent"
    GONE = "modem-absent"
    NO_DATA = "modem-no-data"
    NO_NETWORK = "modem-searching"


_STEPS: dict[Trouble, tuple[Step, ...]] = {
    Trouble.SILENT: (Step.RETRY, Step.REOPEN, Step.RESET, Step.POWER),
    Trouble.GONE: (Step.REOPEN, Step.REOPEN, Step.REOPEN, Step.REOPEN, Step.POWER),
    Trouble.NO_DATA: (Step.RETRY, Step.RADIO, Step.RESET, Step.POWER),
    Trouble.NO_NETWORK: (Step.RADIO, Step.RESET, Step.POWER),
}
BACK_S = {Trouble.SILENT: 30.0, Trouble.GONE: 5.0, Trouble.NO_DATA: 600.0, Trouble.NO_NETWORK: 60.0}
"""So long has all to be well after a trouble until its ladder begins at the bottom again."""

PAUSES_S = (0.0, 15.0, 60.0, 180.0, 600.0)
"""Before each round; the last one for ever after."""

GONE_S = 4.0
"""Between looks for a port that is not there."""


@dataclass(frozen=True, slots=True)
class Climb:
    step: Step
    after_s: float
    round: int


@dataclass(slots=True)
class Ladder:
    steps: Sequence[Step]
    counts: dict[Step, int] = field(default_factory=dict)
    _at: dict[Trouble, int] = field(default_factory=dict)
    _last: dict[Trouble, float] = field(default_factory=dict)

    def next(self, trouble: Trouble, now: float) -> Climb:
        """The step to take now; counted as taken."""
        steps = [step for step in _STEPS[trouble] if step in self.steps] or [Step.RETRY]
        at = self._at.get(trouble, 0)
        self._at[trouble] = at + 1
        self._last[trouble] = now
        step = steps[at % len(steps)]
        round_ = at // len(steps)
        pause = PAUSES_S[min(round_, len(PAUSES_S) - 1)] if at % len(steps) == 0 else 0.0
        if trouble is Trouble.GONE:
            # It is being plugged in, or starts: looking for it costs nothing.
            pause = 0.0 if at == 0 else GONE_S
        self.counts[step] = self.counts.get(step, 0) + 1
        return Climb(step, pause, round_)

    def well(self, now: float) -> None:
        """It answers, and its session stands."""
        for trouble, last in list(self._last.items()):
            if now - last >= BACK_S[trouble]:
                del self._last[trouble], self._at[trouble]

    def recoveries(self) -> tuple[Recovery, ...]:
        return tuple(Recovery(step.value, self.counts[step]) for step in Step if step in self.counts)
