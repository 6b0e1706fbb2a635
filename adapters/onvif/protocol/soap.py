"""SOAP 1.2 as ONVIF uses it: the envelope out, the body or the fault in (ONVIF Core Specification §5).

Requests are written with default namespaces on the elements that need them: the form that cameras see most. Answers are
read by `gateway.wire.xml`: bounded, no entities, prefixes dropped, broken XML repaired where it can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from gateway.base.errors import PeerError, RemoteProtocolError
from gateway.wire.plain import plain
from gateway.wire.xml import XmlNode, parse_xml

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
SCHEMA = "http://www.onvif.org/ver10/schema"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
IMAGING = "http://www.onvif.org/ver20/imaging/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
NOTIFICATION = "http://docs.oasis-open.org/wsn/b-2"

MAX_TEXT = 256


def tag(name: str, *children: str, ns: str = "", text: object = "", **attributes: object) -> str:
    """One element as text; `children` are elements already written."""
    said = "".join(f" {key}={quoteattr(str(value))}" for key, value in attributes.items() if value is not None)
    space = f' xmlns="{ns}"' if ns else ""
    inner = escape(str(text)) + "".join(children)
    return f"<{name}{space}{said}>{inner}</{name}>" if inner else f"<{name}{space}{said}/>"


def envelope(body: str, headers: str = "", declarations: str = "") -> bytes:
    """`declarations`: namespace declarations that echoed headers need."""
    head = f"<s:Header{declarations}>{headers}</s:Header>" if headers else ""
    text = f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{ENVELOPE}">{head}<s:Body>{body}</s:Body>'
    return f"{text}</s:Envelope>".encode()


def content_type(action: str) -> str:
    return f'application/soap+xml; charset=utf-8; action="{action}"'


@dataclass(frozen=True, slots=True)
class Fault:
    """What a camera said when it refused: the codes from the outside in ("Sender", "NotAuthorized"), and its words."""

    codes: tuple[str, ...]
    text: str

    @property
    def not_authorized(self) -> bool:
        low = [code.lower() for code in self.codes]
        words = self.text.lower()
        return bool(
            {"notauthorized", "failedauthentication", "invalidsecurity", "failedcheck"} & set(low)
            or "not authorized" in words
            or "authority failure" in words
            or "unauthorized" in words
        )

    @property
    def locked(self) -> bool:
        words = " ".join((*self.codes, self.text)).lower()
        return "lock" in words and "block" not in words

    @property
    def unsupported(self) -> bool:
        low = {code.lower() for code in self.codes}
        words = self.text.lower()
        codes = {"actionnotsupported", "optionalactionnotimplemented", "notimplemented", "unknownaction"}
        return bool(codes & low) or "not supported" in words or "not implemented" in words

    def __str__(self) -> str:
        return f"{'/'.join(self.codes)}: {self.text}" if self.text else "/".join(self.codes)


class SoapFault(PeerError):
    """The camera refused a request; `fault` is what it said."""

    code = "onvif-fault"

    def __init__(self, message: str, fault: Fault, *, code: str | None = None) -> None:
        super().__init__(message, status=fault.codes[-1] if fault.codes else 0, code=code)
        self.fault = fault


def read_answer(data: bytes) -> XmlNode | Fault:
    """The one element in the body (an empty node where there is none), or the fault. Raises RemoteProtocolError."""
    root = parse_xml(data).root
    if root.tag != "Envelope":
        raise RemoteProtocolError(f"<{clean(root.tag, 40)}> instead of a SOAP envelope", code="not-onvif")
    body = root.child("Body")
    if body is None:
        raise RemoteProtocolError("a SOAP envelope without body", code="not-onvif")
    fault = body.child("Fault")
    if fault is not None:
        return read_fault(fault)
    return body.children[0] if body.children else XmlNode("")


def read_fault(node: XmlNode) -> Fault:
    """SOAP 1.2 faults, and those of SOAP 1.1 (`faultcode`, `faultstring`) that old firmware sends."""
    codes: list[str] = []
    code = node.child("Code")
    while code is not None and len(codes) < 6:
        codes.append(_local(code.field("Value")))
        code = code.child("Subcode")
    if not codes:
        codes.append(_local(node.field("faultcode")))
    text = node.field("Reason", "Text") or node.field("faultstring")
    more = node.field("Detail", "Text")
    words = text if not more or more == text else f"{text} ({more})"
    return Fault(tuple(c for c in codes if c), clean(words, 200))


def clean(text: str, most: int = MAX_TEXT) -> str:
    """Text of a camera for people."""
    return plain(text, most)


def truth(text: str, default: bool = False) -> bool:
    """xs:boolean as devices write it."""
    low = text.strip().lower()
    return low in ("true", "1", "on", "active") if low else default


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if -1e9 < value < 1e9 else None


def _local(name: str) -> str:
    return clean(name.rpartition(":")[2], 60)
