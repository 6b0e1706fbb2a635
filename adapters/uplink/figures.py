"""Figures of a bundle as its ends use them: of each path for people, and of all for the ladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.model.kit import LinkState, LinkUse

Stats = Mapping[str, int | float | str]
_USES = {"in": LinkUse.IN, "out": LinkUse.OUT, "new": LinkUse.TRYING, "suspect": LinkUse.TRYING}


@dataclass(frozen=True, slots=True)
class PathFigures:
    use: LinkUse
    code: str = ""
    host: str = ""
    rtt_ms: float | None = None
    loss: float | None = None
    usable_bps: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0

    def state(self, name: str, bearer: str = "", interface: str = "", cost: int = 0) -> LinkState:
        return LinkState(
            name,
            bearer,
            interface,
            self.use,
            self.code,
            self.rtt_ms,
            self.loss,
            self.usable_bps,
            self.bytes_in,
            self.bytes_out,
            cost,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """`usable_bps`: what passes all together; `beside_bps`: what goes out that is no picture; `pressed`: more is wanted
    than passes, or units were given up since the look before."""

    usable_bps: float = 0.0
    beside_bps: float = 0.0
    pressed: bool = False
    links: Mapping[str, PathFigures] = field(default_factory=dict)


class LinkFigures:
    """Of one bundle; made anew when its counters may have begun anew is not needed: what grew less than before counts
    from nothing."""

    def __init__(self) -> None:
        self._given_up = 0.0
        self._beside = 0.0

    def look(self, stats: Stats, seconds: float) -> Look:
        paths: dict[str, dict[str, int | float | str]] = {}
        flows: dict[str, dict[str, int | float | str]] = {}
        for key, value in stats.items():
            kind, _, rest = key.partition(".")
            # A path's name may hold dots: the figure is what stands last.
            name, _, figure = rest.rpartition(".")
            if kind == "path" and name:
                paths.setdefault(name, {})[figure] = value
            elif kind == "out" and name:
                flows.setdefault(name, {})[figure] = value
        beside = sum(_number(flow, "bytes") for flow in flows.values() if flow.get("class") not in ("video", "still"))
        given_up = _number(stats, "units_given_up")
        usable, wanted = _number(stats, "usable_bps"), _number(stats, "wanted_bps")
        look = Look(
            usable_bps=usable,
            beside_bps=max(0.0, beside - self._beside) * 8 / max(seconds, 0.1),
            pressed=given_up > self._given_up or wanted > usable > 0,
            links={name: _path(path) for name, path in paths.items()},
        )
        self._given_up, self._beside = given_up, beside
        return look


def by_either(udp: PathFigures | None, tcp: PathFigures | None) -> PathFigures | None:
    """A link as people see it, whichever way it goes."""
    if udp is None or tcp is None:
        return udp or (tcp and replace(tcp, code=tcp.code or "link-tcp"))
    shown = udp
    if tcp.use is LinkUse.IN and udp.use is not LinkUse.IN:
        shown = replace(tcp, code="link-tcp")
    return replace(shown, bytes_in=udp.bytes_in + tcp.bytes_in, bytes_out=udp.bytes_out + tcp.bytes_out)


def _path(path: Stats) -> PathFigures:
    use = _USES.get(str(path.get("state", "")), LinkUse.TRYING)
    return PathFigures(
        use,
        str(path.get("code", ""))[:64],
        str(path.get("host", ""))[:64],
        _known(path, "rtt_ms"),
        _known(path, "loss"),
        _known(path, "usable_bps"),
        int(_number(path, "bytes_in")),
        int(_number(path, "bytes_out")),
    )


def _number(stats: Stats, name: str) -> float:
    value = stats.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _known(stats: Stats, name: str) -> float | None:
    """Negative: not measured yet."""
    value = stats.get(name)
    return float(value) if isinstance(value, int | float) and value >= 0 else None


SATELLITE_S = 0.4
"""A geostationary hop is a quarter of a second: a copy that comes by one is of no use to whoever waits less."""


def voice_playout_ms(least_s: float, links: Sequence[LinkState]) -> int:
    """How long a voice waits for its second copy: longer where a satellite carries that."""
    carrying = [link for link in links if link.state is LinkUse.IN]
    quick = [link for link in carrying if link.bearer != "satellite"]
    slow = len(quick) < 2 and len(quick) < len(carrying)
    return round(max(least_s, SATELLITE_S if slow else 0.0) * 1000)
