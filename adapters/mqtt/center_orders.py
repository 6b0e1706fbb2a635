"""Orders of a center to its kits by a broker, each with its answer or a reason why there is none."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from adapters.mqtt.connection import Connection
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Order
from adapters.mqtt.protocol.topics import Kind, Topic
from adapters.mqtt.seals import SealOf, closed
from gateway.base.clock import Clock
from gateway.base.errors import Busy, LinkDown
from gateway.model.command import Command, CommandResult

MOST = 1024
"""Without an answer yet."""


class Orders:
    def __init__(self, center: str, clock: Clock, connection: Callable[[], Connection | None], seals: SealOf) -> None:
        self._seals = seals
        self._center = center
        self._clock = clock
        self._connection = connection
        self._run = secrets.token_hex(8)
        self._waiting: dict[tuple[str, str], asyncio.Future[CommandResult]] = {}

    async def give(self, gateway: str, instance: str, command: Command, left_s: float) -> CommandResult:
        """`instance`: the start of the kit that it is for. Raises LinkDown (`kit-silent`, `mqtt-lost`), Busy."""
        connection = self._connection()
        if connection is None:
            raise LinkDown("no broker holds this center", code="mqtt-lost")
        if len(self._waiting) >= MOST:
            raise Busy(f"{MOST} orders have no answer yet")
        key = (gateway, command.id)
        known = self._waiting.get(key)
        answer = known if known is not None else asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        actor = command.actor
        order = Order(
            id=command.id,
            action=command.action.value,
            target=command.target,
            center=self._center,
            name=actor.name,
            role=actor.role.value,
            left_s=left_s,
            mono=self._clock.monotonic(),
            run=self._run,
            instance=instance,
            session=actor.session,
            address=actor.address,
            args=dict(command.args),
        )
        try:
            async with asyncio.timeout(left_s):
                topic = str(Topic(gateway, Kind.ORDER, order.action))
                told = closed(self._seals(gateway), topic, messages.order_bytes(order))
                # The kit's answer is what counts. The broker's would have to be waited for as well, and a node of NATS
                # that can not store the message for it in five seconds hangs up: on the center, with all its kits.
                await connection.publish(topic, told, qos=0, expires_s=left_s)
                return await asyncio.shield(answer)
        except TimeoutError:
            raise LinkDown(f"{gateway} did not answer within {left_s:.1f} s", code="kit-silent") from None
        finally:
            if known is None:
                self._waiting.pop(key, None)

    def answered(self, gateway: str, result: CommandResult) -> None:
        """One that nobody waits for any more is nothing here; where it matters it comes by the outbox too."""
        answer = self._waiting.get((gateway, result.id))
        if answer is not None and not answer.done():
            answer.set_result(result)


class MqttWay:
    """Fulfils `contract.fleet.KitWay` for one kit. `instance`: as its last birth has it."""

    def __init__(self, gateway: str, orders: Orders, instance: Callable[[], str]) -> None:
        self._gateway = gateway
        self._orders = orders
        self._instance = instance

    @property
    def name(self) -> str:
        return "mqtt"

    async def command(self, command: Command, left_s: float) -> CommandResult:
        return await self._orders.give(self._gateway, self._instance(), command, left_s)
