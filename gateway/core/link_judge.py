"""Does a link carry? By what comes in by it, never by what its interface says. Sans-IO: told of probes and traffic.

    TRYING ─answer─► GOOD ─silent too long─► BAD ─answer─► PROBATION ─good long enough─► GOOD
                                             BAD ◄─silent again─

**Silent too long** is 3 intervals and 2 smoothed round trips after the newest probe that was answered had left: so a
cut is known of within that time of it. **Long enough** is 10 s without silence and with little loss; a link that went
down n times within 10 minutes needs 10·2ⁿ⁻¹ s, at most 5 minutes: one that comes and goes stays away, and comes back.
Probes that were not answered within the same time are lost; of the last 50 the share is the link's loss. An answer that
comes later still says that the link carries, and how long its way is now: a full queue is no cut.

**A link that spares** (`rest_s` above `interval_s`: it is metered) is asked each `rest_s` at rest and sooner the more
there is traffic: what is asked is at most a fiftieth of it. **In doubt** (a probe is late, traffic goes out and none
comes in, or who keeps asking says that it is silent) it is asked each `interval_s`, and is down when that much silence
has passed since then. Its round trip counts as half a second at least: a modem at rest takes that long to wake.
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
LATE_S, LATE = 10.0, 64
"""An answer is waited for this long, of so many probes that are counted as lost."""
LOOK_S = 1.0
"""Traffic may say that a link carries: its loss is asked for this often anyway, where asking is free."""
DEAD_S, DEAD_EVERY_S, PROVE_EVERY_S = 10.0, 2.0, 1.0
"""A link that spares and was down for so long is asked this often, and on probation that often."""
PROBE_BYTES, SHARE = 104, 0.02
FALSE_S, FALSE_MOST_S = 5.0, 300.0
"""A doubt that traffic raised and that was wrong: the next is heard so much later, twice as late each time."""
FORGET_S = 60.0
"""Nobody can tell of a link that is down and not asked: after this long it may be tried where there is no other."""


class Standing(Enum):
    TRYING = "trying"
    GOOD = "good"
    BAD = "bad"
    PROBATION = "probation"


class Judge:
    """`now` is monotonic and never goes back."""

    def __init__(self, now: float, *, interval_s: float = INTERVAL_S, good_s: float = GOOD_S) -> None:
        self.interval_s = self.rest_s = interval_s
        self.good_s = good_s
        self.standing = Standing.TRYING
        self.srtt_s: float | None = None
        self.downs = 0
        self.lossy = False
        self.down_after_s: float | None = None
        """How long after the newest answered probe had left the last DOWN was called."""
        self._asks = True
        self._alive = now  # when the newest thing left that got through
        self._sent = now - LOOK_S
        self._began = now
        self._clean_since = now
        self._looked = now
        self._excused: float | None = None  # `_alive` when we were last excused for standing still
        self._doubt: float | None = None
        self._told_doubt = False  # it was traffic that raised it
        self._heard_doubt_from = 0.0
        self._false_s = FALSE_S
        self._unanswered = False
        self._bytes_s = 0.0
        self._unproved = self._look = False
        self._pending: dict[int, float] = {}
        self._late: dict[int, float] = {}
        self._fates: deque[bool] = deque(maxlen=WINDOW)
        self._went: deque[float] = deque(maxlen=16)

    @property
    def spares(self) -> bool:
        return self.rest_s > self.interval_s

    @property
    def limit_s(self) -> float:
        """Silence beyond this is DOWN; where it spares, since it is in doubt."""
        rtt_s = FIRST_RTT_S if self.srtt_s is None else self.srtt_s
        return 3 * self.interval_s + 2 * (max(rtt_s, FIRST_RTT_S) if self.spares else rtt_s)

    @property
    def loss(self) -> float | None:
        return None if len(self._fates) < FEW else 1.0 - sum(self._fates) / len(self._fates)

    @property
    def carries(self) -> bool:
        return self.standing is Standing.GOOD

    @property
    def asks(self) -> bool:
        """Probes are sent: silence says something. Else only who asks himself can tell (`silenced`)."""
        return self._asks

    def ask(self, asks: bool, now: float) -> None:
        """Probes are sent from now on, or no longer (there is no interface, or nothing to ask)."""
        if asks and not self._asks:
            # Of the time when nobody asked nothing is known: no fault, and no proof either.
            self._alive, self._doubt = max(self._alive, now), None
            self._pending.clear()
            if self.standing is Standing.GOOD:
                self.standing, self._began = Standing.TRYING, now
        self._asks = asks

    def lively(self, now: float) -> bool:
        """Something got through just now."""
        return self.carries and now - self._alive <= max(self.limit_s, LIVELY_S)

    def unsure(self, now: float) -> bool:
        """Whatever can be asked is worth asking: it may be the one that is asked that is down."""
        if self.standing is not Standing.GOOD or self._doubt is not None:
            return True
        return not self.spares and now - self._alive > 1.5 * self.interval_s + 1.25 * (self.srtt_s or 0.0)

    def spacing(self, now: float) -> float:
        """Between two probes, as things are."""
        if not self.spares or self._doubt is not None or self._look:
            return self.interval_s
        match self.standing:
            case Standing.BAD | Standing.TRYING:
                slow = now - self._began > DEAD_S
                return max(self.interval_s, min(self.rest_s, DEAD_EVERY_S)) if slow else self.interval_s
            case Standing.PROBATION:
                return max(self.interval_s, min(self.rest_s, PROVE_EVERY_S))
        if self.lossy:
            return max(self.interval_s, min(self.rest_s, DEAD_EVERY_S))
        by_traffic = PROBE_BYTES / (SHARE * self._bytes_s) if self._bytes_s else self.rest_s
        return max(self.interval_s, min(self.rest_s, by_traffic))

    def wants(self, now: float) -> bool:
        """Is a probe due, and worth sending? Not while traffic says the same, but that what traffic does not say (loss)
        is asked for now and then."""
        spacing = self.spacing(now)
        if now - self._sent < spacing - self.interval_s / 10:
            return False
        if self.standing is not Standing.GOOD or self._doubt is not None or self.lossy:
            return True
        if not self.spares and now - self._sent >= LOOK_S:
            return True
        return now - self._alive >= spacing / 2 + (self.srtt_s or 0.0)

    def due(self, now: float) -> float:
        """When the next probe may be sent, if not now."""
        at = self._sent + self.spacing(now)
        return at if at > now else now + self.interval_s

    def sent(self, number: int, now: float) -> None:
        self._sent, self._look = now, False
        if len(self._pending) >= PENDING:
            self._lose(next(iter(self._pending)))
        self._pending[number] = now

    def unsent(self, now: float) -> None:
        """The kernel took no probe: no way out, say."""
        self._sent = now
        if self.spares and self.standing is not Standing.BAD and self._doubt is None:
            self._doubt, self._told_doubt = now, False

    def look(self, now: float) -> None:
        """Somebody wants to know now: the next probe is due, if it was not answered just now."""
        if self.spares and self.standing is Standing.GOOD and now - max(self._alive, self._sent) > self.limit_s:
            self._look = True

    def answered(self, number: int, now: float) -> bool:
        """False: it is none that waits, or too old to say anything."""
        left = self._pending.pop(number, None)
        if left is not None:
            self._fates.append(True)
            self._rtt(now - left)
        else:
            left = self._late.pop(number, None)
            if left is None:
                return False
            # It has been counted as lost. The way is that long now, which a mean would learn too late.
            self.srtt_s = max(self.srtt_s or 0.0, now - left)
        self._lives(left, now)
        return True

    def passed(self, now: float, rtt_s: float | None = None) -> None:
        """Traffic came in: as good as an answer to what left one round trip ago."""
        if rtt_s is not None and 0 <= rtt_s < 60:
            self._rtt(rtt_s)
        self._lives(now - (self.srtt_s or 0.0), now)

    def silenced(self, now: float) -> None:
        """Somebody who keeps asking by this link has had no answer for longer than he waits, and we do not ask."""
        if self.standing is not Standing.BAD:
            self._down(now)

    def doubted(self, now: float) -> None:
        """The same, where we ask ourselves: it is found out quickly."""
        if self.standing is Standing.GOOD and self.spares and self._asks and self._doubt is None:
            self._doubt = now

    def traffic(self, now: float, bytes_in: int, bytes_out: int, within_s: float) -> None:
        """What its interface counted since it was last told; about once a second."""
        self._bytes_s = (bytes_in + bytes_out) / within_s if within_s > 0 else 0.0
        if bytes_in:
            self._unanswered = False
        elif self._unanswered and now >= self._heard_doubt_from and self._doubt is None:
            self.doubted(now)
            self._told_doubt = self._doubt is not None
        elif bytes_out:
            self._unanswered = True

    def next_timer(self) -> float:
        """When it must be looked at, at the latest."""
        if not self.spares:
            return self._alive + self.limit_s
        if self._doubt is not None:
            return max(self._alive, self._doubt) + self.limit_s
        waits = next(iter(self._pending.values()), None)
        return self._looked + self.rest_s if waits is None else waits + self._wait_s

    def handle_timer(self, now: float) -> None:
        """At `next_timer` and every now and then (each interval)."""
        late = self._asks and now - self._looked > 2 * self.interval_s + 0.05
        self._looked = now
        limit = self.limit_s
        for number in [number for number, left in self._pending.items() if now - left > limit]:
            self._lose(number)
        for number in [number for number, left in self._late.items() if now - left > LATE_S]:
            del self._late[number]
        self._weigh(now)
        if late and self._excused != self._alive:
            # We ourselves stood still: what came meanwhile is read in a moment. Once: what is dead stays dead.
            self._alive = self._excused = max(self._alive, now - limit + self.interval_s)
            if self._doubt is not None:
                self._doubt = max(self._doubt, self._alive)
            return
        if self.standing is not Standing.BAD and self._asks and self._silent(now):
            self._down(now)
        elif self.standing is Standing.PROBATION and now - self._began >= self._patience(now) and not self._unproved:
            self.standing = Standing.GOOD
            self._began = now
        elif self.standing is Standing.BAD and not self._asks and now - self._began > FORGET_S:
            self.standing, self._began, self._unproved = Standing.PROBATION, now, True

    def probation_s(self, now: float) -> float:
        """Until it may be used again, if all goes well; 0: it may, or is BAD."""
        if self.standing is not Standing.PROBATION:
            return 0.0
        return max(0.0, self._patience(now) - (now - self._began))

    # — within —

    @property
    def _wait_s(self) -> float:
        """For an answer, until there is doubt."""
        return self.interval_s + 2 * max(self.srtt_s or 0.0, FIRST_RTT_S)

    def _silent(self, now: float) -> bool:
        if not self.spares:
            return now - self._alive > self.limit_s - 1e-6
        if self._doubt is None:
            waits = next((left for left in self._pending.values() if left > self._alive), None)
            if waits is not None and now - waits > self._wait_s - 1e-6:
                self._doubt, self._told_doubt = now, False
        return self._doubt is not None and now - max(self._alive, self._doubt) > self.limit_s - 1e-6

    def _lose(self, number: int) -> None:
        left = self._pending.pop(number)
        self._fates.append(False)
        if len(self._late) >= LATE:
            self._late.pop(next(iter(self._late)))
        self._late[number] = left

    def _rtt(self, rtt_s: float) -> None:
        self.srtt_s = rtt_s if self.srtt_s is None else self.srtt_s + (rtt_s - self.srtt_s) / 8

    def _lives(self, left: float, now: float) -> None:
        self._alive = max(self._alive, left)
        if self._doubt is not None and left >= self._doubt:
            self._doubt = None
            if self._told_doubt:
                self._heard_doubt_from = now + self._false_s
                self._false_s, self._told_doubt = min(FALSE_MOST_S, 2 * self._false_s), False
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
        elif self._unproved:
            self._began = now
        self._unproved = False

    def _down(self, now: float) -> None:
        if self.standing in (Standing.GOOD, Standing.TRYING):
            if self.standing is Standing.GOOD:
                self.downs += 1
                self.down_after_s = now - self._alive
            self._went.append(now)
        self.standing = Standing.BAD
        self._began = now
        self._doubt, self._told_doubt, self._false_s, self._heard_doubt_from = None, False, FALSE_S, now

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
