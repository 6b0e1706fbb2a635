"""WebRTC: viewers (WHEP) and publishers (WHIP)."""

from adapters.webrtc.adapter import WebRtc

__all__ = ["WebRtc"]
