"""Pictures out of clouds: HLS and HTTP-FLV as sources, with addresses that expire and are asked for anew."""

from adapters.pull.adapter import Pull

__all__ = ["Pull"]
