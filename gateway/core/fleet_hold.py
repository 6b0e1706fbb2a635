"""A way's hold on one kit while it is up. Fulfils `contract.fleet.KitHold`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.errors import RemoteProtocolError
from gateway.contract.fleet import KitAbout
from gateway.contract.home import VoiceEnd
from gateway.core.far_kit import FarKit, Way
from gateway.core.kit_told import drawn
from gateway.core.link_trails import EACH
from gateway.model.alarm import Alarm
from gateway.model.device import Channel, Device
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import GaveUp, LinkState, Thumbnail
from gateway.model.kit_state import KitCondition
from gateway.model.media import Snapshot, StreamStatus
from gateway.model.position import Position
from gateway.model.ptz import PtzHolder
from gateway.model.voice import GroupId, GroupStatus
from gateway.wire.weight import weight

if TYPE_CHECKING:
    from gateway.core.fleet import Fleet

MOST_DEVICES = 10_000
MOST_STREAMS = 40_000
MOST_GROUPS = 1_000
"""Of one kit. More are refused in words: a kit that has lost its mind must not take its center along."""
MOST_CHANNELS = 4_096
MOST_HELD, FULL_S = 96 << 20, 30.0
"""Bytes in memory of all that is held of one kit, however few things; then for so long nothing new is taken."""
MOST_ID = 300
CLOCK_S, SAME_CLOCK_S = 2.0, 60.0
"""Clocks that differ by less are the same; two times of one message that lie as near as the other are of one clock."""
_TEXT, _CODE = 200, 64


class FleetHold:
    def __init__(self, fleet: Fleet, kit: FarKit, standing: Way) -> None:
        self._fleet = fleet
        self._kit = kit
        self._standing = standing
        self._items = fleet.items

    @property
    def _mine(self) -> bool:
        return self._kit.ways.get(self._standing.way.name) is self._standing

    @property
    def _leads(self) -> bool:
        return self._kit.leading() is self._standing

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
            self._weigh(devices, self._standing.devices.values())
            told = self._standing.devices = {device.id: _short(device) for device in devices}
            if self._leads:
                self._items.devices(self._kit, list(told.values()))
                self._fleet.told(self._kit.gateway)

    def device(self, device: Device) -> None:
        if self._mine:
            self._own((device.id,))
            told = self._standing.devices
            if device.id not in told:
                self._bound(len(told) + 1, MOST_DEVICES, "devices")
            self._weigh((device,))
            told[device.id] = _short(device)
            if self._leads:
                self._items.device(self._kit, told[device.id])
                self._fleet.told(self._kit.gateway)

    def device_gone(self, device: DeviceId) -> None:
        if self._mine:
            self._standing.devices.pop(device, None)
            if self._leads:
                self._items.device_gone(self._kit, device)
                self._fleet.told(self._kit.gateway)

    def streams(self, streams: Sequence[StreamStatus]) -> None:
        if self._mine:
            self._own(id_ for status in streams for id_ in (status.id, status.device))
            self._bound(len(streams), MOST_STREAMS, "streams")
            self._weigh(streams, self._kit.streams.values())
            self._items.streams(self._kit, [_brief(status) for status in streams])

    def stream(self, status: StreamStatus) -> None:
        if self._mine:
            self._own((status.id, status.device))
            if status.id not in self._kit.streams:
                self._bound(len(self._kit.streams) + 1, MOST_STREAMS, "streams")
            self._weigh((status,))
            self._items.stream(self._kit, _brief(status))

    def groups(self, groups: Sequence[GroupStatus]) -> None:
        if self._mine:
            self._own(status.id for status in groups)
            self._bound(len(groups), MOST_GROUPS, "groups")
            self._weigh(groups, self._kit.groups.values())
            self._items.groups(self._kit, groups)

    def group(self, status: GroupStatus) -> None:
        if self._mine:
            self._own((status.id,))
            if status.id not in self._kit.groups:
                self._bound(len(self._kit.groups) + 1, MOST_GROUPS, "groups")
            self._weigh((status,))
            self._items.group(self._kit, status)

    def group_gone(self, group: GroupId) -> None:
        if self._mine:
            self._items.group_gone(self._kit, group)

    def voices(self, voices: Sequence[VoiceEnd]) -> None:
        if self._mine:
            self._own(id_ for voice in voices for id_ in (voice.id, voice.device))
            self._bound(len(voices), MOST_STREAMS, "voices")
            self._weigh(voices, self._kit.voices.values())
            self._items.voices(self._kit, voices)

    def holder(self, stream: str, holder: PtzHolder | None) -> None:
        if self._mine:
            self._own((stream,))
            if holder is None or stream in self._kit.streams:
                self._weigh((stream, holder))
                self._items.holder(self._kit, stream, holder)

    # — how it is joined —

    def links(self, links: Sequence[LinkState], *, told: bool = True) -> None:
        if self._mine and (self._leads or not told):
            if told:
                self.seen()
            before = tuple((link.name, link.state, link.code) for link in self._kit.links)
            self._kit.links = tuple(_drawn(link) for link in links[:EACH])
            self._fleet.links_told(self._kit.gateway, self._kit.links)
            if before != tuple((link.name, link.state, link.code) for link in self._kit.links):
                self._fleet.judge(self._kit)

    def condition(self, condition: KitCondition) -> None:
        """As it speaks of itself: bounded, and of nobody else."""
        if self._mine and self._leads:
            told = drawn(condition, self._kit.gateway)
            before, self._kit.condition = self._kit.condition, told
            if before is None or replace(told, at=before.at) != before:
                self._fleet.told(self._kit.gateway)

    def gave_up(self, stream: StreamId, code: str) -> None:
        if not self._mine:
            return
        self._own((stream,))
        known = self._kit.gave_up.get(stream)
        if not code:
            self._kit.gave_up.pop(stream, None)
        elif stream not in self._kit.streams:
            return  # it can give up nothing that it has not
        elif known is None or known.code != code:
            self._kit.gave_up[stream] = GaveUp(stream, code[:_CODE], self._fleet.clock.wall())
        self._fleet.judge(self._kit)

    def reachable(self, yes: bool, code: str = "") -> None:
        if self._mine and (self._standing.reachable, self._standing.code) != (yes, code):
            self._standing.reachable, self._standing.code = yes, code
            if yes:
                self.seen()
            self._fleet.judge(self._kit, code)

    def thumbnail(self, stream: StreamId, picture: Snapshot) -> None:
        if self._mine:
            self._own((stream,))
            made = Thumbnail(stream, picture.jpeg, picture.made_at, picture.age_s)
            self._fleet.thumbnail(self._kit.gateway, made)

    # — what happens there —

    async def alarm(self, alarm: Alarm) -> None:
        if self._mine:
            self._own((alarm.device,))
            await self._fleet.reports.far_alarm(alarm)

    def position(self, position: Position) -> None:
        if self._mine:
            self._own((position.device,))
            self._fleet.reports.position(self._ours(position))

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
            if not id_.startswith(home) or len(id_) > MOST_ID:
                raise RemoteProtocolError(f"{self._kit.gateway} speaks of {id_[:120]!r}", code="kit-foreign-id")

    def _ours(self, position: Position) -> Position:
        """Dated by our clock, as far as the kit's differs: measured as it came, it may have been set since."""
        off_s, now = self._standing.about.clock_off_s or 0.0, self._fleet.clock.wall()
        if abs(off_s) <= CLOCK_S or abs(position.received_at - now) <= abs(position.received_at - off_s - now):
            return position
        # A receiver's own time is right whatever the kit's clock shows.
        near = abs(position.taken_at - position.received_at) <= SAME_CLOCK_S
        return replace(
            position,
            taken_at=position.taken_at - off_s if near else position.taken_at,
            received_at=position.received_at - off_s,
        )

    def _weigh(self, told: Iterable[object], instead: Iterable[object] = ()) -> None:
        """`instead`: what goes for it. A whole weighing costs: one is due when a quarter of the budget was told anew,
        and none for a while after one that found too much."""
        kit, now = self._kit, self._fleet.clock.monotonic()
        more = sum(weight(one) for one in told)
        if kit.weighed + more > MOST_HELD and now >= kit.full_until:
            kit.weighed = kit.weight() - sum(weight(one) for one in instead)
            if kit.weighed + more > MOST_HELD * 3 // 4:
                kit.full_until, kit.weighed = now + FULL_S, MOST_HELD
        if kit.weighed + more > MOST_HELD:
            text = f"{kit.gateway} tells more than {MOST_HELD * 3 // 4 >> 20} MiB of what it has"
            raise RemoteProtocolError(text, code="kit-too-many")
        kit.weighed += more

    def _bound(self, count: int, most: int, what: str) -> None:
        if count > most:
            raise RemoteProtocolError(
                f"{self._kit.gateway} tells {count} {what}, more than {most}", code="kit-too-many"
            )


