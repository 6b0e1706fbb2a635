"""How long a message lay somewhere, without two clocks that agree: by the fastest that ever came from the same sender.

Sender and receiver have clocks that run alike and begin anywhere. The least difference seen is the way itself; whatever
is more than that, the message waited.
"""

from __future__ import annotations

from collections import OrderedDict

SENDERS = 64
DRIFT = 1e-4
"""Clocks of one second a second differ by less: the least difference seen ages by so much."""


class Transit:
    def __init__(self) -> None:
        self._least: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def waited_s(self, sender: str, sent: float, now: float) -> float:
        """`sender` names one run of a sender; `sent` its monotonic clock, `now` ours. 0 for the first one."""
        passed = now - sent
        least, at = self._least.pop(sender, (passed, now))
        least = min(passed, least + (now - at) * DRIFT)
        self._least[sender] = (least, now)
        while len(self._least) > SENDERS:
            self._least.popitem(last=False)
        return passed - least
