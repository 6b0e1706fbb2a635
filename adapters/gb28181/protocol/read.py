"""Bytes of a message body → dataclasses of `manscdp`. GB/T 28181 annex A.2.

Charset, broken tags and lying declarations are `gateway.wire.xml`'s; here values are read: enums that borrow the
words of other enums, numbers that are none, the flat form of 2016 beside the list of 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from adapters.gb28181.protocol import manscdp
from adapters.gb28181.protocol.manscdp import CatalogItem, Fix, Head, Message
from gateway.base.errors import RemoteProtocolError
from gateway.wire.xml import XmlNode, parse_xml

MAX_ITEMS_A_MESSAGE = 10_000
MAX_TEXT = 512
_ROOTS = {"query": "Query", "notify": "Notify", "response": "Response", "control": "Control"}
_YES = {"on", "ok", "online", "1", "true", "yes"}
_NO = {"off", "offline", "error", "0", "false", "no", "vlost", "defect"}


def read_message(body: bytes) -> tuple[Message, str]:
    """The message and the charset its bytes really were in. Raises RemoteProtocolError where nothing can be read."""
    document = parse_xml(body)
    root = document.root
    name = _ROOTS.get(root.tag.lower())
    cmd = _text(root, "CmdType")
    if name is None or not cmd:
        raise RemoteProtocolError(f"<{root.tag[:40]}> without a CmdType that could be read")
    head = Head(name, cmd, _int(root, "SN", default=0), _text(root, "DeviceID"))
    reader = _READERS.get((name, cmd.lower()))
    if reader is not None:
        return reader(head, root), document.charset
    if name == "Response" and _text(root, "Result"):
        return manscdp.ResultReply(head, _text(root, "Result").upper() == "OK"), document.charset
    return manscdp.Other(head, f"{name} {cmd[:40]}"), document.charset


# — values —


def _text(node: XmlNode, *path: str) -> str:
    return node.field(*path).strip()[:MAX_TEXT]


def _int(node: XmlNode, *path: str, default: int = 0) -> int:
    """A whole number; "65535", "1.0" and " 7 " are ones. Out of 32 bits or no number: the default."""
    text = _text(node, *path)
    try:
        value = int(float(text)) if "." in text else int(text)
    except (ValueError, OverflowError):
        return default
    return value if -(2**31) <= value < 2**32 else default


def _float(node: XmlNode, *path: str) -> float | None:
    try:
        value = float(_text(node, *path))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _switch(text: str) -> bool | None:
    """ON, OFF and the words that other enums have for it: OK, ONLINE, ERROR, OFFLINE."""
    low = text.strip().lower()
    return True if low in _YES else False if low in _NO else None


# — messages —


def _keepalive(head: Head, root: XmlNode) -> Message:
    info = root.child("Info")
    faulty = tuple(node.text[:32] for node in info.all("DeviceID")[:256]) if info is not None else ()
    return manscdp.Keepalive(head, _text(root, "Status").upper() != "ERROR", faulty)


def _catalog(head: Head, root: XmlNode) -> Message:
    return manscdp.CatalogPage(head, _int(root, "SumNum", default=-1), tuple(map(_item, _items(root, "DeviceList"))))


def _items(root: XmlNode, listed: str) -> list[XmlNode]:
    """The Items of a list; directly under the root where the list's own tag is lost."""
    holder = root.child(listed)
    found = (holder or root).all("Item")
    return [node for node in found[:MAX_ITEMS_A_MESSAGE] if _text(node, "DeviceID")]


def _item(node: XmlNode) -> CatalogItem:
    event = _text(node, "Event").upper()
    status = _text(node, "Status") or (event if event in ("ON", "OFF", "VLOST", "DEFECT") else "")
    parents = tuple(part for part in _text(node, "ParentID").split("/") if part)
    return CatalogItem(
        device_id=_text(node, "DeviceID")[:32],
        name=_text(node, "Name"),
        manufacturer=_text(node, "Manufacturer"),
        model=_text(node, "Model"),
        civil_code=_text(node, "CivilCode"),
        parents=parents[:8],
        parental=_int(node, "Parental") == 1,
        online=_switch(status),
        longitude=_float(node, "Longitude"),
        latitude=_float(node, "Latitude"),
        # In Info by the standard; some devices write it straight into the Item.
        ptz_type=_int(node, "Info", "PTZType") or _int(node, "PTZType"),
        mobile_type=_int(node, "Info", "MobileDeviceType"),
        event=event,
    )


