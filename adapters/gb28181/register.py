"""The devices of the running adapter, by id and by address: each with its link, its sync and its inbox."""

from __future__ import annotations

import asyncio
import logging

from adapters.gb28181.device import DeviceControl
from adapters.gb28181.inbox import Inbox
from adapters.gb28181.link import DeviceLink
from adapters.gb28181.live import LiveCalls
from adapters.gb28181.protocol.admission import Welcome
from adapters.gb28181.protocol.registrar import Life
from adapters.gb28181.quirks import version_name
from adapters.gb28181.station import Station
from adapters.gb28181.subscriptions import Subscriptions
from adapters.gb28181.sync import CATALOG, INFO, STATUS, DeviceSync
from adapters.gb28181.voice import Caller, VoiceCalls
from adapters.gb28181.voicecall import Waiting
from gateway.contract.device import Admitted
from gateway.model.device import DeviceState
from gateway.net.sip import IncomingCall, IncomingRequest
from gateway.wire.sip import Hop

log = logging.getLogger(__name__)

RESYNC_AFTER_S = 30.0
"""A registration with a new Call-ID means a new start of the device, unless it does so with every refresh: it is asked
for everything again, at most so often."""

RESTART_S = 5.0


class Entry:
    """One device: its parts put together."""

    def __init__(self, station: Station, admitted: Admitted) -> None:
        self.link = DeviceLink(station, admitted)
        self.calls = calls = LiveCalls(self.link)
        self.subscriptions = Subscriptions(self.take)
        self.sync = DeviceSync(self.link, calls, self.subscriptions)
        calls.failed = self.sync.picture_failed
        self.voice = VoiceCalls(self.link)
        self.sync.reported = self.voice.reported
        self.inbox = Inbox(self.link, self.sync)
        control = DeviceControl(self.link, lambda: self.sync.wish(CATALOG, INFO, STATUS))
        self.link.attached = station.context.devices.attach(admitted.id, control)
        self.link.attached.state(DeviceState.OFFLINE, "restarted" if self.link.memory.host else "device-offline")
        if version_name(self.link.memory.version):
            self.link.attached.describe(version=version_name(self.link.memory.version))
        self._call_id = ""
        self._synced_at = 0.0
        self._task = asyncio.create_task(self._run(), name=f"gb28181 {admitted.id}")

    @property
    def signed_off(self) -> bool:
        return self.link.live.life is Life.LOGGED_OUT

    async def _run(self) -> None:
        """The device's own task. A bug that ends it must not leave the device without one."""
        while True:
            try:
                await self.sync.run()
            except Exception:
                log.exception("%s: its task failed and is begun again", self.link)
                await asyncio.sleep(RESTART_S)

    async def take(self, incoming: IncomingRequest) -> None:
        """A MESSAGE or NOTIFY of this device, in a dialog of ours or not."""
        ended = "terminated" in (incoming.request.headers.get("Subscription-State") or "").lower()
        await self.inbox.take(incoming)
        if ended and self.subscriptions.ended(incoming.request.call_id):
            self.sync.wish_subscriptions_later()

    def registered(self, hop: Hop, welcome: Welcome) -> None:
        if welcome.expires_s == 0:
            self.link.logged_out()
            return
        now = self.link.station.clock.monotonic()
        back = self.link.registered(hop, welcome.expires_s, welcome.version)
        anew, self._call_id = welcome.call_id != self._call_id, welcome.call_id
        if anew:
            self.link.crew.start(self.calls.check_flow(), "looking whether its calls flow")
            self.link.crew.start(self.voice.check(), "asking whether it still plays")
        if back:
            self._synced_at = now
        elif anew:
            if now - self._synced_at > RESYNC_AFTER_S:
                self._synced_at = now
                self.link.came_online()
            else:
                self.sync.wish_all_later(self._synced_at + RESYNC_AFTER_S)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.link.crew.close()
        if self.link.attached is not None:
            self.link.attached.detach()


class DeviceBook:
    """All entries. Bounded by max_devices: further devices are refused."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._entries: dict[str, Entry] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, admitted: Admitted) -> Entry | None:
        """The entry of an admitted device, begun where it is missing; None when the book is full."""
        found = self._entries.get(admitted.external_id)
        if found is None and len(self._entries) < self._station.config.max_devices:
            found = self._entries[admitted.external_id] = Entry(self._station, admitted)
        return found

    def find(self, external_id: str) -> Entry | None:
        return self._entries.get(external_id)

    def by_address(self, hop: Hop) -> Entry | None:
        """The device that speaks from there, if exactly one does."""
        found = [
            entry
            for entry in self._entries.values()
            if entry.link.alive
            and entry.link.hop is not None
            and entry.link.hop.remote == hop.remote
            and entry.link.hop.transport == hop.transport
        ]
        return found[0] if len(found) == 1 else None

    def awaiting(self, call: IncomingCall) -> Waiting | None:
        """The broadcast, of any device, that this INVITE answers best."""
        caller = Caller.of(call.request)
        # One that another device sent is not it, although both may stand behind one address.
        sender = self._entries.get(caller.sender)
        found = [f for e in ([sender] if sender else self._entries.values()) if (f := e.voice.fit(call, caller))]
        return max(found, key=lambda f: f[0])[1] if found else None

    def heard_from(self, hop: Hop) -> None:
        """A vendor's short keepalive or an empty line: life of a device that is on line from there, no more."""
        entry = self.by_address(hop)
        if entry is not None:
            entry.link.heard(hop)

    def flow_closed(self, hop: Hop, why: str) -> None:
        for entry in self._entries.values():
            entry.link.flow_closed(hop.flow)

    def admitted(self, external_id: str, admitted: Admitted | None) -> None:
        """The core's word: admitted or changed, or (None) forgotten."""
        entry = self._entries.get(external_id)
        if admitted is not None and entry is not None and entry.link.admitted.id == admitted.id:
            entry.link.admitted = admitted
            return
        if entry is not None:
            del self._entries[external_id]
            entry.sync.withdraw_all()
            entry.voice.withdraw_all()
            task = asyncio.create_task(entry.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        if admitted is not None and self.entry(admitted) is None:
            log.warning("%s is not attached: max_devices is reached", admitted.id)

    async def close(self) -> None:
        await asyncio.gather(*(entry.close() for entry in self._entries.values()), *self._closing)
        self._entries.clear()
