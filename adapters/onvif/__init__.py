"""ONVIF cameras: their pictures, their movements, their alarms and their clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.onvif.session import Onvif

__all__ = ["Onvif"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Onvif":
        from adapters.onvif.session import Onvif

        return Onvif
    raise AttributeError(name)
