"""The core's objects, put together; what the daemon starts, hands out and closes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from gateway.base.clock import Clock
from gateway.base.metrics import Metrics
from gateway.config.ports import shared_udp
from gateway.config.root import Config
from gateway.core.accounts import Accounts
from gateway.core.acts import Acts
from gateway.core.alarms import Alarms
from gateway.core.audit import Audit
from gateway.core.calls import Calls
from gateway.core.commands import Commands
from gateway.core.devices import Devices
from gateway.core.directory import Directory
from gateway.core.discovery import Discovery
from gateway.core.field_state import Field
from gateway.core.figures import Figures
from gateway.core.fleet_made import about, make_fleet, make_pairing
from gateway.core.forward_made import make_inbox, make_outbox
from gateway.core.forward_view import sent_on
from gateway.core.grants import Grants
from gateway.core.holds import Holds
from gateway.core.home import Home
from gateway.core.housekeeping import keep_house
from gateway.core.informants import Informants
from gateway.core.invitations import Invitations
from gateway.core.kit_standing import Standing, make_kit
from gateway.core.link_trails import LinkTrails
from gateway.core.link_watch import LinkWatch
from gateway.core.links import Links
from gateway.core.mediaplane import MediaPlane
from gateway.core.meshes import Meshes
from gateway.core.messages import Bus
from gateway.core.pairings import Pairings
from gateway.core.phones import Phones
from gateway.core.pictures import Pictures
from gateway.core.pictures_made import make_pushes, make_source_view, make_streams
from gateway.core.positions import Positions
from gateway.core.presets import Presets
from gateway.core.programs import Programs
from gateway.core.ptz import Ptz
from gateway.core.push_points import PushPoints
from gateway.core.reach import Reach
from gateway.core.recheck import Recheck
from gateway.core.reports import Reports
from gateway.core.secrets import Secrets
from gateway.core.services import DaemonFace, Services
from gateway.core.services_made import make_services
from gateway.core.sessions import Sessions
from gateway.core.snapshots import Snapshots
from gateway.core.source_acts import SourceActs
from gateway.core.source_book import SourceBook
from gateway.core.sources import Sources
from gateway.core.talk import Talk
from gateway.core.talk_acts import TalkActs
from gateway.core.talk_endpoint import Endpoint
from gateway.core.talk_group import Group
from gateway.core.talk_view import info
from gateway.core.texts_made import make_last_resort, make_telemetry_in, make_texts
from gateway.core.transcode import Transcoder
from gateway.core.watch import Watch
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId
from gateway.model.informant import Report
from gateway.net.one_port import OnePort
from gateway.store.store import Store

log = logging.getLogger(__name__)


class Core:
    """Made on the running loop. `config` gives the configuration now in force."""

    def __init__(
        self,
        config: Callable[[], Config],
        state_dir: Path,
        store: Store,
        secrets: Secrets,
        plane: MediaPlane,
        clock: Clock,
    ) -> None:
        gateway = config().gateway.id
        self._config = config
        self.clock = clock
        self.store = store
        self.plane = plane
        self.bus = Bus()
        self.audit = Audit(store.audit, clock)
        self.sessions = Sessions(clock)
        self.transcoder = Transcoder(plane, clock, lambda: config().convert, lambda: config().media.gop_bytes)
        self.streams = make_streams(self, config)
        self.snapshots = Snapshots(self.streams, plane, clock, lambda: config().convert)
        self.devices = Devices(
            gateway, store.devices, self.bus, clock, secrets.kit_password(), lambda: config().devices
        )
        self.devices.follow(self.streams)
        self.directory = Directory(gateway, self.devices, self.streams)
        self.ptz = Ptz(self.devices, self.bus, clock, lambda: config().ptz)
        self.pictures = Pictures(self.devices)
        self.presets = Presets(self.devices, self.ptz, store.presets)
        self.boot = store.counters.next("boot")
        self.outbox = make_outbox(self, config, state_dir)
        self.alarms = Alarms(gateway, store.alarms, self.bus, clock, self.outbox)
        self.positions = Positions(
            gateway, store.positions, self.bus, self.audit, clock, lambda: config().store, self.outbox
        )
        self.inbox = make_inbox(self, config, state_dir)
        self.texts = make_texts(self, config)
        self.reports = Reports(self.alarms, self.positions)
        self.accounts = Accounts(
            store.people, self.audit, secrets, clock, lambda: config().accounts, lambda: config().api
        )
        self.reach = Reach(lambda: config().security.pull_allow)
        self.programs = Programs(
            lambda: config().program, secrets, self.audit, clock, lambda: config().accounts, self.accounts.authenticate
        )
        self.grants = Grants(self.accounts.account_in_force, self.accounts.token_in_force)
        self.push_points = PushPoints(
            gateway, self.streams, self.devices, self.programs, self.audit, clock, lambda: config().security
        )
        self.sources = Sources(gateway, self.streams, self.devices)
        self.pushes = make_pushes(self, config)
        self.phones = Phones(self.devices, clock, self._end_picture)
        self.informants = Informants(
            store.informants,
            Invitations(gateway, store.informants, self.audit, clock, lambda: config().accounts),
            self.phones,
            self.positions,
            self.bus,
            self.audit,
            clock,
            state_dir / "reports",
            lambda: config().reports,
        )
        self.accounts.guests.append(self.informants.invitations.verify)
        self.informants.on_whole = self._report_whole
        self.source_book = SourceBook(
            gateway, store.sources, self.sources, self.devices, clock, lambda: config().source
        )
        self.source_view = make_source_view(self, config)
        self.one_port = OnePort(lambda: shared_udp(config()))
        self.discovery = Discovery(self.devices, self.source_book, self.reach, clock)
        self.holds = Holds(self.streams)
        self.calls = Calls(gateway, self.bus, self.audit, clock, lambda: config().talk.max_calls)
        self.talk = Talk(
            gateway,
            plane,
            self.streams,
            self.calls,
            self.bus,
            self.audit,
            clock,
            lambda: config().talk,
            store.spurts.put,
        )
        self.talk.on_emergency = self._emergency
        self.talk.members.on_change = self._endpoint_changed
        self.devices.on_reachable(self.talk.endpoint_online)
        acts = Acts(
            self.streams,
            self.holds,
            self.devices,
            self.ptz,
            self.presets,
            self.alarms,
            self.positions,
            self.accounts,
            self.audit,
            TalkActs(self.talk, self.calls, self.audit, lambda: config().talk),
            SourceActs(gateway, self.source_book, self.push_points),
            self.discovery,
        )
        self.commands = Commands(acts, store.results, self.audit, self.bus, clock)
        self.pairings = Pairings(store.pairings, state_dir, clock)
        self.meshes = Meshes(gateway, self.bus, clock)
        self.link_trails = LinkTrails(store.link_trails, clock)
        self.links = Links(
            gateway, self.bus, clock, lambda: config().links, lambda: config().link, store.link_use.all()
        )
        self.link_watch = LinkWatch(gateway, self.links, self.link_trails, store.link_use, clock, state_dir)
        self.fleet = make_fleet(self, config)
        self.pairing = make_pairing(self, config)
        self.telemetry_in = make_telemetry_in(self, config)
        self.last_resort = make_last_resort(self, config)
        self.streams.on_offered = self._stream_offered
        self.home = Home(
            gateway,
            self.boot,
            lambda: about(config()),
            self.directory,
            self.talk,
            self.positions,
            self.snapshots,
            self.commands,
            self.bus,
            clock.wall,
        )
        self.kit = make_kit(self, config, state_dir)
        self.field = Field(self, config)
        self.standing = Standing(self.kit, self.field)
        self.figures = Figures(plane, self.streams.live, self.bus)
        self.streams.followers.append(self.figures.stir)
        self.bus.on_subscribed = self.figures.stir
        self.watch = Watch(clock, self.bus, state_dir, {"store": store.alive}, {"media": plane.answers})
        self.link_watch.on_problem = lambda code, text: self.watch.notice(code, text, standing=False)
        self.recheck = Recheck(
            plane, self.streams.live, lambda code, text: self.watch.notice(code, text, standing=False)
        )
        plane.on_lost = self.recheck.lost
        self.watch.on_parts = self.field.stir
        self.pairings.on_change(self.field.stir)
        self.watch.on_jump = self._clock_jumped
        self._tasks: list[asyncio.Task[None]] = []
        self._audit_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()

        def stands(code: str) -> None:
            """In the writer's thread."""
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop.call_soon_threadsafe(self._store_stands, code)

        self.store.db.on_failure = stands
        self.plane.start()
        self._audit_task = asyncio.create_task(self.audit.run(), name="audit")
        for name, work in (
            ("figures", self.figures.run()),
            ("watch", self.watch.run()),
            ("transcoder", self.transcoder.run()),
            ("recheck", self.recheck.run()),
            ("phones", self.phones.run()),
            ("link trails", self.link_trails.run()),
            ("links", self.link_watch.run()),
            ("outbox", self.outbox.run()),
            ("kit state", self.kit.run()),
            ("field word", self.field.run()),
            ("texts", self.texts.run()),
            ("telemetry", self.telemetry_in.run()),
            ("last resort", self.last_resort.run()),
            ("housekeeping", keep_house(self, self._config)),
        ):
            self.spawn(name, work)
        self.sources_changed()

    def sources_changed(self) -> None:
        """`[source]`, `[program]`, `[push]` or `[security]` are others now: what is the same goes on untouched."""
        self.source_book.apply()
        self.programs.config_changed()
        self.push_points.config_changed()
        self.streams.revoke("read-denied", self.push_points.may_not_read)
        self.pushes.config_changed()

    def _stream_offered(self, device: DeviceId) -> None:
        if device.partition("/")[0] in self.fleet.gateways:
            self.talk.members.reconcile_soon()
            return
        self.devices.stream_offered(device)
        self.talk.members.stream_offered()

    def _end_picture(self, device: DeviceId) -> None:
        """A phone's invitation was revoked while it sent its picture."""
        self.push_points.forget(device)

    def _report_whole(self, report: Report, path: Path) -> None:
        """A phone's file is here whole: the centers get it too. Keeping it waits for the disk; the phone does not."""
        if self._config().forward.reports and self.outbox.wanted:
            self.spawn("report sent on", sent_on(self.outbox, report, path))

    def _endpoint_changed(self, endpoint: Endpoint) -> None:
        gone = self.talk.members.find(endpoint.id) is not endpoint
        self.bus.publish("endpoint", endpoint.id, info(endpoint), gone=gone)

    def _emergency(self, group: Group, who: str) -> None:
        """An emergency call is an alarm as any other: kept, shown, sent on, acknowledged."""
        now = self.clock.wall()
        home, _, slug = group.id.rpartition("/")
        alarm = Alarm(
            device=DeviceId(home),
            channel=slug,
            key=f"emergency:{group.id}",
            severity=AlarmSeverity.CRITICAL,
            kind="emergency-call",
            method="phone",
            description=f"{group.spec.name}: {who}" if who else group.spec.name,
            raised_at=now,
            received_at=now,
        )
        # Keeping it waits for the disk; the floor does not.
        self.spawn("emergency alarm", self.reports.alarm(alarm))

    def _clock_jumped(self, by_s: float) -> None:
        self.kit.stepped(by_s)
        self.field.stepped(by_s)
        self.outbox.clock_set(by_s)

    def _store_stands(self, code: str) -> None:
        self.watch.store_stands(code)
        if not code:
            self.devices.save_all()

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Work that ends with the core at the latest; its failure is logged, and nothing else ends for it."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_told)
        self._tasks.append(task)
        task.add_done_callback(lambda done: self._tasks.remove(done) if done in self._tasks else None)

    async def quiesce(self) -> None:
        """Cameras stop and sources are let go; the adapters are still there to say so."""
        self.home.leaving = True
        await self.discovery.close()
        await self.ptz.close()
        await self.talk.close()
        await self.holds.close_all()
        await self.snapshots.close()
        await self.pushes.close()
        self.push_points.close()
        self.fleet.close()
        await self.streams.close()
        await self.transcoder.close()

    async def close(self) -> None:
        """After the adapters and the API have ended. What was to be written is written."""
        self.bus.close()
        for task in [*self._tasks, *([self._audit_task] if self._audit_task else [])]:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.plane.stop()
        self.one_port.close()
        self.store.db.on_failure = lambda _code: None
        await asyncio.to_thread(self.store.close)

    def services(self, version: str, metrics: Metrics, daemon: DaemonFace) -> Services:
        """What the API gets."""
        return make_services(self, self._config, version, metrics, daemon)


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.error("%s ended by a mistake of ours", task.get_name(), exc_info=exc)
