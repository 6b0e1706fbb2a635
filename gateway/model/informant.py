"""People on site who have nothing but a phone: how they are invited, and what they report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.ids import DeviceId


class ReportKind(StrEnum):
    PHOTO = "photo"
    VOICE = "voice"
    TEXT = "text"
    POSITION = "position"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that lets phones report. `phones` have used it so far, of `most_phones`."""

    id: str
    label: str  # who: "Village head Wang"
    place: str  # where: "North dam"
    made_by: str
    made_at: float
    expires_at: float
    most_phones: int
    phones: int = 0
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone. `name` is what its owner typed, or the invitation's label."""

    device: DeviceId
    name: str
    place: str
    invitation: str


@dataclass(frozen=True, slots=True)
class Where:
    """Where a report was made: WGS-84 degrees and metres as a browser's Geolocation tells them."""

    longitude: float
    latitude: float
    accuracy_m: float | None
    taken_at: float  # unix seconds


@dataclass(frozen=True, slots=True)
class Draft:
    """A report as the phone announces it. `id` is a ULID of the phone's own making: the same id is the same report."""

    id: str
    kind: ReportKind
    taken_at: float  # unix seconds
    text: str = ""
    media_type: str = ""
    size: int = 0  # bytes of the file that follows; 0: none
    sha256: str = ""  # of the file, hex
    where: Where | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a report's file is safely on the disk. `complete`: the phone may forget it."""

    received: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A report as people see it. `complete_at` is None while its file is still on the way."""

    id: str
    device: DeviceId
    who: str
    place: str
    kind: ReportKind
    text: str
    media_type: str
    size: int
    sha256: str
    taken_at: float
    received_at: float
    where: Where | None = None
    complete_at: float | None = None
    seen_by: str = ""
    seen_at: float | None = None
