"""Admitted devices and those who knocked. Fulfils `contract.device.Devices`, from memory."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from gateway.base.clock import Clock
from gateway.base.errors import Busy, ConfigError, GatewayError, LinkDown, NotFound, Unsupported
from gateway.base.log import Secret
from gateway.contract.device import Admitted, DeviceHandler
from gateway.core.known_device import Hold, Known
from gateway.core.messages import Bus
from gateway.core.slugs import may_be_slug, slug_for
from gateway.model.device import Device, PendingDevice
from gateway.model.ids import ChannelRef, DeviceId, StreamId, device_id, parse_ref
from gateway.store.devices import ChannelRow, DeviceRepo, DeviceRow

if TYPE_CHECKING:
    from gateway.config.root import Devices as DevicesConfig

log = logging.getLogger(__name__)

PENDING_EVERY_S = 5.0
"""A device that knocks all the time is told of at most this often."""

Heard = Callable[[str, Admitted | None], None]


class StreamsOfDevices(Protocol):
    def has(self, stream: StreamId) -> bool: ...
    def device_online(self, device: DeviceId, online: bool, code: str = "") -> None: ...


class Devices:
    def __init__(
        self,
        gateway: str,
        repo: DeviceRepo,
        bus: Bus,
        clock: Clock,
        kit_password: Secret,
        config: Callable[[], DevicesConfig],
    ) -> None:
        self._gateway = gateway
        self._repo = repo
        self._bus = bus
        self._clock = clock
        self._kit_password = kit_password
        self._config = config
        self._known: dict[DeviceId, Known] = {}
        self._by_external: dict[tuple[str, str], Known] = {}
        self._listeners: dict[str, list[Heard]] = {}
        self._pending: OrderedDict[tuple[str, str], PendingDevice] = OrderedDict()
        self._pending_told: dict[tuple[str, str], float] = {}
        self._followers: list[Callable[[DeviceId, bool, str], None]] = []
        self._offered: Callable[[StreamId], bool] = lambda _stream: False
        self._changed: set[DeviceId] = set()
        self.kits: Container[str] = ()
        """Ids of the kits that this center holds; their devices are not among these."""
        for row in repo.load():
            self._add(Known(row, clock, "restarted"))
        for pending in repo.pending():
            self._pending[pending.scheme, pending.external_id] = pending

    def follow(self, streams: StreamsOfDevices) -> None:
        """Streams hear of their device, and say which of them can be watched."""
        self._offered = streams.has
        self.on_reachable(streams.device_online)

    def on_reachable(self, heard: Callable[[DeviceId, bool, str], None]) -> None:
        """`heard(device, online, code)`: streams and voices follow their device. Called for every known one at once."""
        self._followers.append(heard)
        for known in self._known.values():
            heard(known.id, known.reachable or known.declared, known.code)

    # — what adapters ask —

    def admitted(self, scheme: str, external_id: str) -> Admitted | None:
        known = self._by_external.get((scheme, external_id))
        if known is None and self._allowed(external_id):
            row = self._new_row(scheme, external_id, "", "", "", by="config")
            known = self._add(Known(row, self._clock, "restarted"))
            self._drop_pending(scheme, external_id)
            self._repo.admit_soon(row)
            log.info("%s admitted as %s: the configuration allows its id", external_id, row.id)
            self.told(known)
        return self._admitted(known) if known is not None else None

    def declare(self, scheme: str, external_id: str, slug: str, name: str) -> Admitted:
        known = self._by_external.get((scheme, external_id))
        id_ = device_id(self._gateway, slug)
        if known is None:
            if not may_be_slug(slug):
                raise ConfigError(slug[:80], "is not a good name for a device: lower-case letters, digits and '-'")
            if (other := self._known.get(id_)) is not None:
                raise ConfigError(slug, f"{id_} is {other.row.external_id} of {other.row.scheme}: use another name")
            row = self._new_row(scheme, external_id, name, "", slug, by="config")
            known = self._add(Known(row, self._clock, "restarted", declared=True))
        elif known.id != id_:
            if not known.declared:
                raise ConfigError(slug, f"{external_id} is admitted as {known.id} already: use that name, or forget it")
            self._drop(known)
            return self.declare(scheme, external_id, slug, name)
        known.row = replace(known.row, name=name[:100] or slug)
        self.told(known)
        return self._admitted(known)

    def undeclare(self, device: DeviceId) -> None:
        """The configuration no longer names it."""
        known = self._known.get(device)
        if known is not None and known.declared:
            self._drop(known)

    def known(self, device: DeviceId) -> Known | None:
        return self._known.get(device)

    def all_admitted(self, scheme: str) -> Sequence[Admitted]:
        return [self._admitted(known) for known in self._known.values() if known.row.scheme == scheme]

    def knock(self, scheme: str, external_id: str, address: str, code: str, detail: str = "") -> None:
        key = (scheme, external_id[:64])
        now = self._clock.wall()
        before = self._pending.pop(key, None)
        row = PendingDevice(
            scheme=scheme,
            external_id=key[1],
            address=address[:200],
            first_seen=before.first_seen if before else now,
            last_seen=now,
            attempts=before.attempts + 1 if before else 1,
            code=code,
            detail=detail[:200],
        )
        self._pending[key] = row
        while len(self._pending) > self._config().max_pending:
            oldest, _ = self._pending.popitem(last=False)
            self._pending_told.pop(oldest, None)
            self._repo.drop_pending(*oldest)
        told = self._pending_told.get(key)
        if told is None or self._clock.monotonic() - told >= PENDING_EVERY_S or (before and before.code != code):
            self._pending_told[key] = self._clock.monotonic()
            self._repo.put_pending(row)
            self._bus.publish("pending", "", row, within=self._gateway)
            if before is None:
                log.info("%s device %s at %s was refused: %s", scheme, key[1], address, code)

    def attach(self, device: DeviceId, handler: DeviceHandler) -> Hold:
        known = self._known.get(device)
        if known is None:
            raise NotFound(f"there is no device {device}")
        known.handler = handler
        known.hold = Hold(self, known, self._clock, lambda: self._config().max_channels)
        return known.hold

    def on_admitted(self, scheme: str, called: Heard) -> None:
        self._listeners.setdefault(scheme, []).append(called)

    def forget_listeners(self, scheme: str) -> None:
        """The adapter ended: a new one listens anew."""
        self._listeners.pop(scheme, None)

    # — what people do; rights are checked by core.commands —

    async def admit(
        self,
        scheme: str,
        external_id: str,
        *,
        name: str = "",
        password: str = "",
        user: str = "",
        slug: str = "",
        by: str,
    ) -> DeviceId:
        """Durable when it returns. An admitted device gets the new name and password."""
        if not external_id.strip() or len(external_id) > 64 or not external_id.isprintable():
            raise GatewayError("external_id: the device's own number is missing or too long", code="bad-request")
        known = self._by_external.get((scheme, external_id))
        if known is not None:
            row = replace(
                known.row,
                name=name or known.row.name,
                password=password or known.row.password,
                user=user or known.row.user,
            )
            if not known.declared:
                await self._repo.admit(row)
            known.row = row
        else:
            row = replace(self._new_row(scheme, external_id, name, password, slug, by=by), user=user)
            await self._repo.admit(row)
            known = self._add(Known(row, self._clock, "restarted"))
        self._drop_pending(scheme, external_id)
        self.told(known)
        self._call(known, self._admitted(known))
        return known.id

    async def forget(self, device: DeviceId) -> None:
        known = self._of(device)
        if not known.declared:
            await self._repo.forget(device)
        self._drop(known)
        self._call(known, None)

    async def rename(self, device: DeviceId, name: str, alias: str | None = None) -> None:
        if not 1 <= len(name.strip()) <= 100 or not name.isprintable():
            raise GatewayError("name: 1 to 100 characters", code="bad-request")
        known = self._of(device)
        row = replace(known.row, name=name.strip(), alias=known.row.alias if alias is None else alias[:64])
        if not known.declared:
            await self._repo.admit(row)
        known.row = row
        self.told(known)

    # — what the core asks —

    def all(self) -> Sequence[Known]:
        return list(self._known.values())

    def pending(self) -> Sequence[PendingDevice]:
        return list(reversed(self._pending.values()))

    def ref(self, text: str) -> ChannelRef:
        """An id taken apart and completed. Raises NotFound."""
        ref = parse_ref(text, home=self._gateway, kits=self.kits)
        if ref.device_id not in self._known:
            # `a/b` may have been meant as device and channel of a gateway that is called like a device; it is not.
            raise NotFound(f"there is no device {ref.device_id}")
        return ref

    def handler(self, device: DeviceId) -> DeviceHandler:
        """Raises NotFound, LinkDown (`device-offline`)."""
        known = self._of(device)
        if known.handler is None or not known.reachable:
            raise LinkDown(f"{device} is not here ({known.code})", code="device-offline")
        return known.handler

    def channel(self, ref: ChannelRef) -> ChannelRow:
        """Raises NotFound; without a channel in `ref` the device's only or first one is meant."""
        known = self._of(ref.device_id)
        if ref.channel:
            if (found := known.by_key.get(ref.channel)) is not None:
                return found
            raise NotFound(f"{ref.device_id} has no channel {ref.channel}")
        listed = [row for row in known.channels.values() if row.listed]
        if not listed:
            raise Unsupported(f"{ref.device_id} has told no channel yet")
        return listed[0]

    def told(self, known: Known, *, online: bool | None = None) -> None:
        """The device changed; with `online` it came or went. Changes of one turn of the loop are one event."""
        self._publish_soon(known.id)
        if online is not None:
            log.info("%s (%s) is %s%s", known.id, known.row.name, known.state, f": {known.code}" if known.code else "")
            if not known.declared:
                self._reachable(known.id, online, known.code)

    def here_again(self, known: Known) -> None:
        """It registered anew without having been missed."""
        self._reachable(known.id, True, "")

    def stream_offered(self, device: DeviceId) -> None:
        """One of its channels can be watched now."""
        if device in self._known:
            self._publish_soon(device)

    def shown(self, known: Known) -> Device:
        return known.device(self._offered)

    def save(self, known: Known) -> None:
        if known.id in self._known and not known.declared:
            self._repo.learned(known.row)

    def save_all(self) -> None:
        """There is room on the disk again: what was learned meanwhile is written."""
        for known in self._known.values():
            if not known.declared:
                self._repo.learned(known.row)
                self._repo.channels(known.id, known.channels.values())

    def save_channels(self, known: Known, rows: Sequence[ChannelRow]) -> None:
        if not known.declared:
            self._repo.channels(known.id, rows)

    # — within —

    def _reachable(self, device: DeviceId, online: bool, code: str) -> None:
        for heard in self._followers:
            heard(device, online, code)

    def _publish_soon(self, device: DeviceId) -> None:
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._publish)
        self._changed.add(device)

    def _publish(self) -> None:
        changed, self._changed = self._changed, set()
        for device in changed:
            if (known := self._known.get(device)) is not None:
                self._bus.publish("device", device, self.shown(known))

    def _of(self, device: DeviceId) -> Known:
        known = self._known.get(device)
        if known is None:
            raise NotFound(f"there is no device {device[:120]!r}")
        return known

    def _drop(self, known: Known) -> None:
        del self._known[known.id]
        del self._by_external[known.row.scheme, known.row.external_id]
        known.hold = known.handler = None
        self._reachable(known.id, False, "not-found")
        self._bus.publish("device", known.id, self.shown(known), gone=True)

    def _add(self, known: Known) -> Known:
        self._known[known.id] = known
        self._by_external[known.row.scheme, known.row.external_id] = known
        self._reachable(known.id, known.reachable or known.declared, known.code)
        return known

    def _new_row(self, scheme: str, external_id: str, name: str, password: str, slug: str, *, by: str) -> DeviceRow:
        most = self._config().max_admitted
        if len(self._known) >= most:
            raise Busy(f"{most} devices are admitted already: raise devices.max_admitted", code="busy")
        taken = {id_.partition("/")[2] for id_ in self._known}
        short = slug_for(slug, name, external_id, taken)
        return DeviceRow(
            id=device_id(self._gateway, short),
            scheme=scheme,
            external_id=external_id,
            name=name[:100] or short,
            password=password,
            admitted_at=self._clock.wall(),
            admitted_by=by,
        )

    def _allowed(self, external_id: str) -> bool:
        for pattern in self._config().allow:
            if pattern.endswith("*"):
                if len(pattern) > 1 and external_id.startswith(pattern[:-1]):
                    return True
            elif external_id == pattern:
                return True
        return False

    def _admitted(self, known: Known) -> Admitted:
        row = known.row
        password = row.password or self._kit_password.reveal()
        return Admitted(known.id, row.external_id, row.name, password, row.remembered, row.user)

    def _drop_pending(self, scheme: str, external_id: str) -> None:
        self._pending_told.pop((scheme, external_id), None)
        if (row := self._pending.pop((scheme, external_id), None)) is not None:
            self._repo.drop_pending(scheme, external_id)
            self._bus.publish("pending", "", row, gone=True, within=self._gateway)

    def _call(self, known: Known, admitted: Admitted | None) -> None:
        for called in list(self._listeners.get(known.row.scheme, ())):
            try:
                called(known.row.external_id, admitted)
            except Exception:
                log.exception("adapter %s failed to take over %s", known.row.scheme, known.id)
