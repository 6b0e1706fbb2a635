"""A way's hold on one kit while it is up. Fulfils `contract.fleet.KitHold`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gateway.base.errors import RemoteProtocolError
from gateway.contract.fleet import KitAbout
from gateway.contract.home import VoiceEnd
from gateway.core.far_kit import FarKit, Way
from gateway.core.link_trails import EACH
from gateway.model.alarm import Alarm
from gateway.model.device import Device
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import GaveUp, LinkState
from gateway.model.media import StreamState, StreamStatus
from gateway.model.position import Position
from gateway.model.ptz import PtzHolder
from gateway.model.voice import GroupId, GroupStatus

if TYPE_CHECKING:
    from gateway.core.fleet import Fleet

MOST_DEVICES = 10_000
MOST_STREAMS = 40_000
MOST_GROUPS = 1_000
"""Of one kit. More are refused in words: a kit that has lost its mind must not take its center along."""


class FleetHold:
    def __init__(self, fleet: Fleet, kit: FarKit, standing: Way) -> None:
        self._fleet = fleet
        self._kit = kit
        self._standing = standing

    @property
    def _mine(self) -> bool:
        return self._kit.ways.get(self._standing.way.name) is self._standing

    def about(self, about: KitAbout) -> None:
        if self._mine:
            self._standing.about = about
            self._kit.take_about(about)
            self._fleet.told(self._kit.gateway)

    def seen(self) -> None:
        if self._mine:
            self._kit.last_seen = self._fleet.clock.wall()

    # — what it has —

    def devices(self, devices: Sequence[Device]) -> None:
        if self._mine:
            self._own(device.id for device in devices)
            self._bound(len(devices), MOST_DEVICES, "devices")
            self._kit.devices = {device.id: device for device in devices}
            self._fleet.told(self._kit.gateway)

    def device(self, device: Device) -> None:
        if self._mine:
            self._own((device.id,))
            if device.id not in self._kit.devices:
                self._bound(len(self._kit.devices) + 1, MOST_DEVICES, "devices")
            self._kit.devices[device.id] = device
            self._fleet.told(self._kit.gateway)

    def device_gone(self, device: DeviceId) -> None:
        if self._mine and self._kit.devices.pop(device, None) is not None:
            self._fleet.told(self._kit.gateway)

    def streams(self, streams: Sequence[StreamStatus]) -> None:
        if self._mine:
            self._own(status.id for status in streams)
            self._bound(len(streams), MOST_STREAMS, "streams")
            self._kit.streams = {s.id: s for s in streams if s.state is not StreamState.REMOVED}

    def stream(self, status: StreamStatus) -> None:
        if not self._mine:
            return
        self._own((status.id,))
        if status.state is StreamState.REMOVED:
            self._kit.streams.pop(status.id, None)
            return
        if status.id not in self._kit.streams:
            self._bound(len(self._kit.streams) + 1, MOST_STREAMS, "streams")
        self._kit.streams[status.id] = status

    def groups(self, groups: Sequence[GroupStatus]) -> None:
        if self._mine:
            self._own(status.id for status in groups)
            self._bound(len(groups), MOST_GROUPS, "groups")
            self._kit.groups = {status.id: status for status in groups}

    def group(self, status: GroupStatus) -> None:
        if self._mine:
            self._own((status.id,))
            if status.id not in self._kit.groups:
                self._bound(len(self._kit.groups) + 1, MOST_GROUPS, "groups")
            self._kit.groups[status.id] = status

    def group_gone(self, group: GroupId) -> None:
        if self._mine:
            self._kit.groups.pop(group, None)

    def voices(self, voices: Sequence[VoiceEnd]) -> None:
        if self._mine:
            self._own(voice.id for voice in voices)
            self._bound(len(voices), MOST_STREAMS, "voices")
            self._kit.voices = {voice.id: voice for voice in voices}

    def holder(self, stream: str, holder: PtzHolder | None) -> None:
        if not self._mine:
            return
        self._own((stream,))
        if holder is None:
            self._kit.holders.pop(stream, None)
        elif len(self._kit.holders) < MOST_STREAMS or stream in self._kit.holders:
            self._kit.holders[stream] = holder

    # — how it is joined —

    def links(self, links: Sequence[LinkState]) -> None:
        if self._mine:
            self.seen()
            before = tuple((link.name, link.state, link.code) for link in self._kit.links)
            self._kit.links = tuple(links[:EACH])
            self._fleet.links_told(self._kit.gateway, self._kit.links)
            if before != tuple((link.name, link.state, link.code) for link in self._kit.links):
                self._fleet.judge(self._kit)

    def gave_up(self, stream: StreamId, code: str) -> None:
        if not self._mine:
            return
        self._own((stream,))
        known = self._kit.gave_up.get(stream)
        if not code:
            self._kit.gave_up.pop(stream, None)
        elif known is None or known.code != code:
            self._kit.gave_up[stream] = GaveUp(stream, code, self._fleet.clock.wall())
        self._fleet.judge(self._kit)

    def reachable(self, yes: bool, code: str = "") -> None:
        if self._mine and (self._standing.reachable, self._standing.code) != (yes, code):
            self._standing.reachable, self._standing.code = yes, code
            if yes:
                self.seen()
            self._fleet.judge(self._kit, code)

    # — what happens there —

    async def alarm(self, alarm: Alarm) -> None:
        if self._mine:
            self._own((alarm.device,))
            await self._fleet.reports.far_alarm(alarm)

    def position(self, position: Position) -> None:
        if self._mine:
            self._own((position.device,))
            self._fleet.reports.position(position)

    def down(self, code: str, detail: str = "") -> None:
        if self._mine:
            del self._kit.ways[self._standing.way.name]
            if not self._kit.ways:
                self._kit.links = ()
                self._kit.gave_up.clear()
            self._fleet.judge(self._kit, code or "kit-offline", detail[:200])

    # — within —

    def _own(self, ids: Iterable[str]) -> None:
        home = f"{self._kit.gateway}/"
        for id_ in ids:
            if not id_.startswith(home):
                raise RemoteProtocolError(f"{self._kit.gateway} speaks of {id_[:120]!r}", code="kit-foreign-id")

    def _bound(self, count: int, most: int, what: str) -> None:
        if count > most:
            raise RemoteProtocolError(
                f"{self._kit.gateway} tells {count} {what}, more than {most}", code="kit-too-many"
            )
