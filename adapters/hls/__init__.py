"""HLS: low-latency playlists for walls that can do nothing else, and playlists of others as sources."""

from adapters.hls.adapter import Hls

__all__ = ["Hls"]
