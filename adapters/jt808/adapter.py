"""The platform for vehicle terminals: accepts their lines, admits them by phone number, keeps a Vehicle for each.

connected ─► registers (0x0100) ─► not admitted: told so, shown to the technician as pending
                              └─► admitted: its code ─► authenticates (0x0102) with it ─► online
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from pydantic import BaseModel

from adapters.jt808.config import Jt808Config
from adapters.jt808.door import ACCEPT_AGAIN_S, MediaDoor, listening
from adapters.jt808.line import Line
from adapters.jt808.protocol import location, messages
from adapters.jt808.protocol.frame import Message
from adapters.jt808.protocol.messages import Ack, Order, Said
from adapters.jt808.vehicle import Vehicle
from gateway.base.clock import Clock
from gateway.base.errors import Busy, GatewayError, LinkDown, RemoteProtocolError
from gateway.base.tasks import Nest
from gateway.config.units import HostPort
from gateway.contract.adapter import Context
from gateway.contract.device import Admitted
from gateway.model.doctor import Finding, Grade

log = logging.getLogger(__name__)

SCHEME = "jt808"
_NO_SUCH_TERMINAL = 4
FIRST_WORD_S = 30.0
"""A connection that has not authenticated by then is shut."""


class Jt808:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = SCHEME
    Config: ClassVar[type[BaseModel]] = Jt808Config

    def __init__(self, config: BaseModel, context: Context, clock: Clock | None = None) -> None:
        assert isinstance(config, Jt808Config)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._clock = clock or Clock()
        self._vehicles: dict[str, Vehicle] = {}
        self._lines = Nest("JT/T 808 terminals", config.max_terminals)
        self._door: MediaDoor
        self.bound = HostPort("", 0)

    async def run(self) -> None:
        listener = listening(self._config.listen, "listen")
        self.bound = HostPort(*listener.getsockname()[:2])
        try:
            self._door = MediaDoor(listening(self._config.media, "media"))
            for admitted in self._context.devices.all_admitted(SCHEME):
                self._vehicle(admitted)
            self._context.devices.on_admitted(SCHEME, self._admitted)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._door.run())
                self._context.ready()
                log.info("JT/T 808 on %s, JT/T 1078 on port %d", self.bound, self._door.port)
                await self._accept(listener)
        finally:
            listener.close()
            await self._lines.close()
            for vehicle in self._vehicles.values():
                vehicle.close()
            self._vehicles.clear()

    @property
    def media_port(self) -> int:
        return self._door.port

    def figures(self) -> Mapping[str, float]:
        """contract.adapter.Measured."""
        return {"lines": len(self._lines), "vehicles": len(self._vehicles)}

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, remote = await loop.sock_accept(listener)
            except OSError as exc:
                log.warning("JT/T 808: a connection could not be taken: %s", exc)
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            connection.setblocking(False)
            _keep_alive(connection)
            line = Line(connection, f"{remote[0]}:{remote[1]}", self._config.idle)
            try:
                task = self._lines.start(self._serve(line), f"terminal {line.address}")
            except Busy:
                log.warning("%s is refused: %d terminals are connected", line.address, self._config.max_terminals)
                line.free()
                continue
            # Also when it never began.
            task.add_done_callback(partial(_free, line))

    # — one connection —

    async def _serve(self, line: Line) -> None:
        vehicle: Vehicle | None = None
        impatience = asyncio.get_running_loop().call_later(FIRST_WORD_S, line.close)
        try:
            async for message in line.messages():
                if not line.phone:
                    line.phone, line.version = message.phone, message.version
                if message.phone != line.phone:
                    await line.acknowledge(message, Ack.WRONG)
                    continue
                try:
                    if vehicle is None:
                        vehicle = await self._stranger(line, message)
                        if vehicle is not None:
                            impatience.cancel()
                    else:
                        await self._known(vehicle, line, message)
                except RemoteProtocolError as exc:
                    log.info("%s: message %04x: %s", line.phone, message.id, exc)
                    await line.acknowledge(message, Ack.WRONG)
        except LinkDown as exc:
            log.info("%s", exc)
        finally:
            impatience.cancel()
            if vehicle is not None:
                vehicle.offline(line)
            line.free()

    async def _stranger(self, line: Line, message: Message) -> Vehicle | None:
        """Until it has authenticated nothing else is taken from it."""
        admitted = self._context.devices.admitted(SCHEME, line.phone)
        if message.id == Said.REGISTER:
            told = messages.read_registration(message.body, is_2019=message.is_2019)
            if admitted is None:
                words = " ".join(word for word in (told.plate, told.manufacturer, told.model) if word)
                self._context.devices.knock(SCHEME, line.phone, line.address, "unknown-device", words)
                await line.send(Order.REGISTER_ACK, messages.register_ack(message.serial, _NO_SUCH_TERMINAL))
                return None
            self._vehicle(admitted).registered(told)
            await line.send(Order.REGISTER_ACK, messages.register_ack(message.serial, 0, auth_code(admitted)))
            return None
        if message.id == Said.AUTHENTICATE and admitted is not None:
            right = auth_code(admitted).encode()
            if any(hmac.compare_digest(code.encode(), right) for code in messages.read_codes(message.body)):
                await line.acknowledge(message)
                vehicle = self._vehicle(admitted)
                vehicle.online(line)
                await vehicle.refresh()
                return vehicle
            self._context.devices.knock(SCHEME, line.phone, line.address, "wrong-password", "authentication code")
        # Refused: terminals register anew then, and get their code.
        await line.acknowledge(message, Ack.FAILED)
        return None

    async def _known(self, vehicle: Vehicle, line: Line, message: Message) -> None:
        vehicle.heard()
        match message.id:
            case Said.LOCATION:
                where = location.read_location(message.body)
                await self._kept(vehicle, line, message, [where])
            case Said.LOCATION_ANSWER:
                await vehicle.located(location.read_location(message.body[2:]))
                await line.acknowledge(message)
            case Said.LOCATION_BATCH:
                await self._kept(vehicle, line, message, location.read_batch(message.body), late=True)
            case Said.AV_ATTRIBUTES:
                vehicle.attributes(messages.read_av_attributes(message.body))
                await line.acknowledge(message)
            case Said.REGISTER:
                vehicle.registered(messages.read_registration(message.body, is_2019=message.is_2019))
                code = auth_code(vehicle.admitted)
                await line.send(Order.REGISTER_ACK, messages.register_ack(message.serial, 0, code))
            case Said.TIME_QUERY:
                await line.send(Order.TIME_ANSWER, location.bcd_time_utc(self._clock.wall()))
            case Said.SIGN_OFF:
                await line.acknowledge(message)
                raise LinkDown(f"{vehicle} signed off")
            case Said.HEARTBEAT | Said.AUTHENTICATE | Said.ATTRIBUTES:
                await line.acknowledge(message)
            case _:
                await line.acknowledge(message, Ack.UNSUPPORTED)

    async def _kept(
        self,
        vehicle: Vehicle,
        line: Line,
        message: Message,
        reports: Sequence[location.Location],
        *,
        late: bool = False,
    ) -> None:
        """Acknowledged when it is kept: a terminal sends again what was not."""
        try:
            for where in reports:
                await vehicle.located(where, late=late)
        except GatewayError as exc:
            log.warning("%s: a report was not kept: %s", vehicle, exc)
            await line.acknowledge(message, Ack.FAILED)
            return
        await line.acknowledge(message)

    # — who is admitted —

    def _vehicle(self, admitted: Admitted) -> Vehicle:
        found = self._vehicles.get(admitted.external_id)
        if found is None:
            found = Vehicle(admitted, self._config, self._context, self._door, self._clock)
            self._vehicles[admitted.external_id] = found
        return found

    def _admitted(self, external_id: str, admitted: Admitted | None) -> None:
        """A changed one begins anew, and a forgotten one is let go: with its line, so that it registers."""
        gone = self._vehicles.pop(external_id, None)
        if gone is not None:
            gone.close()
        if admitted is not None:
            self._vehicle(admitted)

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Are the two ports free?"""
        assert isinstance(config, Jt808Config)  # noqa: S101
        found = []
        for word, where in (("JT/T 808", config.listen), ("JT/T 1078", config.media)):
            try:
                listening(where, word).close()
            except GatewayError as exc:
                found.append(Finding(f"jt808 {word} TCP port", Grade.FAIL, str(exc), f"{where} free", exc.code))
            else:
                found.append(Finding(f"jt808 {word} TCP port", Grade.OK, "free", f"{where} free"))
        return found


def auth_code(admitted: Admitted) -> str:
    """The code by which a terminal shows that it registered here: made of its password, so that nothing is kept."""
    made = hmac.new(admitted.password.encode(), f"jt808:{admitted.external_id}".encode(), hashlib.sha256)
    return made.hexdigest()[:16]


def _free(line: Line, _: asyncio.Task[None]) -> None:
    line.free()


def _keep_alive(connection: socket.socket) -> None:
    """A dead bearer is noticed in a minute and a half, also while nothing is sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 45), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 3)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
