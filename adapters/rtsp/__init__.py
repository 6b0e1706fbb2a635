"""RTSP and RTSPS: cameras and servers that are pulled, encoders that publish, programs that read, servers pushed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.rtsp.adapter import Rtsp

__all__ = ["Rtsp"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Rtsp":
        from adapters.rtsp.adapter import Rtsp

        return Rtsp
    raise AttributeError(name)
