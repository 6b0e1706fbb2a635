"""One kit as its center hears it by a broker: presence, devices, and the hold that the fleet gave for it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from adapters.mqtt.protocol.messages import Birth, Telemetry
from adapters.mqtt.protocol.presence import Came, Outcome, Presence, There, Twice, Went
from adapters.mqtt.protocol.tally import Tally
from gateway.base.errors import Denied, GatewayError
from gateway.contract.fleet import Fleet, KitAbout, KitHold, KitWay
from gateway.model.device import Device
from gateway.model.ids import DeviceId
from gateway.model.position import Position

log = logging.getLogger(__name__)

CLOCK_TOLD_S = 1.0
"""How far off a kit's clock is, is told again when it changed by more."""
MOST_DEVICES = 10_000
ASK_S, ASK_MOST_S = 3.0, 300.0
"""So long a kit's devices may be on their way; then they are asked for again, less and less often."""


class HeardKit:
    """On the loop; its methods return at once. `refused` is why the fleet does not take it, "" while it does."""

    def __init__(self, gateway: str, fleet: Fleet, way: KitWay, wall: Callable[[], float]) -> None:
        self.gateway = gateway
        self._fleet = fleet
        self._way = way
        self._wall = wall
        self.presence = Presence()
        self.hold: KitHold | None = None
        self.refused = ""
        self.twins: tuple[Birth, Birth] | None = None
        self.twins_at = 0.0
        self.forged_at = -1e9
        self._devices: dict[DeviceId, Device] = {}
        self._clock_off_s: float | None = None
        self.last: Telemetry | None = None
        self._tally = Tally()
        self._told = (-1, -1)
        self._met = True
        self._ask_at = 0.0
        self._ask_after_s = ASK_S
        self._born: tuple[str, int] | None = None
        self._unheard: tuple[str, int] | None = None
        self._ask_state_at = 0.0
        self._ask_state_after_s = ASK_S

    @property
    def here(self) -> bool:
        return self.presence.there is There.PRESENT

    @property
    def instance(self) -> str:
        """The start of the kit that it is; "" before its birth was heard."""
        birth = self.presence.birth
        return birth.instance if birth is not None else ""

    def state(self, birth: Birth, now: float) -> None:
        if birth.online:
            self._counted(birth.devices, -1, now)
            self._born = (birth.instance, birth.session)
            if self._unheard is not None and birth.instance == self._unheard[0] and self._born >= self._unheard:
                self._unheard = None
        self._act(self.presence.receive_state(birth, now), now)

    def sign(self, now: float, instance: str = "", session: int = 0) -> None:
        self._act(self.presence.receive_sign(now, instance, session), now)
        if self.hold is not None:
            self.hold.seen()

    def tick(self, now: float) -> None:
        self._act(self.presence.handle_timer(now), now)

    def has(self, device: DeviceId, message: bytes) -> bool:
        """It was told in these words last."""
        return self._tally.has(device, message)

    def device(self, device: Device, message: bytes = b"") -> None:
        """`message`: as it came."""
        if not device.id.startswith(f"{self.gateway}/") or (
            device.id not in self._devices and len(self._devices) >= MOST_DEVICES
        ):
            return
        self._met = self._met or self._tallies()
        self._devices[device.id] = device
        self._tally.put(device.id, message)
        if self.hold is not None:
            self.hold.device(device)

    def device_gone(self, device: DeviceId) -> None:
        self._met = self._met or self._tallies()
        self._devices.pop(device, None)
        self._tally.drop(device)
        if self.hold is not None:
            self.hold.device_gone(device)

    def telemetry(self, told: Telemetry, now: float) -> None:
        life = (told.instance, told.session)
        if life == self._born:
            self._unheard = None
        elif life != self._unheard:
            self._unheard, self._ask_state_at, self._ask_state_after_s = life, now + ASK_S, ASK_S
        self.sign(now, told.instance, told.session)
        birth = self.presence.birth
        if birth is not None and told.instance == birth.instance:
            self._counted(told.devices, told.tally, now)
            self.last = told
        if self.hold is None or birth is None or told.instance != birth.instance:
            return
        if told.links:
            self.hold.links(told.links)
        if told.condition is not None:
            self.hold.condition(told.condition)
        off = told.wall - self._wall()
        if self._clock_off_s is None or abs(off - self._clock_off_s) > CLOCK_TOLD_S:
            self._clock_off_s = off
            self.hold.about(self._about(birth))

    def lacks(self, now: float) -> bool:
        """What came of its devices is not what it says that it told, and it is time to ask the broker for them again:
        it may have dropped some while we read slowly, or not have found them in time."""
        whole = self._met or self._tallies()
        if whole or not self.here or self._told[0] > MOST_DEVICES or now < self._ask_at:
            return False
        self._ask_at = now + self._ask_after_s
        self._ask_after_s = min(2 * self._ask_after_s, ASK_MOST_S)
        return True

    def unborn(self, now: float) -> bool:
        """It speaks of a life of which no birth was heard, and it is time to ask the broker for what it retains of it:
        it was told while we were away, or while the broker looked for those of before."""
        if self._unheard is None or now < self._ask_state_at:
            return False
        self._ask_state_at = now + self._ask_state_after_s
        self._ask_state_after_s = min(2 * self._ask_state_after_s, ASK_MOST_S)
        return True

    def position(self, position: Position) -> None:
        if self.hold is not None and position.device.startswith(f"{self.gateway}/"):
            self.hold.position(position)

    def try_again(self) -> None:
        """Pairings changed: perhaps it is admitted now, or no longer."""
        birth = self.presence.birth
        if self.here and birth is not None:
            self._up(birth)

    def down(self, code: str, detail: str = "") -> None:
        hold, self.hold = self.hold, None
        if hold is not None:
            hold.down(code, detail)

    # — within —

    def _counted(self, devices: int, tally: int, now: float) -> None:
        if (devices, tally) != self._told:
            self._told, self._ask_at, self._ask_after_s = (devices, tally), now + ASK_S, ASK_S
        self._met = self._tallies()

    def _tallies(self) -> bool:
        """Whether what came is what it said that it told. Once met, what changes afterwards is no gap: the kit counts
        it in what it tells next."""
        count, tally = self._told
        return count < 0 or (count == len(self._tally) and tally in (-1, self._tally.sum))

    def _act(self, outcomes: list[Outcome], now: float) -> None:
        for outcome in outcomes:
            match outcome:
                case Came(birth):
                    self._up(birth)
                case Went(code, detail):
                    self.down(code, detail)
                case Twice(one, other):
                    self.twins, self.twins_at = (one, other), now
                    log.warning("two machines use the id %s: %s and %s", self.gateway, _where(one), _where(other))

    def _up(self, birth: Birth) -> None:
        try:
            # The same way again takes the place of the one before: the fleet looks at the pairing anew.
            self.hold = self._fleet.kit_up(self.gateway, self._about(birth), self._way)
            self.hold.devices(list(self._devices.values()))
        except Denied as exc:
            if self.refused != exc.code:
                log.info("%s is here by MQTT and not taken: %s", self.gateway, exc)
            self.refused = exc.code
            self.down(exc.code)
        except GatewayError as exc:
            log.warning("%s tells what can not be: %s", self.gateway, exc)
        else:
            self.refused = ""

    def _about(self, birth: Birth) -> KitAbout:
        return KitAbout(
            name=birth.name,
            boot=birth.boot,
            version=birth.version,
            adcode=birth.adcode,
            address=birth.addresses[0] if birth.addresses else "",
            clock_off_s=self._clock_off_s,
        )


def _where(birth: Birth) -> str:
    return f"{birth.host or 'unnamed'} ({', '.join(birth.addresses[:3]) or 'no address'}, start {birth.boot})"


def twins_text(one: Birth, other: Birth) -> str:
    return f"{_where(one)} and {_where(other)}"
