"""The MANSCDP bodies a ball sends and the few fields it reads. GB/T 28181-2022 annex A.

Text in, text out; `encode` gives the bytes for the wire. Reading is by pattern, as many devices do it, and
independent of the platform's parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from xml.sax.saxutils import escape

CONTENT_TYPE = "Application/MANSCDP+xml"
_BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the catalog."""

    device_id: str
    name: str
    parent: str
    ptz_type: int | None = None  # 1: dome
    online: bool = True


@dataclass(frozen=True, slots=True)
class Fix:
    """Where the ball is: WGS-84 degrees, km/h, degrees from north, metres."""

    longitude: float
    latitude: float
    speed: float
    direction: float
    altitude: float


def beijing(moment: float | None = None) -> str:
    """A time as MANSCDP writes it: Beijing time without a zone (§9.10.3). `moment` in unix seconds, `None` is now."""
    when = datetime.now(_BEIJING) if moment is None else datetime.fromtimestamp(moment, _BEIJING)
    return when.strftime("%Y-%m-%dT%H:%M:%S")


def field(body: str, name: str) -> str:
    """The text of the first element `name`, in any case of letters; "" when there is none."""
    found = re.search(rf"<{name}\s*>\s*(.*?)\s*</{name}\s*>", body, re.S | re.I)
    return found.group(1) if found else ""


def root(body: str) -> str:
    """The name of the root element: Query, Control, Notify, Response."""
    found = re.search(r"<(Query|Control|Notify|Response)\b", body)
    return found.group(1) if found else ""


