"""When a kit's record is due by short message. Sans-IO: what happened and `now` (monotonic) in, a reason out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.model.telemetry import Why

if TYPE_CHECKING:
    from gateway.config.texts import LastResort as Config

DAY_S = 86400.0
ALARM_GAP_S = 60.0
"""Several alarms within it are one record."""


class Policy:
    """When a record is due. `now` is monotonic."""

    def __init__(self, now: float) -> None:
        self.away_since: float | None = now
        self._sent: deque[tuple[float, str]] = deque()
        self._alarm_at: float | None = None
        self._last: float | None = None

    def held(self, yes: bool, now: float) -> None:
        """Whether a center holds this kit."""
        if yes:
            self.away_since = self._last = self._alarm_at = None
        elif self.away_since is None:
            self.away_since = now

    def alarm(self, now: float) -> None:
        if self.away_since is not None:
            self._alarm_at = now

    def due(self, config: Config, now: float) -> Why | None:
        if self.away_since is None or not self.room(config, now):
            return None
        since = None if self._last is None else now - self._last
        if config.on_alarm and self._alarm_at is not None and (since is None or since >= ALARM_GAP_S):
            return Why.ALARM
        if since is None:
            return Why.LOST if now - self.away_since >= config.after else None
        return Why.ROUTINE if since >= config.every else None

    def tried(self, now: float) -> None:
        """Nobody could be told: not again at once."""
        self._last, self._alarm_at = now, None

    def sent(self, now: float, id_: str = "") -> None:
        self.tried(now)
        self._sent.append((now, id_))

    def before(self, ages_s: Iterable[float], now: float) -> None:
        """What was sent by an earlier run of the gateway counts too."""
        self._sent = deque(sorted((*self._sent, *((now - age_s, "") for age_s in ages_s))))

    def never_left(self, id_: str) -> None:
        """No carrier has tried it: it has cost nothing."""
        self._sent = deque(one for one in self._sent if one[1] != id_)

    def down_min(self, now: float) -> int:
        return 0 if self.away_since is None else int((now - self.away_since) / 60)

    def room(self, config: Config, now: float) -> bool:
        while self._sent and now - self._sent[0][0] >= DAY_S:
            self._sent.popleft()
        return len(self._sent) < config.most_a_day
