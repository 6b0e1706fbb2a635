"""Whether a BeiDou terminal can send now, and why not. Sans-IO: what it said and `now` in, a reason out.

A card may send once in so many seconds; one that was sent without an answer counts as sent. A terminal that hears no
beam, has no card or says nothing sends nothing, and each is a reason of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.satphone.protocol.beidou import Beams, Card, Feedback

SILENT_S = 60.0
INHIBITED_S = 180.0
"""A refusal that names no time holds so long: only another attempt tells whether it is over."""
LEAST_POWER = 2


@dataclass(slots=True)
class Standing:
    every_s: float
    card: Card | None = None
    beams: Beams | None = None
    heard_at: float | None = None
    sent_at: float | None = None
    wait_until: float = 0.0
    refused: str = ""
    refused_until: float = 0.0

    def line_anew(self) -> None:
        """The terminal is asked again for all; what its card has sent counts on."""
        self.card = self.beams = self.heard_at = None

    def inhibited(self, now: float) -> str:
        """Why its last attempt was refused, while that holds."""
        return self.refused if now < self.refused_until else ""

    def heard(self, told: object, now: float) -> None:
        self.heard_at = now
        if isinstance(told, Card):
            self.card = told
        elif isinstance(told, Beams):
            self.beams = told
        elif isinstance(told, Feedback):
            self.refused = told.code if told.code in ("bd-inhibited", "bd-low-power", "bd-cipher") else ""
            self.refused_until = now + INHIBITED_S
            if told.wait_s:
                self.wait_until = now + told.wait_s
            elif told.code == "bd-card-limit":
                self.wait_until = now + self.interval_s

    def sent(self, now: float) -> None:
        self.sent_at = now

    @property
    def interval_s(self) -> float:
        told = self.card.every_s if self.card is not None else 0.0
        # A second more: the terminal counts by its own clock.
        return (told or self.every_s) + 1.0

    def wait_s(self, now: float) -> float:
        due = self.wait_until if self.sent_at is None else max(self.wait_until, self.sent_at + self.interval_s)
        return max(0.0, due - now)

    def why_not(self, now: float) -> str:
        """A reason code; "" when it can."""
        if self.heard_at is None or now - self.heard_at > SILENT_S:
            return "bd-silent"
        if self.card is None or not self.card.number:
            return "bd-no-card"
        if self.beams is None or self.beams.best < LEAST_POWER:
            return "bd-no-beam"
        if self.wait_s(now) > 0:
            return "bd-card-limit"
        return ""

    def bars(self) -> int | None:
        return None if self.beams is None else min(5, self.beams.best + (self.beams.best > 0))
