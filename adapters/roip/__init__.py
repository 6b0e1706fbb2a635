"""Radio channels over IP and serial lines: AllStarLink USRP, plain RTP, and a radio keyed by a serial port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.roip.session import Roip

__all__ = ["Roip"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Roip":
        from adapters.roip.session import Roip

        return Roip
    raise AttributeError(name)
