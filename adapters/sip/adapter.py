"""The adapter: sockets, registrar, trunks and calls put together. Decisions are in the modules beside."""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial
from typing import ClassVar, Protocol

from pydantic import BaseModel

from adapters.sip.accounts import Account
from adapters.sip.adapter_http import Faces
from adapters.sip.adapter_tls import Pair, choose, load, server_context
from adapters.sip.config import SipConfig
from adapters.sip.guard import Ban, Guard, Offence
from adapters.sip.numbers import NumberPlan
from adapters.sip.registrar import Location
from adapters.sip.registrar_auth import Door
from adapters.sip.registrar_desk import RegistrarDesk
from adapters.sip.registrar_pulse import Pulse
from adapters.sip.registrar_refusals import Refusals
from adapters.sip.routing_desk import Desk
from adapters.sip.trunk import Trunk
from adapters.sip.trunk_reach import client_tls
from adapters.sip.trunk_status import TrunkState
from adapters.sip.trunks import Trunks
from adapters.sip.users import Users, read_secret
from gateway.base.clock import Clock
from gateway.base.day_budget_file import KeptBudget
from gateway.base.errors import ConfigError
from gateway.base.kernel_news import FolderNews
from gateway.base.tasks import Pace
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding
from gateway.net.sip import EndpointLimits, IncomingCall, Listen, SipEndpoint
from gateway.net.sip.tls import client_context
from gateway.wire.sip import Hop, SipRequest

log = logging.getLogger(__name__)

CERTIFICATE_POLL_S = 60.0
USERS_POLL_S, USERS_REST_S = 2.0, 30.0
ADDRESS_REST_S = 10.0
"""Where nobody registers elsewhere and the kernel tells of changes."""
OPTION_TAGS = ("100rel", "timer", "replaces", "norefersub", "path")


class Calls(Protocol):
    """What the adapter needs of the calls: somebody who takes them, and figures."""

    def handler(self, endpoint: SipEndpoint) -> Callable[[IncomingCall], Awaitable[None]]: ...
    def figures(self) -> Mapping[str, float]: ...


MakeCalls = Callable[[Context, Desk], AbstractAsyncContextManager[Calls]]


def _call_manager(context: Context, desk: Desk) -> AbstractAsyncContextManager[Calls]:
    # They bring the media side; checking a file needs none of it.
    from adapters.sip.calls import CallLimits, CallManager
    from adapters.sip.engine_choice import EngineChoice
    from adapters.sip.native import NativeEngine

    native = NativeEngine(context.media)
    choice = EngineChoice(context.media.engine, native)
    return CallManager(context, desk, choice, native=native, limits=CallLimits(max_calls=desk.caps.whole))


