"""One Prometheus registry a daemon. Names: `gateway_<part>_<what>_<unit>[_total]`; labels few and bounded.

Counters are made where they are counted: `metrics.counter("store_rows_written_total", "…")`. A label's values come
from the configuration or from an enum, never from the air.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

PREFIX = "gateway_"

Sample = tuple[Sequence[str], float]
_M = TypeVar("_M", Counter, Gauge)


class _Read(Collector):
    """A metric whose values are read when somebody asks."""

    def __init__(self, make: Callable[[], Metric]) -> None:
        self._make = make

    def collect(self) -> Iterable[Metric]:
        yield self._make()

    def describe(self) -> Iterable[Metric]:
        return []


class Metrics:
    """A registry of its own, so that two daemons in one test process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._made: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, words: str, labels: Sequence[str] = ()) -> Counter:
        """The same name gives the same counter; `name` without prefix, ending in `_total`."""
        return self._make(Counter, name, words, labels)

    def gauge(self, name: str, words: str, labels: Sequence[str] = ()) -> Gauge:
        return self._make(Gauge, name, words, labels)

    def histogram(
        self, name: str, words: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS
    ) -> Histogram:
        found = self._made.get(name)
        if isinstance(found, Histogram):
            return found
        made = Histogram(PREFIX + name, words, labels, registry=self.registry, buckets=tuple(buckets))
        self._made[name] = made
        return made

    def read(
        self, name: str, words: str, read: Callable[[], Iterable[Sample]], labels: Sequence[str] = ()
    ) -> Callable[[], None]:
        """A gauge, or a counter if `name` ends in `_total`, read on each scrape. Returns the way to remove it."""

        def family() -> Metric:
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            made = kind(PREFIX + name, words, labels=list(labels))
            for values, number in read():
                made.add_metric(list(values), number)
            return made

        collector = _Read(family)
        self.registry.register(collector)
        return lambda: self.registry.unregister(collector)

    def render(self) -> bytes:
        """Prometheus text exposition format 0.0.4."""
        return generate_latest(self.registry)

    def _make(self, kind: type[_M], name: str, words: str, labels: Sequence[str]) -> _M:
        found = self._made.get(name)
        if isinstance(found, kind):
            return found
        made = kind(PREFIX + name, words, tuple(labels), registry=self.registry)
        self._made[name] = made
        return made
