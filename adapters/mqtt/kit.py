"""The kit's side of a broker: tells that it is there and what it has, sends what waits, carries out orders.

```
connected ─► listen (own state, orders, acknowledgements, centers) ─► birth ─► devices (`kit_devices.py`) ─► live:
               telemetry · changes · events of the outbox · files · orders ─► lost: the next broker
```

It knows nothing of the daemon: `KitFacts` tells it what there is and carries out orders, an `OutboxSide` a center
holds what waits.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from adapters.mqtt.address import Broker
from adapters.mqtt.client import First
from adapters.mqtt.connection import Connection
from adapters.mqtt.facts import Change, Gone, KitFacts, Missed
from adapters.mqtt.kit_devices import KitDevices
from adapters.mqtt.kit_doubts import Doubts
from adapters.mqtt.kit_files import FileSender
from adapters.mqtt.kit_leftovers import Leftovers
from adapters.mqtt.kit_orders import KitOrders
from adapters.mqtt.kit_sender import Sender
from adapters.mqtt.manner import Setting
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Birth, Telemetry
from adapters.mqtt.protocol.rotation import PACE
from adapters.mqtt.protocol.topics import Kind, Topic, filters_of_kit, parse
from adapters.mqtt.seals import SealOf, no_seal, opened
from adapters.mqtt.session import Session, Standing
from gateway.base.clock import Clock
from gateway.base.errors import Busy, GatewayError, PeerError, RemoteProtocolError
from gateway.base.throttle import Throttle
from gateway.contract.forward import OutboxSide
from gateway.model.device import Device
from gateway.model.position import Position

log = logging.getLogger(__name__)

AGAIN_S, LATER_AGAIN_S = (20.0, 60.0), (300.0, 600.0)
"""When a birth is said again to a cluster, after it was said and ever after."""
BIRTH = ""
"""Its name among what is doubted: no device's."""
LATE_S = 300.0
"""A will of an earlier life of ours comes no later."""
BACKLOG = 64
"""Packets that wait for the link: positions of now are not added to them."""


@dataclass(frozen=True, slots=True)
class KitSetting:
    """`piece` is the size of files' pieces, `window` how many events may be under way to a center."""

    session: Setting
    telemetry_s: float = 10.0
    window: int = 64
    piece: int = 16_384


@dataclass(slots=True)
class Figures:
    connections: int = 0
    events_sent: int = 0
    events_acknowledged: int = 0
    events_refused: int = 0
    twins: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(slots=True)
class Far:
    """A center, as this session knows it."""

    side: OutboxSide
    sender: Sender
    files: FileSender
    birth: Birth | None = field(default=None)


