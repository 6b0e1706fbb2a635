"""The device service: its clock, what it is, and where its other services are (ONVIF Core §8)."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from adapters.onvif.protocol.soap import DEVICE, EVENTS, IMAGING, MEDIA, MEDIA2, PTZ, SCHEMA, clean, tag
from gateway.base.errors import RemoteProtocolError
from gateway.wire.xml import XmlNode

DEFAULT_PATH = "/onvif/device_service"
"""ONVIF Core §5.1: where the device service is on every device."""

GET_CLOCK = tag("GetSystemDateAndTime", ns=DEVICE)
GET_INFORMATION = tag("GetDeviceInformation", ns=DEVICE)
GET_SERVICES = tag("GetServices", tag("IncludeCapability", text="false"), ns=DEVICE)
GET_CAPABILITIES = tag("GetCapabilities", tag("Category", text="All"), ns=DEVICE)
GET_SCOPES = tag("GetScopes", ns=DEVICE)
GET_ENDPOINT = tag("GetEndpointReference", ns=DEVICE)


@dataclass(frozen=True, slots=True)
class CameraClock:
    """`unix` by its UTC; `by_ntp`: it sets itself. `zone` is its own text (POSIX TZ), given back when it is set."""

    unix: float
    by_ntp: bool = False
    zone: str = ""
    daylight: bool = False


def read_clock(node: XmlNode) -> CameraClock | None:
    """None where it tells no UTC (then its local time is of no use either: nobody knows the zone for sure)."""
    told = node.child("SystemDateAndTime")
    if told is None:
        return None
    utc = told.child("UTCDateTime")
    if utc is None:
        return None
    try:
        parts = [int(utc.field("Date", name)) for name in ("Year", "Month", "Day")]
        parts += [int(utc.field("Time", name)) for name in ("Hour", "Minute", "Second")]
        # A second of 60 and a camera that starts in 1970 are both seen.
        datetime(parts[0], parts[1], parts[2], parts[3], parts[4], min(parts[5], 59), tzinfo=UTC)
        unix = float(calendar.timegm((*parts, 0, 0, 0)))
    except (ValueError, OverflowError):
        return None
    return CameraClock(
        unix,
        told.field("DateTimeType").upper() == "NTP",
        clean(told.field("TimeZone", "TZ"), 64),
        told.field("DaylightSavings").lower() == "true",
    )


def set_clock(unix: float, zone: str, daylight: bool) -> str:
    now = datetime.fromtimestamp(unix, UTC)
    when = tag(
        "UTCDateTime",
        tag(
            "Time",
            tag("Hour", text=now.hour),
            tag("Minute", text=now.minute),
            tag("Second", text=now.second),
            ns=SCHEMA,
        ),
        tag("Date", tag("Year", text=now.year), tag("Month", text=now.month), tag("Day", text=now.day), ns=SCHEMA),
    )
    return tag(
        "SetSystemDateAndTime",
        tag("DateTimeType", text="Manual"),
        tag("DaylightSavings", text="true" if daylight else "false"),
        tag("TimeZone", tag("TZ", ns=SCHEMA, text=zone)) if zone else "",
        when,
        ns=DEVICE,
    )


@dataclass(frozen=True, slots=True)
class Information:
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""


def read_information(node: XmlNode) -> Information:
    fields = (clean(node.field(n), 100) for n in ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber"))
    return Information(*fields)


def read_name(node: XmlNode) -> str:
    """The name in the answer to GetScopes: onvif://www.onvif.org/name/Gate%20camera."""
    from urllib.parse import unquote

    for scope in node.all("Scopes")[:256]:
        text = scope.field("ScopeItem")
        head, _, value = text.partition("onvif.org/name/")
        if head.lower() == "onvif://www." and value:
            return clean(unquote(value, errors="replace").replace("_", " "), 100)
    return ""


Services = Mapping[str, str]
"""Namespace of a service → its XAddr as the camera told it."""

_CATEGORIES = (("Device", DEVICE), ("Media", MEDIA), ("PTZ", PTZ), ("Imaging", IMAGING), ("Events", EVENTS))


def read_services(node: XmlNode) -> Services:
    found: dict[str, str] = {}
    for service in node.all("Service")[:64]:
        space = service.field("Namespace").rstrip("/")
        if space and service.field("XAddr"):
            found.setdefault(space, service.field("XAddr"))
    return found


def read_capabilities(node: XmlNode) -> Services:
    """The older way to say it; Media2 stands in no capability of it."""
    told = node.child("Capabilities") or node
    found = {space: told.field(name, "XAddr") for name, space in _CATEGORIES}
    extension = told.child("Extension")
    if extension is not None and (media2 := extension.field("Media2", "XAddr")):
        found[MEDIA2] = media2
    return {space: address for space, address in found.items() if address}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is: never another host than the one that the camera was reached at."""

    port: int
    path: str
    tls: bool = False


def place_of(xaddr: str, host: str, port: int, tls: bool = False) -> Place:
    """Where to reach what a camera says is at `xaddr`, while we reach the camera itself at `host`:`port`.

    Cameras tell paths without a host, an address of a network behind NAT, 0.0.0.0 or an address that they had once. So
    the host told is believed only as far as it is the one we know: else path and query are taken, and nothing else.
    Raises RemoteProtocolError for what is no URL at all.
    """
    text = xaddr.strip().split()[0] if xaddr.strip() else ""
    if not text or len(text) > 1024 or not text.isprintable():
        raise RemoteProtocolError("the camera tells no usable address of its service")
    try:
        parts = urlsplit(text)
        told, told_port = (parts.hostname or "").lower(), parts.port
    except ValueError as exc:
        raise RemoteProtocolError(f"the camera tells a wrong address: {clean(text, 80)}") from exc
    path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    if parts.query:
        path += f"?{parts.query}"
    if told and told == host.lower().strip("[]") and parts.scheme in ("http", "https"):
        secure = parts.scheme == "https"
        return Place(told_port or (443 if secure else 80), path, secure)
    return Place(port, path, tls)
