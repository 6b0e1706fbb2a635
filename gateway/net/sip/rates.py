"""How much one source may send: token buckets by host, bounded in number."""

from __future__ import annotations

from collections import OrderedDict


class Rates:
    """`take` is False when `host` is over its rate. The host silent longest is forgotten when the table is full."""

    def __init__(self, per_s: float, burst: int, max_sources: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._max = max_sources
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, host: str, now: float, count: int = 1) -> bool:
        left, since = self._buckets.pop(host, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_s)
        enough = left >= count
        self._buckets[host] = (left - count if enough else left, now)
        if len(self._buckets) > self._max:
            self._buckets.popitem(last=False)
        return enough
