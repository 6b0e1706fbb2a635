"""Trouble that may come with every packet, said at most once a second: "17 × late on ball-1 in 1.0 s, last: …"."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.base.clock import Clock

MAX_KEYS = 1024
"""Keys may come from outside: the one silent longest gives way."""


@dataclass(slots=True)
class _Seen:
    since: float
    count: int


class Throttle:
    """Says the first of a kind at once, then one line an interval with the count of those left out."""

    def __init__(
        self,
        say: Callable[[str], None] | logging.Logger | logging.LoggerAdapter[logging.Logger],
        *,
        interval_s: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        self._say = say if callable(say) else say.warning
        self._interval_s = interval_s
        self._now = (clock or Clock()).monotonic
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def __call__(self, key: str, text: str) -> None:
        """Report `text` under `key` (a kind of trouble and whose it is)."""
        now = self._now()
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= MAX_KEYS:
                self._seen.popitem(last=False)
            self._seen[key] = _Seen(now, 0)
            self._say(text)
            return
        self._seen.move_to_end(key)
        seen.count += 1
        passed = now - seen.since
        if passed >= self._interval_s:
            self._say(f"{seen.count} × {key} in {passed:.1f} s, last: {text}")
            seen.since, seen.count = now, 0
