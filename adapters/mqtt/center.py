"""The center's side of a broker: hears who is there and what they have, keeps what they send, gives them orders.

```
connected ─► listen to what kits say ─► what is retained of their states ─► its own birth ─► their devices ─► live
every second: whoever was silent for three periods is away, whatever its will says
```

It knows nothing of the daemon but the contracts of the fleet and of the inbox.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from adapters.mqtt.center_holes import Holes
from adapters.mqtt.center_intake import Intake
from adapters.mqtt.center_kit import HeardKit
from adapters.mqtt.center_orders import MqttWay, Orders
from adapters.mqtt.connection import Connection
from adapters.mqtt.manner import Setting
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Birth
from adapters.mqtt.protocol.rotation import PACE
from adapters.mqtt.protocol.topics import DEVICES, STATES, Kind, Topic, filters_of_center, parse
from adapters.mqtt.seals import SealOf, no_seal, opened
from adapters.mqtt.session import Session, Standing
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, PeerError, RemoteProtocolError
from gateway.base.throttle import Throttle
from gateway.contract.fleet import Fleet
from gateway.contract.forward import Inbox
from gateway.model.ids import device_id

log = logging.getLogger(__name__)

TICK_S = 1.0
CALM_S, RUSH_MOST_S = 3.0, 60.0
"""Kits that come back are back when none came for so long; and after so long it is not waited for them any more."""
AGAIN_S = (2.0, 5.0)
"""After so long in a cluster that lost a node states are read once more: what was told while others were looked for."""


@dataclass(frozen=True, slots=True)
class CenterSetting:
    session: Setting
    telemetry_s: float = 10.0
    max_kits: int = 5000


class CenterSession:
    """`birth` tells who this center is; `session`, `instance` and `online` are filled in here."""

    def __init__(
        self,
        gateway: str,
        birth: Callable[[], Birth],
        fleet: Fleet,
        inbox: Inbox,
        setting: CenterSetting,
        clock: Clock | None = None,
        seals: SealOf = no_seal,
    ) -> None:
        self.gateway = gateway
        self._birth_of = birth
        self._fleet = fleet
        self._setting = setting
        self._clock = clock or Clock()
        self._seals = seals
        self.instance = secrets.token_hex(8)
        self._number = 0
        self._born = False
        self._came_at = -CALM_S
        self._rebirth = asyncio.Event()
        self._twin: asyncio.Future[None] | None = None
        self.connection: Connection | None = None
        self.kits: dict[str, HeardKit] = {}
        self.orders = Orders(gateway, self._clock, lambda: self.connection, seals)
        self.intake = Intake(gateway, inbox, self._clock, lambda: self.connection, seals)
        self._throttle = Throttle(log, clock=self._clock)
        self._session = Session(
            setting.session, gateway, self._clock, will=self._will, on_message=self._heard, live=self._live
        )

    @property
    def standing(self) -> Standing:
        return self._session.standing

    async def run(self) -> None:
        """Until it is cancelled."""
        unheard = self._fleet.pairings.on_change(self._pairings_changed)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.intake.run())
                tasks.create_task(self._tick())
                await self._session.run()
        finally:
            unheard()
            for kit in self.kits.values():
                kit.down("kit-offline", "this center no longer listens to a broker")

    # — one connection —

    def _will(self) -> tuple[str, bytes]:
        self._number += 1
        return str(self._topic()), messages.birth_bytes(self._birth(online=False))

    def _birth(self, *, online: bool, code: str = "") -> Birth:
        told = self._birth_of()
        return replace(
            told,
            online=online,
            session=self._number,
            instance=self.instance,
            period_s=self._setting.telemetry_s,
            at=self._clock.wall(),
            code=code,
            kits=self._crowd(),
        )

    def _crowd(self) -> int:
        return sum(row.revoked_at is None for row in self._fleet.pairings.kits())

    def _topic(self) -> Topic:
        return Topic(self.gateway, Kind.CENTER)

    async def _live(self, connection: Connection) -> None:
        self.connection, back = connection, self._born
        self._twin = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as tasks:
                # First what a broker need not look for: NATS reads all that it retains for a filter before it answers,
                # for five seconds where a node of it has died, and hands on nothing to us meanwhile.
                await connection.subscribe(filters_of_center(), qos=0)
                await connection.subscribe([str(self._topic()), STATES], qos=0)
                # Only now: kits send what waits for a center that can hear them.
                birth = messages.birth_bytes(self._birth(online=True))
                await connection.publish(str(self._topic()), birth, retain=True)
                self._born = True
                tasks.create_task(connection.lost())
                tasks.create_task(self._alone())
                tasks.create_task(self._said_again(connection))
                holes = Holes(self.kits, self._clock)
                tasks.create_task(holes.run(connection))
                tasks.create_task(self._devices(connection, holes, back=back))
                if back and len(self._setting.session.brokers) > 1:
                    tasks.create_task(self._states_again(connection))
        except asyncio.CancelledError:
            await self._farewell(connection)
            raise
        finally:
            self.connection = None

    async def _alone(self) -> None:
        if self._twin is not None:
            await self._twin

    async def _devices(self, connection: Connection, holes: Holes, *, back: bool) -> None:
        """Eight or more for each kit are retained. Who comes back has them already, and whoever else was let go comes
        now: what changed may be heard a little later, kits must not wait at the broker behind what we know."""
        if back:
            clock = self._clock.monotonic
            soon, latest = clock() + 2 * self._crowd() / PACE, clock() + RUSH_MOST_S
            while True:
                wait_s = min(max(soon, self._came_at + CALM_S), latest) - clock()
                if wait_s <= 0:
                    break
                await asyncio.sleep(wait_s)
        await connection.subscribe([DEVICES], qos=0)
        holes.devices = True

    async def _states_again(self, connection: Connection) -> None:
        """A kit's figures would say too that its birth was not heard, but for thousands they come ten seconds later."""
        for wait_s in AGAIN_S:
            await asyncio.sleep(wait_s)
            await connection.subscribe([STATES], qos=0)

    async def _said_again(self, connection: Connection) -> None:
        while True:
            await self._rebirth.wait()
            self._rebirth.clear()
            birth = messages.birth_bytes(self._birth(online=True))
            await connection.publish(str(self._topic()), birth, retain=True)

    async def _farewell(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self._setting.session.times.answer_s):
                death = messages.birth_bytes(self._birth(online=False, code="kit-stopped"))
                await connection.publish(str(self._topic()), death, retain=True)
        except (GatewayError, TimeoutError) as exc:
            log.info("no goodbye to the kits: %s", exc)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = self._clock.monotonic()
            for kit in self.kits.values():
                kit.tick(now)

    def _pairings_changed(self) -> None:
        for kit in self.kits.values():
            kit.try_again()

    # — what comes —

    def _heard(self, text: str, payload: bytes, retained: bool) -> None:
        """On the loop; never raises."""
        try:
            topic = parse(text)
            if topic.kind is Kind.CENTER:
                if topic.gateway == self.gateway:
                    self._heard_own(messages.read_birth(payload))
            elif (kit := self._kit(topic.gateway)) is not None:
                self._heard_kit(kit, topic, payload, retained)
        except RemoteProtocolError as exc:
            if exc.code == "mqtt-forged" and (known := self.kits.get(topic.gateway)) is not None:
                known.forged_at = self._clock.monotonic()
            self._throttle("garbage", f"{text[:80]}: {exc}")
        except Exception:
            log.exception("a message to %s was not taken, by a mistake of ours", text[:80])

    def _kit(self, gateway: str) -> HeardKit | None:
        kit = self.kits.get(gateway)
        if kit is None:
            if len(self.kits) >= self._setting.max_kits or gateway == self.gateway:
                self._throttle("too many", f"{gateway} is one kit more than max_kits, or has this center's id")
                return None
            way = MqttWay(gateway, self.orders, lambda: self.kits[gateway].instance)
            kit = self.kits[gateway] = HeardKit(gateway, self._fleet, way, self._clock.wall)
        return kit

    def _heard_kit(self, kit: HeardKit, topic: Topic, payload: bytes, retained: bool) -> None:
        now = self._clock.monotonic()
        match topic.kind:
            case Kind.STATE:
                kit.state(messages.read_birth(payload), now)
                if not retained:
                    self._came_at = now
            case Kind.DEVICE:
                self._heard_device(kit, topic, payload)
            case _ if retained:
                # Nobody of ours retains these: what lies there is of another program, or of another day.
                return
            case Kind.TELEMETRY:
                kit.telemetry(messages.read_telemetry(payload), now)
            case Kind.POSITION:
                kit.sign(now)
                kit.position(messages.read_position(payload))
            case Kind.ANSWER:
                kit.sign(now)
                answer, _ = opened(self._seals, str(topic), payload, topic.gateway)
                self.orders.answered(topic.gateway, messages.read_answer(answer))
            case Kind.EVENT | Kind.FILE:
                kit.sign(now)
                if kit.hold is not None:
                    self.intake.put(topic, opened(self._seals, str(topic), payload, topic.gateway)[0])

    def _heard_device(self, kit: HeardKit, topic: Topic, payload: bytes) -> None:
        id_ = device_id(topic.gateway, topic.name)
        if not payload:
            kit.device_gone(id_)
            return
        if kit.has(id_, payload):
            return  # told anew after an outage, and nothing of it changed
        device = messages.read_device(payload)
        if device.id != id_:
            raise RemoteProtocolError(f"it speaks of {device.id[:80]!r}", code="kit-foreign-id")
        kit.device(device, payload)

    def _heard_own(self, birth: Birth) -> None:
        if birth.instance == self.instance:
            if birth.session < self._number or not birth.online:
                self._rebirth.set()
        elif not birth.online:
            if self._born:
                self._rebirth.set()
        elif self._born and self._twin is not None and not self._twin.done():
            where = ", ".join(birth.addresses) or "an unknown address"
            text = f"{birth.host or 'another machine'} at {where} uses our id {self.gateway} as well"
            self._twin.set_exception(PeerError(text, code="duplicate-gateway"))
