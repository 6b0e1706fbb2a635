"""What a station tells, as facts with a reason; and OpenAMIP's lines. Sans-IO.

OpenAMIP is lines of ASCII between a modem and its antenna unit. We listen as a modem would, ask for its word (`A`, `W`)
and send nothing that steers it: no satellite, no hunt frequency, no mute.

    a <seconds>                     it is alive, and will say so so often
    i <maker> <model>               who it is
    s <works> <may transmit> …      its state: 1 or 0 each
    w <fix> <latitude> <longitude> <time>     where it stands
    p <azimuth> <elevation> …       where it points (some units; unverified)

As the published specification has them; **no antenna unit was at hand**.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.model.link import BearerFacts, LinkPhase, Signal
from gateway.wire.plain import plain

MAX_LINE = 512
KEEP_ALIVE_S = 5
HELLO = f"A {KEEP_ALIVE_S}\r\nW 30\r\n".encode()


@dataclass(frozen=True, slots=True)
class StationFacts:
    """None: not told. `lies` names what was told and can not be."""

    lock: bool | None = None
    esn0_db: float | None = None
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    muted: bool | None = None
    pointing: bool | None = None  # it is still looking for the satellite
    beam: str = ""
    device: str = ""
    place: tuple[float, float] | None = None  # longitude, latitude
    lies: tuple[str, ...] = ()


BOUNDS = {"esn0_db": (-20.0, 40.0), "azimuth_deg": (-180.0, 360.0), "elevation_deg": (-10.0, 95.0)}


def plausible(facts: StationFacts) -> StationFacts:
    """Without what can not be true, which is named."""
    lies, left_out = list(facts.lies), dict[str, Any]()
    for name, (least, most) in BOUNDS.items():
        value = getattr(facts, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            lies.append(f"{name} {value:g}")
            left_out[name] = None
    return replace(facts, lies=tuple(lies), **left_out)


def judged(facts: StationFacts, interface: str, weak_db: float) -> BearerFacts:
    """How the link stands by what its station says; whether data pass the link finds out by itself."""
    words = []
    if facts.esn0_db is not None:
        words.append(f"Es/N0 {facts.esn0_db:.1f} dB")
    if facts.azimuth_deg is not None and facts.elevation_deg is not None:
        words.append(f"{facts.azimuth_deg:.1f}° / {facts.elevation_deg:.1f}°")
    if facts.lies:
        words.append(", ".join(facts.lies))
    bars = None
    if facts.esn0_db is not None:
        bars = min(5, max(0, round((facts.esn0_db - weak_db) / 2) + 1))
    signal = Signal(technology="satellite", sinr_db=facts.esn0_db, bars=bars, band=facts.beam)
    phase, code = LinkPhase.UP, ""
    if facts.pointing:
        phase, code = LinkPhase.SEARCHING, "station-pointing"
    elif facts.lock is False:
        phase, code = LinkPhase.SEARCHING, "station-unlocked"
    elif facts.muted:
        phase, code = LinkPhase.REGISTERED, "station-muted"
    elif facts.esn0_db is not None and facts.esn0_db < weak_db:
        phase, code = LinkPhase.DEGRADED, "station-weak"
    elif facts.lies:
        phase, code = LinkPhase.UP, "station-lies"
    return BearerFacts(
        phase, interface, code, ", ".join(words)[:200], signal, metered=True, device=facts.device or "satellite station"
    )


@dataclass(slots=True)
class OpenAmip:
    """Lines in, facts out."""

    facts: StationFacts = field(default_factory=StationFacts)
    damaged: int = 0
    _held: bytes = b""

    def receive(self, data: bytes) -> bool:
        """True when something was said that could be read."""
        *lines, self._held = (self._held + data).split(b"\n")
        read = False
        for line in lines:
            words = line[:MAX_LINE].decode("ascii", "replace").split()
            if not words:
                continue
            try:
                self.facts = plausible(self._read(words[0], words[1:]))
                read = True
            except (ValueError, IndexError):
                self.damaged += 1
        if len(self._held) > MAX_LINE:
            self._held = b""
            self.damaged += 1
        return read

    def _read(self, kind: str, words: list[str]) -> StationFacts:
        facts = replace(self.facts, lies=())
        if kind == "i":
            return replace(facts, device=plain(" ".join(words), 60))
        if kind == "s":
            works, may = _flag(words[0]), _flag(words[1])
            return replace(facts, lock=works, pointing=not works, muted=not may)
        if kind == "w":
            if not _flag(words[0]):
                return replace(facts, place=None)
            latitude, longitude = float(words[1]), float(words[2])
            if not (abs(latitude) <= 90 and abs(longitude) <= 180):
                return replace(facts, place=None, lies=(f"place {latitude:g} {longitude:g}",))
            return replace(facts, place=(longitude, latitude))
        if kind == "p":
            return replace(facts, azimuth_deg=float(words[0]), elevation_deg=float(words[1]))
        if kind == "a":
            float(words[0])
            return facts
        raise ValueError(kind)  # what this build does not know says nothing of how it stands


def _flag(word: str) -> bool:
    if word not in ("0", "1"):
        raise ValueError(word)
    return word == "1"
