"""Transfer: Refer-To and Replaces (RFC 3515, RFC 3891), and the sipfrag that tells how it goes (RFC 3420)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.headers import NameAddr, format_params, parse_params, split_list
from gateway.wire.sip.message import SipMessage
from gateway.wire.sip.reasons import REASON_PHRASES
from gateway.wire.sip.uri import SipUri, get_param

_FRAG = re.compile(rb"\s*SIP/2\.0[ \t]+([1-6][0-9]{2})\b", re.I)
_MAX_TAG = 256


@dataclass(frozen=True, slots=True)
class Replaces:
    """The dialog that an INVITE takes the place of. Tags as its receiver reads them: `to_tag` is the receiver's own."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, value: str) -> Replaces:
        """Raises RemoteProtocolError."""
        call_id, semicolon, rest = value.strip().partition(";")
        params = parse_params(rest) if semicolon else ()
        to_tag, from_tag = get_param(params, "to-tag"), get_param(params, "from-tag")
        if not call_id.strip() or not to_tag or not from_tag or max(len(to_tag), len(from_tag)) > _MAX_TAG:
            raise RemoteProtocolError("Replaces without a Call-ID and both tags")
        return cls(call_id.strip(), to_tag, from_tag, get_param(params, "early-only") is not None)

    @classmethod
    def of(cls, message: SipMessage) -> Replaces | None:
        """Of a message; None without one. Raises RemoteProtocolError: malformed, or more than one (§3)."""
        values = message.headers.all("Replaces")
        if len(values) > 1 or (values and len(split_list(values[0])) != 1):
            raise RemoteProtocolError("more than one Replaces")
        return cls.parse(values[0]) if values else None

    def __str__(self) -> str:
        early = (("early-only", None),) if self.early_only else ()
        return self.call_id + format_params((("to-tag", self.to_tag), ("from-tag", self.from_tag), *early))


def refer_to(target: str, replaces: Replaces | None = None) -> str:
    """A Refer-To value; with `replaces` it stands escaped in the URI's headers (attended transfer, RFC 5589 §7)."""
    if replaces is None:
        return f"<{target}>"
    joiner = "&" if "?" in target else "?"
    return f"<{target}{joiner}Replaces={quote(str(replaces), safe='')}>"


def read_refer_to(message: SipMessage) -> tuple[NameAddr, Replaces | None, str]:
    """Target without headers, Replaces, method ("INVITE" unless said). Raises RemoteProtocolError (§2.4.1: not one)."""
    values = [piece for line in message.headers.all("Refer-To") for piece in split_list(line)]
    if len(values) != 1:
        raise RemoteProtocolError("not exactly one Refer-To")
    address = NameAddr.parse(values[0])
    scheme = address.uri.partition(":")[0].lower()
    if scheme not in ("sip", "sips"):
        return address, None, "INVITE"
    uri = SipUri.parse(address.uri)
    replaces: Replaces | None = None
    for piece in uri.headers.split("&")[:32]:
        name, _, value = piece.partition("=")
        if name.lower() == "replaces":
            replaces = Replaces.parse(unquote(value, errors="replace"))
    method = (uri.param("method") or "INVITE").upper()
    params = tuple(p for p in uri.params if p[0].lower() != "method")
    bare = SipUri(uri.host, uri.user, uri.port, params, uri.scheme, uri.password)
    return NameAddr(str(bare), address.display), replaces, method


def sipfrag(status: int, reason: str | None = None) -> bytes:
    """The body of a NOTIFY of event refer (§2.4.5)."""
    words = REASON_PHRASES.get(status, "") if reason is None else " ".join(reason.split())
    return f"SIP/2.0 {status} {words}\r\n".encode()


def read_sipfrag(body: bytes) -> int:
    """The status of a sipfrag; 0 when there is none."""
    found = _FRAG.match(body[:512])
    return int(found[1]) if found else 0
