"""What the daemon tells a kit's session of itself, and how orders of centers become orders here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

from adapters.mqtt.facts import Change, Gone, Missed
from adapters.mqtt.kit_figures import Figures
from adapters.mqtt.protocol.messages import Birth, Order
from gateway.base.clock import Clock
from gateway.base.moment import Moment, Moments
from gateway.contract.adapter import Context
from gateway.contract.home import Told
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.device import Device
from gateway.model.kit import LinkState
from gateway.model.kit_state import KitCondition
from gateway.model.pairing import PairedCenter
from gateway.model.position import Position
from gateway.model.principal import SYSTEM, Role
from gateway.wire.sharing import within

_EVENTS = ("device", "position")

# Worth nothing when the answer is late: these are answered, and do not wait in the outbox.
_PASSING = frozenset(
    {
        Action.PTZ_MOVE,
        Action.PTZ_STOP,
        Action.PTZ_LENS,
        Action.KEY_FRAME,
        Action.STREAM_OPEN,
        Action.STREAM_CLOSE,
        Action.TALK_REQUEST,
        Action.TALK_RELEASE,
    }
)


class DaemonFacts:
    """Fulfils `facts.KitFacts`. `trusted`: centers of the configuration, with the most that they may do. `uplinks`:
    center → the name under which results wait for it. `scope`: what of the kit is told to all who listen."""

    def __init__(
        self,
        context: Context,
        clock: Clock,
        trusted: Mapping[str, Role],
        uplinks: Mapping[str, str],
        birth: Callable[[], Birth],
        scope: str = "",
    ) -> None:
        self._context = context
        self._birth = birth
        self._clock = clock
        self._moments = Moments(clock, quality=lambda: context.kit.quality())
        self._trusted = trusted
        self._uplinks = uplinks
        self._scope = scope
        self._told = replace(SYSTEM, scope=scope)
        self._figures = Figures()

    @property
    def gateway(self) -> str:
        return self._context.gateway

    def birth(self) -> Birth:
        return self._birth()

    def devices(self) -> Sequence[Device]:
        return self._context.home.devices(self._told)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Change]]:
        async with self._context.home.events(SYSTEM, _EVENTS) as told:
            yield self._changes(told)

    def moment(self) -> Moment:
        return self._moments.now()

    def figures(self) -> Mapping[str, float]:
        home = self._context.home
        return self._figures.told(home.devices(self._told), home.streams(self._told))

    def links(self) -> Sequence[LinkState]:
        """Those of the link bundle with the first center that it holds."""
        return next((center.links for center in self._context.fleet.centers() if center.links), ())

    def condition(self) -> KitCondition | None:
        """Not where the narrowest of those who listen sees a part of the kit only."""
        return None if self._scope else self._context.kit.condition

    async def order(self, order: Order, left_s: float) -> CommandResult:
        center = self._center(order.center)
        if center is None:
            return CommandResult(order.id, Outcome.REFUSED, "denied", f"{order.center[:64]} holds no rights here")
        try:
            action = Action(order.action)
        except ValueError:
            return CommandResult(order.id, Outcome.REFUSED, "unsupported", f"no order {order.action[:64]!r} here")
        who = self._context.fleet.may(center, order.name, order.role, order.session, order.address)
        deadline = self._clock.wall() + left_s
        command = Command(order.id, who, action, order.target, deadline, dict(order.args))
        result = await self._context.home.execute(command)
        uplink = self._uplinks.get(order.center, self._uplinks.get(""))
        if uplink is not None and action not in _PASSING:
            await self._context.outbox.result(uplink, order.id, asdict(result))
        return result

    async def _changes(self, told: AsyncIterator[Told]) -> AsyncIterator[Change]:
        async for one in told:
            if one.type == "missed":
                yield Missed()
            elif one.type == "device" and isinstance(one.data, Device):
                if one.gone:
                    yield Gone(one.data.id)
                elif (shown := self._shown(one.data)) is not None:
                    yield shown
            elif isinstance(one.data, Position) and within(self._scope, one.data.device, one.data.channel):
                yield one.data

    def _shown(self, device: Device) -> Device | None:
        """As far as the scope goes."""
        if not self._scope:
            return device
        return next((one for one in self.devices() if one.id == device.id), None)

    def _center(self, name: str) -> PairedCenter | None:
        """Its rights here; None: it has none."""
        for center in self._context.fleet.pairings.centers():
            if center.gateway == name:
                return center if center.revoked_at is None else None
        role = self._trusted.get(name)
        return PairedCenter(name, b"", role=role) if role is not None else None
