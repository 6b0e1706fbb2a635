"""MANSCDP messages as dataclasses: what devices tell, in the forms of 2011, 2016 and 2022. GB/T 28181 annex A.

Values are read as the field writes them: tags in any case, attributes in place of elements, enums with the words of
other enums, numbers that are none. What can't be read is None or empty, never an error: a wrong longitude must not
cost the alarm that carries it. Only a body without any root at all raises RemoteProtocolError.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """What every message begins with. `root` is "Query", "Notify", "Response" or "Control"."""

    root: str
    cmd: str
    sn: int
    device_id: str


@dataclass(frozen=True, slots=True)
class Keepalive:
    """A.2.5.2. `faulty` are ids of parts that the device itself says fail."""

    head: Head
    ok: bool
    faulty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """A.2.1.9, as far as it is used. `online` None: not told. `event` of NOTIFY: ON, OFF, ADD, DEL, UPDATE, …"""

    device_id: str
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    civil_code: str = ""
    parents: tuple[str, ...] = ()
    parental: bool = False
    online: bool | None = None
    longitude: float | None = None
    latitude: float | None = None
    ptz_type: int = 0
    mobile_type: int = 0
    event: str = ""


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """One message of a catalogue, or one notice of its changes. `total` is -1 where SumNum is missing."""

    head: Head
    total: int
    items: tuple[CatalogItem, ...]


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    head: Head
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A.2.6.7. `alarms` are (id, duty status) of the alarm parts."""

    head: Head
    online: bool | None
    ok: bool | None
    reason: str = ""
    device_time: str = ""
    alarms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PresetList:
    head: Head
    presets: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """One position, datum WGS-84. km/h, degrees, metres."""

    device_id: str
    time: str
    longitude: float
    latitude: float
    speed_kmh: float | None = None
    direction_deg: float | None = None
    altitude_m: float | None = None


@dataclass(frozen=True, slots=True)
class Positions:
    """MobilePosition: one fix in the flat form of 2016, any number in the list form of 2022."""

    head: Head
    fixes: tuple[Fix, ...]


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """A.2.5.1. Numbers are 0 where they are missing or no numbers."""

    head: Head
    priority: int
    method: int
    time: str
    description: str = ""
    longitude: float | None = None
    latitude: float | None = None
    type: int = 0
    event_type: int = 0


@dataclass(frozen=True, slots=True)
class VideoUpload:
    """A.2.5.8 of 2022, "one-key report": the device wants its live picture fetched now."""

    head: Head
    time: str
    longitude: float | None = None
    latitude: float | None = None


@dataclass(frozen=True, slots=True)
class MediaStatus:
    """A.2.5.4; type 121: the end of the file or of what the device will send."""

    head: Head
    notify_type: int


@dataclass(frozen=True, slots=True)
class ResultReply:
    """Any other answer that carries a Result: GuardCmd, AlarmCmd, HomePosition, DeviceConfig."""

    head: Head
    ok: bool


@dataclass(frozen=True, slots=True)
class BroadcastReply:
    """A.2.6.11: whether the device will ask for the sound. `reason` is not in the standard; some devices say one."""

    head: Head
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """A message nobody here reads. `why` is for the log, once a device and kind."""

    head: Head
    why: str = ""


Message = (
    Keepalive
    | CatalogPage
    | DeviceInfo
    | DeviceStatus
    | PresetList
    | Positions
    | AlarmNotice
    | VideoUpload
    | MediaStatus
    | ResultReply
    | BroadcastReply
    | Other
)
