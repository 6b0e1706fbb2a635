"""The ladder back: which step comes next when a modem hangs, and when. Sans-IO.

    SILENT      retry → reopen → reset (unheard) → power
    GONE        power
    NO_DATA     retry → radio → reset → power
    NO_NETWORK  radio → reset → power
    STUCK       reopen → radio → reset → power
    NOT_SHOWN   power

A step that the modem has not is left out. After the last one it begins again at the first, each round later than the
one before; until then it is only looked at, and may come back by itself. A step back is believed when it has lasted:
`answers`, `well`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from adapters.modem.face import Step
from gateway.model.link import Recovery


class Trouble(StrEnum):
    SILENT = "modem-silent"
    GONE = "modem-absent"  # not where it should be: pulled out, or it fell off the bus
    NO_DATA = "modem-no-data"
    NO_NETWORK = "modem-searching"
    STUCK = "modem-stuck"  # it answers, and for long gets no further
    NOT_SHOWN = "mm-not-shown"  # its port is there, and ModemManager has given it up


_STEPS: dict[Trouble, tuple[Step, ...]] = {
    Trouble.SILENT: (Step.RETRY, Step.REOPEN, Step.RESET, Step.POWER),
    Trouble.GONE: (Step.POWER,),
    Trouble.NO_DATA: (Step.RETRY, Step.RADIO, Step.RESET, Step.POWER),
    Trouble.NO_NETWORK: (Step.RADIO, Step.RESET, Step.POWER),
    Trouble.STUCK: (Step.REOPEN, Step.RADIO, Step.RESET, Step.POWER),
    Trouble.NOT_SHOWN: (Step.POWER,),
}
BACK_S = {
    Trouble.SILENT: 30.0, Trouble.GONE: 60.0, Trouble.NO_DATA: 600.0,
    Trouble.NO_NETWORK: 60.0, Trouble.STUCK: 60.0, Trouble.NOT_SHOWN: 60.0,
}  # fmt: skip
"""So long has all to be well after a trouble until its ladder begins at the bottom again."""

FIRST_S = {Trouble.GONE: 45.0, Trouble.STUCK: 90.0, Trouble.NOT_SHOWN: 90.0}
"""So long may it last before anything is done: modems of 5G take half a minute to start, and ModemManager as long to
look at one."""

PAUSES_S = (0.0, 15.0, 60.0, 180.0, 600.0)
"""Before each round, from the last step of the one before; the last one for ever after."""

SELDOM_S = (0.0, 60.0, 300.0, 900.0, 1800.0)
"""The same where the modem works and the network may be what is wrong: its short messages go on meanwhile. And for the
power of a socket, lest one that is slow to start be cut off each time before it is there."""

_PAUSES = {Trouble.SILENT: PAUSES_S, Trouble.STUCK: PAUSES_S}

GONE_S = 4.0
"""Between looks for a port that is not there."""


@dataclass(frozen=True, slots=True)
class Climb:
    step: Step
    round: int


@dataclass(slots=True)
class Ladder:
    steps: Sequence[Step]
    counts: dict[Step, int] = field(default_factory=dict)
    _at: dict[Trouble, int] = field(default_factory=dict)
    _since: dict[Trouble, float] = field(default_factory=dict)
    _last: dict[Trouble, float] = field(default_factory=dict)

    def peek(self, trouble: Trouble, now: float) -> Step | None:
        """The step that may be taken now; None: not yet, or there is none. The first time it is asked a trouble
        begins; it lasts until `over`."""
        steps = self._of(trouble)
        if not steps:
            return None
        at = self._at.get(trouble, 0)
        due = self._since.setdefault(trouble, now) + FIRST_S.get(trouble, 0.0)
        if trouble in self._last and at % len(steps) == 0:
            pauses = _PAUSES.get(trouble, SELDOM_S)
            due = max(due, self._last[trouble] + pauses[min(at // len(steps), len(pauses) - 1)])
        return steps[at % len(steps)] if now >= due else None

    def take(self, trouble: Trouble, now: float) -> Climb | None:
        """As `peek`; counted as taken."""
        step = self.peek(trouble, now)
        if step is None:
            return None
        at = self._at.get(trouble, 0)
        self._at[trouble], self._last[trouble] = at + 1, now
        self.counts[step] = self.counts.get(step, 0) + 1
        return Climb(step, at // len(self._of(trouble)))

    def over(self, *troubles: Trouble) -> None:
        """It is not so just now. Where its ladder stands is kept: it may be so again at once."""
        for trouble in troubles:
            self._since.pop(trouble, None)

    def answers(self, now: float) -> None:
        """It is there and answers."""
        self.over(Trouble.SILENT, Trouble.GONE, Trouble.NOT_SHOWN)
        self._forget(now, Trouble.SILENT, Trouble.GONE, Trouble.NOT_SHOWN)

    def well(self, now: float) -> None:
        """Its session stands too."""
        self.over(*Trouble)
        self._forget(now, *Trouble)

    def recoveries(self) -> tuple[Recovery, ...]:
        return tuple(Recovery(step.value, self.counts[step]) for step in Step if step in self.counts)

    def _of(self, trouble: Trouble) -> list[Step]:
        return [step for step in _STEPS[trouble] if step in self.steps]

    def _forget(self, now: float, *troubles: Trouble) -> None:
        for trouble in troubles:
            if trouble in self._last and now - self._last[trouble] >= BACK_S[trouble]:
                del self._last[trouble], self._at[trouble]
