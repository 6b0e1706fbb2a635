"""Positions: the latest of each device in memory, a thinned trail on the disk and for the centers; with their datum."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.core.audit import Audit
from gateway.core.messages import Bus
from gateway.core.outbox import Outbox
from gateway.core.rights import in_scope
from gateway.model.ids import parse_ref
from gateway.model.position import Datum, Position
from gateway.model.principal import Principal
from gateway.store.positions import PositionRepo

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config.root import Store as StoreConfig

PUBLISH_EVERY_S = 1.0
MOST_EACH, MOST_ID = 20_000, 300
"""Devices and channels of one gateway that have a position here, and the length of their ids."""
AHEAD_S = 5.0
"""By so much a clock that is right enough may be ahead of ours."""
MOVED_M = 25.0
"""A device that moved this far is kept in the trail before its interval is over."""


class Positions:
    def __init__(
        self,
        gateway: str,
        repo: PositionRepo,
        bus: Bus,
        audit: Audit,
        clock: Clock,
        config: Callable[[], StoreConfig],
        outbox: Outbox,
    ) -> None:
        self._gateway = gateway
        self._outbox = outbox
        self._repo = repo
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._config = config
        self._latest = {(p.device, p.channel): p for p in repo.latest()}
        self._count = Counter(_home(device) for device, _ in self._latest)
        self._trailed: dict[tuple[str, str], tuple[float, Position]] = {}
        self._published: dict[tuple[str, str], float] = {}
        self.kits: Container[str] = ()

    def report(self, position: Position) -> None:
        """Impossible ones are dropped; older ones than the latest go into the trail only."""
        if not self._room(position):
            return
        position = self._dated(position)
        if not (-180 <= position.longitude <= 180 and -90 <= position.latitude <= 90):
            return
        # 0°, 0° is what receivers without a fix send.
        if position.longitude == position.latitude == 0.0:
            return
        key, now = (position.device, position.channel), self._clock.monotonic()
        newest = self.newest(position)
        before = self._trailed.get(key)
        trail = (
            before is None
            or now - before[0] >= self._config().trail_every
            or (before[1].datum is position.datum and distance_m(before[1], position) >= MOVED_M)
        )
        if trail:
            self._trailed[key] = (now, position)
        if newest:
            self.heard(position)
        if trail:
            self._keep(position, newest)

    def newest(self, position: Position) -> bool:
        """Whether it is not older than the one we know. One that lies in the future was dated by a wrong clock: it
        would stand until then."""
        latest = self._latest.get((position.device, position.channel))
        if latest is None:
            return self._room(position)
        return latest.taken_at > self._clock.wall() + AHEAD_S or self._dated(position).taken_at >= latest.taken_at

    def heard(self, position: Position) -> None:
        """Known and shown, if it is the newest; kept by whoever calls."""
        if not self.newest(position):
            return
        key, now = (position.device, position.channel), self._clock.monotonic()
        position = self._dated(position)
        if key not in self._latest:
            self._count[_home(position.device)] += 1
        self._latest[key] = position
        if now - self._published.get(key, -PUBLISH_EVERY_S) >= PUBLISH_EVERY_S:
            self._published[key] = now
            self._bus.publish("position", _subject(position), position)

    def latest(self, who: Principal) -> Sequence[Position]:
        return [p for p in self._latest.values() if in_scope(who, _subject(p))]

    async def trail(
        self, who: Principal, device: str, *, channel: str = "", since: float = 0.0, limit: int = 1000
    ) -> Sequence[Position]:
        ref = parse_ref(device, home=self._gateway, kits=self.kits)
        channel = channel or ref.channel
        self._audit.note(who, "position.trail", str(ref))
        found = await self._repo.trail(ref.device_id, channel=channel, since=since, limit=min(max(limit, 1), 10_000))
        return [p for p in found if in_scope(who, _subject(p))]

    def forget(self, device: str) -> None:
        for key in [key for key in self._latest if key[0] == device]:
            self._count[_home(device)] -= 1
            for kept in (self._latest, self._trailed, self._published):
                kept.pop(key, None)

    def _dated(self, position: Position) -> Position:
        """Nothing was taken later than now."""
        now = self._clock.wall()
        return replace(position, taken_at=now) if position.taken_at > now + AHEAD_S else position

    def _room(self, position: Position) -> bool:
        """Whether it is of something known, or one more may be: a kit could speak of any number of things."""
        if (position.device, position.channel) in self._latest:
            return True
        return (
            len(position.device) + len(position.channel) <= MOST_ID and self._count[_home(position.device)] < MOST_EACH
        )

    def _keep(self, position: Position, newest: bool) -> None:
        """In the trail, and for the centers in the same transaction; not waited for."""
        event = self._outbox.position(position)
        if event is None:
            self._repo.put(position, latest=newest)
            return
        posting = self._outbox.posting()
        self._repo.put(position, latest=newest, forward=lambda conn: posting(conn, event))
        self._outbox.posted(posting, soon=True)


def _home(device: str) -> str:
    return device.partition("/")[0]


def _subject(position: Position) -> str:
    return f"{position.device}/{position.channel}" if position.channel else position.device


def distance_m(a: Position, b: Position) -> float:
    """Along the surface, good to a per cent for the few metres that matter here; same datum assumed."""
    mean = math.radians((a.latitude + b.latitude) / 2)
    east = math.radians(b.longitude - a.longitude) * math.cos(mean)
    return math.hypot(east, math.radians(b.latitude - a.latitude)) * 6371008.8


# — GCJ-02: WGS-84 with a non-linear offset of up to some 600 m, within mainland China only. The constants are those
#   of the Krasovsky 1940 ellipsoid and of the offset's published series. —
_A = 6378245.0
_EE = 0.00669342162296594323


def gcj02_from_wgs84(longitude: float, latitude: float) -> tuple[float, float]:
    """Outside of China's box the two are the same."""
    if not (72.004 <= longitude <= 137.8347 and 0.8293 <= latitude <= 55.8271):
        return longitude, latitude
    x, y = longitude - 105.0, latitude - 35.0
    waves = 20.0 * (math.sin(6.0 * x * math.pi) + math.sin(2.0 * x * math.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + waves
    north += 20.0 * (math.sin(y * math.pi) + 2.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    north += 160.0 * (math.sin(y / 12.0 * math.pi) + 2.0 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + waves
    east += 20.0 * (math.sin(x * math.pi) + 2.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    east += 150.0 * (math.sin(x / 12.0 * math.pi) + 2.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    sine = math.sin(math.radians(latitude))
    magic = 1 - _EE * sine * sine
    d_lat = math.degrees(north / (_A * (1 - _EE) / (magic * math.sqrt(magic))))
    d_lon = math.degrees(east / (_A / math.sqrt(magic) * math.cos(math.radians(latitude))))
    return longitude + d_lon, latitude + d_lat


def wgs84_from_gcj02(longitude: float, latitude: float) -> tuple[float, float]:
    """The inverse, by iteration; good to a centimetre."""
    lon, lat = longitude, latitude
    for _ in range(8):
        there = gcj02_from_wgs84(lon, lat)
        lon, lat = lon + longitude - there[0], lat + latitude - there[1]
    return lon, lat


def as_wgs84(position: Position) -> Position:
    """For maps that know one datum only. CGCS2000 differs from WGS-84 by centimetres: the numbers stay."""
    if position.datum is Datum.GCJ02:
        longitude, latitude = wgs84_from_gcj02(position.longitude, position.latitude)
        return replace(position, longitude=longitude, latitude=latitude, datum=Datum.WGS84)
    return replace(position, datum=Datum.WGS84)
