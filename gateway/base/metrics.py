"""The daemon's figures. Names: `gateway_<part>_<what>_<unit>[_total]`; labels few and bounded.

Every figure is read when somebody asks: `metrics.read("store_writes_total", "…", read)`. A label's values come from the
configuration or from an enum, never from the air.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

PREFIX = "gateway_"

Sample = tuple[Sequence[str], float]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A gauge, or a counter if its name ends in `_total`; each sample is its labels' values and a number."""

    name: str
    words: str
    labels: Sequence[str]
    read: Callable[[], Iterable[Sample]]


class Metrics:
    """A list of its own, so that two daemons in one test process do not meet."""

    def __init__(self) -> None:
        self._figures: list[Figure] = []

    def read(
        self, name: str, words: str, read: Callable[[], Iterable[Sample]], labels: Sequence[str] = ()
    ) -> Callable[[], None]:
        """A figure that is read on each scrape; `name` comes without prefix. Returns the way to remove it."""
        one = Figure(PREFIX + name, words, labels, read)
        self._figures.append(one)

        def remove() -> None:
            if one in self._figures:
                self._figures.remove(one)

        return remove

    def render(self) -> bytes:
        """Prometheus text exposition format 0.0.4."""
        from gateway.base.exposition import rendered  # not before somebody asks: much comes with it

        return rendered(tuple(self._figures))
