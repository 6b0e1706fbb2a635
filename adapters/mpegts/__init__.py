"""MPEG transport streams in UDP and RTP: unicast and multicast, as sources and as outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.mpegts.adapter import MpegTs

__all__ = ["MpegTs"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "MpegTs":
        from adapters.mpegts.adapter import MpegTs

        return MpegTs
    raise AttributeError(name)
