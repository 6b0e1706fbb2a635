"""The SDP of a message, alone or as a part of multipart/mixed (RFC 5621: IMS and ISUP gateways send it so)."""

from __future__ import annotations

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.headers import parse_params, unquote_text
from gateway.wire.sip.message import SipMessage
from gateway.wire.sip.uri import get_param

SDP = "application/sdp"
MAX_PARTS = 16


def sdp_of(message: SipMessage) -> bytes:
    """b"" when there is none. A body without Content-Type counts as SDP when it begins like one."""
    kind = message.content_type
    if kind == SDP or (not kind and message.body.lstrip().startswith(b"v=")):
        return message.body
    if not kind.startswith("multipart/"):
        return b""
    try:
        params = parse_params((message.headers.get("Content-Type") or "").partition(";")[2])
    except RemoteProtocolError:
        return b""
    boundary = unquote_text(get_param(params, "boundary") or "").encode("utf-8", "surrogateescape")
    if not boundary or len(boundary) > 70:
        return b""
    for part in message.body.split(b"--" + boundary, MAX_PARTS + 1)[1 : MAX_PARTS + 1]:
        head, gap, body = part.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
        fields = [line.partition(b":") for line in head.lower().split(b"\n")]
        kinds = [value.strip() for name, _, value in fields if name.strip() in (b"content-type", b"c")]
        if gap and any(kind.startswith(SDP.encode()) for kind in kinds):
            return body.strip() + b"\n"
    return b""


def foreign(message: SipMessage) -> bool:
    """A body that must be understood and is not SDP: 415 is said (§8.2.3)."""
    if not message.body or sdp_of(message) or not message.content_type:
        return False
    disposition = (message.headers.get("Content-Disposition") or "").lower().replace(" ", "")
    return "handling=optional" not in disposition