def decode(body: bytes) -> str:
    """Text of a body, whatever its label says."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("gb18030", "replace")


def encode(text: str, *, lies: bool = False) -> bytes:
    """Bytes for the wire: GB 18030 as §6.10 has it, or, when it `lies`, UTF-8 under the same label and raw `&`."""
    if lies:
        return text.replace("&amp;", "&").encode("utf-8")
    return text.encode("gb18030")


def _document(kind: str, command: str, sn: int | str, device_id: str, inner: str) -> str:
    head = '<?xml version="1.0" encoding="GB2312"?>\r\n'
    return (
        f"{head}<{kind}>\r\n<CmdType>{command}</CmdType>\r\n<SN>{sn}</SN>\r\n"
        f"<DeviceID>{device_id}</DeviceID>\r\n{inner}</{kind}>\r\n"
    )


def _elements(**texts: object) -> str:
    return "".join(f"<{name}>{escape(str(text))}</{name}>\r\n" for name, text in texts.items())


def keepalive(sn: int, device_id: str) -> str:
    """A.2.5.2."""
    return _document("Notify", "Keepalive", sn, device_id, _elements(Status="OK"))


def catalog(sn: str, device_id: str, items: Sequence[Item], total: int, version: str) -> str:
    """One page of A.2.6.4; `total` is what SumNum claims."""
    lines = "".join(_catalog_item(item, version) for item in items)
    listed = f'<DeviceList Num="{len(items)}">\r\n{lines}</DeviceList>\r\n' if items else ""
    return _document("Response", "Catalog", sn, device_id, _elements(SumNum=total) + listed)


def _catalog_item(item: Item, version: str) -> str:
    info = "" if item.ptz_type is None else _elements(PTZType=item.ptz_type)
    if version == "2022" and item.ptz_type is not None:
        info += _elements(StreamNumberList="0", MobileDeviceType=9)
    old = "" if version == "2022" else _elements(Owner="Owner", SafetyWay=0)
    return (
        "<Item>\r\n"
        + _elements(DeviceID=item.device_id, Name=item.name, Manufacturer="Fieldgate", Model="SimBall")
        + old
        + _elements(CivilCode=item.device_id[:6], Address="演练场 A&B", Parental=0, ParentID=item.parent)
        + _elements(RegisterWay=1, Secrecy=0, Status="ON" if item.online else "OFF")
        + (f"<Info>\r\n{info}</Info>\r\n" if info else "")
        + "</Item>\r\n"
    )


def device_info(sn: str, device_id: str, name: str, channels: int) -> str:
    inner = _elements(DeviceName=name, Result="OK", Manufacturer="Fieldgate", Model="SimBall", Firmware="1.0")
    return _document("Response", "DeviceInfo", sn, device_id, inner + _elements(Channel=channels))


def device_status(sn: str, device_id: str, *, encoding: bool) -> str:
    inner = _elements(Result="OK", Online="ONLINE", Status="OK", Encode="ON" if encoding else "OFF", Record="OFF")
    return _document("Response", "DeviceStatus", sn, device_id, inner + _elements(DeviceTime=beijing()))


def preset_list(sn: str, device_id: str, presets: Sequence[tuple[int, str]]) -> str:
    lines = "".join(f"<Item>\r\n{_elements(PresetID=number, PresetName=name)}</Item>\r\n" for number, name in presets)
    inner = f'<PresetList Num="{len(presets)}">\r\n{lines}</PresetList>\r\n'
    return _document("Response", "PresetQuery", sn, device_id, inner)


def config_download(sn: str, device_id: str, name: str, interval_s: float, resolution: str) -> str:
    """BasicParam and VideoParamOpt; other types are not known to this device."""
    basic = _elements(Name=name, Expiration=3600, HeartBeatInterval=round(interval_s), HeartBeatCount=3)
    video = _elements(DownloadSpeed="1", Resolution=resolution)
    inner = _elements(Result="OK")
    inner += f"<BasicParam>\r\n{basic}</BasicParam>\r\n<VideoParamOpt>\r\n{video}</VideoParamOpt>\r\n"
    return _document("Response", "ConfigDownload", sn, device_id, inner)


def result(command: str, sn: str, device_id: str, *, ok: bool = True) -> str:
    """The Response of commands that have one (A.2.6.2)."""
    return _document("Response", command, sn, device_id, _elements(Result="OK" if ok else "ERROR"))


def mobile_position(sn: int, device_id: str, fix: Fix, version: str) -> str:
    """A.2.5.6 for 2022, the flat form before it."""
    numbers = _elements(
        Longitude=f"{fix.longitude:.6f}",
        Latitude=f"{fix.latitude:.6f}",
        Speed=f"{fix.speed:.1f}",
        Direction=f"{fix.direction:.1f}",
        Altitude=f"{fix.altitude:.1f}",
    )
    if version != "2022":
        return _document("Notify", "MobilePosition", sn, device_id, _elements(Time=beijing()) + numbers)
    item = _elements(DeviceID=device_id, CaptureTime=beijing()) + numbers
    inner = f'{_elements(Time=beijing(), SumNum=1)}<DeviceList Num="1">\r\n<Item>\r\n{item}</Item>\r\n</DeviceList>\r\n'
    return _document("Notify", "MobilePosition", sn, device_id, inner)


def alarm(sn: int, device_id: str, fix: Fix, moment: float) -> str:
    """A manual video alarm (method 5, type 1); A.2.5.3."""
    inner = _elements(AlarmPriority=1, AlarmMethod=5, AlarmTime=beijing(moment), AlarmDescription="一键报警 SOS")
    inner += _elements(Longitude=f"{fix.longitude:.6f}", Latitude=f"{fix.latitude:.6f}")
    return _document("Notify", "Alarm", sn, device_id, f"{inner}<Info>\r\n{_elements(AlarmType=1)}</Info>\r\n")


def video_upload_notify(sn: int, device_id: str, fix: Fix) -> str:
    """一键上报: the device asks to be watched; A.2.5.8."""
    inner = _elements(Time=beijing(), Longitude=f"{fix.longitude:.6f}", Latitude=f"{fix.latitude:.6f}")
    return _document("Notify", "VideoUploadNotify", sn, device_id, inner)
