"""One admitted device: what is kept of it, how it stands, and the adapter's hold on it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.contract.device import ChannelReport, DeviceHandler
from gateway.model.device import Channel, Device, DeviceState
from gateway.model.ids import DeviceId, StreamId, is_slug, stream_id
from gateway.store.devices import ChannelRow, DeviceRow

if TYPE_CHECKING:
    from gateway.core.devices import Devices

log = logging.getLogger(__name__)

SAVE_SEEN_S = 60.0
"""Signs of life are written to the disk at most this often."""
MAX_REMEMBERED = 4096
_TEXT = 200


class Known:
    """A device in memory; `row` is what the store has."""

    def __init__(self, row: DeviceRow, clock: Clock, code: str, *, declared: bool = False) -> None:
        self.row = row
        self.declared = declared
        """By the configuration: not kept, and gone after a restart without it. It does not register: whether it can be
        reached is what attempts to open it find, so its streams and voices do not wait for its state."""
        self.state = DeviceState.OFFLINE
        self.code = code
        self.detail = ""
        self.since = clock.wall()
        self.handler: DeviceHandler | None = None
        self.hold: Hold | None = None
        self.online: dict[str, bool] = {}  # channel key → as told since we started
        self.channels: dict[str, ChannelRow] = {channel.external_id: channel for channel in row.channels}
        self.by_key: dict[str, ChannelRow] = {channel.key: channel for channel in row.channels}

    @property
    def id(self) -> DeviceId:
        return DeviceId(self.row.id)

    @property
    def reachable(self) -> bool:
        return self.state in (DeviceState.ONLINE, DeviceState.DEGRADED)

    def put(self, channel: ChannelRow) -> None:
        self.channels[channel.external_id] = channel
        self.by_key[channel.key] = channel

    def device(self, offered: Callable[[StreamId], bool]) -> Device:
        """As the directory shows it. A channel's stream is named once it can be watched."""
        row = self.row
        return Device(
            id=self.id,
            scheme=row.scheme,
            external_id=row.external_id,
            name=row.name,
            state=self.state,
            code=self.code,
            detail=self.detail,
            since=self.since,
            address=row.address,
            manufacturer=row.manufacturer,
            model=row.model,
            firmware=row.firmware,
            version=row.version,
            last_seen=row.last_seen,
            channels=tuple(self._channel(c, offered) for c in self.channels.values() if c.listed),
            alias=row.alias,
        )

    def _channel(self, row: ChannelRow, offered: Callable[[StreamId], bool]) -> Channel:
        stream = stream_id(self.id, row.key)
        return Channel(
            key=row.key,
            external_id=row.external_id,
            name=row.name,
            online=self.reachable and self.online.get(row.key, True),
            parent=row.parent,
            capabilities=row.capabilities,
            stream=stream if offered(stream) else None,
        )


class Hold:
    """Fulfils `contract.device.AttachedDevice`. One that was replaced or detached does nothing any more."""

    def __init__(self, devices: Devices, known: Known, clock: Clock, max_channels: Callable[[], int]) -> None:
        self._devices = devices
        self._known = known
        self._clock = clock
        self._max_channels = max_channels
        self._saved_at = -SAVE_SEEN_S

    @property
    def id(self) -> DeviceId:
        return self._known.id

    @property
    def _mine(self) -> bool:
        return self._known.hold is self

    def state(self, state: DeviceState, code: str = "", detail: str = "", *, address: str = "") -> None:
        if not self._mine:
            return
        known = self._known
        if state is DeviceState.PENDING:
            state = DeviceState.OFFLINE
        if address and address != known.row.address:
            known.row = replace(known.row, address=address[:_TEXT])
            self._devices.save(known)
        if (known.state, known.code, known.detail) == (state, code, detail):
            if state is DeviceState.ONLINE:
                self._devices.here_again(known)
            return
        if known.state is not state:
            known.since = self._clock.wall()
        known.state, known.code, known.detail = state, code, detail[:_TEXT]
        self._devices.told(known, online=known.reachable)

    def describe(
        self,
        *,
        manufacturer: str = "",
        model: str = "",
        firmware: str = "",
        version: str = "",
        name: str = "",
    ) -> None:
        """`name` is taken only while the device has no better one than its number."""
        if not self._mine:
            return
        row = self._known.row
        changed = replace(
            row,
            manufacturer=manufacturer[:_TEXT] or row.manufacturer,
            model=model[:_TEXT] or row.model,
            firmware=firmware[:_TEXT] or row.firmware,
            version=version[:_TEXT] or row.version,
            name=name[:_TEXT] if name and row.name in ("", row.external_id) else row.name,
        )
        if changed != row:
            self._known.row = changed
            self._devices.save(self._known)
            self._devices.told(self._known)

    def channels(self, reports: Sequence[ChannelReport], *, complete: bool = True) -> dict[str, str]:
        known = self._known
        keys: dict[str, str] = {}
        changed: list[ChannelRow] = []
        online_before = dict(known.online)
        left_out = 0
        for report in reports:
            if report.external_id in keys:
                continue
            found = known.channels.get(report.external_id)
            if found is None:
                if len(known.channels) >= self._max_channels():
                    left_out += 1
                    continue
                number = len(known.by_key) + 1
                while f"ch{number}" in known.by_key:
                    number += 1
                wished = is_slug(report.key) and report.key not in known.by_key
                found = ChannelRow(report.key if wished else f"ch{number}", report.external_id, "", listed=False)
            row = replace(
                found,
                name=report.name[:_TEXT],
                parent=report.parent[:_TEXT],
                capabilities=report.capabilities,
                listed=True,
            )
            keys[report.external_id] = row.key
            if self._mine:
                known.online[row.key] = report.online
                if row != found:
                    known.put(row)
                    changed.append(row)
        if not self._mine:
            return keys
        if left_out:
            log.warning("%s: %d channels left out: devices.max_channels is reached", known.id, left_out)
        if complete:
            for row in list(known.channels.values()):
                if row.listed and row.external_id not in keys:
                    changed.append(gone := replace(row, listed=False))
                    known.put(gone)
        if changed:
            self._devices.save_channels(known, changed)
        if changed or online_before != known.online:
            self._devices.told(known)
        return keys

    def channel_online(self, external_id: str, online: bool) -> None:
        found = self._known.channels.get(external_id)
        if self._mine and found is not None and self._known.online.get(found.key, True) != online:
            self._known.online[found.key] = online
            self._devices.told(self._known)

    def seen(self, address: str = "") -> None:
        if not self._mine:
            return
        known = self._known
        moved = bool(address) and address != known.row.address
        known.row = replace(
            known.row, last_seen=self._clock.wall(), address=address[:_TEXT] if moved else known.row.address
        )
        now = self._clock.monotonic()
        if moved or now - self._saved_at >= SAVE_SEEN_S:
            self._saved_at = now
            self._devices.save(known)
        if moved:
            self._devices.told(known)

    def remember(self, text: str) -> None:
        if self._mine and text != self._known.row.remembered and len(text.encode()) <= MAX_REMEMBERED:
            self._known.row = replace(self._known.row, remembered=text)
            self._devices.save(self._known)

    def detach(self) -> None:
        if self._mine:
            # One that is away already keeps the reason it had.
            if self._known.reachable:
                self.state(DeviceState.OFFLINE, "device-offline")
            self._known.hold = self._known.handler = None
