"""What an AT line tells its owner, and which lines a modem says unasked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.wire.at.command import PDU, Answer

URC_MARKS = "+^*$%&-!#_"
URC_WORDS = re.compile(
    r"RING|NO CARRIER|BUSY|NO ANSWER|RDY|READY|[A-Z ]*POWER[ -]?(?:ON|DOWN|UP|OFF)|(?:Call|SMS|PB) (?:Ready|DONE)"
)
URC_BODIES: Mapping[str, re.Pattern[str]] = {"+CMT": PDU, "+CDS": PDU, "+CBM": PDU}
"""Unsolicited lines that are followed by a second one (with AT+CMGF=0)."""


def is_unsolicited(line: str) -> bool:
    """It looks like something that a modem says unasked, and not like noise."""
    return line[0] in URC_MARKS or URC_WORDS.fullmatch(line) is not None


@dataclass(frozen=True, slots=True)
class Answered:
    id: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Unsolicited:
    """`body` is the line that belongs to it, where one does (+CMT, +CDS)."""

    line: str
    body: str = ""

    @property
    def prefix(self) -> str:
        return self.line.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Resynced:
    """The line works again after a time-out; `dropped` lines belonged to nobody any more."""

    dropped: int


@dataclass(frozen=True, slots=True)
class Silent:
    """The modem answers nothing, not even a bare AT. Nothing more is sent until `reset`."""

    probes: int


AtEvent = Answered | Unsolicited | Resynced | Silent
