"""Kits and a center in one loop, with a broker between them: amqtt behind our door, on loopback, a port for each."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from adapters.mqtt.address import Broker as Address
from adapters.mqtt.broker.door import LISTENER, Door
from adapters.mqtt.broker.rules import Identity
from adapters.mqtt.center import CenterSession, CenterSetting
from adapters.mqtt.facts import Change
from adapters.mqtt.kit import KitSession, KitSetting
from adapters.mqtt.manner import Setting, Times, Versions
from adapters.mqtt.protocol.messages import Birth, Order
from gateway.base.errors import Denied, GatewayError
from gateway.base.moment import Moment, TimeQuality
from gateway.contract.fleet import KitAbout, KitWay
from gateway.contract.forward import Taken
from gateway.model.command import CommandResult, Outcome
from gateway.model.device import Device, DeviceState
from gateway.model.forward import Batch, Event, EventKind, ForwardFile, Rank, Uplink, WaitingFile
from gateway.model.ids import DeviceId
from gateway.model.kit import LinkState
from gateway.model.kit_state import KitCondition, Power, PowerSource
from gateway.model.position import Position

PATIENCE_S = 60.0
CONDITION = KitCondition("kit7", 1.0, Power(PowerSource.BATTERY, 0.5, code="on-battery"), codes=("on-battery",))


async def until(true: Callable[[], Any], what: str = "it") -> None:
    """Generous: a busy machine is no failure."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  (what is waited for has no event of its own)
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen within {PATIENCE_S:g} s") from None


class TestBroker:
    """amqtt in this loop, behind the door; `address(name)` is where `name` connects."""

    __test__ = False

    def __init__(self) -> None:
        self.door: Door
        self.refused: dict[str, str] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._center = "center1"

    @asynccontextmanager
    async def running(self, *names: str) -> AsyncIterator[TestBroker]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from amqtt.broker import Broker

            rules = "adapters.mqtt.broker.rules"
            plugins: dict[str, dict[str, Any]] = {f"{rules}.Admission": {}, f"{rules}.Rights": {}}
            self.amqtt = Broker({"listeners": {LISTENER: {"type": "external", "bind": "x"}}, "plugins": plugins})
            await self.amqtt.start()
        self.door = Door(self.amqtt, limit=600_000, most=100, let_in=lambda one: self.refused.get(one.name))
        for name in names:
            await self.listen(name)
        try:
            yield self
        finally:
            for server in self._servers.values():
                server.close()
            for guest in list(self.door._guests.values()):
                guest.drop("the test is over")
            await until(lambda: not self.door.guests, "the last guest goes")
            await self.amqtt.shutdown()
            await asyncio.sleep(0)

    async def listen(self, name: str, port: int = 0) -> None:
        identity = Identity(name, name.startswith("center"), 1, "10.0.0.1")
        serve = partial(self.door.serve, identity)
        self._servers[name] = await asyncio.start_server(serve, "127.0.0.1", port)

    def address(self, name: str) -> Address:
        return Address("tcp", "127.0.0.1", self._servers[name].sockets[0].getsockname()[1])

    def cut(self, name: str) -> None:
        self.door._guests[name].drop("cut by the test")


def setting(*brokers: Address, answer_s: float = 5.0) -> Setting:
    return Setting(tuple(brokers), times=Times(answer_s, 10.0), versions=Versions("3.1.1"), spread=False)


def device(gateway: str, name: str, **more: Any) -> Device:
    return Device(DeviceId(f"{gateway}/{name}"), "sim", name, name.title(), DeviceState.ONLINE, **more)


class Facts:
    """A kit that is made up. Fulfils `facts.KitFacts`."""

    def __init__(self, gateway: str, devices: Sequence[Device] = (), boot: int = 1) -> None:
        self.gateway = gateway
        self._devices = list(devices)
        self.boot = boot
        self.told: asyncio.Queue[Change] = asyncio.Queue()
        self.orders: list[tuple[Order, float]] = []
        self.answer: Callable[[Order], CommandResult] = lambda order: CommandResult(order.id, Outcome.DONE)
        self.mono = 1000.0

    def birth(self) -> Birth:
        return Birth(
            True, self.boot, 0, "", self.gateway.title(), "1.0", "510100", f"host-{id(self) % 97}", ("10.1.1.1",)
        )

    def devices(self) -> Sequence[Device]:
        return list(self._devices)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Change]]:
        async def each() -> AsyncIterator[Change]:
            while True:
                yield await self.told.get()

        yield each()

    def moment(self) -> Moment:
        return Moment(f"boot-{self.gateway}", self.mono, 1_000_000_000.0, TimeQuality.UNSYNCED)

    def figures(self) -> Mapping[str, float]:
        return {"cpu": 0.25}

    def links(self) -> Sequence[LinkState]:
        return (LinkState("lte"),)

    def condition(self) -> KitCondition | None:
        return CONDITION

    async def order(self, order: Order, left_s: float) -> CommandResult:
        self.orders.append((order, left_s))
        return self.answer(order)