class KitSession:
    """`sides`: center's gateway id → what waits for it; the id "" stands for whichever center answers. `scopes`: what
    each may see, all where it is not in there."""

    def __init__(
        self,
        facts: KitFacts,
        sides: Mapping[str, OutboxSide],
        setting: KitSetting,
        clock: Clock | None = None,
        seals: SealOf = no_seal,
        scopes: Mapping[str, str] | None = None,
        told: Callable[[Standing], None] = lambda _standing: None,
    ) -> None:
        self._facts = facts
        self._setting = setting
        self._clock = clock or Clock()
        self._seals = seals
        self.instance = secrets.token_hex(8)
        self._number = 0
        self._seq = 0
        self._born = False
        self._born_at = 0.0
        self._before: set[str] = set()
        self._twin: PeerError | None = None
        self._rebirth = asyncio.Event()
        self._chance = random.Random()
        self._cluster = cluster = setting.session.cluster
        self._doubts = Doubts(cluster=cluster)
        self._devices = KitDevices(
            facts,
            self._clock,
            lambda name: self._leftovers.put(name),
            lambda: self._session.crowd,
            cluster=cluster,
            doubts=self._doubts,
        )
        self._leftovers = Leftovers(facts.gateway, self._devices.known, cluster=cluster)
        self._connection: Connection | None = None
        self.orders = KitOrders(facts, self.instance, self._clock, seals, lambda: self._connection)
        self._throttle = Throttle(log, clock=self._clock)
        self.figures = Figures()
        self.centers: dict[str, Birth] = {}
        self.far = {
            center: Far(
                side,
                Sender(facts.gateway, center, side, setting.window, self._clock, self.figures, seals, scope),
                FileSender(facts.gateway, center, side, setting.piece, self._clock, seals, scope),
            )
            for center, side in sides.items()
            for scope in [(scopes or {}).get(center, "")]
        }
        for far in self.far.values():
            far.sender.on_more = far.files.wake
        self._session = Session(
            setting.session,
            facts.gateway,
            self._clock,
            will=self._will,
            on_message=self._heard,
            live=self._live,
            first=self._first,
            told=told,
        )

    @property
    def standing(self) -> Standing:
        return self._session.standing

    @property
    def broker(self) -> str:
        """The one that holds us; "" while none does."""
        return self.standing.broker if not self.standing.code else ""

    async def run(self) -> None:
        """Until it is cancelled; then the broker hears that we go."""
        try:
            await self._session.run()
        finally:
            await self.orders.close()

    # — one connection —

    def _will(self) -> tuple[str, bytes]:
        self._number += 1
        return str(self._topic(Kind.STATE)), messages.birth_bytes(self._birth(online=False))

    def _birth(self, *, online: bool, code: str = "") -> Birth:
        told = self._facts.birth()
        return replace(
            told,
            online=online,
            session=self._number,
            instance=self.instance,
            period_s=self._setting.telemetry_s,
            at=self._clock.wall(),
            code=code,
            devices=len(self._facts.devices()) if online else -1,
        )

    def _first(self, broker: Broker) -> First:
        """Listened for before anything is said: whoever else speaks in our name is heard. At most once: what matters of
        it is said again, and NATS keeps three copies of a queue for each subscription with QoS 1."""
        self._twin = None
        filters = [*filters_of_kit(self._facts.gateway), *self._leftovers.filters(broker)]
        birth = str(self._topic(Kind.STATE)), messages.birth_bytes(self._birth(online=True))
        return First(filters, [birth], aloud=self._cluster)

    async def _live(self, connection: Connection) -> None:
        self._connection, back = connection, not self._leftovers.filters(connection.broker)
        self.figures.connections += 1
        try:
            async with self._facts.changes() as changes, asyncio.TaskGroup() as tasks:
                if self._twin is not None:
                    raise self._twin
                began = self._clock.monotonic()
                await connection.begin()
                self._doubts.took([BIRTH], self._clock.monotonic() - began)
                if not self._born:
                    self._born, self._born_at = True, self._clock.monotonic()
                await self._devices.came(connection, back=back)
                for work in (
                    self._telemetry(connection, back=back),
                    self._devices.later(connection),
                    self._follow(connection, changes),
                    self._said_again(connection),
                    self._doubts.run(partial(self._say_doubted, connection)),
                    self._leftovers.run(connection),
                ):
                    tasks.create_task(work)
                for far in self.far.values():
                    tasks.create_task(far.sender.run(connection))
                    tasks.create_task(far.files.run(connection, far.sender.calm))
                await connection.lost()
        except asyncio.CancelledError:
            await self._farewell(connection)
            raise
        finally:
            self.figures.bytes_in += connection.bytes_in
            self.figures.bytes_out += connection.bytes_out
            self._connection = None
            for far in self.far.values():
                far.sender.reset()

    async def _farewell(self, connection: Connection) -> None:
        """We stop in order: nobody need wait for a will."""
        state = str(self._topic(Kind.STATE))
        try:
            async with asyncio.timeout(self._setting.session.times.answer_s):
                death = messages.birth_bytes(self._birth(online=False, code="kit-stopped"))
                await connection.publish(state, death, retain=True)
        except (GatewayError, TimeoutError) as exc:
            log.info("%s could not say goodbye: %s", self._facts.gateway, exc)

    async def _telemetry(self, connection: Connection, *, back: bool) -> None:
        topic = str(self._topic(Kind.TELEMETRY))
        if back:
            # The birth is sign enough, and many come back with us: figures may wait until the most are there.
            many_s = 2 * self._session.crowd / PACE
            await asyncio.sleep(self._chance.uniform(0.0, min(self._setting.telemetry_s, many_s)))
        while True:
            await connection.publish(topic, messages.telemetry_bytes(self._told()), qos=0)
            await asyncio.sleep(self._setting.telemetry_s)

    def _told(self) -> Telemetry:
        self._seq += 1
        birth, moment = self._facts.birth(), self._facts.moment()
        standings = [far.side.standing() for far in self.far.values()]
        return Telemetry(
            boot=birth.boot,
            session=self._number,
            instance=self.instance,
            seq=self._seq,
            boot_id=moment.boot_id,
            mono=moment.mono,
            wall=moment.wall,
            quality=moment.quality,
            waiting=max((one.rows for one in standings), default=0),
            dropped=max((one.dropped for one in standings), default=0),
            full=any(one.full for one in standings),
            devices=len(self._devices.tally),
            tally=self._devices.tally.sum,
            figures=dict(self._facts.figures()),
            links=tuple(self._facts.links()),
            condition=self._facts.condition(),
        )

    async def _follow(self, connection: Connection, changes: AsyncIterator[Change]) -> None:
        async for change in changes:
            match change:
                case Device():
                    await self._devices.changed(connection, change)
                case Gone():
                    await self._devices.gone(connection, change.device)
                case Position():
                    # Worth nothing later: those that are kept wait in the outbox.
                    if connection.backlog < BACKLOG:
                        topic = self._topic(Kind.POSITION)
                        await connection.publish(str(topic), messages.position_bytes(change), qos=0)
                case Missed():
                    await self._devices.say_all(connection)

    async def _said_again(self, connection: Connection) -> None:
        """A late will of an earlier connection took the place of our birth: it is put right. To a cluster it is said
        again now and then: NATS acknowledges what it is to retain also where it could not store it."""
        again = AGAIN_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(*again) if self._cluster else None):
                    await self._rebirth.wait()
            again = LATER_AGAIN_S
            self._rebirth.clear()
            await self._say_birth(connection)

    async def _say_doubted(self, connection: Connection, names: frozenset[str]) -> None:
        if BIRTH in names:
            await self._say_birth(connection)
        await self._devices.again(connection, names - {BIRTH})

    async def _say_birth(self, connection: Connection) -> None:
        birth, began = messages.birth_bytes(self._birth(online=True)), self._clock.monotonic()
        await connection.publish(str(self._topic(Kind.STATE)), birth, retain=True)
        self._doubts.took([BIRTH], self._clock.monotonic() - began)

    # — what comes —

    def _heard(self, text: str, payload: bytes, retained: bool) -> None:
        """On the loop; never raises."""
        try:
            topic = parse(text)
            match topic.kind:
                case Kind.STATE if topic.gateway == self._facts.gateway:
                    self._heard_state(messages.read_birth(payload), retained)
                case Kind.DEVICE if topic.gateway == self._facts.gateway and payload:
                    self._leftovers.put(topic.name)
                case Kind.ACK if topic.gateway == self._facts.gateway:
                    self._heard_ack(topic.name, opened(self._seals, text, payload, topic.name)[0])
                case Kind.ORDER if topic.gateway == self._facts.gateway and not retained:
                    self.orders.heard(topic, *opened(self._seals, text, payload))
                case Kind.CENTER:
                    self._heard_center(topic.gateway, messages.read_birth(payload))
        except RemoteProtocolError as exc:
            self._throttle("garbage", f"{self._facts.gateway}: {text[:80]}: {exc}")
        except Busy as exc:
            self._throttle("busy", str(exc))

    def _heard_state(self, birth: Birth, retained: bool) -> None:
        """What was `retained` was there before the birth that we say now: no reason to say it again."""
        if birth.instance == self.instance:
            if not retained and (birth.session < self._number or not birth.online):
                self._rebirth.set()
            return
        if not self._born:
            # Who we were before we were started anew.
            self._before.add(birth.instance)
            return
        if not birth.online and not retained:
            self._rebirth.set()
        if self._twin is None and self._another(birth):
            self.figures.twins += 1
            where = ", ".join(birth.addresses) or "an unknown address"
            text = f"{birth.host or 'another machine'} at {where} uses our id {self._facts.gateway} as well"
            self._twin = PeerError(text, code="duplicate-gateway")
            if self._connection is not None:
                self._connection.fail(self._twin)

    def _another(self, birth: Birth) -> bool:
        """Whether a state that is not ours, heard after our first birth, is of another machine: one that says that it
        lives; or a will that is no late one of an earlier life of ours."""
        if birth.online:
            return True
        late = self._clock.monotonic() - self._born_at > LATE_S
        return birth.instance not in self._before and (late or birth.boot >= self._facts.birth().boot)

    def _heard_ack(self, center: str, payload: bytes) -> None:
        ack = messages.read_ack(payload)
        for far in self._of(center):
            far.sender.acknowledged(ack)
            far.files.acknowledged(ack)

    def _heard_center(self, center: str, birth: Birth) -> None:
        if center not in self.centers and len(self.centers) >= 64:
            return
        before, self.centers[center] = self.centers.get(center), birth
        self._session.crowd = max(one.kits for one in self.centers.values())
        anew = before is None or before.instance != birth.instance
        came = birth.online and (anew or (before is not None and not before.online))
        if birth.online and anew:
            self._devices.center_anew()
        for far in self._of(center):
            far.birth = birth
            far.sender.center(birth.online, came=came)

    def _of(self, center: str) -> list[Far]:
        return [self.far[id_] for id_ in (center, "") if id_ in self.far]

    def _topic(self, kind: Kind, name: str = "") -> Topic:
        return Topic(self._facts.gateway, kind, name)
