"""A kit that is made up: eight cameras, an outbox in memory, orders that are done at once. Its session is real."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from adapters.mqtt.dial import ClientTls
from adapters.mqtt.facts import Change
from adapters.mqtt.protocol.messages import Birth, Order
from gateway.base.moment import Moment, TimeQuality
from gateway.core.ulid import ulid
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.command import CommandResult, Outcome
from gateway.model.device import Capabilities, Channel, Device, DeviceState
from gateway.model.forward import Batch, Event, EventKind, Rank, Uplink, WaitingFile
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import LinkState, LinkUse
from gateway.model.kit_state import Heat, KitCondition, Power, PowerSource
from gateway.model.position import Datum, Position, PositionSource
from gateway.wire.records import plain

BOOT_ID = "00000000-0000-4000-8000-00000000be7c"
LINKS = (
    LinkState("lte-1", "lte", "wwan0", LinkUse.IN, rtt_ms=44.0, loss=0.02, usable_bps=6e6, bytes_out=123_456_789),
    LinkState("lte-2", "lte", "wwan1", LinkUse.IN, rtt_ms=51.0, loss=0.04, usable_bps=4e6, bytes_out=98_765_432),
    LinkState("satellite", "satellite", "eth1", LinkUse.IN, rtt_ms=560.0, usable_bps=1e6, cost=10),
)
CONDITION = KitCondition("kit", 1.8e9, Power(PowerSource.BATTERY, 0.62, code="on-battery"), (Heat("cpu", 61.5),))
FIGURES = {"cpu": 0.21, "rss_mb": 141.0, "streams": 8.0, "streams_live": 3.0, "outbox": 0.0, "links_in": 3.0}


def devices(gateway: str, count: int) -> list[Device]:
    """Cameras as GB/T 28181 brings them."""
    found = []
    for number in range(1, count + 1):
        id_ = f"{gateway}/ball-{number}"
        can = Capabilities(ptz=True, zoom=True, presets=True, talk_back=True)
        channel = Channel(
            "ch1", f"3402000000131000{number:04}", f"球机 {number}", True, "", can, StreamId(f"{id_}/ch1")
        )
        found.append(
            Device(
                DeviceId(id_),
                "gb28181",
                f"3402000000132000{number:04}",
                f"布控球 {number}",
                DeviceState.ONLINE,
                since=1_795_000_000.0,
                address=f"192.168.1.{10 + number}:5060",
                manufacturer="Example",
                model="MB-400",
                firmware="V5.7.12",
                version="2016",
                last_seen=1_795_000_100.0,
                channels=(channel,),
            )
        )
    return found


@dataclass(frozen=True)
class KeptTls(ClientTls):
    """Certificate and authority read once: 1,500 kits share a processor here that have one each."""

    @cached_property
    def _kept(self) -> ssl.SSLContext:
        return super().context()

    def context(self, *, check_time: bool = True) -> ssl.SSLContext:
        return self._kept


class MadeUp:
    """Fulfils `facts.KitFacts`."""

    def __init__(self, gateway: str, count: int) -> None:
        self.gateway = gateway
        self._devices = devices(gateway, count)
        self._birth = Birth(True, 1, 0, "", gateway.title(), "0.5.0", "340200", f"host-{gateway}", ("10.1.1.1",))
        self.told: asyncio.Queue[Change] = asyncio.Queue(64)
        self.orders = 0

    def birth(self) -> Birth:
        return self._birth

    def devices(self) -> Sequence[Device]:
        return self._devices

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Change]]:
        async def each() -> AsyncIterator[Change]:
            while True:
                yield await self.told.get()

        yield each()

    def move(self) -> None:
        if not self.told.full():
            self.told.put_nowait(position(self.gateway))

    def change(self, chance: random.Random) -> None:
        """A camera goes or comes back."""
        at = chance.randrange(len(self._devices))
        if not self.told.full():
            state = chance.choice((DeviceState.ONLINE, DeviceState.OFFLINE))
            self._devices[at] = replace(self._devices[at], state=state, since=time.time())
            self.told.put_nowait(self._devices[at])

    def moment(self) -> Moment:
        return moment()

    def figures(self) -> Mapping[str, float]:
        return FIGURES

    def links(self) -> Sequence[LinkState]:
        return LINKS

    def condition(self) -> KitCondition | None:
        return CONDITION

    async def order(self, order: Order, left_s: float) -> CommandResult:
        self.orders += 1
        return CommandResult(order.id, Outcome.DONE)


def moment() -> Moment:
    return Moment(BOOT_ID, time.monotonic(), time.time(), TimeQuality.NTP)


class MemorySide:
    """An outbox in memory. Fulfils `contract.forward.OutboxSide`. `acknowledged`: what it let go of."""

    def __init__(self, gateway: str, acknowledged: list[str]) -> None:
        self.name = "mqtt/center1"
        self._gateway = gateway
        self.rows: dict[str, Event] = {}
        self._acknowledged = acknowledged
        self._more = asyncio.Event()

    def raise_alarm(self, number: int) -> str:
        now = time.time()
        id_ = ulid(now)
        device = DeviceId(f"{self._gateway}/ball-{1 + number % 8}")
        alarm = Alarm(device, "ch1", f"k{number}", AlarmSeverity.MAJOR, "motion", "video", "", now, now, id=id_)
        body = json.dumps(plain(alarm))
        self.rows[id_] = Event(id_, EventKind.ALARM, Rank.FIRST, "major", body, moment(), 1)
        self._more.set()
        return id_

    async def waiting(self, limit: int, without: Sequence[str] = ()) -> Sequence[Event]:
        return [event for id_, event in self.rows.items() if id_ not in without][:limit]

    def batch(self, events: Sequence[Event]) -> Batch:
        return Batch(tuple(events), moment())

    async def acknowledge(self, ids: Sequence[str]) -> None:
        for id_ in ids:
            if self.rows.pop(id_, None) is not None:
                self._acknowledged.append(id_)

    async def more(self) -> None:
        await self._more.wait()
        self._more.clear()

    def standing(self) -> Uplink:
        return Uplink(self.name, "mqtt", 0.0, rows=len(self.rows))

    async def files(self, limit: int = 4, without: Sequence[str] = ()) -> Sequence[WaitingFile]:
        return ()

    async def read(self, file: str, offset: int, length: int) -> bytes:
        raise NotImplementedError("made-up kits have no files")

    def file_progress(self, file: str, sent: int) -> None: ...
    async def file_done(self, file: str) -> None: ...
    async def file_never(self, file: str, code: str, detail: str = "") -> None: ...
    def file_again(self, file: str, code: str, detail: str = "") -> None: ...


def position(gateway: str) -> Position:
    now = time.time()
    return Position(DeviceId(f"{gateway}/ball-1"), "", 118.4, 31.3, Datum.WGS84, PositionSource.GNSS, now, now)
