"""One flat tree of devices, channels and streams, as far as the asker may see it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Protocol

from gateway.base.errors import Denied, NotFound
from gateway.core.devices import Devices
from gateway.core.rights import in_scope, require_role
from gateway.core.streams import Streams
from gateway.model.device import Device, DeviceState, PendingDevice
from gateway.model.ids import DeviceId, parse_ref
from gateway.model.media import StreamStatus
from gateway.model.principal import Principal, Role


class FarDevices(Protocol):
    def devices(self) -> Iterable[Device]: ...
    def device(self, device: DeviceId) -> Device | None: ...


class NoFarDevices:
    def devices(self) -> Iterable[Device]:
        return ()

    def device(self, device: DeviceId) -> Device | None:
        return None


class Directory:
    def __init__(self, gateway: str, devices: Devices, streams: Streams) -> None:
        self._gateway = gateway
        self._devices = devices
        self._streams = streams
        self.kits: Container[str] = ()
        self.far: FarDevices = NoFarDevices()
        """Devices of the kits that this center holds."""

    def devices(
        self, who: Principal, text: str = "", *, state: DeviceState | None = None, scheme: str = ""
    ) -> Sequence[Device]:
        found = []
        own = (self._devices.shown(known) for known in self._devices.all())
        for device in chain(own, self.far.devices()):
            if (state is None or device.state is state) and (not scheme or device.scheme == scheme):
                shown = _in_scope(who, device)
                if shown is not None and (not text or _holds(shown, text.casefold())):
                    found.append(shown)
        return found

    def device(self, who: Principal, ref: str) -> Device:
        wanted = parse_ref(ref, home=self._gateway, kits=self.kits).device_id
        found = self.far.device(wanted)
        if found is None:
            own = (k for k in self._devices.all() if wanted == k.id or ref == k.row.alias)
            found = next((self._devices.shown(known) for known in own), None)
        if found is None:
            raise NotFound(f"there is no device {ref[:120]!r}")
        if (shown := _in_scope(who, found)) is None:
            raise Denied(f"{wanted} lies outside of what {who.name} may see")
        return shown

    def pending(self, who: Principal) -> Sequence[PendingDevice]:
        require_role(who, Role.TECHNICIAN, "see who knocked")
        return self._devices.pending() if in_scope(who, self._gateway) else []

    def streams(self, who: Principal, text: str = "") -> Sequence[StreamStatus]:
        wanted = text.casefold()
        return [
            status
            for status in self._streams.all()
            if in_scope(who, status.id) and wanted in f"{status.id} {status.title} {status.alias}".casefold()
        ]

    def stream(self, who: Principal, ref: str) -> StreamStatus:
        status = self._streams.status(self._streams.resolve(ref))
        if not in_scope(who, status.id):
            raise Denied(f"{status.id} lies outside of what {who.name} may see")
        return status


def _in_scope(who: Principal, device: Device) -> Device | None:
    """The device as far as the scope goes: a scope of one channel shows the device with that channel alone."""
    if in_scope(who, device.id):
        return device
    channels = tuple(c for c in device.channels if in_scope(who, f"{device.id}/{c.key}"))
    return replace(device, channels=channels) if channels else None


def _holds(device: Device, text: str) -> bool:
    words = [device.id, device.external_id, device.name, device.alias, device.model]
    words += [word for c in device.channels for word in (c.key, c.external_id, c.name)]
    return any(text in word.casefold() for word in words)
