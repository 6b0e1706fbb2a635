"""Does a link carry? By what comes in by it, never by what its interface says. Sans-IO: told of probes and traffic.

    TRYING ─answer─► GOOD ─silent too long─► BAD ─answer─► PROBATION ─good long enough─► GOOD
                                             BAD ◄─silent again─

**Silent too long** is 3 intervals and 2 smoothed round trips after the newest probe that was answered had left: so a
cut is known of within that time of it. **Long enough** is 10 s without silence and with little loss; a link that went
down n times within 10 minutes needs 10·2ⁿ⁻¹ s, at most 5 minutes: one that comes and goes stays away, and comes back.
Probes that were not answered within the same time are lost; of the last 50 the share is the link's loss.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

INTERVAL_S = 0.2
GOOD_S = 10.0
LONGEST_S = 300.0
DOWNS_WITHIN_S = 600.0
WINDOW = 50
LOSSY, CLEAN = 0.10, 0.03
FEW = 15
"""So many probes say something about loss."""
FIRST_RTT_S = 0.5
"""Before a round trip is known: a satellite's."""
LIVELY_S = 3.0
PENDING = 256


class Standing(Enum):
    TRYING = "trying"
    GOOD = "good"
    BAD = "bad"
    PROBATION = "probation"


class Judge:
    """`now` is monotonic and never goes back."""

    def __init__(self, now: float, *, interval_s: float = INTERVAL_S, good_s: float = GOOD_S) -> None:
        self.interval_s = interval_s
        self.good_s = good_s
        self.asks = True
        """Probes are sent: silence says something. Else only who asks himself can tell (`silenced`)."""
        self.standing = Standing.TRYING
        self.srtt_s: float | None = None
        self.downs = 0
        self.lossy = False
        self.down_after_s: float | None = None
        """How long after the newest answered probe had left the last DOWN was called."""
        self._alive = now  # when the newest thing left that got through
        self._began = now
        self._clean_since = now
        self._looked = now
        self._pending: dict[int, float] = {}
        self._fates: deque[bool] = deque(maxlen=WINDOW)
        self._went: deque[float] = deque(maxlen=16)

    @property
    def limit_s(self) -> float:
        """Silence beyond this is DOWN."""
        return 3 * self.interval_s + 2 * (FIRST_RTT_S if self.srtt_s is None else self.srtt_s)

    @property
    def loss(self) -> float | None:
        return None if len(self._fates) < FEW else 1.0 - sum(self._fates) / len(self._fates)

    @property
    def carries(self) -> bool:
        return self.standing is Standing.GOOD

    def lively(self, now: float) -> bool:
        """Something got through just now."""
        return self.carries and now - self._alive <= max(self.limit_s, LIVELY_S)

    def wants(self, now: float) -> bool:
        """Is a probe worth sending? Not while traffic says the same."""
        return self.standing is not Standing.GOOD or now - self._alive >= self.interval_s / 2 + (self.srtt_s or 0.0)

    def sent(self, number: int, now: float) -> None:
        if len(self._pending) >= PENDING:
            self._pending.pop(next(iter(self._pending)))
            self._fates.append(False)
        self._pending[number] = now

    def answered(self, number: int, now: float) -> bool:
        """False: it is none that waits, or too old to say anything."""
        left = self._pending.pop(number, None)
        if left is None:
            return False
        self._fates.append(True)
        self._rtt(now - left)
        self._lives(left, now)
        return True

    def passed(self, now: float, rtt_s: float | None = None) -> None:
        """Traffic came in: as good as an answer to what left one round trip ago."""
        if rtt_s is not None and 0 <= rtt_s < 60:
            self._rtt(rtt_s)
        self._lives(now - (self.srtt_s or 0.0), now)

    def silenced(self, now: float) -> None:
        """Somebody who keeps asking by this link has had no answer for longer than he waits."""
        if self.standing is not Standing.BAD:
            self._down(now)

    def next_timer(self) -> float:
        """When it must be looked at, at the latest."""
        return self._alive + self.limit_s

    def handle_timer(self, now: float) -> None:
        """At `next_timer` and every now and then (each interval)."""
        late = self.asks and now - self._looked > 2 * self.interval_s + 0.05
        self._looked = now
        limit = self.limit_s
        for number in [number for number, left in self._pending.items() if now - left > limit]:
            del self._pending[number]
            self._fates.append(False)
        self._weigh(now)
        if late:
            # We ourselves stood still: what came meanwhile is read in a moment.
            self._alive = max(self._alive, now - limit + self.interval_s)
            return
        if self.asks and now - self._alive > limit - 1e-6 and self.standing is not Standing.BAD:
            self._down(now)
        elif self.standing is Standing.PROBATION and now - self._began >= self._patience(now):
            self.standing = Standing.GOOD
            self._began = now

    def probation_s(self, now: float) -> float:
        """Until it may be used again, if all goes well; 0: it may, or is BAD."""
        if self.standing is not Standing.PROBATION:
            return 0.0
        return max(0.0, self._patience(now) - (now - self._began))

    # — within —

    def _rtt(self, rtt_s: float) -> None:
        self.srtt_s = rtt_s if self.srtt_s is None else self.srtt_s + (rtt_s - self.srtt_s) / 8

    def _lives(self, left: float, now: float) -> None:
        self._alive = max(self._alive, left)
        if self.standing is Standing.TRYING:
            self.standing = Standing.GOOD
            self._began = now
        elif self.standing is Standing.BAD and now - left <= self.limit_s:
            self.standing = Standing.PROBATION
            self._began = now
            # What was asked before that belongs to the outage.
            self._fates.clear()
            self._pending = {number: at for number, at in self._pending.items() if at > left}
            self.lossy, self._clean_since = False, now

    def _down(self, now: float) -> None:
        if self.standing in (Standing.GOOD, Standing.TRYING):
            if self.standing is Standing.GOOD:
                self.downs += 1
                self.down_after_s = now - self._alive
            self._went.append(now)
        self.standing = Standing.BAD
        self._began = now

    def _patience(self, now: float) -> float:
        lately = sum(now - at <= DOWNS_WITHIN_S for at in self._went)
        return min(LONGEST_S, self.good_s * float(2 ** max(0, lately - 1)))

    def _weigh(self, now: float) -> None:
        loss = self.loss
        if loss is None:
            return
        if loss > CLEAN:
            self._clean_since = now
        if loss >= LOSSY:
            self.lossy = True
            if self.standing is Standing.PROBATION:
                self._began = now  # those seconds were not good
        elif self.lossy and now - self._clean_since >= self.good_s:
            self.lossy = False
