"""At a center: records that kits sent by short message, believed only when their key says so, each once.

A text that looks like a record is one of four things: sealed by the key of a kit that is paired here (kept, shown as
the kit's state), sealed and here before (`telemetry-replayed`), of a kit that was revoked, or not sealed by anybody's
key (`telemetry-forged`, `telemetry-unknown`). The text itself stays in the inbox with what became of it: what nothing
is said of yet is read, also after a restart, so that none is lost between being kept and being read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, RemoteProtocolError
from gateway.base.throttle import Throttle
from gateway.core.pairings import Pairings
from gateway.core.positions import Positions
from gateway.core.telemetry_values import meaning
from gateway.core.texts import Texts
from gateway.model.ids import DeviceId
from gateway.model.pairing import PairedKit
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import Principal
from gateway.model.telemetry import KitRecord
from gateway.model.texts import TextIn
from gateway.store.texts_in import TelemetryRepo
from gateway.wire import telemetry
from gateway.wire.telemetry import Keys, Sealed

if TYPE_CHECKING:
    from gateway.core.fleet import Fleet

log = logging.getLogger(__name__)

KEEP = 500
"""Records of each kit; what is older than the oldest of so many is refused."""
AT_ONCE = 64
AGAIN_S = 30.0
"""After the disk refused."""
AHEAD_S = 300.0


class TelemetryIn:
    """On the event loop; `run` is a task of the daemon."""

    def __init__(
        self,
        gateway: str,
        texts: Texts,
        repo: TelemetryRepo,
        pairings: Pairings,
        positions: Positions,
        clock: Clock,
        is_center: Callable[[], bool],
    ) -> None:
        self._gateway = gateway
        self._texts = texts
        self._repo = repo
        self._pairings = pairings
        self._positions = positions
        self._clock = clock
        self._is_center = is_center
        self._fleet: Fleet | None = None
        self._keys: dict[bytes, Keys] = {}
        self._news = asyncio.Event()
        self._news.set()  # of the last run some may be unread
        self._read_to = 0
        self._newest: dict[str, int] = {}
        self._throttle = Throttle(log, clock=clock)
        texts.on_kept(self._came)
        pairings.on_change(self._keys.clear)

    def join(self, fleet: Fleet) -> None:
        """Whom the records are shown by; what was kept is shown at once."""
        self._fleet = fleet
        for gateway, sequence, whole, carrier, at in self._repo.latest():
            self._newest[gateway] = sequence
            found = self._read(gateway, whole)
            if found is not None:
                fleet.by_text(replace(found, carrier=carrier, received_at=at))

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._read_all()
            except GatewayError as exc:
                log.warning("records that came by short message are not read yet: %s (%s)", exc, exc.code)
                await asyncio.sleep(AGAIN_S)
                self._news.set()

    async def records(self, who: Principal, gateway: str, limit: int) -> Sequence[KitRecord]:
        """Newest first. Raises NotFound, Denied."""
        if self._fleet is not None:
            self._fleet.kit(who, gateway)
        found = []
        for _, whole, carrier, at in await self._repo.recent(gateway, limit):
            record = self._read(gateway, whole)
            if record is not None:
                found.append(replace(record, carrier=carrier, received_at=at))
        return found

    # — within —

    def _came(self, text: TextIn) -> None:
        if self._is_center() and telemetry.is_record(text.body):
            self._news.set()

    async def _read_all(self) -> None:
        while self._is_center():
            found = await self._texts.unread(self._read_to, telemetry.LENGTH, AT_ONCE)
            for text in found:
                if telemetry.is_record(text.body):
                    code, detail = await self._take(text)
                    await self._texts.note(text, code, detail)
                self._read_to = max(self._read_to, text.number)
            if len(found) < AT_ONCE:
                return

    async def _take(self, text: TextIn) -> tuple[str, str]:
        """What became of it: a reason, and whose it was."""
        try:
            sealed = telemetry.read(text.body)
        except RemoteProtocolError as exc:
            return exc.code, str(exc)
        kit, values, hinted = self._whose(sealed)
        if kit is None or values is None:
            code = "telemetry-forged" if hinted else "telemetry-unknown"
            self._throttle(code, f"a record that no kit of ours sealed came by {text.carrier} ({code})")
            return code, hinted
        if kit.revoked_at is not None:
            self._throttle(kit.gateway, f"{kit.gateway} was revoked, and sent a record by {text.carrier}")
            return "telemetry-revoked", kit.gateway
        new = await self._repo.put(kit.gateway, sealed.sequence, sealed.whole, text.carrier, text.received_at, KEEP)
        if not new:
            self._throttle(kit.gateway, f"record {sealed.sequence} of {kit.gateway} came again by {text.carrier}")
            return "telemetry-replayed", f"{kit.gateway} {sealed.sequence}"
        record = replace(
            meaning(values, sealed.why),
            gateway=kit.gateway,
            sequence=sealed.sequence,
            carrier=text.carrier,
            received_at=text.received_at,
        )
        self._show(record)
        return "text-telemetry", f"{kit.gateway} {sealed.sequence}"

    def _whose(self, sealed: Sealed) -> tuple[PairedKit | None, dict[str, int] | None, str]:
        """The kit by whose key it is sealed and what it says; else the id of one that it pretends to be."""
        hinted = ""
        for kit in self._pairings.kits():
            for key in filter(None, (kit.key, kit.next_key)):
                keys = self._keys_of(kit.gateway, key)
                if keys is None or keys.hint != sealed.hint:
                    continue
                values = telemetry.opened(sealed, keys)
                if values is not None:
                    return kit, values, ""
                hinted = kit.gateway
        return None, None, hinted

    def _keys_of(self, gateway: str, key: bytes) -> Keys | None:
        if key not in self._keys:
            shared = self._pairings.shared_with(key)
            if shared is None:
                return None
            self._keys[key] = telemetry.derive(shared, gateway, self._gateway)
        return self._keys[key]

    def _read(self, gateway: str, whole: bytes) -> KitRecord | None:
        """One that was kept; None when its key is no longer known."""
        kit = self._pairings.kit(gateway)
        sealed = Sealed(whole[0] >> 2 & 7, whole[1:3], int.from_bytes(whole[3:7], "big"), whole)
        for key in filter(None, (kit.key, kit.next_key) if kit is not None else ()):
            keys = self._keys_of(gateway, key)
            values = telemetry.opened(sealed, keys) if keys is not None else None
            if values is not None:
                return replace(meaning(values, sealed.why), gateway=gateway, sequence=sealed.sequence)
        return None

    def _show(self, record: KitRecord) -> None:
        log.info("kit %s told by short message how it stands (%s)", record.gateway, record.why)
        newest = self._newest.get(record.gateway, 0) < record.sequence
        self._newest[record.gateway] = max(self._newest.get(record.gateway, 0), record.sequence)
        if self._fleet is not None:
            self._fleet.by_text(record)
        fix = record.fix
        if fix is None or not newest:
            return  # one that comes late, or that somebody held back, says where it was, not where it is
        age_s = fix.age_min * 60.0
        made = float(record.made_at) if record.clock_good else record.received_at
        self._positions.report(
            Position(
                DeviceId(f"{record.gateway}/kit"),
                "",
                fix.longitude,
                fix.latitude,
                Datum.WGS84,
                PositionSource(fix.source),
                taken_at=min(made, record.received_at + AHEAD_S) - age_s,
                received_at=record.received_at,
                altitude_m=fix.altitude_m,
                speed_kmh=fix.speed_kmh,
                direction_deg=fix.direction_deg,
            )
        )
