"""One finding of a self-check: what was looked at, what was found, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
