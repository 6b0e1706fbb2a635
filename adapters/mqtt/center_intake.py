"""What kits send for good, at their center: events and pieces of files, kept first and acknowledged then.

Each kit has a small queue, and they are served in turn. What finds no room is not acknowledged, so the kit, which still
has it, sends it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from adapters.mqtt.connection import Connection
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Ack
from adapters.mqtt.protocol.topics import Kind, Topic
from adapters.mqtt.seals import SealOf, closed
from adapters.mqtt.turns import Turns
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, RemoteProtocolError
from gateway.base.throttle import Throttle
from gateway.contract.forward import Inbox

log = logging.getLogger(__name__)

WORKERS = 16
"""Transactions under way: the store commits them together."""


@dataclass(slots=True)
class IntakeFigures:
    events: int = 0
    refused: int = 0
    left_out: int = 0
    pieces: int = 0


class Intake:
    """A kit's messages are taken one after the other, in their order."""

    def __init__(
        self,
        center: str,
        inbox: Inbox,
        clock: Clock,
        connection: Callable[[], Connection | None],
        seals: SealOf,
    ) -> None:
        self._seals = seals
        self._center = center
        self._inbox = inbox
        self._connection = connection
        self._turns: Turns[tuple[Topic, bytes]] = Turns()
        self._throttle = Throttle(log, clock=clock)
        self.figures = IntakeFigures()

    def put(self, topic: Topic, payload: bytes) -> None:
        if not self._turns.put(topic.gateway, (topic, payload), len(payload)):
            self.figures.left_out += 1
            self._throttle("full", f"{topic.gateway} sends faster than the disk takes it; it sends again")

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            kit, (topic, payload) = await self._turns.take()
            try:
                ack = await (self._events if topic.kind is Kind.EVENT else self._piece)(topic, payload)
                if ack is not None:
                    await self._answer(topic.gateway, ack)
            except RemoteProtocolError as exc:
                self._throttle(topic.gateway, f"{topic.gateway} sends what can not be read: {exc}")
            except GatewayError as exc:
                # A full disk, a busy store, a broker that is gone: nothing is acknowledged, so it comes again.
                self._throttle(exc.code, f"what {topic.gateway} sent is not kept yet: {exc}")
            except Exception:
                log.exception("what %s sent was not kept, by a mistake of ours", topic.gateway)
            finally:
                self._turns.done(kit)

    async def _events(self, topic: Topic, payload: bytes) -> Ack | None:
        told = messages.read_events(payload)
        if told.to not in ("", self._center):
            return None
        taken = await self._inbox.take(topic.gateway, told.batch, "mqtt")
        self.figures.events += len(taken.kept)
        refused = dict(taken.refused) | dict.fromkeys(told.damaged, "event-damaged")
        self.figures.refused += len(refused)
        return Ack(taken.kept, refused)

    async def _piece(self, topic: Topic, payload: bytes) -> Ack:
        piece = messages.read_piece(payload)
        self.figures.pieces += 1
        try:
            if piece.file is not None:
                if piece.file.id != topic.name:
                    raise RemoteProtocolError(f"file {piece.file.id!r} as {topic.name!r}", code="event-damaged")
                have = await self._inbox.file_begin(topic.gateway, piece.file)
            else:
                have = await self._inbox.file_append(topic.gateway, topic.name, piece.offset, piece.data)
        except GatewayError as exc:
            return Ack(files={topic.name: (0, exc.code)})
        return Ack(files={topic.name: (have, "")})

    async def _answer(self, gateway: str, ack: Ack) -> None:
        connection = self._connection()
        if connection is not None:
            topic = str(Topic(gateway, Kind.ACK, self._center))
            # One that is lost is said again when the kit sends again. (Why QoS 0: `center_orders.py`.)
            await connection.publish(topic, closed(self._seals(gateway), topic, messages.ack_bytes(ack)), qos=0)
