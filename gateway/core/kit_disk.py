"""The disk that the gateway keeps its records on: room, whether it may still be written, how worn it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gateway.model.kit_state import Space

SYSFS = Path("/sys")
LOW_BYTES, FULL_BYTES = 500_000_000, 50_000_000
AGAIN = 1.2
"""So much more room there must be before a warning ends."""
WORN = 0.9


def read_space(state_dir: Path, sysfs: Path = SYSFS, wear: Callable[[int, Path], float | None] | None = None) -> Space:
    """Raises nothing: a disk that can not be asked any more is one that can not be written. `wear`: `read_wear`, or who
    remembers what it said."""
    try:
        told = os.statvfs(state_dir)
        device = state_dir.stat().st_dev
    except OSError:
        return Space(read_only=True, code="disk-read-only")
    # f_bavail, not f_bfree: what root keeps for itself is not ours.
    return judged(
        told.f_bavail * told.f_frsize,
        told.f_blocks * told.f_frsize,
        read_only=bool(told.f_flag & os.ST_RDONLY),
        worn=(wear or read_wear)(device, sysfs),
        files=told.f_files == 0 or told.f_favail > 0,
    )


def judged(
    free_bytes: int, total_bytes: int, *, read_only: bool = False, worn: float | None = None, files: bool = True
) -> Space:
    """`files`: one more can be made; a disk whose table of files is full has all the room and takes nothing."""
    if read_only:
        code = "disk-read-only"
    elif not files or free_bytes < _full(total_bytes):
        code = "disk-full"
    elif free_bytes < _low(total_bytes):
        code = "disk-low"
    else:
        code = "disk-worn" if worn is not None and worn >= WORN else ""
    return Space(free_bytes, total_bytes, read_only, worn, code)


def steady(space: Space, before: str) -> Space:
    """A disk at its mark does not warn and fall silent by turns. `before`: the code that stood."""
    free, total = space.free_bytes, space.total_bytes
    if before == "disk-full" and space.code in ("", "disk-worn", "disk-low") and free < AGAIN * _full(total):
        return replace(space, code="disk-full")
    if before in ("disk-low", "disk-full") and space.code in ("", "disk-worn") and free < AGAIN * _low(total):
        return replace(space, code="disk-low")
    return space


def _full(total_bytes: int) -> float:
    return min(FULL_BYTES, total_bytes * 0.02)


def _low(total_bytes: int) -> float:
    return min(LOW_BYTES, total_bytes * 0.1)


def read_wear(device: int, sysfs: Path = SYSFS) -> float | None:
    """eMMC and UFS tell their wear in steps of a tenth (JEDEC JESD84-B51, EXT_CSD 268 and 269: 1 is up to 10 % of the
    life, 11 more than all of it); others only to programs with the right to ask (smartctl), which we have not."""
    place = sysfs / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"
    try:
        disk = place.resolve(strict=True)
    except OSError:
        return None
    if (disk / "partition").exists():
        disk = disk.parent
    try:
        text = (disk / "device" / "life_time").read_text(encoding="ascii", errors="replace")[:64]
        steps = [int(word, 16) for word in text.split()]
    except (OSError, ValueError):
        return None
    known = [step for step in steps if 1 <= step <= 11]
    return min(1.0, max(known) / 10) if known else None
