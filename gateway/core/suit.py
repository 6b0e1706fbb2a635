"""Whether what a source sends is what somebody can take."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.base.errors import Unsupported
from gateway.contract.media import Needs, Suited
from gateway.model.media import Track, TrackKind


def misfit(track: Track, needs: Needs) -> str:
    """Why `track` is not taken as it is; empty when it is. A reason code."""
    if track.kind is TrackKind.AUDIO:
        return "" if track.codec in needs.audio else "audio-unsupported"
    if track.codec not in needs.video:
        return "codec-unsupported"
    if track.b_frames and not needs.b_frames:
        return "b-frames"
    if needs.max_height and track.height > needs.max_height:
        return "picture-too-large"
    return ""


def passed_through(handle: int, tracks: Sequence[Track], needs: Needs) -> Suited:
    """The source's own stream. Raises Unsupported when its picture does not fit; sound that does not is left out."""
    kept: list[Track] = []
    missing: list[tuple[str, str]] = []
    for track in tracks:
        if not (needs.video if track.kind is TrackKind.VIDEO else needs.audio):
            continue
        code = misfit(track, needs)
        if not code:
            kept.append(track)
        elif track.kind is TrackKind.VIDEO:
            raise Unsupported(f"{track.codec} of the source is not taken as it is", code=code)
        else:
            missing.append((track.kind.value, code))
    return Suited(handle, tuple(kept), missing=tuple(missing))