def _device_info(head: Head, root: XmlNode) -> Message:
    channels = _int(root, "Channel", default=-1)
    return manscdp.DeviceInfo(
        head,
        _text(root, "DeviceName"),
        _text(root, "Manufacturer"),
        _text(root, "Model"),
        _text(root, "Firmware"),
        channels if channels >= 0 else None,
    )


def _device_status(head: Head, root: XmlNode) -> Message:
    alarms = root.child("Alarmstatus")
    duties = tuple((_text(n, "DeviceID"), _text(n, "DutyStatus")) for n in alarms.all("Item")[:256]) if alarms else ()
    return manscdp.DeviceStatus(
        head,
        _switch(_text(root, "Online")),
        _switch(_text(root, "Status")),
        _text(root, "Reason"),
        _text(root, "DeviceTime"),
        duties,
    )


def _presets(head: Head, root: XmlNode) -> Message:
    holder = root.child("PresetList") or root
    found = []
    for node in holder.all("Item")[:256]:
        number = _int(node, "PresetID", default=-1)
        if number >= 0:
            found.append((number, _text(node, "PresetName")))
    return manscdp.PresetList(head, tuple(found))


def _positions(head: Head, root: XmlNode) -> Message:
    """Flat in 2016 (A.2.5.6), a DeviceList in 2022; the time of the list stands for items that have none."""
    time = _text(root, "Time")
    nodes = _items(root, "DeviceList")
    found = [
        _fix(node, _text(node, "DeviceID"), _text(node, "CaptureTime") or _text(node, "Time") or time) for node in nodes
    ]
    if not nodes:
        found = [_fix(root, head.device_id, time)]
    return manscdp.Positions(head, tuple(fix for fix in found if fix is not None))


def _fix(node: XmlNode, device_id: str, time: str) -> Fix | None:
    longitude, latitude = _float(node, "Longitude"), _float(node, "Latitude")
    if longitude is None or latitude is None:
        return None
    return Fix(
        device_id,
        time,
        longitude,
        latitude,
        _float(node, "Speed"),
        _float(node, "Direction"),
        _float(node, "Altitude"),
    )


def _alarm(head: Head, root: XmlNode) -> Message:
    return manscdp.AlarmNotice(
        head,
        priority=_int(root, "AlarmPriority"),
        method=_int(root, "AlarmMethod"),
        time=_text(root, "AlarmTime"),
        description=_text(root, "AlarmDescription"),
        longitude=_float(root, "Longitude"),
        latitude=_float(root, "Latitude"),
        type=_int(root, "Info", "AlarmType") or _int(root, "AlarmType"),
        event_type=_int(root, "Info", "AlarmTypeParam", "EventType"),
    )


def _upload(head: Head, root: XmlNode) -> Message:
    return manscdp.VideoUpload(head, _text(root, "Time"), _float(root, "Longitude"), _float(root, "Latitude"))


def _media_status(head: Head, root: XmlNode) -> Message:
    return manscdp.MediaStatus(head, _int(root, "NotifyType"))


def _alarm_reply(head: Head, root: XmlNode) -> Message:
    return manscdp.ResultReply(head, _text(root, "Result").upper() == "OK")


def _broadcast_reply(head: Head, root: XmlNode) -> Message:
    """Only a plain no is one: devices that leave Result out go on and ask for the sound."""
    return manscdp.BroadcastReply(head, _switch(_text(root, "Result")) is not False, _text(root, "Reason")[:120])


_READERS: dict[tuple[str, str], Callable[[Head, XmlNode], Message]] = {
    ("Notify", "keepalive"): _keepalive,
    ("Response", "catalog"): _catalog,
    ("Notify", "catalog"): _catalog,
    ("Response", "deviceinfo"): _device_info,
    ("Response", "devicestatus"): _device_status,
    ("Response", "presetquery"): _presets,
    ("Notify", "mobileposition"): _positions,
    ("Response", "mobileposition"): _positions,
    ("Notify", "alarm"): _alarm,
    ("Response", "alarm"): _alarm_reply,
    ("Response", "broadcast"): _broadcast_reply,
    ("Notify", "videouploadnotify"): _upload,
    ("Notify", "mediastatus"): _media_status,
}
