"""SSDP, the discovery of UPnP (UPnP Device Architecture 2.0 §1): the search out, answers and notices in; and the part
of a device's description that tells what it is."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.base.errors import RemoteProtocolError
from gateway.wire.plain import plain
from gateway.wire.xml import parse_xml

GROUP = "239.255.255.250"
PORT = 1900
MAX_DATAGRAM = 8192
MAX_HEADERS = 40
MAX_DESCRIPTION = 64 * 1024


@dataclass(frozen=True, slots=True)
class Notice:
    """`usn` names device and service for good; `location` is the URL of its description; `gone`: it says goodbye."""

    usn: str
    type: str
    location: str
    server: str
    gone: bool = False


def search(target: str = "ssdp:all", wait_s: int = 2) -> bytes:
    """§1.3.2; answers are spread over `wait_s`."""
    lines = ("M-SEARCH * HTTP/1.1", f"HOST: {GROUP}:{PORT}", 'MAN: "ssdp:discover"', f"MX: {wait_s}", f"ST: {target}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read(data: bytes) -> Notice | None:
    """None for a search of somebody else. Raises RemoteProtocolError."""
    if len(data) > MAX_DATAGRAM:
        raise RemoteProtocolError(f"an SSDP message of {len(data)} bytes")
    lines = data.decode("utf-8", "replace").split("\n")
    first = lines[0].strip()
    if first.upper().startswith("M-SEARCH"):
        return None
    if not first.upper().startswith(("HTTP/1.", "NOTIFY *")):
        raise RemoteProtocolError("no SSDP message")
    fields: dict[str, str] = {}
    for line in lines[1 : MAX_HEADERS + 1]:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    usn = plain(fields.get("usn", ""), 200)
    if not usn:
        raise RemoteProtocolError("an SSDP message without USN")
    location = fields.get("location", "")
    if len(location) > 512 or not location.isprintable() or " " in location:
        location = ""
    type_ = plain(fields.get("st") or fields.get("nt", ""), 120)
    gone = fields.get("nts", "").lower() == "ssdp:byebye"
    return Notice(usn, type_, location, plain(fields.get("server", ""), 120), gone)


def device_of(usn: str) -> str:
    """The device's part of a USN: "uuid:…"."""
    return usn.partition("::")[0]


@dataclass(frozen=True, slots=True)
class Description:
    """§2.3, as far as people want to know. `page` is a path on the device's own server, or ""."""

    name: str = ""
    manufacturer: str = ""
    model: str = ""
    type: str = ""
    page: str = ""

    @property
    def is_camera(self) -> bool:
        words = " ".join((self.name, self.model, self.type)).lower()
        return any(word in words for word in ("camera", "ipc", "nvr", "dvr", "webcam", "摄像"))


def read_description(data: bytes) -> Description:
    """Raises RemoteProtocolError."""
    if len(data) > MAX_DESCRIPTION:
        raise RemoteProtocolError(f"a UPnP description of {len(data)} bytes")
    device = parse_xml(data).root.child("device")
    if device is None:
        raise RemoteProtocolError("a UPnP description without device")
    try:
        page = urlsplit(device.field("presentationURL"))
        path = page.path + (f"?{page.query}" if page.query else "")
    except ValueError:
        path = ""
    return Description(
        plain(device.field("friendlyName"), 100),
        plain(device.field("manufacturer"), 100),
        plain(device.field("modelName"), 100),
        plain(device.field("deviceType"), 120),
        plain(path, 200),
    )
