"""Figures in Prometheus' text format. An HTTP server and a client come with its package: loaded after the start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from gateway.base.metrics import Figure


class _Read(Collector):
    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        for figure in self._figures:
            kind = CounterMetricFamily if figure.name.endswith("_total") else GaugeMetricFamily
            made = kind(figure.name, figure.words, labels=list(figure.labels))
            for values, number in figure.read():
                made.add_metric(list(values), number)
            yield made


def rendered(figures: Sequence[Figure]) -> bytes:
    """All of them, read now."""
    return generate_latest(_Read(figures))
