"""A device's alarm as `model.Alarm`: its kind in the field's words, its severity, and what makes it the same again."""

from __future__ import annotations

from adapters.gb28181.protocol.clock import beijing_to_unix
from adapters.gb28181.protocol.manscdp import AlarmNotice, VideoUpload
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId

METHODS = {1: "phone", 2: "device", 3: "sms", 4: "gps", 5: "video", 6: "fault", 7: "other"}
DEVICE_METHOD = 2

# GB/T 28181-2016 A.2.5 notes: AlarmType by AlarmMethod.
_KINDS: dict[int, dict[int, str]] = {
    2: {1: "video-loss", 2: "tamper", 3: "disk-full", 4: "hot", 5: "cold"},
    5: {
        1: "manual",
        2: "motion",
        3: "left-object",
        4: "removed-object",
        5: "tripwire",
        6: "intrusion",
        7: "retrograde",
        8: "loitering",
        9: "flow",
        10: "density",
        11: "abnormal",
        12: "fast-move",
        13: "occlusion",
    },
    6: {1: "disk-fault", 2: "fan-fault"},
}
_PLAIN = {1: "phone", 3: "sms", 4: "gps", 6: "fault"}
_SEVERITIES = {
    1: AlarmSeverity.CRITICAL,
    2: AlarmSeverity.MAJOR,
    3: AlarmSeverity.MINOR,
    4: AlarmSeverity.WARNING,
}
MAX_DESCRIPTION = 512
LIVE_OFFERED = "live-offered"
OTHER = "other"

KINDS = frozenset(
    (*(kind for kinds in _KINDS.values() for kind in kinds.values()), *_PLAIN.values(), LIVE_OFFERED, OTHER)
)
"""Every kind that this adapter gives to an alarm; the console has words for each (`kind.…` in console/src/i18n.ts)."""


def alarm_of(
    notice: AlarmNotice, device: DeviceId, channel: str, *, registered_id: str, call_id: str, received_at: float
) -> Alarm:
    """The alarm to store. Priorities that the standard does not know count as major: better seen than lost.

    The key is who raised it, its SN and its time. SN begins anew with every start of the device, so where the time is
    missing the Call-ID stands in for it.
    """
    # Method 0 means "all" in queries; cameras send it in notices together with a video type.
    method = notice.method or (5 if notice.type else 7)
    kind = _KINDS.get(method, {}).get(notice.type) or _PLAIN.get(method, OTHER)
    return Alarm(
        device=device,
        channel=channel,
        key=f"gb28181:{registered_id}:{notice.head.device_id}:{notice.head.sn}:{notice.time or call_id}",
        severity=_SEVERITIES.get(notice.priority, AlarmSeverity.MAJOR),
        kind=kind,
        method=METHODS.get(method, "other"),
        description=notice.description[:MAX_DESCRIPTION],
        raised_at=beijing_to_unix(notice.time, received_at),
        received_at=received_at,
    )


def live_offered(
    upload: VideoUpload, device: DeviceId, channel: str, *, registered_id: str, call_id: str, received_at: float
) -> Alarm:
    """The notice that somebody in the field pressed "report live"."""
    return Alarm(
        device=device,
        channel=channel,
        key=f"gb28181:{registered_id}:{LIVE_OFFERED}:{upload.head.sn}:{upload.time or call_id}",
        severity=AlarmSeverity.WARNING,
        kind=LIVE_OFFERED,
        method="device",
        description="",
        raised_at=beijing_to_unix(upload.time, received_at),
        received_at=received_at,
    )


def wants_reset(notice: AlarmNotice) -> bool:
    """After a device alarm (method 2) the device sends no new one until it is reset. GB/T 28181-2022 §9.4 note."""
    return notice.method == DEVICE_METHOD
