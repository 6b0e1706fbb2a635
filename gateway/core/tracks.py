"""A track as the media plane tells it, in the model's words."""

from __future__ import annotations

from gateway import codecs
from gateway.model.media import Codec, Track, TrackKind


def track_of(event: codecs.TrackEvent) -> Track:
    return Track(
        kind=TrackKind(event.kind),
        codec=Codec(event.codec),
        clock_hz=event.clock_hz,
        generation=event.generation,
        width=event.width,
        height=event.height,
        profile=event.profile,
        b_frames=event.b_frames,
        channels=event.channels,
        sprop=event.sprop,
    )
