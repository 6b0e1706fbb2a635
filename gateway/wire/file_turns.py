"""Which waiting file goes next to a center, and what a refusal of it means: one rule for every way that files go.

```
never   refused for good, or no longer on the disk: it is given up, and that is said
again   the center lost or damaged what it had of it: from the beginning, at once; too often, and it is put off
later   anything else, a full disk or one that can not be read: the others go on, it has its turn again after a while
```
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

NEVER = frozenset({"too-large", "file-taken", "kit-foreign-id", "event-damaged", "record-damaged"})
"""Codes of a center that would say the same tomorrow."""
AGAIN = frozenset({"file-damaged", "not-found"})
AGAIN_AT_MOST = 3
FIRST_S, MOST_S = 30.0, 900.0
"""Put off for so long, doubled each time."""
HELD = 1000
"""Files that are remembered; beyond, the one that was refused first may be asked for too early."""


class Fate(Enum):
    NEVER = "never"
    AGAIN = "again"
    LATER = "later"


@dataclass(slots=True)
class _Refused:
    until: float = 0.0
    wait_s: float = FIRST_S
    again: int = 0


class FileTurns:
    def __init__(self) -> None:
        self._refused: OrderedDict[str, _Refused] = OrderedDict()

    def waiting(self, now: float) -> list[str]:
        """Those that have no turn yet."""
        return [id_ for id_, one in self._refused.items() if one.until > now]

    def refused(self, id_: str, code: str, now: float) -> Fate:
        """By the center, with a reason code."""
        if code in NEVER:
            self.done(id_)
            return Fate.NEVER
        one = self._refused.setdefault(id_, _Refused())
        if code in AGAIN and one.again < AGAIN_AT_MOST:
            one.again += 1
            return Fate.AGAIN
        one.again, one.until = 0, now + one.wait_s
        one.wait_s = min(one.wait_s * 2, MOST_S)
        while len(self._refused) > HELD:
            self._refused.popitem(last=False)
        return Fate.LATER

    def put_off(self, id_: str, now: float) -> None:
        """Nobody answers: perhaps another one gets through."""
        self._refused.setdefault(id_, _Refused()).until = now + FIRST_S

    def done(self, id_: str) -> None:
        """It is there, or given up."""
        self._refused.pop(id_, None)
