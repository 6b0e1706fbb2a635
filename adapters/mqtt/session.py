"""A session that goes on for ever: from broker to broker, with what each end of a connection was for.

Used by a kit and by a center alike; the loop is ours, the library never connects again by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from adapters.mqtt.address import Broker
from adapters.mqtt.client import First, OnMessage
from adapters.mqtt.connection import Connection, Who, connected
from adapters.mqtt.manner import Setting
from adapters.mqtt.protocol.rotation import Rotation
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown

log = logging.getLogger(__name__)

TWIN_S = 30.0
"""Two machines with one id throw each other out: each comes back so much later, so that one of them can work."""

MOST_CROWD = 8000
"""Whoever says that more come at once is not believed: it would keep us away for long."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a session stands, for people. `code` "" while a broker holds us."""

    broker: str = ""
    code: str = "connecting"
    detail: str = ""
    since: float = 0.0
    connections: int = 0
    failures: int = 0


Live = Callable[[Connection], Awaitable[None]]
"""Runs while the connection stands; ends by LinkDown, or returns to leave it in peace."""


class Session:
    """`will`: (topic, payload) of the next connection. `first`, where `live` awaits `Connection.begin`: what is said
    first there; to a broker that took us before, or whose cluster did, with the CONNECT. Anything that `live` raises
    but GatewayError is a mistake of ours and goes up; it is cancelled, and leaves in peace, when the session is to
    end."""

    def __init__(
        self,
        setting: Setting,
        id_: str,
        clock: Clock,
        *,
        will: Callable[[], tuple[str, bytes]],
        on_message: OnMessage,
        live: Live,
        first: Callable[[Broker], First] | None = None,
        told: Callable[[Standing], None] = lambda _standing: None,
    ) -> None:
        self._setting = setting
        self._id = id_
        self._clock = clock
        self._will = will
        self._on_message = on_message
        self._live = live
        self._first = first
        self._told = told
        self._takes: set[Broker] = set()
        self.standing = Standing(since=clock.wall())
        self.crowd = 0
        """How many are let go with us when a broker dies, as far as somebody told."""

    async def run(self) -> None:
        setting = self._setting
        turn: Rotation[Broker] = Rotation(setting.brokers, self._id, spread=setting.spread)
        while True:
            await asyncio.sleep(turn.wait_s(self._clock.monotonic()))
            broker, held_s = turn.broker, 0.0
            who = self._who(broker)
            times = replace(setting.times, answer_s=setting.times.answer_s * turn.patience)
            try:
                async with connected(
                    broker, setting.dialler, who, times, setting.versions, self._on_message
                ) as connection:
                    began = self._clock.monotonic()
                    self._taken(broker)
                    self._stands(broker)
                    try:
                        await self._live(connection)
                    finally:
                        held_s = self._clock.monotonic() - began
                return
            except* GatewayError as group:
                failed = first(group)
            if not held_s:
                self._takes.discard(broker)
            twin = failed.code == "duplicate-gateway"
            turn.failed(
                self._clock.monotonic(),
                held_s=held_s,
                at_least_s=TWIN_S if twin else 0.0,
                crowd=min(self.crowd, MOST_CROWD),
            )
            self._failed(broker, failed)

    def _who(self, broker: Broker) -> Who:
        """A broker that does not take us may hang up before we have read why, where it has not read all that we sent:
        the next time nothing is sent with the CONNECT."""
        will, setting = self._will(), self._setting
        first = None if self._first is None else self._first(broker)
        return Who(self._id, will, setting.user, setting.password, first, broker in self._takes)

    def _taken(self, broker: Broker) -> None:
        nodes = self._setting.brokers if self._setting.cluster else (broker,)
        self._takes.update(nodes)
        self._setting.versions.alike(broker, nodes)

    def _stands(self, broker: Broker) -> None:
        log.info("%s: %s holds us", self._id, broker)
        before = self.standing
        self._tell(Standing(str(broker), "", "", self._clock.wall(), before.connections + 1, before.failures))

    def _failed(self, broker: Broker, failed: GatewayError) -> None:
        before = self.standing
        if before.code != failed.code:
            log.warning("%s: %s (%s)", self._id, failed, failed.code)
        self._tell(
            Standing(
                str(broker),
                failed.code,
                str(failed),
                before.since if before.code == failed.code else self._clock.wall(),
                before.connections,
                before.failures + 1,
            )
        )

    def _tell(self, standing: Standing) -> None:
        self.standing = standing
        self._told(standing)


def first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    """The one that says most: a refusal rather than the connection that ended with it."""
    flat = list(_leaves(group))
    return next((exc for exc in flat if not isinstance(exc, LinkDown)), flat[0])


def _leaves(group: BaseExceptionGroup[GatewayError]) -> Sequence[GatewayError]:
    found: list[GatewayError] = []
    for one in group.exceptions:
        found += _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found
