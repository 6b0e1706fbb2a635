"""Satellite stations: lock, Es/N0, pointing and mute, by SNMP or OpenAMIP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.station.adapter import Stations

__all__ = ["Stations"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Stations":
        from adapters.station.adapter import Stations

        return Stations
    raise AttributeError(name)
