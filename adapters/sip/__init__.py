"""SIP calls: trunks to the center's servers, softphones of the kit's own network, and the calls themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.sip.adapter import SipGateway

__all__ = ["SipGateway"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "SipGateway":
        from adapters.sip.adapter import SipGateway

        return SipGateway
    raise AttributeError(name)
