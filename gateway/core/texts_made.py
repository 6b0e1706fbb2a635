"""Short messages and the last-resort record, put together from the core's parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.base.moment import Moments
from gateway.config.root import Config
from gateway.core.last_resort import LastResort
from gateway.core.telemetry_in import TelemetryIn
from gateway.core.texts import Texts
from gateway.model.alarm import Alarm
from gateway.model.kit import KitState
from gateway.model.link import BearerKind, Link, LinkPhase
from gateway.model.position import Datum
from gateway.model.principal import Principal, Role
from gateway.model.telemetry import KitRecord, RecordFix, RecordLink

if TYPE_CHECKING:
    from gateway.core.core import Core


_SELF = Principal("gateway", Role.OPERATOR, "last-resort")


def make_texts(core: Core, config: Callable[[], Config]) -> Texts:
    return Texts(
        config().gateway.id,
        core.store.texts_out,
        core.store.texts_in,
        core.bus,
        core.clock,
        Moments(core.clock),
        lambda: config().texts,
    )


def make_telemetry_in(core: Core, config: Callable[[], Config]) -> TelemetryIn:
    """After the fleet, by which records are shown."""
    made = TelemetryIn(
        config().gateway.id,
        core.texts,
        core.store.telemetry,
        core.pairings,
        core.positions,
        core.clock,
        lambda: config().gateway.role == "center",
    )
    made.join(core.fleet)
    return made


def make_last_resort(core: Core, config: Callable[[], Config]) -> LastResort:
    def held() -> bool:
        by_bundle = any(center.state is not KitState.OFFLINE for center in core.fleet.centers())
        return by_bundle or core.field.by_messages

    async def alarms() -> list[Alarm]:
        own = f"{config().gateway.id}/"
        found = await core.alarms.recent(_SELF, open_only=True, limit=32)
        return [alarm for alarm in found if alarm.device.startswith(own)]

    return LastResort(
        config().gateway.id,
        core.texts,
        core.store.telemetry,
        core.pairings,
        core.clock,
        Moments(core.clock),
        lambda: config().last_resort,
        held,
        lambda: facts(core),
        alarms,
    )


def facts(core: Core) -> KitRecord:
    """How this kit stands, of what the core knows. The best links stand first: a record has room for six."""
    condition, links = core.kit.condition, sorted(core.links.view(), key=_worth)
    power, place, space = condition.power, condition.place, condition.space
    fix = None
    if place is not None and place.datum is not Datum.GCJ02:
        age_min = max(0, int((core.clock.wall() - place.taken_at) / 60))
        altitude = None if place.altitude_m is None else round(place.altitude_m)
        fix = RecordFix(place.longitude, place.latitude, altitude, age_min, place.source)
    return KitRecord(
        fix=fix,
        links=tuple(RecordLink(link.kind, link.phase, link.signal.bars) for link in links),
        battery_percent=None if power.level is None else round(power.level * 100),
        power=power.source,
        volts=power.volts,
        temperature_c=round(condition.heat[0].celsius) if condition.heat else None,
        disk_percent=round(100 * (1 - space.free_bytes / space.total_bytes)) if space.total_bytes else None,
        word=core.field.state.word,
    )


def _worth(link: Link) -> tuple[bool, bool, str]:
    return (link.phase is LinkPhase.ABSENT, link.kind in (BearerKind.WIRE, BearerKind.UNKNOWN), link.name)
