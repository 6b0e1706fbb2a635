"""Orders of centers as a kit takes them from a broker: sealed by whoever gives them, for this start of it, and in time.

A broker may keep what it has seen and hand it out again: an order names the kit's instance, which is another one after
each start, and how long it lay somewhere is told by the clocks of both.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from adapters.mqtt.connection import Connection
from adapters.mqtt.facts import KitFacts
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Order
from adapters.mqtt.protocol.topics import Kind, Topic
from adapters.mqtt.protocol.transit import Transit
from adapters.mqtt.seals import SealOf, closed
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, RemoteProtocolError
from gateway.base.tasks import Nest
from gateway.model.command import CommandResult, Outcome

log = logging.getLogger(__name__)

MOST = 64
"""Under way at a time."""


@dataclass(slots=True)
class OrderFigures:
    orders: int = 0
    stale: int = 0


class KitOrders:
    def __init__(
        self,
        facts: KitFacts,
        instance: str,
        clock: Clock,
        seals: SealOf,
        connection: Callable[[], Connection | None],
    ) -> None:
        self._facts = facts
        self._instance = instance
        self._clock = clock
        self._seals = seals
        self._connection = connection
        self._transit = Transit()
        self._nest = Nest(f"orders of {facts.gateway}", MOST)
        self.figures = OrderFigures()

    async def close(self) -> None:
        await self._nest.close()

    def heard(self, topic: Topic, payload: bytes, sealed_by: str) -> None:
        """`sealed_by`: who sealed it, "": nobody. Raises RemoteProtocolError (`mqtt-forged`), Busy."""
        order = messages.read_order(payload)
        if order.center != sealed_by and (sealed_by or self._seals(order.center) is not None):
            raise RemoteProtocolError(f"an order of {order.center[:64]!r} without its seal", code="mqtt-forged")
        if order.action != topic.name:
            raise RemoteProtocolError(f"an order {order.action!r} as {topic.name!r}")
        now = self._clock.monotonic()
        left = order.left_s - self._transit.waited_s(f"{order.center} {order.run}", order.mono, now)
        self._nest.start(self._obey(order, left), f"order {order.id[:64]}")

    async def _obey(self, order: Order, left_s: float) -> None:
        self.figures.orders += 1
        if order.instance != self._instance:
            self.figures.stale += 1
            result = CommandResult(order.id, Outcome.REFUSED, "order-stale", "it is for an earlier start of this kit")
        elif left_s > 0:
            result = await self._facts.order(order, left_s)
        else:
            detail = f"it was {-left_s:.1f} s too late when it came"
            result = CommandResult(order.id, Outcome.REFUSED, "expired", detail)
        connection = self._connection()
        if connection is None:
            return  # an order whose result matters waits in the outbox too
        topic = Topic(self._facts.gateway, Kind.ANSWER, order.id)
        try:
            answer = closed(self._seals(order.center), str(topic), messages.answer_bytes(result))
            await connection.publish(str(topic), answer)
        except GatewayError as exc:
            log.info("%s: the answer to %s is not sent: %s", self._facts.gateway, order.id, exc)
