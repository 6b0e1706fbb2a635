"""How good this machine's clock is: by the kernel's word, by what synchronises it, by times that others tell. Sans-IO.

A clock that shows a time before this software was made, or before the last record on the disk, is not believed,
whoever says that it is synchronised. A mobile network (NITZ) or a satellite receiver that tells the same time makes a
clock good that nobody synchronises; one that tells another time is said (`clock-off`).
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.base.moment import TimeQuality
from gateway.model.kit_state import ClockState

SAME_S = {TimeQuality.GNSS: 2.0, TimeQuality.NITZ: 30.0}
"""A receiver's sentence is up to a second late; networks tell whole seconds, and some send them late or not at all."""
KEPT_S = 1800.0
"""A comparison counts so long: by then a clock of the cheap kind is a second off at most."""
BACK_S = 60.0
"""A clock may be so much behind the last record."""
LONELY_S = 6 * 3600.0
"""A record in the future yields to what synchronises the clock, where nobody else tells the time, after so long: a kit
whose clock was once a year ahead must not distrust it for a year."""

# Reference ids that chrony and ntpd give to receivers on this machine (their manuals; four letters at most).
GNSS_NAMES = frozenset({"GPS", "GNSS", "GNS", "PPS", "NMEA", "BDS", "BD", "GLO", "GAL", "SHM0", "SHM1", "SOCK"})


@dataclass(frozen=True, slots=True)
class Told:
    """What another clock showed: `off_s` is ours minus that, taken at monotonic `at`."""

    source: str
    quality: TimeQuality
    off_s: float
    at: float


class ClockJudge:
    """`built`: when this software was made; `last_record`: the newest time that a good clock of this kit showed. No
    right clock shows less than either. The second may itself be of a clock that was deceived: it is given up when two
    witnesses (what synchronises the clock, and a network or receiver) agree on less, or one has for `LONELY_S`."""

    def __init__(self, built: float, last_record: float = 0.0) -> None:
        self._built = built
        self._record = last_record - BACK_S
        self._told: dict[str, Told] = {}
        self._less_since: float | None = None

    @property
    def floor(self) -> float:
        return max(self._built, self._record)

    def record(self, wall: float) -> None:
        """The clock was good at `wall`."""
        self._record = max(self._record, wall - BACK_S)

    def told(self, source: str, quality: TimeQuality, off_s: float, now: float) -> None:
        """A modem or receiver told the time; `now` is monotonic."""
        self._told[source] = Told(source, quality, off_s, now)

    def stepped(self, by_s: float) -> None:
        """Our clock jumped: what was compared before is moved with it."""
        self._told = {name: Told(one.source, one.quality, one.off_s + by_s, one.at) for name, one in self._told.items()}

    def look(self, wall: float, now: float, *, synchronised: bool, source: str = "") -> ClockState:
        """`source`: what synchronises it, as "chrony GPS", "chrony ntp.example", "timesyncd"."""
        best = self._best(now)
        wrong = best is not None and abs(best.off_s) > SAME_S[best.quality]
        less = self._built <= wall < self._record and synchronised and not wrong
        self._less_since = (now if self._less_since is None else self._less_since) if less else None
        if self._less_since is not None and (best is not None or now - self._less_since >= LONELY_S):
            self._record = wall - BACK_S
        if wall < self.floor:
            return ClockState(TimeQuality.UNSYNCED, "", best.off_s if best else None, "clock-past")
        off_s = round(best.off_s, 1) if best is not None else None
        if synchronised:
            name = source.rpartition(" ")[2].upper()
            quality = TimeQuality.GNSS if name in GNSS_NAMES else TimeQuality.NTP
            return ClockState(quality, source, off_s, "clock-off" if wrong else "")
        if best is not None and not wrong:
            return ClockState(best.quality, best.source, off_s, "")
        return ClockState(TimeQuality.UNSYNCED, "", off_s, "clock-off" if wrong else "clock-unsynced")

    def _best(self, now: float) -> Told | None:
        fresh = [one for one in self._told.values() if now - one.at <= KEPT_S]
        rank = {TimeQuality.GNSS: 0, TimeQuality.NITZ: 1}
        return min(fresh, key=lambda one: (rank[one.quality], now - one.at), default=None)


def chrony_source(text: str) -> tuple[bool, str] | None:
    """Of `chronyc -c -n tracking`: whether it follows somebody, and whom; None for what is no such line."""
    fields = text.strip().split("\n")[0].split(",")
    if len(fields) < 14:
        return None
    name = fields[1] or _letters(fields[0])
    follows = fields[-1] != "Not synchronised" and fields[0] not in ("00000000", "7F7F0101")
    return follows, f"chrony {name}"[:64]


def _letters(hexadecimal: str) -> str:
    """A reference id of a receiver is four letters."""
    try:
        return bytes.fromhex(hexadecimal).decode("ascii").strip("\0 ")
    except ValueError:
        return hexadecimal[:16]
