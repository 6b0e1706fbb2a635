"""Which short message goes next, and by whom. Sans-IO: values and `now` in, decisions out.

The queue is all that waits, in memory; the store has the same rows. A message goes by the cheapest carrier of its kind
that is ready and has not refused it; the first by priority and age. One that failed for want of a link waits a little
longer each time, so that it does not stand in front of others; a carrier that says that it is ready and failed it
`TRIES` times stands behind those that did not, whatever they cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.model.texts import CarrierKind, TextOut, TextState

RETRY_FIRST_S, RETRY_MOST_S = 5.0, 300.0
TRIES = 2


@dataclass(eq=False, slots=True)
class Waiting:
    """One message that waits. `since`: monotonic, when it was put; it may lie before the process began."""

    text: TextOut
    replaces: str
    since: float
    retry_at: float = 0.0
    failures: int = 0
    refused: set[str] = field(default_factory=set)
    """Names of carriers whose network will not take it."""
    failed_by: dict[str, int] = field(default_factory=dict)

    def failed(self, carrier: str, now: float) -> None:
        self.failures += 1
        self.failed_by[carrier] = self.failed_by.get(carrier, 0) + 1
        self.retry_at = now + min(RETRY_FIRST_S * 2 ** (self.failures - 1), RETRY_MOST_S)


@dataclass(frozen=True, slots=True)
class Offer:
    """A carrier as the queue sees it."""

    name: str
    kind: CarrierKind
    cost: int
    ready: bool


class Queue:
    def __init__(self) -> None:
        self.rows: dict[int, Waiting] = {}

    def put(self, row: Waiting) -> None:
        self.rows[row.text.number] = row

    def find(self, id_: str) -> Waiting | None:
        return next((row for row in self.rows.values() if row.text.id == id_), None)

    def next(self, carrier: Offer, others: Iterable[Offer], now: float) -> Waiting | None:
        """What `carrier` sends now."""
        others = list(others)
        fit = (row for row in self.rows.values() if self._may(row, carrier, others, now))
        return min(fit, key=lambda row: (row.text.priority, row.text.number), default=None)

    def wake_at(self, now: float) -> float | None:
        """When one that waits for its next attempt may go."""
        return min((row.retry_at for row in self.rows.values() if row.retry_at > now), default=None)

    def nobody_takes(self, row: Waiting, carriers: Iterable[Offer]) -> bool:
        """Every carrier that there is for it has refused it."""
        fit = [c for c in carriers if c.kind is row.text.kind and row.text.wanted in ("", c.name)]
        return bool(row.refused) and all(c.name in row.refused for c in fit)

    def gives_way_to(self, text: TextOut) -> Waiting | None:
        """Of those less important than `text` the least, its oldest first; None: all are at least as important."""
        idle = [row for row in self.rows.values() if row.text.state is TextState.WAITING]
        last = max(idle, key=lambda row: (row.text.priority, -row.text.number), default=None)
        return last if last is not None and last.text.priority > text.priority else None

    def replaced_by(self, name: str, number: int) -> list[Waiting]:
        """Older ones that a new one of that name takes the place of; what is under way is not called back."""
        return [
            row
            for row in self.rows.values()
            if name and row.replaces == name and row.text.number < number and row.text.state is TextState.WAITING
        ]

    def out_of_date(self, row: Waiting) -> bool:
        """A newer one of its name has come while it was under way."""
        name, number = row.replaces, row.text.number
        return bool(name) and any(one.replaces == name and one.text.number > number for one in self.rows.values())

    def too_old(self, now: float) -> list[Waiting]:
        return [
            row
            for row in self.rows.values()
            if row.text.state is TextState.WAITING and now - row.since > row.text.max_age_s
        ]

    @staticmethod
    def _may(row: Waiting, carrier: Offer, others: list[Offer], now: float) -> bool:
        text = row.text
        if text.state is not TextState.WAITING or text.kind is not carrier.kind or row.retry_at > now:
            return False
        if text.wanted:
            return text.wanted == carrier.name
        if carrier.name in row.refused:
            return False
        # A dearer one waits while a cheaper one could.
        able = [one for one in others if one.ready and one.kind is text.kind and one.name not in row.refused]
        return not any(_worth(row, one) < _worth(row, carrier) for one in able)


def _worth(row: Waiting, carrier: Offer) -> tuple[int, int]:
    return row.failed_by.get(carrier.name, 0) // TRIES, carrier.cost
