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
    """One alarm. `key` is what makes two reports the same alarm; `id` is a ULID given by the core when stored."""

    device: DeviceId
    channel: str
    key: str
    severity: AlarmSeverity
    kind: str  # field's word: "motion", "intrusion", "video-loss", "disk-fault", "manual", "other"
    method: str  # "phone", "device", "sms", "gps", "video", "fault", "other"
    description: str
    raised_at: float  # unix seconds as the device told it, else as received
    received_at: float
    longitude: float | None = None
    latitude: float | None = None
    cleared: bool = False
    id: str = ""
    repeats: int = 0
    acknowledged_by: str = ""
    acknowledged_at: float | None = None
