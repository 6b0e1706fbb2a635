"""Cables: cameras and microphones of this machine (V4L2, ALSA), plugged and unplugged at will."""

from adapters.local.adapter import Local

__all__ = ["Local"]
