"""Alarms as devices raise them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.ids import DeviceId


class AlarmSeverity(StrEnum):
    """GB/T 28181 AlarmPriority 1 to 4, in words."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. `key` is what makes two reports the same alarm; `id` is a ULID given by the core when stored.

    A place that an alarm names is told beside it as a `Position`: a bare pair of numbers has no datum.
    """

    device: DeviceId
    channel: str
    key: str
    severity: AlarmSeverity
    kind: str  # the adapter's word: "motion", "intrusion", "video-loss", …; the console says it in Chinese and English
    method: str  # "phone", "device", "sms", "gps", "video", "fault", "other"
    description: str
    raised_at: float  # unix seconds as the device told it, else as received
    received_at: float
    cleared: bool = False
    id: str = ""
    repeats: int = 0
    acknowledged_by: str = ""
    acknowledged_at: float | None = None
