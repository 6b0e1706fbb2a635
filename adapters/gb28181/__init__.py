"""GB/T 28181 access: devices register at us, and their pictures, alarms and positions become the gateway's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.gb28181.session import Gb28181Access

__all__ = ["Gb28181Access"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Gb28181Access":
        from adapters.gb28181.session import Gb28181Access

        return Gb28181Access
    raise AttributeError(name)