def _short(device: Device) -> Device:
    """Texts as long as a device of our own could have."""
    texts = (device.name, device.detail, device.address, device.manufacturer, device.model, device.firmware)
    if not device.alias and len(device.channels) <= MOST_CHANNELS and max(map(len, texts)) <= _TEXT:
        return device
    return replace(
        device,
        name=device.name[:_TEXT],
        detail=device.detail[:_TEXT],
        address=device.address[:_TEXT],
        manufacturer=device.manufacturer[:_TEXT],
        model=device.model[:_TEXT],
        firmware=device.firmware[:_TEXT],
        alias="",  # two kits may have the same; at the center it would be nobody's
        channels=tuple(_cut(channel) for channel in device.channels[:MOST_CHANNELS]),
    )


def _cut(channel: Channel) -> Channel:
    if max(len(channel.key), len(channel.name), len(channel.external_id), len(channel.parent)) <= _TEXT:
        return channel
    return replace(
        channel,
        key=channel.key[:_TEXT],
        name=channel.name[:_TEXT],
        external_id=channel.external_id[:_TEXT],
        parent=channel.parent[:_TEXT],
    )


def _brief(status: StreamStatus) -> StreamStatus:
    return replace(status, title=status.title[:_TEXT], code=status.code[:_CODE], detail=status.detail[:_TEXT])


def _drawn(link: LinkState) -> LinkState:
    return replace(
        link,
        name=link.name[:_CODE],
        bearer=link.bearer[:_CODE],
        interface=link.interface[:_CODE],
        code=link.code[:_CODE],
    )
