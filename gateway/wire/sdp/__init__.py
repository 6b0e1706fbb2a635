"""SDP (RFC 8866) and offer/answer for calls (RFC 3264), sans-IO. See README.md one folder up."""

from gateway.wire.sdp.agreed import Agreed, Agreement, DtlsPeer, PayloadType, SdesKeys
from gateway.wire.sdp.capability import (
    Codec,
    Direction,
    Fingerprint,
    LocalMedia,
    SrtpPolicy,
    audio_codecs,
    video_codecs,
)
from gateway.wire.sdp.negotiation import Negotiation, NotAcceptable
from gateway.wire.sdp.text import MAX_SDP_BYTES, MAX_SDP_LINES, Attributes, Media, RtpMap, Sdp

__all__ = [
    "MAX_SDP_BYTES",
    "MAX_SDP_LINES",
    "Agreed",
    "Agreement",
    "Attributes",
    "Codec",
    "Direction",
    "DtlsPeer",
    "Fingerprint",
    "LocalMedia",
    "Media",
    "Negotiation",
    "NotAcceptable",
    "PayloadType",
    "RtpMap",
    "SdesKeys",
    "Sdp",
    "SrtpPolicy",
    "audio_codecs",
    "video_codecs",
]
