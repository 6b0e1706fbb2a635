"""WS-Discovery (2005/04, as ONVIF Core §7 uses it): the Probe out, what answers or announces itself in.

Everything in an answer comes from a stranger: bounded, one line, no control characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from gateway.base.errors import RemoteProtocolError
from gateway.wire.plain import plain
from gateway.wire.xml import XmlNode, parse_xml

GROUP = "239.255.255.250"
GROUP6 = "ff02::c"
PORT = 3702
MAX_DATAGRAM = 32 * 1024
MAX_ANSWERS = 64  # in one datagram
MAX_XADDRS = 8

_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
_ENDPOINT = re.compile(r"[A-Za-z0-9:._\-/]{1,128}")

TYPES = (
    ("NetworkVideoTransmitter", "http://www.onvif.org/ver10/network/wsdl"),
    ("Device", "http://www.onvif.org/ver10/device/wsdl"),
)
"""ONVIF Core §7.3.3: devices of profile S answer to the first, later ones to both."""


class Word(StrEnum):
    HELLO = "hello"
    BYE = "bye"
    MATCH = "match"


_WORDS = {"ProbeMatch": Word.MATCH, "ResolveMatch": Word.MATCH, "Hello": Word.HELLO, "Bye": Word.BYE}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one device says of itself. `endpoint` stays the same over restarts and addresses ("urn:uuid:…")."""

    word: Word
    endpoint: str
    types: tuple[str, ...] = ()
    xaddrs: tuple[str, ...] = ()
    name: str = ""
    hardware: str = ""
    location: str = ""
    profiles: tuple[str, ...] = ()

    @property
    def is_camera(self) -> bool:
        """It speaks ONVIF: by its types, else by its scopes."""
        return bool({"NetworkVideoTransmitter", "Device", "NetworkVideoDisplay"} & set(self.types)) or bool(
            self.profiles
        )


def probe(type_: tuple[str, str] | None = TYPES[0], message_id: str = "") -> bytes:
    """Ask for devices of a type; None: for any."""
    types = f'<d:Types xmlns:dn="{type_[1]}">dn:{type_[0]}</d:Types>' if type_ is not None else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{_ENVELOPE}" xmlns:a="{_ADDRESSING}"'
        f' xmlns:d="{_DISCOVERY}"><s:Header><a:Action>{_DISCOVERY}/Probe</a:Action>'
        f"<a:MessageID>urn:uuid:{message_id or uuid4()}</a:MessageID>"
        f"<a:ReplyTo><a:Address>{_ADDRESSING}/role/anonymous</a:Address></a:ReplyTo>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>"
        f"<s:Body><d:Probe>{types}</d:Probe></s:Body></s:Envelope>"
    ).encode()


def read(data: bytes) -> list[Endpoint]:
    """What a datagram says; empty for a Probe of somebody else. Raises RemoteProtocolError."""
    if len(data) > MAX_DATAGRAM:
        raise RemoteProtocolError(f"a WS-Discovery message of {len(data)} bytes")
    root = parse_xml(data).root
    if root.tag != "Envelope":
        raise RemoteProtocolError("no SOAP envelope")
    body = root.child("Body")
    if body is None:
        raise RemoteProtocolError("a SOAP envelope without body")
    found: list[Endpoint] = []
    # Some leave <ProbeMatches> out.
    for node in body.walk():
        word = _WORDS.get(node.tag)
        if word is not None and (told := _endpoint(word, node)) is not None:
            found.append(told)
            if len(found) >= MAX_ANSWERS:
                break
    return found


def _endpoint(word: Word, node: XmlNode) -> Endpoint | None:
    identity = node.field("EndpointReference", "Address")
    if _ENDPOINT.fullmatch(identity) is None:
        identity = ""
    types = tuple(plain(t.rpartition(":")[2], 64) for t in node.field("Types").split()[:16])
    xaddrs = tuple(x for x in node.field("XAddrs").split()[:MAX_XADDRS] if len(x) <= 512 and x.isprintable())
    if not identity and not xaddrs:
        return None
    said: dict[str, str] = {}
    profiles: list[str] = []
    for scope in _scopes(node.field("Scopes")):
        _, _, path = scope.partition("www.onvif.org/")
        kind, _, value = path.partition("/")
        value = plain(unquote(value, errors="replace").replace("_", " "), 100)
        if kind.lower() == "profile" and len(profiles) < 16:
            profiles.append(value)
        elif value:
            said.setdefault(kind.lower(), value)
    name, hardware, location = (said.get(kind, "") for kind in ("name", "hardware", "location"))
    return Endpoint(word, identity, types, xaddrs, name, hardware, location, tuple(profiles))


def _scopes(text: str) -> list[str]:
    """Blanks stand between scopes; some write them into names unescaped as well."""
    out: list[str] = []
    for word in text.split()[:128]:
        if "://" in word or not out:
            out.append(word)
        else:
            out[-1] += f" {word}"
    return out


@dataclass(frozen=True, slots=True)
class Service:
    """Where an endpoint's device service is reached: at the address its datagram came from, whatever it says."""

    host: str
    port: int
    path: str
    tls: bool = False


def service_of(told: Endpoint, sender: str) -> Service | None:
    """The best of its XAddrs: one at the sender's own address, else the first that is a URL, at the sender's address
    (cameras tell addresses of networks they were in before). None where it tells none."""
    good: list[tuple[bool, Service]] = []
    for xaddr in told.xaddrs:
        try:
            parts = urlsplit(xaddr)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            continue
        if parts.scheme not in ("http", "https"):
            continue
        tls = parts.scheme == "https"
        path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
        good.append((host == sender.lower(), Service(sender, port or (443 if tls else 80), path, tls)))
    return next((s for same, s in good if same), good[0][1] if good else None)
