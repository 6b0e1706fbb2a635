"""Vehicle terminals: JT/T 808 (2011, 2013, 2019) for what they say, JT/T 1078 for what they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.jt808.adapter import Jt808

__all__ = ["Jt808"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Jt808":
        from adapters.jt808.adapter import Jt808

        return Jt808
    raise AttributeError(name)
