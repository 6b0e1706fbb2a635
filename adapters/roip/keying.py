"""When a radio may transmit: sans-IO. Time is handed in, in seconds of one monotonic clock.

Four rules, in this order: a transmission that ran out (`transmit_timeout`) keeps PTT down until the talker has let go
and `transmit_rest` is over; an open squelch holds PTT back (not the other way: while we transmit, squelch is not
believed); who is wanted is keyed; PTT stays for `tail` after the last word, so that words close together are one
transmission and a lost packet is none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """All in seconds."""

    transmit_timeout_s: float = 60.0
    transmit_rest_s: float = 3.0
    tail_s: float = 0.4
    settle_s: float = 0.2
    squelch_inhibits: bool = True


class Keying:
    def __init__(self, limits: KeyLimits) -> None:
        self._limits = limits
        self._wanted = False
        self._squelch = False
        self._keyed_at: float | None = None
        self._tail_until: float | None = None
        self._settled_at: float | None = None  # while our own tail may still open the squelch
        self._locked = False
        self._rest_until = 0.0
        self.timeouts = 0

    @property
    def ptt(self) -> bool:
        """The transmitter shall be keyed."""
        return self._keyed_at is not None

    @property
    def heard(self) -> bool:
        """Somebody is heard on the channel, and it is not our own tail."""
        return self._squelch and not self.ptt and self._settled_at is None

    @property
    def inhibit(self) -> str:
        """Why it does not transmit although it should: a reason code, or ""."""
        if self._locked:
            return "transmit-timeout"
        return "channel-busy" if self._wanted and not self.ptt else ""

    @property
    def next_at(self) -> float | None:
        """When `tick` has something to do; None: nothing is timed."""
        times = []
        if self._keyed_at is not None:
            times.append(self._keyed_at + self._limits.transmit_timeout_s)
        if self._tail_until is not None:
            times.append(self._tail_until)
        if self._locked and not self._wanted:
            times.append(self._rest_until)
        if self._settled_at is not None:
            times.append(self._settled_at)
        return min(times, default=None)

    def wanted(self, on: bool, now: float) -> None:
        """The group wants to be heard on the channel, or no longer."""
        if on == self._wanted:
            return
        self._wanted = on
        self._tail_until = None if on or not self.ptt else now + self._limits.tail_s
        self.tick(now)

    def squelch(self, is_open: bool, now: float) -> None:
        """The receiver hears somebody, or no longer."""
        # What is told while we transmit, or just after, is our own signal; it counts when it is still there later.
        self._squelch = is_open
        self.tick(now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._keyed_at is not None and now >= self._keyed_at + self._limits.transmit_timeout_s:
            self._unkey(now)
            self._locked = True
            self._rest_until = now + self._limits.transmit_rest_s
            self.timeouts += 1
        if self._tail_until is not None and now >= self._tail_until:
            self._unkey(now)
        if self._settled_at is not None and now >= self._settled_at:
            self._settled_at = None
        if self._locked and not self._wanted and now >= self._rest_until:
            self._locked = False
        if self._wanted and not self._locked and not self.ptt and not (self._limits.squelch_inhibits and self.heard):
            self._keyed_at = now
            self._settled_at = None

    def _unkey(self, now: float) -> None:
        self._keyed_at = None
        self._tail_until = None
        self._settled_at = now + self._limits.settle_s
