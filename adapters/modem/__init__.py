"""Cellular modems: data sessions as links, short messages, calls, satellites, and the ladder back when one hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.modem.session import Modem

__all__ = ["Modem"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Modem":
        from adapters.modem.session import Modem

        return Modem
    raise AttributeError(name)