class Side:
    """An outbox in memory. Fulfils `contract.forward.OutboxSide`."""

    def __init__(self, name: str = "mqtt/center1") -> None:
        self.name = name
        self.rows: dict[str, Event] = {}
        self.acknowledged: list[str] = []
        self.stored: dict[str, tuple[ForwardFile, bytes]] = {}
        self.progress: list[tuple[str, int]] = []
        self.done: list[str] = []
        self.again: list[str] = []
        self.never: list[tuple[str, str]] = []
        self.unreadable: dict[str, GatewayError] = {}
        self._more = asyncio.Event()

    def put(self, *events: Event) -> None:
        self.rows |= {event.id: event for event in events}
        self._more.set()

    def put_file(self, file: ForwardFile, data: bytes) -> None:
        self.stored[file.id] = (file, data)
        self._more.set()

    async def waiting(self, limit: int, without: Sequence[str] = ()) -> Sequence[Event]:
        left = sorted((e for e in self.rows.values() if e.id not in without), key=lambda e: (e.rank, e.id))
        return left[:limit]

    def batch(self, events: Sequence[Event]) -> Batch:
        return Batch(tuple(events), Moment("boot-kit7", 1000.0, 1_000_000_000.0))

    async def acknowledge(self, ids: Sequence[str]) -> None:
        self.acknowledged += ids
        for id_ in ids:
            self.rows.pop(id_, None)

    async def more(self) -> None:
        await self._more.wait()
        self._more.clear()

    def standing(self) -> Uplink:
        return Uplink(self.name, "mqtt", 0.0, rows=len(self.rows))

    async def files(self, limit: int = 4, without: Sequence[str] = ()) -> Sequence[WaitingFile]:
        found = [WaitingFile(file, self.name, 0) for file, _ in self.stored.values()]
        return [one for one in found if one.file.id not in without][:limit]

    async def read(self, file: str, offset: int, length: int) -> bytes:
        if (failing := self.unreadable.get(file)) is not None:
            raise failing
        return self.stored[file][1][offset : offset + length]

    def file_progress(self, file: str, sent: int) -> None:
        self.progress.append((file, sent))

    async def file_done(self, file: str) -> None:
        self.done.append(file)
        self.stored.pop(file, None)

    async def file_never(self, file: str, code: str, detail: str = "") -> None:
        self.never.append((file, code))
        self.stored.pop(file, None)

    def file_again(self, file: str, code: str, detail: str = "") -> None:
        self.again.append(file)


def event(id_: str, rank: Rank = Rank.FIRST, severity: str = "major", body: str = "{}") -> Event:
    moment = Moment("boot-kit7", 900.0, 999_999_900.0, TimeQuality.UNSYNCED)
    return Event(id_, EventKind.ALARM, rank, severity, body, moment, 1)


@dataclass
class Hold:
    """Fulfils as much of `contract.fleet.KitHold` as a way by MQTT uses."""

    gateway: str
    way: KitWay
    told: KitAbout
    known: dict[str, Device] = field(default_factory=dict)
    positions: list[Position] = field(default_factory=list)
    linked: Sequence[LinkState] = ()
    stands: KitCondition | None = None
    signs: int = 0
    gone: tuple[str, str] | None = None

    def about(self, about: KitAbout) -> None:
        self.told = about

    def seen(self) -> None:
        self.signs += 1

    def devices(self, devices: Sequence[Device]) -> None:
        self.known = {device.id: device for device in devices}

    def device(self, device: Device) -> None:
        self.known[device.id] = device

    def device_gone(self, device: DeviceId) -> None:
        self.known.pop(device, None)

    def links(self, links: Sequence[LinkState], *, told: bool = True) -> None:
        self.linked = links

    def condition(self, condition: KitCondition) -> None:
        self.stands = condition

    def position(self, position: Position) -> None:
        self.positions.append(position)

    def down(self, code: str, detail: str = "") -> None:
        self.gone = (code, detail)


