"""What a SipCore tells its session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.wire.sip.dialog import Dialog
from gateway.wire.sip.hop import Hop
from gateway.wire.sip.message import SipRequest, SipResponse


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A new request (never a repeat, ACK, CANCEL, or a BYE of a dialog of ours). Answer it with `SipCore.respond(key)`.
    Its topmost Via has received and rport filled in."""

    key: str
    request: SipRequest
    hop: Hop
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A response to our request `key`; a 2xx to INVITE wants `SipCore.ack`, once per dialog."""

    key: str
    response: SipResponse
    hop: Hop
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """No final response: "timeout" (64·T1), or "link" (the connection is gone)."""

    key: str
    why: Literal["timeout", "link"]


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The ACK of our 2xx (first one only)."""

    dialog: Dialog
    request: SipRequest


@dataclass(frozen=True, slots=True)
class AckMissing:
    """Our 2xx was never acknowledged: end the dialog by BYE (RFC 3261 §13.3.1.4)."""

    dialog: Dialog


@dataclass(frozen=True, slots=True)
class PrackMissing:
    """Our reliable 1xx to the INVITE `key` was never acknowledged: refuse the INVITE (RFC 3262 §3)."""

    key: str
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The peer cancelled its INVITE `key`; both were answered (200, 487)."""

    key: str
    request: SipRequest


@dataclass(frozen=True, slots=True)
class DialogEnded:
    """By the peer's BYE (answered already), or because the peer knows it no more (481, 408), or the connection fell."""

    dialog: Dialog
    by: Literal["remote", "link"]
    detail: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Bytes that are no message but a sign of life: CRLF, or the 4 to 8 bytes that some cameras send."""

    hop: Hop


@dataclass(frozen=True, slots=True)
class FlowBroken:
    """The peer's stream can not be read any further: close the connection."""

    hop: Hop
    reason: str


Event = (
    RequestReceived
    | ResponseReceived
    | RequestFailed
    | AckReceived
    | AckMissing
    | PrackMissing
    | Cancelled
    | DialogEnded
    | Heard
    | FlowBroken
)
