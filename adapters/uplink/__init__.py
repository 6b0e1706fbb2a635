"""Kits and centers, joined by a bundle of whatever links there are: pictures, voices, orders and the kit's own API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.uplink.adapter import Uplink

__all__ = ["Uplink"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Uplink":
        from adapters.uplink.adapter import Uplink

        return Uplink
    raise AttributeError(name)
