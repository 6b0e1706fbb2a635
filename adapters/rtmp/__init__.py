"""RTMP and RTMPS: drones and encoders that publish, players that read, servers that are pulled and pushed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.rtmp.adapter import Rtmp

__all__ = ["Rtmp"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Rtmp":
        from adapters.rtmp.adapter import Rtmp

        return Rtmp
    raise AttributeError(name)
