"""Who may be here and who still is: admission by digest, the life of a registration, and silence.

Sans-IO: requests come as values with `now` in monotonic seconds, decisions go back as values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MIN_EXPIRES_S = 60
DEFAULT_EXPIRES_S = 3600
LONGEST_INTERVAL_S = 600.0
EXPIRY_GRACE_S = 60.0
"""A refresh may come this late: clocks of devices run slow, and a lost REGISTER is repeated after a minute."""


class Life(StrEnum):
    """Where a device stands for us."""

    UNHEARD = "unheard"  # admitted, not heard since our start
    ALIVE = "alive"
    SILENT = "silent"
    LOGGED_OUT = "logged-out"


@dataclass(slots=True)
class Liveness:
    """Registration and silence of one device.

    Everything that comes from a device counts as life, not only keepalives: a device that sends alarms but whose
    heartbeat settings are broken is there. Only the monotonic clock is used, so that a clock set by NTP or GNSS takes
    nobody off line.
    """

    silence_s: float
    misses: int = 3
    life: Life = Life.UNHEARD
    last: float = 0.0
    until: float | None = None  # end of the registration; None: known from before our restart
    _kept: float | None = None  # the last keepalive
    _gap: float = 0.0  # before it
    _slow: float = 0.0  # silence that the device's own interval asks for

    def registered(self, now: float, expires_s: float) -> bool:
        """True when this brings the device back."""
        self.until = now + expires_s
        return self.seen(now)

    def seen(self, now: float) -> bool:
        """A sign of life; True when it was not alive before. One that logged off stays so until it registers."""
        back = self.life is not Life.ALIVE
        if self.life is Life.LOGGED_OUT and (self.until is None or self.until <= now):
            return False
        self.life = Life.ALIVE
        self.last = now
        return back

    def keepalive(self, now: float) -> None:
        """A device set to a longer interval than ours is given its own: two gaps alike are an interval, one is an
        outage. What a device says of its interval is not asked: those numbers are wrong in the field."""
        gap = 0.0 if self._kept is None else now - self._kept
        self._slow = min(self._gap, gap, LONGEST_INTERVAL_S) * self.misses
        self._kept, self._gap = now, gap

    @property
    def patience_s(self) -> float:
        return max(self.silence_s, self._slow)

    def logged_out(self, now: float) -> None:
        self.life = Life.LOGGED_OUT
        self.last = now
        self.until = None

    @property
    def deadline(self) -> float | None:
        """When the device will count as silent if nothing more comes; None while it is not alive."""
        if self.life is not Life.ALIVE:
            return None
        silent = self.last + self.patience_s
        if self.until is None:
            return silent
        # A registration that ran out ends the device only together with some silence: it may just refresh badly.
        return min(silent, max(self.until + EXPIRY_GRACE_S, self.last + self.patience_s / 3))

    def check(self, now: float) -> bool:
        """True when the device has just become silent."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return False
        self.life = Life.SILENT
        return True


def granted_expires(asked: int | None, longest_s: float) -> int:
    """Seconds to grant; 0 logs off. Short wishes are granted: refusing them (423) breaks cheap devices."""
    if asked is None:
        return min(DEFAULT_EXPIRES_S, int(longest_s))
    if asked <= 0:
        return 0
    return max(MIN_EXPIRES_S, min(asked, int(longest_s)))
