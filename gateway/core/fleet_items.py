"""What kits have, in the center's directory: devices, streams, groups and voices under their own ids.

A stream of a kit is a stream of ours whose source is the kit: opened while somebody watches, one copy however many do.
It does not follow the state of its device at home (the kit knows better when it is worth trying), but whether the kit
can be reached. What was told is written down now and then, so that the directory is whole after a restart of the center
while a kit is away.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from gateway.base.errors import RemoteProtocolError
from gateway.contract.home import VoiceEnd
from gateway.contract.media import Offer, Publication
from gateway.core.far_kit import FarKit
from gateway.core.messages import Bus
from gateway.core.streams import Streams
from gateway.model.device import Device
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import Snapshot, StreamState, StreamStatus
from gateway.model.ptz import PtzHolder
from gateway.model.voice import GroupId, GroupStatus
from gateway.store.kits import KitRepo
from gateway.wire.records import plain, record

log = logging.getLogger(__name__)

SAVE_S = 5.0


class Items:
    """On the event loop only."""

    def __init__(self, streams: Streams, bus: Bus, repo: KitRepo) -> None:
        self._streams = streams
        self._bus = bus
        self._repo = repo
        self._saving: dict[str, asyncio.TimerHandle] = {}
        self._dirty: dict[str, set[tuple[str, str]]] = {}
        self.on_voices: Callable[[FarKit], None] = lambda _kit: None
        """What of a kit can be talked to changed."""

    # — what is told —

    def devices(self, kit: FarKit, devices: Sequence[Device]) -> None:
        """All that it has."""
        wanted = {device.id: device for device in devices}
        for id_ in [id_ for id_ in kit.devices if id_ not in wanted]:
            self.device_gone(kit, id_)
        for device in devices:
            self.device(kit, device)

    def device(self, kit: FarKit, device: Device) -> None:
        before = kit.devices.get(device.id)
        if before == device:
            return
        kit.devices[device.id] = device
        if before is None:
            self._streams.device_online(device.id, not kit.shut, kit.shut)
        self._bus.publish("device", device.id, kit.device(device))
        if before is None or replace(before, last_seen=None) != replace(device, last_seen=None):
            self._save(kit, "device", device.id)

    def device_gone(self, kit: FarKit, device: DeviceId) -> None:
        if (gone := kit.devices.pop(device, None)) is None:
            return
        for stream in [status.id for status in kit.streams.values() if status.device == device]:
            self.stream_gone(kit, stream)
        self._streams.forget_device(device)
        self._bus.publish("device", device, kit.device(gone), gone=True)
        self._save(kit, "device", device)

    def streams(self, kit: FarKit, streams: Sequence[StreamStatus]) -> None:
        wanted = {status.id for status in streams}
        for id_ in [id_ for id_ in kit.streams if id_ not in wanted]:
            self.stream_gone(kit, id_)
        for status in streams:
            self.stream(kit, status)

    def stream(self, kit: FarKit, status: StreamStatus) -> None:
        if status.state is StreamState.REMOVED:
            self.stream_gone(kit, status.id)
            return
        before = kit.streams.get(status.id)
        kit.streams[status.id] = status
        if before is not None and (before.title, before.device) == (status.title, status.device):
            return
        if status.device not in kit.devices:
            self._streams.device_online(status.device, not kit.shut, kit.shut)
        self._streams.offer(self._offer(kit, status))
        if (device := kit.devices.get(status.device)) is not None:
            self._bus.publish("device", device.id, kit.device(device))
        self._save(kit, "stream", status.id)

    def stream_gone(self, kit: FarKit, stream: StreamId) -> None:
        if kit.streams.pop(stream, None) is not None:
            self._streams.withdraw(stream)
            self._save(kit, "stream", stream)

    def groups(self, kit: FarKit, groups: Sequence[GroupStatus]) -> None:
        wanted = {status.id for status in groups}
        for id_ in [id_ for id_ in kit.groups if id_ not in wanted]:
            self.group_gone(kit, id_)
        for status in groups:
            self.group(kit, status)

    def group(self, kit: FarKit, status: GroupStatus) -> None:
        kit.groups[status.id] = status
        self._bus.publish("talk", status.id, kit.group(status))
        self._save(kit, "group", status.id)

    def group_gone(self, kit: FarKit, group: GroupId) -> None:
        if (gone := kit.groups.pop(group, None)) is not None:
            self._bus.publish("talk", group, kit.group(gone), gone=True)
            self._save(kit, "group", group)

    def voices(self, kit: FarKit, voices: Sequence[VoiceEnd]) -> None:
        wanted = {voice.id: voice for voice in voices}
        if wanted != kit.voices:
            for id_ in kit.voices.keys() | wanted.keys():
                self._save(kit, "voice", id_)
            kit.voices = wanted
            self.on_voices(kit)

    def holder(self, kit: FarKit, stream: str, holder: PtzHolder | None) -> None:
        if holder is not None:
            kit.holders[stream] = holder
            self._bus.publish("ptz", stream, holder)
        elif (gone := kit.holders.pop(stream, None)) is not None:
            self._bus.publish("ptz", stream, gone, gone=True)

    # — whether it can be reached —

    def reached(self, kit: FarKit) -> None:
        """It came or went, or is not reached for another reason now."""
        for device in {*kit.devices, *(status.device for status in kit.streams.values())}:
            self._streams.device_online(device, not kit.shut, kit.shut)
        for known in kit.devices.values():
            self._bus.publish("device", known.id, kit.device(known))
        for group in kit.groups.values():
            self._bus.publish("talk", group.id, kit.group(group))
        for stream in list(kit.holders) if not kit.here else ():
            self.holder(kit, stream, None)
        self.on_voices(kit)

    def forget(self, kit: FarKit) -> None:
        """It is paired no more."""
        for device in list(kit.devices):
            self.device_gone(kit, device)
        for stream in list(kit.streams):
            self.stream_gone(kit, stream)
        for group in list(kit.groups):
            self.group_gone(kit, group)
        self.voices(kit, ())
        if (timer := self._saving.pop(kit.gateway, None)) is not None:
            timer.cancel()
        self._dirty.pop(kit.gateway, None)
        self._repo.forget(kit.gateway)

    # — its pictures —

    def _offer(self, kit: FarKit, status: StreamStatus) -> Offer:
        return Offer(
            id=status.id,
            device=status.device,
            title=status.title[:200],
            open=partial(self._open, kit, status.id),
            snapshot=partial(self._snapshot, kit, status.id),
            labels={"kit": kit.gateway},
        )

    async def _open(self, kit: FarKit, stream: StreamId, publication: Publication) -> None:
        await kit.carrying().open(stream, publication)

    async def _snapshot(self, kit: FarKit, stream: StreamId, height: int, quality: int) -> Snapshot:
        return await kit.carrying().snapshot(stream, height=height, quality=quality)

    # — kept —

    def load(self, kits: Callable[[str], FarKit | None]) -> None:
        """What was known before the restart. Rows that an older build wrote otherwise are left out."""
        for gateway, kind, id_, body in self._repo.items():
            if (kit := kits(gateway)) is None:
                continue
            try:
                self._take(kit, kind, json.loads(body))
            except (RemoteProtocolError, ValueError) as exc:
                log.warning("what was kept of %s is left out: %s", id_, exc)

    def _take(self, kit: FarKit, kind: str, value: object) -> None:
        if kind == "device":
            device = record(Device, value)
            kit.devices[device.id] = device
        elif kind == "stream":
            status = record(StreamStatus, value)
            kit.streams[status.id] = status
            self._streams.device_online(status.device, False, kit.shut)
            self._streams.offer(self._offer(kit, status))
        elif kind == "group":
            group = record(GroupStatus, value)
            kit.groups[group.id] = group
        elif kind == "voice":
            voice = record(VoiceEnd, value)
            kit.voices[voice.id] = voice

    def _save(self, kit: FarKit, kind: str, id_: str) -> None:
        self._dirty.setdefault(kit.gateway, set()).add((kind, id_))
        if kit.gateway not in self._saving:
            loop = asyncio.get_running_loop()
            self._saving[kit.gateway] = loop.call_later(SAVE_S, self._write, kit)

    def _write(self, kit: FarKit) -> None:
        self._saving.pop(kit.gateway, None)
        kept: list[tuple[str, str, str]] = []
        gone: list[tuple[str, str]] = []
        for kind, id_ in self._dirty.pop(kit.gateway, ()):
            if (value := _kept(kit, kind, id_)) is None:
                gone.append((kind, id_))
            else:
                kept.append((kind, id_, json.dumps(plain(value), ensure_ascii=False)))
        self._repo.put_items(kit.gateway, kept, gone)

    def close(self, kits: Iterable[FarKit]) -> None:
        """What has not been written yet is."""
        for kit in kits:
            if (timer := self._saving.pop(kit.gateway, None)) is not None:
                timer.cancel()
                self._write(kit)


def _kept(kit: FarKit, kind: str, id_: str) -> object:
    """As it stands now; None: it is gone."""
    match kind:
        case "device":
            return kit.devices.get(DeviceId(id_))
        case "stream":
            return kit.streams.get(StreamId(id_))
        case "group":
            return kit.groups.get(GroupId(id_))
        case _:
            return kit.voices.get(id_)
