"""Satellite phones and terminals: AT phones by profile, BeiDou short messages, Iridium SBD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.satphone.adapter import Satphones

__all__ = ["Satphones"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Satphones":
        from adapters.satphone.adapter import Satphones

        return Satphones
    raise AttributeError(name)
