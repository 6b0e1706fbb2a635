"""From what was seen of one broker and of the others: the figures of the bench."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

KEYS = ("directory_s", "command_p99_ms", "acked_lost", "reconnect_s")


@dataclass
class Seen:
    """Of one broker. None: it was not reached in the time that was given for it."""

    broker: str
    directory_s: float | None = None
    command_p99_ms: float | None = None
    acked_lost: int | None = None
    reconnect_s: float | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in KEYS} | self.more


def quantiles(values: Iterable[float]) -> tuple[float | None, float | None, float | None]:
    """Median, 99 of 100, largest; rounded to a tenth."""
    ordered = sorted(values)
    if not ordered:
        return None, None, None
    picked = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
    return round(picked[0], 1), round(picked[1], 1), round(picked[2], 1)


def worst(seen: Sequence[Seen]) -> dict[str, float | None]:
    """Of all brokers: what none of them reached is worse than any number."""
    found: dict[str, float | None] = {}
    for key in KEYS:
        values = [getattr(one, key) for one in seen]
        found[key] = None if not values or None in values else max(values)
    return found


def lost(acknowledged: Iterable[str], kept: Iterable[str]) -> int:
    """Events that a center acknowledged and does not have."""
    return len(set(acknowledged) - set(kept))
