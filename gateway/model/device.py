"""Devices, their channels, and where each stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.model.ids import DeviceId, StreamId


class DeviceState(StrEnum):
    PENDING = "pending"  # knocked, not admitted
    OFFLINE = "offline"
    ONLINE = "online"
    DEGRADED = "degraded"  # there, but something of it fails; `code` says what


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do, as far as it told or proved."""

    ptz: bool = False
    zoom: bool = False
    focus: bool = False
    iris: bool = False
    presets: bool = False
    cruise: bool = False
    audio_in: bool = False
    talk_back: bool = False
    position: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """One thing of a device that can be watched. `key` is the last part of its id."""

    key: str
    external_id: str
    name: str
    online: bool = True
    parent: str = ""
    capabilities: Capabilities = field(default_factory=Capabilities)
    stream: StreamId | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the directory shows it. `external_id` is its own number (20 digits for GB/T 28181)."""

    id: DeviceId
    scheme: str  # the adapter it belongs to: "gb28181"
    external_id: str
    name: str
    state: DeviceState
    code: str = ""
    detail: str = ""
    since: float = 0.0
    address: str = ""
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    version: str = ""  # of the protocol: "2011", "2016", "2022"
    last_seen: float | None = None
    channels: tuple[Channel, ...] = ()
    alias: str = ""


@dataclass(frozen=True, slots=True)
class PendingDevice:
    """A device that knocked and is refused until a technician admits it."""

    scheme: str
    external_id: str
    address: str
    first_seen: float
    last_seen: float
    attempts: int
    code: str  # "unknown-device" or "wrong-password"
    detail: str = ""
