"""The disk that the gateway keeps its records on: room, whether it may still be written, how worn it is."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.model.kit_state import Space

SYSFS = Path("/sys")
LOW_BYTES, FULL_BYTES = 500_000_000, 50_000_000
WORN = 0.9


def read_space(state_dir: Path, sysfs: Path = SYSFS) -> Space:
    """Raises nothing: a disk that can not be asked any more is one that can not be written."""
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
        worn=read_wear(device, sysfs),
    )


def judged(free_bytes: int, total_bytes: int, *, read_only: bool = False, worn: float | None = None) -> Space:
    if read_only:
        code = "disk-read-only"
    elif free_bytes < min(FULL_BYTES, total_bytes * 0.02):
        code = "disk-full"
    elif free_bytes < min(LOW_BYTES, total_bytes * 0.1):
        code = "disk-low"
    else:
        code = "disk-worn" if worn is not None and worn >= WORN else ""
    return Space(free_bytes, total_bytes, read_only, worn, code)


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
