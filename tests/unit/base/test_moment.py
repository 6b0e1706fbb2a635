"""Moments: two clocks and what each is worth."""

from __future__ import annotations

import time

from gateway.base.clock import Clock
from gateway.base.moment import FLOOR, Moments, TimeQuality, kernel_quality, this_boot


def test_a_moment_carries_both_clocks_and_says_how_good_the_wall_is() -> None:
    wall = [FLOOR + 5.0]
    moments = Moments(
        Clock(wall=lambda: wall[0]), boot_id="b", since_boot=lambda: 12.0, quality=lambda: TimeQuality.NTP
    )
    first = moments.now()
    assert (first.boot_id, first.mono, first.wall, first.quality.good) == ("b", 12.0, FLOOR + 5.0, True)
    wall[0] = 3600.0  # 1970: whatever the kernel says of it
    assert not moments.now().quality.good


def test_this_machine_tells_its_boot_and_how_its_clock_stands() -> None:
    assert len(this_boot()) == 36 and this_boot() == this_boot()
    assert kernel_quality() in TimeQuality
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= Moments(Clock()).now().mono <= time.clock_gettime(time.CLOCK_BOOTTIME)
