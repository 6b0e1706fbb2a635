"""Which broker to try next, and when.

Every broker of the list is tried once, without a wait between them; after a round in which none held, the next one
begins after a wait that doubles, with jitter, so that three thousand kits do not come back at the same moment. Kits
begin at different places of the list: a cluster is loaded evenly.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

FIRST_S = 1.0
MOST_S = 60.0
TAKEN_MOST_S = 4.0
"""And where the broker had taken us: it is the link that comes and goes."""
HEALTHY_S = 30.0
"""A connection that stood so long begins anew with the short waits, and with the same broker."""

MOST_PATIENCE = 4
PACE = 400
"""Connections with TLS that a broker takes a second, on a processor of its own; mosquitto has 100 wait, and forgets
about the rest."""


class Rotation(Generic[T]):
    """`now` is a monotonic clock."""

    def __init__(
        self, brokers: Sequence[T], who: str, *, spread: bool = True, chance: random.Random | None = None
    ) -> None:
        if not brokers:
            raise ValueError("no broker to rotate")
        self._brokers = list(brokers)
        self._place = zlib.crc32(who.encode()) % len(self._brokers) if spread else 0
        self._tried = 0
        self._rounds = 0
        self._not_before = 0.0
        self._chance = chance or random.Random()

    @property
    def broker(self) -> T:
        return self._brokers[self._place]

    def wait_s(self, now: float) -> float:
        """How long to wait before `broker` is tried."""
        return max(0.0, self._not_before - now)

    @property
    def patience(self) -> int:
        """The time of an answer, so often: where there is no other broker, and after rounds in which none answered, it
        is likelier busy with everybody else than dead, and to come again makes it busier."""
        return min((2 if len(self._brokers) == 1 else 1) + self._rounds, MOST_PATIENCE)

    def failed(self, now: float, *, held_s: float = 0.0, at_least_s: float = 0.0, crowd: int = 0) -> None:
        """`broker` did not take us (`held_s` 0), or let us go after that. `at_least_s`: nothing is tried so long.
        `crowd`: how many may have been let go with us; they come one after the other."""
        wait = self._chance.uniform(0.0, crowd / len(self._brokers) / PACE) if held_s > 0 else 0.0
        if held_s >= HEALTHY_S:
            self._tried = self._rounds = 0
            wait = max(wait, FIRST_S * self._chance.uniform(0.0, 1.0))
        self._place = (self._place + 1) % len(self._brokers)
        self._tried += 1
        if self._tried >= len(self._brokers):
            self._tried = 0
            most = TAKEN_MOST_S if held_s > 0 else MOST_S
            wait = max(wait, min(most, FIRST_S * 2**self._rounds) * self._chance.uniform(0.5, 1.5))
            self._rounds = min(self._rounds + 1, 16)
        self._not_before = now + max(wait, at_least_s * self._chance.uniform(1.0, 1.5))
