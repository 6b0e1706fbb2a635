"""When an event of a kit was, by our own clock: the kit's may be wrong by a year. No clock, no disk in here.

1. Same boot as its sending: the kit measured how long ago it was; so long before now it was. Where the kit's clock was
   good and says the same within a few seconds, as it told: how long the batch was on its way is not in our measure.
2. Of an earlier boot, of which the kit later took a pair of clocks while its wall clock was good: by that pair.
3. Of an earlier boot, its wall clock good then: as it told.
4. Else nobody knows. It was not later than now; what its clock had is shown as a guess where it is not absurd.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.base.moment import FLOOR, Moment
from gateway.model.forward import Batch, ClockMark, Dating, Event

AHEAD_S = 2.0
"""Good clocks differ by so much; an event from further in the future is of a clock that is not."""
ON_ITS_WAY_S = 10.0
"""A batch travels so long at most: what is not answered is sent anew, with a new moment of sending."""


def dated(event: Event, sent: Moment, marks: Mapping[str, ClockMark], now: float) -> tuple[float, Dating]:
    """Unix seconds of our clock, and how it is known. `sent` is the kit's moment of sending, `now` ours of getting."""
    moment = event.moment
    if moment.boot_id and moment.boot_id == sent.boot_id:
        age = sent.mono - moment.mono
        if age < 0:
            # Of one boot and yet from the future: a kit that has lost its mind; the event itself is worth keeping.
            return now, Dating.GUESSED
        if moment.quality.good and -ON_ITS_WAY_S <= moment.wall - (now - age) <= AHEAD_S:
            return min(moment.wall, now), Dating.TOLD
        return now - age, Dating.MEASURED
    mark = marks.get(moment.boot_id)
    if mark is not None and moment.boot_id:
        at = mark.wall + moment.mono - mark.mono
        if FLOOR <= at <= now + AHEAD_S:
            return min(at, now), Dating.MARKED
    if moment.quality.good and FLOOR <= moment.wall <= now + AHEAD_S:
        return min(moment.wall, now), Dating.TOLD
    guess = moment.wall if FLOOR <= moment.wall <= now else now
    return guess, Dating.GUESSED


def dates(batch: Batch, now: float) -> list[tuple[Event, float, Dating]]:
    """Of each event in a batch, in the order in which they happened at the kit."""
    marks = {mark.boot_id: mark for mark in batch.marks}
    inorder = sorted(batch.events, key=lambda event: (event.boot, event.moment.mono))
    return [(event, *dated(event, batch.sent, marks, now)) for event in inorder]