class SipGateway:
    """The adapter. See README.md."""

    name: ClassVar[str] = "sip"
    Config: ClassVar[type[BaseModel]] = SipConfig

    def __init__(
        self, config: BaseModel, context: Context, *, clock: Clock | None = None, calls: MakeCalls | None = None
    ) -> None:
        """`calls` makes what takes and places the calls; a `CallManager` unless said otherwise."""
        if not isinstance(config, SipConfig):
            raise ConfigError("type", f"{type(config).__name__} is no configuration of sip")
        self.config = config
        self.context = context
        self.clock = clock or Clock()
        self._make_calls = calls or _call_manager
        self.endpoint: SipEndpoint | None = None
        self.desk: Desk | None = None
        self.users: Users | None = None
        self._door: Door | None = None
        self.trunks = Trunks(self._speaks_for)
        self.location = Location(
            least_s=config.register_min, most_s=config.register_max, max_bindings=config.max_bindings
        )
        self.guard = Guard(config.guard, self._banned, self.trunks.is_trunk)
        self._call_figures: Callable[[], Mapping[str, float]] = dict
        self._refusals = Refusals(self._knock)

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError: a port that is taken (`port-in-use`), a certificate, a password file."""
        config, context = self.config, self.context
        self.users = users = Users(config, context.state_dir)
        (tls, pair), outward = await asyncio.gather(asyncio.to_thread(self._tls), asyncio.to_thread(client_context))
        self._door = door = Door(users, self.guard, config.realm, config.networks, config.digests)
        self.endpoint = endpoint = SipEndpoint(
            self._listens(),
            product=config.user_agent,
            limits=EndpointLimits(max_connections=4096),
            tls=tls,
            tls_client=outward,
            supported=OPTION_TAGS,
            screen=self._screens,
            gate=lambda host: self.guard.lets_in(host, self.clock.monotonic()),
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(endpoint)
            desk = self._make_desk(endpoint, users, door)
            registrar = RegistrarDesk(self.location, door, self.guard, self.trunks, self._refusals, self.clock)
            self.desk = desk
            self._make_trunks(endpoint, desk)
            stack.push_async_callback(self.trunks.close)
            manager = await stack.enter_async_context(self._make_calls(context, desk))
            self._call_figures = manager.figures
            endpoint.on_request("REGISTER", registrar.register)
            endpoint.on_request("OPTIONS", registrar.options)
            endpoint.on_request("*", registrar.other)
            endpoint.on_call(manager.handler(endpoint))
            endpoint.on_flow_closed(registrar.flow_closed)
            endpoint.on_flow_closed(self.trunks.flow_closed)
            faces = Faces(context.http, users, self.location, registrar, self.trunks, self.guard, desk, self.clock)
            stack.callback(faces.close)
            self.trunks.start()
            context.ready()
            log.info("SIP listens on %s", ", ".join(f"{b.transport}:{b.host}:{b.port}" for b in endpoint.bound))
            async with asyncio.TaskGroup() as group:
                group.create_task(registrar.sweep(), name="SIP registrations")
                group.create_task(self._pulse(endpoint, registrar).run(), name="SIP phones")
                group.create_task(self._watch_addresses(desk), name="SIP addresses")
                group.create_task(_watch_users(users, registrar), name="SIP users")
                if tls is not None and pair is not None:
                    group.create_task(_watch_certificate(tls, pair), name="SIP certificate")

    def figures(self) -> Mapping[str, float]:
        """contract.adapter.Measured."""
        standing = self.endpoint.standing if self.endpoint is not None else {"dialogs": 0, "transactions": 0}
        now = self.clock.monotonic()
        return {
            **standing,
            **self._call_figures(),
            "places": self.desk.caps.total if self.desk is not None else 0,
            "phones": len(self.location),
            "trunks": len(self.trunks),
            "trunks_up": sum(trunk.status.state is TrunkState.UP for trunk in self.trunks),
            "accounts_registered": sum(one.registered for trunk in self.trunks for one in trunk.accounts),
            "refused": self._refusals.count + (self.desk.refused if self.desk is not None else 0),
            "banned": len(self.guard.banned(now)),
            "bans": self.guard.bans,
            "dropped": self.guard.dropped,
        }

    def findings(self) -> Sequence[Finding]:
        """What is wrong with it now: the doctor's part of a running adapter."""
        from adapters.sip.adapter_checks import standing

        if self.users is None:
            return []
        return standing(self.trunks, self.users, self.guard, self.clock.monotonic())

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """The doctor's questions: ports, users, certificates, trunks."""
        from adapters.sip.adapter_checks import checks

        if not isinstance(config, SipConfig):
            raise ConfigError("type", f"{type(config).__name__} is no configuration of sip")
        return await checks(config)

    # — parts —

    def _listens(self) -> list[Listen]:
        """IPv6 wildcards are left out where the machine has no IPv6."""
        has_v6 = _has_ipv6()
        kept = [one for one in self.config.listen if one.at.host != "::" or has_v6]
        return [Listen(one.transport, one.at.host, one.at.port) for one in kept]

    def _tls(self) -> tuple[ssl.SSLContext | None, Pair | None]:
        if all(one.transport != "tls" for one in self.config.listen):
            return None, None
        pair = choose(self.config.tls, self.context.state_dir, self.context.addresses(), self.context.kit_tls())
        return server_context(pair, self.config.tls.client_ca), pair

    def _make_desk(self, endpoint: SipEndpoint, users: Users, door: Door) -> Desk:
        plan = NumberPlan(
            self.context.gateway,
            numbers=self.config.numbers,
            routes=self.config.routes,
            emergency=self.config.emergency,
            users=users.of_number,
            resolve=self.context.talk.resolve,
        )
        return Desk(
            self.config,
            endpoint,
            plan=plan,
            users=users,
            location=self.location,
            door=door,
            guard=self.guard,
            refusals=self._refusals,
            trunks=self.trunks,
            clock=self.clock,
            budgets={
                f"trunk:{name}": KeptBudget(self.context.state_dir, f"trunk:{name}")
                for name, trunk in self.config.trunks.items()
                if trunk.day_budget
            },
        )

    def _pulse(self, endpoint: SipEndpoint, registrar: RegistrarDesk) -> Pulse:
        every_s, misses = self.config.phone_keepalive, self.config.phone_misses
        return Pulse(endpoint, self.location, registrar.left, self.clock, every_s=every_s, misses=misses)

    def _make_trunks(self, endpoint: SipEndpoint, desk: Desk) -> None:
        for name, config in self.config.trunks.items():
            accounts = []
            for one in config.accounts:
                password = read_secret(f"trunks.{name}.accounts.{one.user}", one.password, one.password_file)
                # Stable over restarts, so that the server replaces our old registration by the new one.
                instance = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.context.state_dir}/{name}/{one.user}"))
                accounts.append(Account(one, config, password, instance, self.clock.wall))
            tls = client_tls(f"trunks.{name}", config)
            self.trunks.add(
                Trunk(
                    name,
                    config,
                    accounts,
                    endpoint,
                    tls=tls,
                    clock=self.clock,
                    moved=desk.tell_moved,
                    lost=partial(desk.tell_lost, name),
                )
            )

    # — what goes on —

    async def _watch_addresses(self, desk: Desk) -> None:
        """A modem that redials, a VPN that comes up: trunks register anew at once, calls tell their peers."""
        before, often = tuple(self.context.addresses()), self.config.address_poll
        pace = Pace(often)
        undo = self.context.links.on_change(pace.stir)  # interfaces and their addresses, as the kernel tells of them
        try:
            while True:
                # With a trunk, routes to it are looked at too, of which nobody tells.
                await pace.beat(often if len(self.trunks) else max(often, ADDRESS_REST_S))
                before = await self._compare_addresses(before, desk)
        finally:
            undo()

    async def _compare_addresses(self, before: tuple[str, ...], desk: Desk) -> tuple[str, ...]:
        now = tuple(self.context.addresses())
        if set(now) == set(before):
            await self.trunks.check_routes()  # another route, with the addresses as they were
            return before
        log.warning("own addresses changed: %s, before: %s", ", ".join(now), ", ".join(before))
        await self.trunks.readdress()
        desk.tell_moved()
        return now

    def _banned(self, ban: Ban) -> None:
        self._knock(ban.source, ban.source, ban.code, f"banned for {ban.seconds:.0f} s, the {ban.count}. time")

    def _knock(self, who: str, address: str, code: str, detail: str) -> None:
        self.context.devices.knock("sip", who, address, code, detail)

    def _screens(self, request: SipRequest, hop: Hop) -> bool:
        """Strangers and scanners get no answer at all, not even 100 Trying."""
        if self.trunks.trunk_of(hop) is not None:
            return True
        now = self.clock.monotonic()
        if self._door is not None and not self._door.of_our_network(hop.remote[0]):
            self.guard.offence(hop.remote[0], Offence.STRANGER, now, request.method)
            return False
        return self.guard.screens(request, hop, now)

    def _speaks_for(self, hop: Hop, name: str) -> bool:
        found = self.endpoint.peer_certificate(hop) if self.endpoint is not None else None
        return found is not None and found.names(name)


async def _watch_users(users: Users, registrar: RegistrarDesk) -> None:
    """`fieldgate sip users` without a daemon, or an editor, may change the file."""
    pace, news = Pace(USERS_POLL_S), None
    with suppress(OSError):  # not told: it is looked at
        news = FolderNews(users.folder, pace.stir)
    try:
        while True:
            await pace.beat(USERS_REST_S if news is not None and news.open else USERS_POLL_S)
            if not users.stale:
                continue
            before = users.all()
            if await asyncio.to_thread(users.fresh):
                for name, user in before.items():
                    if users.get(name) != user:
                        registrar.forget(name)
    finally:
        if news is not None:
            news.close()


async def _watch_certificate(context: ssl.SSLContext, pair: Pair) -> None:
    stamp = pair.stamp()
    while True:
        await asyncio.sleep(CERTIFICATE_POLL_S)
        if pair.stamp() != stamp:
            stamp = pair.stamp()
            try:
                load(context, pair)
                log.info("SIP TLS certificate taken anew from %s", pair.certificate)
            except ConfigError as exc:
                log.error("%s; the one before stays in use", exc)


def _has_ipv6() -> bool:
    import socket

    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
