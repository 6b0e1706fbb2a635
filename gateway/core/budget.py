"""How much of the processor conversions may take, and who is refused first. No clock, no process: numbers only.

The order, those that are refused first at the end (docs/decisions/0010-conversion.md):

1. sound alone: a few per cent of a core
2. stills: pictures of at most `STILLS_FPS` a second
3. small pictures, up to `SMALL_LINES` lines
4. pictures in full size that several watch
5. pictures in full size that one watches

One that does not fit takes the place of running ones of a later class, the newest of the last class first. Within a
class who came first stays.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.convert.recipe import COPY, Recipe
from gateway.model.media import Track, TrackKind

STILLS_FPS = 1.5
SMALL_LINES = 480
CORES_PER_MEGAPIXEL_S = 0.013
"""Of decoding H.265 and encoding with x264, measured (docs/performance.md); it counts until a worker tells its own."""
SOUND_CORES = 0.05


class Rank(IntEnum):
    SOUND = 1
    STILLS = 2
    SMALL = 3
    SHARED = 4
    SINGLE = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """One conversion as the budget sees it. `cores`: what it takes, or is thought to."""

    rank: Rank
    cores: float
    since: float  # the newest give way first
    key: int = 0


def rank_of(recipe: Recipe, viewers: int) -> Rank:
    if recipe.video in ("", COPY):
        return Rank.SOUND
    if 0 < recipe.fps <= STILLS_FPS:
        return Rank.STILLS
    if 0 < recipe.height <= SMALL_LINES:
        return Rank.SMALL
    return Rank.SHARED if viewers > 1 else Rank.SINGLE


def estimate(recipe: Recipe, tracks: Sequence[Track], fps: float | None) -> float:
    """Cores. Decoding is three tenths of the work; the rest goes with the size of what is made."""
    cores = SOUND_CORES if recipe.audio not in ("", COPY) else 0.0
    video = next((track for track in tracks if track.kind is TrackKind.VIDEO), None)
    if recipe.video in ("", COPY) or video is None:
        return max(cores, 0.02)
    width, height = video.width or 1920, video.height or 1080
    rate = fps or 25.0
    side = min(width, height)
    share = min(1.0, recipe.height / side) ** 2 if recipe.height else 1.0
    slower = min(1.0, recipe.fps / rate) if recipe.fps else 1.0
    # Of so slow a picture key frames alone are decoded where the source has enough of them.
    decoded = slower if 0 < recipe.fps <= STILLS_FPS else 1.0
    whole = width * height * rate / 1e6 * CORES_PER_MEGAPIXEL_S
    return cores + whole * (0.3 * decoded + 0.7 * share * slower)


def machine_cores() -> float:
    """Three quarters of what this process may use, at least one."""
    return max(1.0, len(os.sched_getaffinity(0)) * 0.75)


def admit(new: Claim, running: Sequence[Claim], cores: float, most: int) -> tuple[bool, list[Claim]]:
    """Whether `new` may run, and which of `running` give way to it. Nothing gives way where that would not do."""
    given: list[Claim] = []

    def fits() -> bool:
        left = [claim for claim in running if claim not in given]
        # One alone may always run: a machine that is too slow for it shows that in the picture, not by refusing all.
        return not left or (len(left) < most and sum(claim.cores for claim in left) + new.cores <= cores)

    for claim in sorted(running, key=lambda claim: (-claim.rank, -claim.since)):
        if fits():
            break
        if claim.rank > new.rank:
            given.append(claim)
    return (True, given) if fits() else (False, [])


def over(running: Sequence[Claim], cores: float) -> Claim | None:
    """Who gives way when all together take more than they may; the last one never does."""
    if len(running) < 2 or sum(claim.cores for claim in running) <= cores * 1.2:
        return None
    return max(running, key=lambda claim: (claim.rank, claim.since))
