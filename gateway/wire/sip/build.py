"""Make requests: the headers that RFC 3261 §8.1.1 wants, filled in; Via is the core's to add."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from gateway.wire.sip.headers import CSeq, NameAddr
from gateway.wire.sip.hop import Hop
from gateway.wire.sip.message import SipRequest
from gateway.wire.sip.uri import SipUri
from gateway.wire.textmsg import Headers


def new_tag() -> str:
    """A From or To tag: 64 bits of chance (RFC 3261 §19.3 asks for 32)."""
    return secrets.token_hex(8)


def new_call_id(host: str = "") -> str:
    return f"{secrets.token_hex(12)}@{host}" if host else secrets.token_hex(12)


def new_request(
    method: str,
    uri: SipUri | str,
    *,
    from_: NameAddr | SipUri | str,
    to: NameAddr | SipUri | str | None = None,
    hop: Hop | None = None,
    contact_user: str | None = None,
    call_id: str | None = None,
    cseq: int = 1,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> SipRequest:
    """A request outside of any dialog.

    `to` is the Request-URI unless given; From gets a tag if it has none. With `hop` and `contact_user` a Contact
    `<sip:user@our-address-on-that-hop>` is added (devices find us again by it). Call-ID is new unless given: pass the
    old one and the next `cseq` to refresh a registration.
    """
    source = _name_addr(from_)
    if source.tag is None:
        source = source.with_tag(new_tag())
    lines = [
        ("From", str(source)),
        ("To", str(_name_addr(uri if to is None else to))),
        ("Call-ID", call_id or new_call_id(hop.local[0] if hop is not None else "")),
        ("CSeq", str(CSeq(cseq, method))),
    ]
    if hop is not None and contact_user is not None:
        lines.append(("Contact", f"<{local_uri(contact_user, hop)}>"))
    lines.append(("Max-Forwards", "70"))
    lines.extend(headers)
    if content_type is not None:
        lines.append(("Content-Type", content_type))
    return SipRequest(method, str(uri), Headers(lines), body)


def local_uri(user: str, hop: Hop) -> SipUri:
    """Our own address as a peer on `hop` reaches it, with the transport said. TLS is `sip:…;transport=tls`, which the
    field reads; `sips:` would ask for TLS on every hop behind too (RFC 5630 §3)."""
    params = () if hop.transport == "udp" else (("transport", hop.transport),)
    return SipUri(hop.local[0], user, hop.local[1], params)


def peer_uri(user: str, hop: Hop) -> SipUri:
    """The peer's address as the hop has it: `sip:<user>@<ip>:<port>`."""
    return SipUri(hop.remote[0], user, hop.remote[1])


def _name_addr(value: NameAddr | SipUri | str) -> NameAddr:
    if isinstance(value, NameAddr):
        return value
    if isinstance(value, SipUri):
        return NameAddr(str(value))
    return NameAddr.parse(value) if "<" in value else NameAddr(value)
