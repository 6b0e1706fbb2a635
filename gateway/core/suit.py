"""Whether what a source sends is what somebody can take, and what to make of it where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.base.errors import Unsupported
from gateway.contract.media import Needs, Suited
from gateway.convert.recipe import COPY, Recipe
from gateway.model.media import Codec, StreamFigures, Track, TrackKind

MIXED = frozenset({Codec.PCMA, Codec.PCMU, Codec.G722, Codec.OPUS, Codec.L16})
"""What the media plane makes of each other by itself."""
_SOUNDS = {Codec.OPUS: "opus", Codec.AAC: "aac", Codec.PCMA: "pcma"}
_WHY = {
    "codec-unsupported": "convert-codec",
    "b-frames": "convert-b-frames",
    "audio-unsupported": "convert-audio",
    "picture-too-large": "convert-smaller",
}
TOLERANCE = 1.25
"""A source may be this much faster or fatter than what was asked for before it is made again for that."""


def misfit(track: Track, needs: Needs, figures: StreamFigures | None = None) -> str:
    """Why `track` is not taken as it is; empty when it is. A reason code."""
    if track.kind is TrackKind.AUDIO:
        mixed = needs.mixes and track.codec in MIXED and not MIXED.isdisjoint(needs.audio)
        return "" if track.codec in needs.audio or mixed else "audio-unsupported"
    if track.codec not in needs.video:
        return "codec-unsupported"
    if track.b_frames and not needs.b_frames:
        return "b-frames"
    if needs.max_height and min(track.height, track.width) > needs.max_height:
        return "picture-too-large"
    if figures is not None and _too_much(needs, figures):
        return "picture-too-large"
    return ""


def _too_much(needs: Needs, figures: StreamFigures) -> bool:
    """What is not measured yet is taken to be as fast as cameras are."""
    fps, rate = figures.fps or 25.0, figures.bitrate_bps or 0.0
    fast = needs.max_fps > 0 and fps > needs.max_fps * TOLERANCE
    return fast or 0 < needs.max_bitrate_bps < rate / TOLERANCE


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is needed of a source. `recipe` None: its own stream will do."""

    recipe: Recipe | None
    why: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()  # what no conversion makes either

    @property
    def sound_only(self) -> Recipe | None:
        """The same without its picture, where that leaves something to make."""
        made = self.recipe is not None and self.recipe.audio not in ("", COPY)
        return Recipe(audio=self.recipe.audio) if self.recipe is not None and made else None


def wanted(tracks: Sequence[Track], needs: Needs, figures: StreamFigures | None = None) -> Wanted:
    """Raises Unsupported when the picture can be made into nothing that is taken."""
    video, audio, why, missing = "", "", [], []
    for track in sorted(tracks, key=lambda track: track.kind is TrackKind.AUDIO):
        picture = track.kind is TrackKind.VIDEO
        if not (needs.video if picture else needs.audio):
            continue
        code = misfit(track, needs, figures)
        made = COPY if not code else _target(needs, picture)
        if not made and picture:
            raise Unsupported(f"{track.codec} of the source is not taken, nor H.264 made of it", code=code)
        if not made:
            missing.append((track.kind.value, code))
        elif code:
            why.append(_WHY[code])
        if picture:
            video = made
        else:
            audio = made
    if video in ("", COPY) and audio in ("", COPY):
        return Wanted(None, (), tuple(missing))
    small = video not in ("", COPY)
    recipe = Recipe(
        video,
        audio,
        needs.max_height if small else 0,
        needs.max_fps if small else 0.0,
        needs.max_bitrate_bps if small else 0,
    )
    return Wanted(recipe, tuple(why), tuple(missing))


def _target(needs: Needs, picture: bool) -> str:
    if picture:
        return "h264" if Codec.H264 in needs.video else ""
    found = next((_SOUNDS[codec] for codec in needs.audio if codec in _SOUNDS), "")
    return found or ("pcma" if needs.mixes and not MIXED.isdisjoint(needs.audio) else "")


def passed_through(
    handle: int, tracks: Sequence[Track], needs: Needs, missing: Sequence[tuple[str, str]] = ()
) -> Suited:
    """The source's own stream: of its tracks those that fit."""
    gone = {kind for kind, _ in missing}
    kept = tuple(
        track
        for track in tracks
        if track.kind.value not in gone and (needs.video if track.kind is TrackKind.VIDEO else needs.audio)
    )
    return Suited(handle, kept, missing=tuple(missing))
