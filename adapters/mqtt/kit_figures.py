"""How a kit is doing, as its telemetry tells: its machine, this program, what is watched there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.model.device import Device, DeviceState
from gateway.model.media import StreamState, StreamStatus

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
MB = 1 << 20
_HERE = (DeviceState.ONLINE, DeviceState.DEGRADED)


class Figures:
    """`now` and `cpu` are seconds that only grow: of the world, and of all processors that this process had."""

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
        proc: Path = PROC,
    ) -> None:
        self._now = now
        self._cpu = cpu
        self._proc = proc
        self._before = (now(), cpu())

    def told(self, devices: Sequence[Device], streams: Sequence[StreamStatus]) -> dict[str, float]:
        """`cpu`: cores that this process took since the last time; `load`: of the machine, over a minute; memory in MB.
        What can not be read is left out."""
        found = {
            "devices": float(len(devices)),
            "devices_online": float(sum(device.state in _HERE for device in devices)),
            "streams": float(len(streams)),
            "streams_live": float(sum(one.state is StreamState.LIVE for one in streams)),
            "cpu": self._cores(),
        }
        for name, read in (("load", self._load), ("rss_mb", self._rss), ("memory_free_mb", self._free)):
            try:
                found[name] = read()
            except (OSError, ValueError, IndexError):
                continue
        return found

    def _cores(self) -> float:
        (then, used), (now, cpu) = self._before, (self._now(), self._cpu())
        if now <= then:
            return 0.0
        self._before = (now, cpu)
        return round((cpu - used) / (now - then), 3)

    def _load(self) -> float:
        return float((self._proc / "loadavg").read_text().split()[0])

    def _rss(self) -> float:
        return round(int((self._proc / "self" / "statm").read_text().split()[1]) * PAGE / MB, 1)

    def _free(self) -> float:
        """proc(5): MemAvailable, an estimate of what could be had without swapping."""
        for line in (self._proc / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return round(int(line.split()[1]) / 1024, 1)
        raise ValueError("no MemAvailable")
