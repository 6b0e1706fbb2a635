"""How this kit itself stands: its readings taken now and then, judged, told when they change.

Fulfils `contract.kit.KitStanding`. Reading sysfs and asking chrony is done in a thread: a driver that hangs holds up
nobody but the next reading.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.base.clock import Clock
from gateway.base.moment import BUILT, TimeQuality, kernel_quality, this_boot
from gateway.base.tasks import beat
from gateway.config.kit import Kit as KitConfig
from gateway.core import kit_disk, kit_heat, kit_power
from gateway.core.kit_clock import ClockJudge, chrony_source
from gateway.core.kit_place import PlaceChooser
from gateway.core.messages import Bus
from gateway.model.ids import DeviceId
from gateway.model.kit_state import ClockState, ClockStep, Fix, Heat, KitCondition, Place, Space
from gateway.model.position import Datum, Position

log = logging.getLogger(__name__)

TIMESYNCD = Path("/run/systemd/timesync/synchronized")
CHRONY_S = 3.0
ASK_S = 60.0
WEAR_S = 3600.0
REPORT_S = 10.0
FIGURES_S = 60.0
RECORD_S = 60.0
READ_S, HUNG_S = 5.0, 30.0
"""A reading is waited for so long, and what was read before counts so long while it does not end."""
DEVICE = "kit"
"""The kit's own place is the position of this device: it goes where positions go."""
WORST = (
    "battery-critical", "too-hot", "disk-read-only", "disk-full", "kit-unread", "battery-low", "battery-untold", "hot",
    "gnss-jump",
    "clock-past", "clock-off", "disk-low", "disk-worn", "clock-unsynced", "position-none", "position-old",
    "gnss-silent", "gnss-stuck", "gnss-no-fix", "gnss-bad", "on-battery",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Readings:
    """One look at the machine."""

    supplies: list[kit_power.Supply] = field(default_factory=list)
    heat: list[Heat] = field(default_factory=list)
    space: Space = field(default_factory=Space)
    synchronised: bool = False
    source: str = ""
    hung: bool = False  # the machine does not answer: nothing is known


class Machine:
    """Reads it, in a thread. Who synchronises the clock is asked once a minute: that is a program to start. How worn
    the disk is, once an hour: it wears by a tenth in years."""

    def __init__(self, state_dir: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._state_dir = state_dir
        self._monotonic = monotonic
        self._asked_at: float | None = None
        self._source = ""
        self._worn: tuple[int, float, float | None] | None = None

    def __call__(self) -> Readings:
        synchronised, now = kernel_quality().good, self._monotonic()
        if not synchronised:
            self._asked_at, self._source = None, ""
        elif self._asked_at is None or now - self._asked_at >= ASK_S:
            self._asked_at, self._source = now, clock_source()
        return Readings(
            kit_power.read_supplies(),
            kit_heat.read_heat(),
            kit_disk.read_space(self._state_dir, wear=self._wear),
            synchronised,
            self._source,
        )

    def _wear(self, device: int, sysfs: Path) -> float | None:
        now = self._monotonic()
        if self._worn is None or self._worn[0] != device or now - self._worn[1] >= WEAR_S:
            self._worn = device, now, kit_disk.read_wear(device, sysfs)
        return self._worn[2]


def clock_source() -> str:
    """Which reference a clock follows that follows one, where that can be found out."""
    program = shutil.which("chronyc")
    if program is not None:
        try:
            told = subprocess.run(  # noqa: S603  (fixed words)
                [program, "-c", "-n", "tracking"], capture_output=True, text=True, timeout=CHRONY_S, check=False
            )
            if told.returncode == 0 and (found := chrony_source(told.stdout)) is not None and found[0]:
                return found[1]
        except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as exc:
            log.debug("chronyc: %s", exc)
    return "timesyncd" if TIMESYNCD.exists() else "kernel"


class KitState:
    """On the event loop; `run` is a task of the core. `last_record`: the newest time that a good clock of this kit ever
    showed, as far as it was kept."""

    def __init__(
        self,
        gateway: str,
        bus: Bus,
        clock: Clock,
        config: Callable[[], KitConfig],
        report: Callable[[Position], None],
        *,
        last_record: float = 0.0,
        read: Callable[[], Readings] = Readings,
        since_boot: Callable[[], float] | None = None,
        first: Space | None = None,
    ) -> None:
        self._gateway = gateway
        self._bus = bus
        self._clock = clock
        self._config = config
        self._report = report
        self._read = read
        self._since_boot = since_boot or clock.monotonic
        self._clocks = ClockJudge(BUILT, last_record)
        self._places = PlaceChooser()
        self._fixed: tuple[float, float] | None = None
        self._readings = Readings(space=first or Space())
        self._reading: asyncio.Task[Readings] | None = None
        self._read_at = clock.monotonic()
        self._fell = 0
        self._reported: tuple[float, Place | None] = (-REPORT_S, None)
        self._recorded = self._figures_at = clock.monotonic()
        self.condition = KitCondition(gateway, clock.wall(), space=self._readings.space)

    # — what adapters tell —

    def fix(self, source: str, kind: str, fix: Fix) -> str:
        code = self._places.take(source, kind, fix, self._clock.wall(), self._clock.monotonic())
        if code:
            log.debug("a fix of %s is refused: %s", source, code)
        return code

    def no_fix(self, source: str, kind: str, code: str) -> None:
        self._places.silent(source, kind, code, self._clock.monotonic())

    def no_source(self, source: str) -> None:
        self._places.gone(source)

    def time(self, source: str, quality: TimeQuality, unix_s: float) -> None:
        self._clocks.told(source, quality, self._clock.wall() - unix_s, self._clock.monotonic())

    def stepped(self, by_s: float) -> None:
        """The clock jumped: told as one pair, by which what was dated before can be dated anew."""
        self._clocks.stepped(by_s)
        self._places.stepped(by_s)
        wall = self._clock.wall()
        quality = self._clock_now().quality
        step = ClockStep(this_boot(), self._since_boot(), wall - by_s, wall, quality)
        self._bus.publish("clock", "", step)

    def quality(self) -> TimeQuality:
        """Of the clock, as it was last looked at; one that shows a time of the past is never good."""
        clock = self.condition.clock
        return clock.quality if self._clock.wall() >= self._clocks.floor else TimeQuality.UNSYNCED

    # — over time —

    async def run(self) -> None:
        while True:
            try:
                await self._take_reading()
                self.look()
            except Exception:
                log.exception("how the kit stands could not be found out; it is tried again")
            await beat(self._config().look_every)

    async def _take_reading(self) -> None:
        """One that does not end (a disk that hangs, a driver) holds up neither place nor clock: there is never a
        second one beside it, and after a while what was read before is not shown as if it were of now."""
        now = self._clock.monotonic()
        if self._reading is None:
            self._read_at = now
            self._reading = asyncio.create_task(asyncio.to_thread(self._read), name="kit readings")
        await asyncio.wait({self._reading}, timeout=READ_S)
        if self._reading.done():
            done, self._reading = self._reading, None
            if self._readings.hung:
                log.info("power, heat and disk of the kit can be read again")
            self._readings = done.result()
        elif self._clock.monotonic() - self._read_at >= HUNG_S and not self._readings.hung:
            log.warning("power, heat and disk of the kit can not be read: a driver or the disk hangs")
            read = self._readings
            self._readings = Readings(synchronised=read.synchronised, source=read.source, hung=True)

    def look(self) -> None:
        """Judge what was read last and what was told since; tell it where it changed."""
        config, now, wall = self._config(), self._clock.monotonic(), self._clock.wall()
        self._place_of(config, wall)
        before, read = self.condition, self._readings
        low, critical = config.battery_low, config.battery_critical
        power = kit_power.judged(read.supplies, before.power.code, low=low, critical=critical)
        self._fell = self._fell + 1 if kit_power.fell(before.power, power) else 0
        if 0 < self._fell <= kit_power.FALL_TIMES:
            power = before.power
        heat = kit_heat.judged(read.heat, {one.name: one.code for one in before.heat}, hot_c=config.hot)
        clock = self._clock_now()
        place, place_code = self._places.look(now)
        if clock.quality.good and now - self._recorded >= RECORD_S:
            self._recorded = now
            self._clocks.record(wall)
        space = kit_disk.steady(read.space, before.space.code)
        codes = {power.code, space.code, clock.code, place_code, *(one.code for one in heat)}
        codes |= {"kit-unread"} if read.hung else set()
        told = tuple(code for code in WORST if code in codes)
        self.condition = KitCondition(self._gateway, wall, power, heat, space, clock, place, place_code, told)
        worth = _worth(self.condition)
        if worth != _worth(before):
            self._bus.publish("condition", self._gateway, self.condition)
            self._figures_at = now
        elif now - self._figures_at >= FIGURES_S and replace(self.condition, at=before.at) != before:
            self._figures_at = now
            self._bus.publish("condition", self._gateway, self.condition, transient=True)
        self._tell_place(place, now)

    def _clock_now(self) -> ClockState:
        read = self._readings
        return self._clocks.look(
            self._clock.wall(), self._clock.monotonic(), synchronised=read.synchronised, source=read.source
        )

    def _place_of(self, config: KitConfig, wall: float) -> None:
        if config.longitude is None or config.latitude is None:
            if self._fixed is not None:
                self._fixed = None
                self._places.gone("fixed")
            return
        if self._fixed != (config.longitude, config.latitude):
            self._fixed = (config.longitude, config.latitude)
            self._places.fixed(config.longitude, config.latitude, Datum(config.datum), config.altitude, wall)

    def _tell_place(self, place: Place | None, now: float) -> None:
        """As any position: on the map, in the trail, at the center. One that is old is not told anew."""
        since, before = self._reported
        if place is None or now - since < REPORT_S or (before is not None and _same(place, before)):
            return
        self._reported = (now, place)
        self._report(
            Position(
                device=DeviceId(f"{self._gateway}/{DEVICE}"),
                channel="",
                longitude=place.longitude,
                latitude=place.latitude,
                datum=place.datum,
                source=place.source,
                taken_at=place.taken_at,
                received_at=self._clock.wall(),
                accuracy_m=place.accuracy_m,
                altitude_m=place.altitude_m,
            )
        )


def _same(one: Place, other: Place) -> bool:
    """Said by the same at the same time: it has not spoken since."""
    return (one.by, one.taken_at, one.longitude, one.latitude) == (
        other.by, other.taken_at, other.longitude, other.latitude,
    )  # fmt: skip


def _worth(condition: KitCondition) -> object:
    """What is worth an event that is kept: codes, and what a person would notice."""
    power, clock, place = condition.power, condition.clock, condition.place
    level = None if power.level is None else round(power.level, 2)
    return (condition.codes, power.source, power.charging, level, clock.quality, clock.source, place and place.by)
