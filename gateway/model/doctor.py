"""One finding of a self-check: what was looked at, what was found, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.link import BearerFacts, LinkPhase


class Grade(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    OFF = "off"  # not configured or not installed; nothing is wrong


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is a reason of model.reason where the grade is not OK; `measured` and `expected` are plain words."""

    check: str
    grade: Grade
    measured: str
    expected: str = ""
    code: str = ""


def of_bearer(check: str, facts: BearerFacts, *, starting: str = "") -> Finding:
    """How a bearer stands by its adapter's word; one that is up and has a reason lacks something. `starting`: why one
    that is not up and names no reason is not."""
    good = (facts.phase is LinkPhase.UP and not facts.code) or facts.code == "sat-messages-only"
    told = " ".join(filter(None, (facts.device, facts.phase.value, facts.step, facts.detail)))
    if good:
        return Finding(check, Grade.OK, told)
    expected = "" if facts.phase is LinkPhase.UP else "up"
    return Finding(check, Grade.WARN, told, expected, facts.code or starting)
