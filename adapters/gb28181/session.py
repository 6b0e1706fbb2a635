"""GB/T 28181 access on the network: one SIP endpoint, one task a device. Decisions are in the modules beside."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.gb28181.config import Gb28181Config
from adapters.gb28181.line import Line
from adapters.gb28181.protocol.admission import SCHEME, Admission, Refusal
from adapters.gb28181.protocol.clock import date_header
from adapters.gb28181.protocol.ids import SsrcPool, is_device_id
from adapters.gb28181.quirks import OWN_VERSION
from adapters.gb28181.register import DeviceBook, Entry
from adapters.gb28181.station import Station
from gateway.base.clock import Clock
from gateway.base.errors import ConfigError, RemoteProtocolError
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade
from gateway.net.sip import EndpointLimits, IncomingCall, IncomingRequest, Listen, SipEndpoint
from gateway.wire.sip.hop import format_address

log = logging.getLogger(__name__)

GOODBYE_S = 1.5
SPARE_CONNECTIONS = 64
"""For devices that come back over a new connection before the old one is known to be dead."""


class Gb28181Access:
    """The adapter. See README.md."""

    name: ClassVar[str] = SCHEME
    Config: ClassVar[type[BaseModel]] = Gb28181Config

    def __init__(self, config: BaseModel, context: Context, *, clock: Clock | None = None) -> None:
        if not isinstance(config, Gb28181Config):
            raise ConfigError("type", f"{type(config).__name__} is no configuration of gb28181")
        self.config = config
        self.context = context
        self.clock = clock or Clock()
        self.endpoint: SipEndpoint | None = None
        self.book: DeviceBook | None = None

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError `port-in-use` when the port is taken."""
        host, port = self.config.listen
        listen = [Listen("udp", host, port), Listen("tcp", host, port)]
        async with SipEndpoint(listen, product=self.config.user_agent, limits=_limits(self.config)) as endpoint:
            station = Station(
                self.config,
                self.context,
                Line(endpoint, self.config.id, self.config.domain),
                # A stream number of before our restart may still be sent to us: begin elsewhere.
                SsrcPool(self.config.id, start=int(self.clock.wall()) % 10_000),
                self.clock,
            )
            self.endpoint = endpoint
            self.book = book = DeviceBook(station)
            admission = Admission(self.config, self.context.devices, self.clock)
            endpoint.on_request("REGISTER", lambda incoming: self._register(incoming, admission, book))
            endpoint.on_request("MESSAGE", lambda incoming: self._message(incoming, book))
            endpoint.on_request("NOTIFY", lambda incoming: self._message(incoming, book))
            endpoint.on_call(lambda call: self._call(call, book))
            endpoint.on_heard(book.heard_from)
            endpoint.on_flow_closed(book.flow_closed)
            self.context.devices.on_admitted(SCHEME, book.admitted)
            for known in self.context.devices.all_admitted(SCHEME):
                book.entry(known)
            try:
                self.context.ready()
                log.info(
                    "GB/T 28181 platform %s listens on %s:%d, UDP and TCP", self.config.id, host, endpoint.bound[0].port
                )
                await asyncio.get_running_loop().create_future()
            finally:
                await self._close(station, book)

    def figures(self) -> Mapping[str, float]:
        """contract.adapter.Measured: what SIP keeps now, and the devices attached."""
        standing = self.endpoint.standing if self.endpoint is not None else {"dialogs": 0, "transactions": 0}
        return {**standing, "devices": len(self.book) if self.book is not None else 0}

    async def _close(self, station: Station, book: DeviceBook) -> None:
        await book.close()
        # The BYEs of calls that were up: devices that miss them send on into the void.
        await station.crew.drain(GOODBYE_S)
        await station.crew.close()

    # — requests —

    async def _register(self, incoming: IncomingRequest, admission: Admission, book: DeviceBook) -> None:
        """GB/T 28181-2022 §9.1: REGISTER, challenge, REGISTER, 200 with our clock; Expires 0 signs off."""
        version = (("X-GB-Ver", OWN_VERSION),)
        verdict = admission.judge(incoming.request, format_address(incoming.hop.remote))
        if isinstance(verdict, Refusal):
            headers = [*version, *(("WWW-Authenticate", challenge) for challenge in verdict.challenges)]
            incoming.respond(verdict.status, verdict.reason, headers=headers)
            return
        entry = book.entry(verdict.admitted)
        if entry is None:
            log.warning("%s is refused: %d devices are attached (max_devices)", verdict.admitted.id, len(book))
            incoming.respond(503, headers=(*version, ("Retry-After", "60")))
            return
        headers = [*version, ("Expires", str(verdict.expires_s))]
        if incoming.request.contact is not None:
            headers.append(("Contact", f"<{incoming.request.contact.uri}>;expires={verdict.expires_s}"))
        if entry.link.quirks.date_header:
            headers.append(("Date", date_header(self.clock.wall())))
        incoming.respond(200, headers=headers)
        entry.registered(incoming.hop, verdict)

    async def _message(self, incoming: IncomingRequest, book: DeviceBook) -> None:
        """A MESSAGE or NOTIFY: whose is it? By From; else, because vendors write other things there, by the address.

        One from a device that is not known, or that signed off, is refused: most then register anew.
        """
        entry = self._sender(incoming, book)
        if entry is None or entry.signed_off:
            # 401 has no place here: nobody could answer a challenge to a MESSAGE.
            status = 403 if self.config.refuse_status == 401 else self.config.refuse_status
            incoming.respond(status, headers=(("X-GB-Ver", OWN_VERSION),))
            return
        await entry.take(incoming)

    def _sender(self, incoming: IncomingRequest, book: DeviceBook) -> Entry | None:
        try:
            user = incoming.request.from_.user
        except RemoteProtocolError:
            user = ""
        entry = book.find(user) or book.by_address(incoming.hop)
        if entry is None and is_device_id(user):
            admitted = self.context.devices.admitted(SCHEME, user)
            if admitted is not None:
                return book.entry(admitted)
            address = format_address(incoming.hop.remote)
            self.context.devices.knock(SCHEME, user, address, "unknown-device", "spoke without being registered")
        return entry

    async def _call(self, call: IncomingCall, book: DeviceBook) -> None:
        """Devices call us for the sound of a broadcast only (§9.12), and only when we have asked them to."""
        waiting = book.awaiting(call)
        if waiting is None:
            entry = book.by_address(call.hop)
            if entry is not None and not entry.voice.late():
                entry.link.once("unasked", "called us, and nobody had asked it to: refused")
            call.reject(403, "No broadcast was asked for")
        elif waiting.came.done():
            call.reject(486, "It has called already")
        else:
            waiting.came.set_result(call)

    # — the doctor —

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Whether the port is free, both for UDP and TCP."""
        if not isinstance(config, Gb28181Config):
            raise ConfigError("type", f"{type(config).__name__} is no configuration of gb28181")
        return [_port_free(kind, config) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]


def _limits(config: Gb28181Config) -> EndpointLimits:
    """A whole site may stand behind one address: NAT, or a platform that sends its catalogue an item a message."""
    return EndpointLimits(
        max_connections=config.max_devices + SPARE_CONNECTIONS,
        max_connections_per_host=config.max_devices,
        messages_per_s=1000.0,
        burst=max(8192, 2 * config.max_channels),
    )


def _port_free(kind: socket.SocketKind, config: Gb28181Config) -> Finding:
    host, port = config.listen
    word = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    check = f"gb28181 SIP {word} port"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            return Finding(check, Grade.FAIL, f"{host}:{port}: {exc.strerror}", "free", code="port-in-use")
    return Finding(check, Grade.OK, f"{host}:{port} is free", "free")
