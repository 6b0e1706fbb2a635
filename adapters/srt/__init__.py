"""SRT: callers publish and read by stream id; sources and outputs by URL, as caller, listener or rendezvous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.srt.adapter import Srt

__all__ = ["Srt"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Srt":
        from adapters.srt.adapter import Srt

        return Srt
    raise AttributeError(name)
