"""RTSP's messages (RFC 2326, RFC 7826): read with tolerance, written strictly; sans-IO."""

from gateway.wire.rtsp.auth import Credentials, Guard, Judgement
from gateway.wire.rtsp.control import join_control, track_of
from gateway.wire.rtsp.message import (
    MAX_MESSAGE_BYTES,
    Message,
    RtspReader,
    RtspRequest,
    RtspResponse,
    parse_message,
    reason_of,
)
from gateway.wire.rtsp.session import SessionHeader, parse_public, parse_session
from gateway.wire.rtsp.transport import Transport, parse_transports

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Credentials",
    "Guard",
    "Judgement",
    "Message",
    "RtspReader",
    "RtspRequest",
    "RtspResponse",
    "SessionHeader",
    "Transport",
    "join_control",
    "parse_message",
    "parse_public",
    "parse_session",
    "parse_transports",
    "reason_of",
    "track_of",
]
