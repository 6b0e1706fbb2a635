"""The core's figures for Prometheus, read when somebody asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from gateway.base.metrics import Metrics, Sample
from gateway.core.core import Core
from gateway.core.facts import AdapterStatus
from gateway.model.kit_state import PowerSource
from gateway.model.principal import SYSTEM

_ENGINE = {
    "packets_in": "media_received_packets_total",
    "packets_out": "media_sent_packets_total",
    "bytes_in": "media_received_bytes_total",
    "bytes_out": "media_sent_bytes_total",
    "send_errors": "media_send_errors_total",
    "unauthentic": "media_unauthentic_packets_total",
    "events_lost": "media_events_lost_total",
    "streams": "media_streams",
    "legs": "media_legs",
    "ports": "media_ports",
    "sessions": "media_sessions",
    "subscriptions": "media_subscriptions",
}
_VOICE = {
    "voices": ("media_voices", "Audio legs open"),
    "rooms": ("media_rooms", "Rooms that mix"),
    "late_p50_ms": ("media_voice_clock_late_p50_ms", "Lateness of the 20 ms clock over the last second, median"),
    "late_p99_ms": ("media_voice_clock_late_p99_ms", "Lateness of the 20 ms clock over the last second, 99 %"),
    "late_max_ms": ("media_voice_clock_late_max_ms", "Lateness of the 20 ms clock over the last second, worst"),
    "busy_p99_ms": ("media_voice_busy_p99_ms", "Work of one 20 ms tick over the last second, 99 %"),
    "skipped": ("media_voice_ticks_skipped", "Ticks left out over the last second"),
}


def register(
    metrics: Metrics,
    core: Core,
    adapters: Callable[[], Sequence[AdapterStatus]],
    figures: Callable[[], Mapping[str, Mapping[str, float]]] = dict,
) -> None:
    """`figures`: those of each adapter that has some (contract.adapter.Measured), by its name."""

    def one(read: Callable[[], float]) -> Callable[[], Iterable[Sample]]:
        return lambda: [((), float(read()))]

    def devices() -> Iterable[Sample]:
        count = Counter((known.row.scheme, known.state.value) for known in core.devices.all())
        return [(labels, float(number)) for labels, number in count.items()]

    def streams() -> Iterable[Sample]:
        count = Counter(status.state.value for status in core.streams.all())
        return [((state,), float(number)) for state, number in count.items()]

    loop, db = asyncio.get_running_loop(), core.store.db
    metrics.read("core_devices", "Admitted devices", devices, ("adapter", "state"))
    metrics.read("core_streams", "Streams offered", streams, ("state",))

    def kit(read: Callable[[], float | None]) -> Callable[[], Iterable[Sample]]:
        return lambda: [] if (value := read()) is None else [((), float(value))]

    metrics.read("kit_battery_ratio", "Of full, all batteries", kit(lambda: core.kit.condition.power.level))
    metrics.read("kit_on_mains", "1 while power comes from outside", kit(lambda: _on_mains(core)))
    metrics.read("kit_hottest_celsius", "The hottest sensor", kit(lambda: _hottest(core)))
    metrics.read("kit_disk_free_bytes", "Room on the gateway's disk", kit(lambda: core.kit.condition.space.free_bytes))
    metrics.read("kit_clock_good", "1 while the clock is believed", kit(lambda: core.kit.quality().good))
    metrics.read("core_viewings", "Viewings open", one(lambda: core.sessions.count))
    metrics.read("core_listeners", "Listeners of the bus", one(lambda: core.bus.listeners))
    metrics.read("core_events_total", "Events published", one(lambda: core.bus.cursor))
    metrics.read("core_loop_lag_seconds", "How late the event loop was", one(lambda: core.watch.lag_s))
    metrics.read("loop_tasks", "Tasks of the event loop", one(lambda: len(asyncio.all_tasks(loop))))
    metrics.read("core_clock_jumps_total", "Jumps of the wall clock", one(lambda: core.watch.jumps))
    metrics.read("store_writes_waiting", "Writes that wait for the disk", one(lambda: db.waiting))
    metrics.read("store_writes_total", "Writes committed", one(lambda: db.written))
    metrics.read("store_writes_dropped_total", "Writes dropped or failed", one(lambda: db.dropped))
    metrics.read("audit_rows_lost_total", "Rows lost while the disk was full", one(lambda: core.audit.lost))
    for key, name in _ENGINE.items():
        metrics.read(name, f"Media plane: {key}", one(partial(_engine, core, key)))
    for key, (name, words) in _VOICE.items():
        metrics.read(name, words, one(partial(_voice, core, key)))
    metrics.read("core_talk_groups", "Talk groups and conversations", one(lambda: len(core.talk.groups())))
    metrics.read(
        "core_talk_members",
        "Members of talk groups",
        lambda: [
            ((kind, state), float(number))
            for (kind, state), number in Counter(
                (place.party.wish.kind.value, place.party.shown_state.value)
                for group in core.talk.groups()
                for place in group.places.values()
            ).items()
        ],
        ("kind", "state"),
    )
    metrics.read(
        "core_calls",
        "Calls that stand",
        lambda: [((state,), float(number)) for state, number in core.calls.count().items()],
        ("state",),
    )
    metrics.read(
        "core_sources",
        "Pictures of sources",
        lambda: _counted(channel.state for source in core.source_view.sources(SYSTEM) for channel in source.channels),
        ("state",),
    )
    metrics.read("core_publishers", "Publishers that send now", one(lambda: len(core.push_points.publishers())))
    metrics.read("core_pushes", "Outputs", lambda: _counted(push.state.value for push in core.pushes.all()), ("state",))
    metrics.read("core_conversions", "Conversions that run", one(lambda: len(core.transcoder.running)))
    metrics.read("core_conversion_cores", "Processor cores they take", one(lambda: _cores(core)))
    metrics.read("core_conversions_refused_total", "Refused for want of room", one(lambda: core.transcoder.refused))
    metrics.read("core_conversion_deaths_total", "Workers that died or hung", one(lambda: core.transcoder.deaths))
    metrics.read("core_snapshots_total", "Snapshots made", one(lambda: core.snapshots.made))
    metrics.read("core_calls_total", "Calls so far", one(lambda: core.calls.total))
    metrics.read(
        "adapter_restarts_total",
        "Restarts of each adapter",
        lambda: [((status.name,), float(status.restarts)) for status in adapters()],
        ("adapter",),
    )
    metrics.read(
        "adapter_running",
        "1 while the adapter runs",
        lambda: [((status.name,), float(status.state == "running")) for status in adapters()],
        ("adapter",),
    )
    metrics.read(
        "adapter_figure",
        "What each adapter has standing now",
        lambda: [((name, key), float(value)) for name, own in figures().items() for key, value in own.items()],
        ("adapter", "figure"),
    )


def _on_mains(core: Core) -> float | None:
    source = core.kit.condition.power.source
    return None if source is PowerSource.UNKNOWN else float(source is PowerSource.MAINS)


def _hottest(core: Core) -> float | None:
    heat = core.kit.condition.heat
    return heat[0].celsius if heat else None


def _cores(core: Core) -> float:
    return sum(one.cores or 0.0 for one in core.transcoder.running)


def _counted(states: Iterable[str]) -> Iterable[Sample]:
    return [((state,), float(number)) for state, number in Counter(states).items()]


def _voice(core: Core, key: str) -> float:
    return float(core.figures.voice.get(key, 0.0))


def _engine(core: Core, key: str) -> float:
    return float(core.figures.engine.get(key, 0.0))
