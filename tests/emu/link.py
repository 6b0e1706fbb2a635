"""One emulated link: its process, and orders to it."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tests.emu.program import Unable, linkemu

ANSWER_S = 10.0


@dataclass(frozen=True)
class Shape:
    """One way of a link; what is None stays as it is. Times in ms; shares from 0 to 1.

    `burst_loss` is the share of time (so of evenly sent packets) that is lost in bursts of `burst_ms` on average and
    at most `burst_cap_ms`; `loss` is memoryless. `jitter_ms` is the deviation of a normal spread. A share `late`
    comes `late_ms` after its time.
    """

    rate_bps: float | None = None
    queue_ms: float | None = None
    delay_ms: float | None = None
    jitter_ms: float | None = None
    keep_order: bool | None = None
    burst_loss: float | None = None
    burst_ms: float | None = None
    burst_cap_ms: float | None = None
    loss: float | None = None
    duplicate: float | None = None
    late: float | None = None
    late_ms: float | None = None

    def with_rate(self, rate_bps: float) -> Shape:
        return replace(self, rate_bps=rate_bps)

    def order(self) -> dict[str, float | bool]:
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in given if value is not None}


# What the reference measured such links at (a kit's side up). 280 ms is one way: a geostationary hop with its stations.
LTE = {"up": Shape(rate_bps=8e6, delay_ms=35), "down": Shape(rate_bps=20e6, delay_ms=35)}
SATELLITE = {"up": Shape(rate_bps=2e6, delay_ms=280), "down": Shape(rate_bps=10e6, delay_ms=280)}


class Link:
    """Made by World.link(). All calls block for the answer, which comes at once."""

    def __init__(
        self, name: str, inner: str, outer: str, orders: Path, *, seed: int, mtu: int, outer_name: str = ""
    ) -> None:
        """`inner` and `outer`: paths of namespaces. `mtu`: of the devices; `set(mtu=…)` is what the way bears."""
        self.name, self.outer_name = name, outer_name or name
        made = {"name": name, "outer_name": self.outer_name, "inner": inner, "outer": outer}
        made |= {"orders": str(orders), "seed": seed, "mtu": mtu}  # type: ignore[dict-item]
        self.process = subprocess.Popen(
            [linkemu(), "link", json.dumps(made)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout and self.process.stderr
        if self.process.stdout.readline() != "ready\n":
            raise Unable(f"link {name}: {self.process.stderr.read().strip()}")
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._wire.settimeout(ANSWER_S)
        self._wire.connect(str(orders))
        self._lines = self._wire.makefile("r")

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        self._wire.sendall(json.dumps(order).encode() + b"\n")
        told: dict[str, Any] = json.loads(self._lines.readline())
        if "error" in told:
            raise ValueError(f"link {self.name}: {told['error']}")
        return told

    def set(
        self, *, up: Shape | None = None, down: Shape | None = None, both: Shape | None = None, **more: Any
    ) -> None:
        """`more`: cut, udp (False: UDP is blocked), mtu (bytes that the way bears; more is dropped without a word), nat
        (public addresses; none: no NAT), nat_idle_s, rebind."""
        ways = {"up": up, "down": down, "both": both}
        self._ask({"set": {name: shape.order() for name, shape in ways.items() if shape} | more})

    def cut(self) -> None:
        self.set(cut=True)

    def mend(self) -> None:
        self.set(cut=False)

    def rebind(self) -> None:
        """The carrier's NAT forgets: the same inner socket comes from another public port from now on."""
        self.set(rebind=True)

    def begin(self, seed: int, plan: Iterable[tuple[float, dict[str, Any]]] = (), at_ns: int = 0) -> None:
        """The weather of `seed` from the beginning, figures from zero, and the plan: (seconds after the beginning, what
        `set` takes, shapes as their orders). `at_ns`: the beginning, CLOCK_MONOTONIC; 0: now."""
        steps = [{"at_ms": seconds * 1000, "set": step} for seconds, step in plan]
        self._ask({"begin": at_ns or time.monotonic_ns(), "seed": seed, "plan": steps})

    def figures(self) -> dict[str, Any]:
        """Counts of both ways (`up`, `down`) since the beginning, what was refused, and by how much the emulator itself
        was late at worst."""
        return self._ask({})

    def cpu_s(self) -> float:
        """Processor time of the emulator's process until now."""
        parts = Path(f"/proc/{self.process.pid}/schedstat").read_text().split()
        return int(parts[0]) / 1e9

    def close(self) -> None:
        self._lines.close()
        self._wire.close()
        self.process.communicate()
