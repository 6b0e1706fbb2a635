"""Whether a kit is there, as its center judges it: by its births and deaths, and by a timer of its own.

A will may come late (the broker of an old connection notices its end after the new one was born) or never (the broker
that held it was killed). So a death of an older boot or session is nothing, and silence of three periods is a death.

```
             birth                    death of this session
 ABSENT ───────────────► PRESENT ───────────────────────────► ABSENT
             any sign       │  3 periods without a sign
 SILENT ◄───────────────────┘
   │ birth, any sign
   └──────────────────► PRESENT
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from adapters.mqtt.protocol.messages import Birth

MISSED = 3
FORGOTTEN = 8
"""Instances of a kit that are remembered as gone."""


class There(StrEnum):
    ABSENT = "absent"
    PRESENT = "present"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Came:
    birth: Birth


@dataclass(frozen=True, slots=True)
class Went:
    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Twice:
    """Two machines use one id."""

    one: Birth
    other: Birth


Outcome = Came | Went | Twice


class Presence:
    """Of one kit. `now` is a monotonic clock."""

    def __init__(self) -> None:
        self.there = There.ABSENT
        self.birth: Birth | None = None
        self._sign_at = 0.0
        self._gone: list[Birth] = []

    def receive_state(self, birth: Birth, now: float) -> list[Outcome]:
        known = self.birth
        if not birth.online:
            return self._death(birth)
        told: list[Outcome] = []
        if known is not None and known.instance != birth.instance:
            # A restarted kit never comes back as what it was: whoever does is another machine.
            if any(gone.instance == birth.instance for gone in self._gone):
                told.append(Twice(known, birth))
            self._gone = [*(gone for gone in self._gone if gone.instance != birth.instance), known][-FORGOTTEN:]
        self.birth, self._sign_at = birth, now
        same = known is not None and replace(known, at=birth.at) == birth
        if not same or self.there is not There.PRESENT:
            self.there = There.PRESENT
            told.append(Came(birth))
        return told

    def receive_sign(self, now: float, instance: str = "", session: int = 0) -> list[Outcome]:
        """Anything that it said just now (nothing retained); `instance` and `session` where it names them. Of a session
        that is newer than its birth, the birth was missed: a will of the one before is old from here on."""
        if self.birth is None:
            return []  # its birth comes
        if instance and instance != self.birth.instance:
            other = next((gone for gone in self._gone if gone.instance == instance), None)
            return [Twice(self.birth, other)] if other is not None else []
        self._sign_at = now
        if session > self.birth.session:
            self.birth = replace(self.birth, session=session)
        if self.there is There.PRESENT:
            return []
        self.there = There.PRESENT
        self.birth = replace(self.birth, online=True, code="")
        return [Came(self.birth)]

    def next_timer(self) -> float | None:
        if self.there is not There.PRESENT or self.birth is None:
            return None
        return self._sign_at + MISSED * self.birth.period_s

    def handle_timer(self, now: float) -> list[Outcome]:
        due = self.next_timer()
        if due is None or now < due or self.birth is None:
            return []
        self.there = There.SILENT
        return [Went("kit-silent", f"nothing for {now - self._sign_at:.0f} s")]

    def _death(self, will: Birth) -> list[Outcome]:
        known = self.birth
        if known is None:
            self.birth = will
            return [Went(will.code or "kit-offline")]
        if will.older(known) or (will.instance != known.instance and will.boot <= known.boot):
            return []  # of an earlier life, or of the other machine
        self.birth = replace(known, online=False, boot=will.boot, session=will.session, instance=will.instance)
        was, self.there = self.there, There.ABSENT
        return [Went(will.code or "kit-offline")] if was is not There.ABSENT else []
