"""The MANSCDP messages that we send: queries, orders, subscriptions and answers, as text without XML declaration.

Every one echoes the form of 2016 that all three editions read; where 2022 differs the caller names the tag.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from adapters.gb28181.protocol.ptz import PtzBytes

CONTENT_TYPE = "Application/MANSCDP+xml"

_LABELS = {"gb18030": "GB2312", "utf-8": "UTF-8"}


def encode(text: str, charset: str) -> bytes:
    """The body with its declaration. GB 18030 bytes go under the label GB2312, which all devices know (2016 §6.10)."""
    charset = charset if charset in _LABELS else "gb18030"
    return f'<?xml version="1.0" encoding="{_LABELS[charset]}"?>\r\n{text}'.encode(charset, "replace")


def _tag(name: str, value: object) -> str:
    # XML forbids control characters, also as references; names come from people.
    return f"<{name}>{escape(''.join(ch for ch in str(value) if ch.isprintable()))}</{name}>\r\n"


def _message(root: str, cmd: str, sn: int, device_id: str, *inner: str) -> str:
    head = _tag("CmdType", cmd) + _tag("SN", sn) + _tag("DeviceID", device_id)
    return f"<{root}>\r\n{head}{''.join(inner)}</{root}>\r\n"


def query(cmd: str, sn: int, device_id: str) -> str:
    """Catalog, DeviceInfo, DeviceStatus, PresetQuery: all have the same form. A.2.4."""
    return _message("Query", cmd, sn, device_id)


def position_subscription(sn: int, device_id: str, interval_s: float) -> str:
    """A.2.4.8: whole seconds."""
    return _message("Query", "MobilePosition", sn, device_id, _tag("Interval", max(1, round(interval_s))))


def alarm_subscription(sn: int, device_id: str) -> str:
    """A.2.4.5: all priorities, all methods."""
    inner = (
        _tag("StartAlarmPriority", 0),
        _tag("EndAlarmPriority", 0),
        _tag("AlarmMethod", 0),
        "<StartAlarmTime/>\r\n<EndAlarmTime/>\r\n",
    )
    return _message("Query", "Alarm", sn, device_id, *inner)


def control(sn: int, device_id: str, *inner: str) -> str:
    return _message("Control", "DeviceControl", sn, device_id, *inner)


def ptz(sn: int, device_id: str, command: PtzBytes, *, priority: int = 5, name: str = "") -> str:
    """A.2.3.1.2. The name of a preset travels in PTZCmdParams since 2022; older devices pass over it."""
    inner = [_tag("PTZCmd", command.hex())]
    if name:
        inner.append(f"<PTZCmdParams>\r\n{_tag('PresetName', name[:64])}</PTZCmdParams>\r\n")
    inner.append(f"<Info>\r\n{_tag('ControlPriority', priority)}</Info>\r\n")
    return control(sn, device_id, *inner)


def key_frame(sn: int, device_id: str, tag: str) -> str:
    """A.2.3.1.6: `tag` is IFameCmd (2016, and what devices do) or IFrameCmd (2022)."""
    return control(sn, device_id, _tag(tag, "Send"))


def home_position(sn: int, device_id: str, *, enabled: bool, preset: int = 1, reset_s: int = 60) -> str:
    """A.2.3.1.10."""
    inner = _tag("Enabled", int(enabled)) + _tag("ResetTime", reset_s) + _tag("PresetIndex", preset)
    return control(sn, device_id, f"<HomePosition>\r\n{inner}</HomePosition>\r\n")


def alarm_reset(sn: int, device_id: str, *, method: int, kind: int) -> str:
    """A.2.3.1.5. Without it a device sends no further alarm of method 2."""
    info = _tag("AlarmMethod", method) + (_tag("AlarmType", kind) if kind else "")
    return control(sn, device_id, _tag("AlarmCmd", "ResetAlarm"), f"<Info>\r\n{info}</Info>\r\n")


def result(cmd: str, sn: int, device_id: str, *, ok: bool = True) -> str:
    """The business answer to a notice: §9.4.2, a message of its own in the other direction."""
    return _message("Response", cmd, sn, device_id, _tag("Result", "OK" if ok else "ERROR"))


def broadcast(sn: int, source: str, target: str) -> str:
    """2022 §9.12 and A.2.5.4: `target` is to play what `source` says; it then invites `source`. No DeviceID here."""
    head = _tag("CmdType", "Broadcast") + _tag("SN", sn)
    return f"<Notify>\r\n{head}{_tag('SourceID', source)}{_tag('TargetID', target)}</Notify>\r\n"
