"""SIP, sans-IO (RFC 3261): messages, transactions, dialogs, and `SipCore` that joins them. See README.md."""

from gateway.wire.sip.build import local_uri, new_call_id, new_request, new_tag, peer_uri
from gateway.wire.sip.headers import CSeq, NameAddr, Via, quote_text, split_list, unquote_text
from gateway.wire.sip.hop import Address, Hop, Transport
from gateway.wire.sip.message import SipMessage, SipRequest, SipResponse, parse_datagram, parse_message, respond
from gateway.wire.sip.uri import SipUri
from gateway.wire.textmsg import Headers, printable

__all__ = [
    "Address",
    "CSeq",
    "Headers",
    "Hop",
    "NameAddr",
    "SipMessage",
    "SipRequest",
    "SipResponse",
    "SipUri",
    "Transport",
    "Via",
    "local_uri",
    "new_call_id",
    "new_request",
    "new_tag",
    "parse_datagram",
    "parse_message",
    "peer_uri",
    "printable",
    "quote_text",
    "respond",
    "split_list",
    "unquote_text",
]