class Fleet:
    """Fulfils as much of `contract.fleet.Fleet`."""

    def __init__(self) -> None:
        self.holds: dict[str, Hold] = {}
        self.denied: dict[str, str] = {}
        self.changed: list[Callable[[], None]] = []
        self.rows: list[Any] = []

    @property
    def pairings(self) -> Fleet:
        return self

    def on_change(self, called: Callable[[], None]) -> Callable[[], None]:
        self.changed.append(called)
        return lambda: self.changed.remove(called)

    def kits(self) -> Sequence[Any]:
        return self.rows

    def kit_up(self, gateway: str, about: KitAbout, way: KitWay) -> Hold:
        if gateway in self.denied:
            raise Denied(f"{gateway}: {self.denied[gateway]}", code=self.denied[gateway])
        self.holds[gateway] = Hold(gateway, way, about)
        return self.holds[gateway]

    def here(self, gateway: str) -> bool:
        return gateway in self.holds and self.holds[gateway].gone is None


class Inbox:
    """In memory. Fulfils `contract.forward.Inbox`."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], Event] = {}
        self.times: dict[str, int] = {}
        self.refuses: dict[str, str] = {}
        self.failing: Exception | None = None
        self.files: dict[str, bytearray] = {}
        self.sizes: dict[str, int] = {}
        self.refuses_files: dict[str, str] = {}

    async def take(self, gateway: str, batch: Batch, way: str) -> Taken:
        if self.failing is not None:
            raise self.failing
        kept = []
        for one in batch.events:
            if one.id in self.refuses:
                continue
            self.times[one.id] = self.times.get(one.id, 0) + 1
            self.events.setdefault((gateway, one.id), one)
            kept.append(one.id)
        return Taken(tuple(kept), {i: c for i, c in self.refuses.items() if any(e.id == i for e in batch.events)})

    async def file_begin(self, gateway: str, file: ForwardFile) -> int:
        if self.failing is not None:
            raise self.failing
        if file.id in self.refuses_files:
            raise GatewayError("not this one", code=self.refuses_files[file.id])
        self.sizes[file.id] = file.size
        return len(self.files.setdefault(file.id, bytearray()))

    async def file_append(self, gateway: str, file: str, offset: int, data: bytes) -> int:
        if self.failing is not None:
            raise self.failing
        have = self.files[file]
        if offset == len(have):
            have += data
        return len(have)


@dataclass
class Stage:
    """What a test has to do with: a broker, a center's session and its fakes."""

    broker: TestBroker
    fleet: Fleet
    inbox: Inbox
    center: CenterSession
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def kit(
        self,
        facts: Facts,
        side: Side | None = None,
        *,
        center: str = "center1",
        window: int = 64,
        telemetry_s: float = 1.0,
    ) -> KitSession:
        sides = {center: side if side is not None else Side()}
        made = KitSetting(setting(self.broker.address(facts.gateway)), telemetry_s, window, 1024)
        session = KitSession(facts, sides, made)
        self.run(session.run())
        return session

    def run(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def end(self, task: asyncio.Task[None]) -> None:
        self.tasks.remove(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def a_center(broker: TestBroker, fleet: Fleet, inbox: Inbox, name: str = "center1") -> CenterSession:
    return a_center_at(broker.address(name), fleet, inbox, name)


def a_center_at(
    address: Address, fleet: Fleet, inbox: Inbox, name: str = "center1", *, others: Sequence[Address] = ()
) -> CenterSession:
    """`others`: nodes of the same cluster."""
    birth = Birth(True, 1, 0, "", "Center", host="center-host")
    made = CenterSetting(setting(address, *others), telemetry_s=1.0)
    return CenterSession(name, lambda: birth, fleet, inbox, made)  # type: ignore[arg-type]


@asynccontextmanager
async def stage(*kits: str) -> AsyncIterator[Stage]:
    """A running broker and center; everything has ended after it, and no task failed by a mistake."""
    before = asyncio.all_tasks()
    async with TestBroker().running("center1", *kits) as broker:
        fleet, inbox = Fleet(), Inbox()
        made = Stage(broker, fleet, inbox, a_center(broker, fleet, inbox))
        made.run(made.center.run())
        await until(lambda: made.center.connection is not None and made.center._born, "the center is there")
        try:
            yield made
        finally:
            for task in reversed(made.tasks):
                task.cancel()
            ended = await asyncio.gather(*made.tasks, return_exceptions=True)
    mistakes = [one for one in ended if isinstance(one, Exception) and not isinstance(one, asyncio.CancelledError)]
    assert not mistakes, mistakes
    for _ in range(200):
        left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
        if not left:
            break
        await asyncio.sleep(0.01)
    assert not left, left
