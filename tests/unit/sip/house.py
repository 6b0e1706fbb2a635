"""The SIP adapter in a small house: its context in memory, phones and servers as real endpoints on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

from adapters.sip.adapter import SipGateway
from adapters.sip.config import SipConfig
from gateway.base.errors import NotFound
from gateway.contract.http import HttpHandler, HttpRequest, HttpResponse
from gateway.model.principal import Principal, Role
from gateway.net.sip import Listen, SipEndpoint
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Hop, NameAddr, SipRequest, SipResponse, SipUri, new_call_id, new_request

PATIENCE_S = 60.0
PASSWORD = "right horse battery"
TECHNICIAN = Principal("tech", Role.TECHNICIAN, "s1")


class FakeDevices:
    def __init__(self) -> None:
        self.knocks: list[tuple[str, str, str]] = []

    def knock(self, scheme: str, external_id: str, address: str, code: str, detail: str = "") -> None:
        assert scheme == "sip"
        self.knocks.append((external_id, code, detail))


class FakeTalk:
    """Groups by slug and number."""

    groups: ClassVar = {"kit1/talk/ops": ("talk/ops", "ops", "600")}

    def resolve(self, text: str) -> str:
        for group, names in self.groups.items():
            if text == group or text in names:
                return group
        raise NotFound(f"no group {text}")


class FakeCalls:
    def dialer(self, scheme: str, dial: Any) -> Callable[[], None]:
        return lambda: None


class FakeHttp:
    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], HttpHandler] = {}

    def route(
        self, method: str, path: str, handler: HttpHandler, *, role: Role = Role.VIEWER, max_body: int = 65536
    ) -> Callable[[], None]:
        assert role is Role.TECHNICIAN
        self.routes[method, path] = handler
        return lambda: self.routes.pop((method, path), None) and None

    async def ask(self, method: str, path: str, body: bytes = b"", **parts: str) -> HttpResponse:
        request = HttpRequest(method, parts, {}, body, TECHNICIAN, "https://kit")
        return await self.routes[method, path](request)


class FakeLinks:
    """`news` tells of interfaces that changed."""

    def __init__(self) -> None:
        self.heard: list[Callable[[], None]] = []

    def on_change(self, called: Callable[[], None]) -> Callable[[], None]:
        self.heard.append(called)
        return lambda: self.heard.remove(called)

    def news(self) -> None:
        for called in self.heard:
            called()


@dataclass
class FakeContext:
    state_dir: Path
    gateway: str = "kit1"
    devices: FakeDevices = field(default_factory=FakeDevices)
    talk: FakeTalk = field(default_factory=FakeTalk)
    calls: FakeCalls = field(default_factory=FakeCalls)
    http: FakeHttp = field(default_factory=FakeHttp)
    own: list[str] = field(default_factory=lambda: ["127.0.0.1"])
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    links: FakeLinks = field(default_factory=FakeLinks)
    media: Any = None
    streams: Any = None
    messages: Any = None

    def addresses(self) -> Sequence[str]:
        return list(self.own)

    def kit_tls(self) -> None:
        return None

    def ready(self) -> None:
        self.opened.set()


def config(**given: Any) -> SipConfig:
    """UDP and TCP on free loopback ports unless said otherwise."""
    given.setdefault("listen", ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"])
    given.setdefault("users", {"8001": {"password": PASSWORD, "name": "Wang"}, "8002": {"password": PASSWORD}})
    return SipConfig.model_validate(given)


class FakeManager:
    """In the place of the calls: what the routing says of each that comes in goes to `origins`; it is answered 486."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.origins: asyncio.Queue[Any] = asyncio.Queue()
        self.keep = False  # a test ends the origins itself
        self.moves = 0
        self.lost: list[tuple[str, str]] = []

    async def __aenter__(self) -> FakeManager:
        self.desk.moved(self._moved)
        self.desk.trunk_lost(lambda trunk, words: self.lost.append((trunk, words)))
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def _moved(self) -> None:
        self.moves += 1

    def handler(self, endpoint: SipEndpoint) -> Callable[[Any], Any]:
        async def on_call(call: Any) -> None:
            origin = await self.desk.incoming(call)
            if origin is not None:
                self.origins.put_nowait(origin)
                if not self.keep:
                    origin.ended()
                call.reject(486)

        return on_call

    def figures(self) -> Mapping[str, float]:
        return {"calls": 0}


class House:
    """A running adapter."""

    def __init__(self, gateway: SipGateway, context: FakeContext, manager: FakeManager) -> None:
        self.gateway = gateway
        self.context = context
        self.manager = manager
        self.origins = manager.origins

    @property
    def endpoint(self) -> SipEndpoint:
        assert self.gateway.endpoint is not None
        return self.gateway.endpoint

    @property
    def desk(self) -> Any:
        assert self.gateway.desk is not None
        return self.gateway.desk

    def address(self, transport: str = "udp") -> tuple[str, int]:
        found = next(b for b in self.endpoint.bound if b.transport == transport)
        return found.host, found.port

    def trunk(self, name: str = "center") -> Any:
        found = self.gateway.trunks.get(name)
        assert found is not None
        return found

    async def until(self, true: Callable[[], bool], what: str = "") -> None:
        """Poll what nothing announces; fails after ten seconds."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def house(tmp_path: Path, given: SipConfig | Mapping[str, Any] | None = None) -> AsyncIterator[House]:
    made = given if isinstance(given, SipConfig) else config(**dict(given or {}))
    context = FakeContext(tmp_path)
    managers: list[FakeManager] = []

    def calls(_: Any, desk: Any) -> FakeManager:
        managers.append(FakeManager(desk))
        return managers[0]

    gateway = SipGateway(made, cast(Any, context), calls=cast(Any, calls))
    task = asyncio.create_task(gateway.run())
    opened = asyncio.create_task(context.opened.wait())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait((task, opened), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield House(gateway, context, managers[0])
    finally:
        opened.cancel()
        task.cancel()
        await asyncio.gather(task, opened, return_exceptions=True)


class Phone:
    """A softphone: one user on an endpoint of its own."""

    def __init__(self, endpoint: SipEndpoint, hop: Hop, user: str, password: str) -> None:
        self.endpoint = endpoint
        self.hop = hop
        self.user = user
        self.digest = DigestClient(user, password)
        self.call_id = new_call_id()
        self.cseq = 0

    def request(self, method: str, uri: str = "", **given: Any) -> SipRequest:
        self.cseq += 10
        host = self.hop.remote[0]
        us = NameAddr(str(SipUri(host, self.user)))
        given.setdefault("call_id", self.call_id if method == "REGISTER" else None)
        return new_request(
            method,
            uri or str(SipUri(host)),
            from_=us,
            to=us if method == "REGISTER" else None,
            hop=self.hop,
            contact_user=self.user,
            cseq=self.cseq,
            **given,
        )

    async def register(self, expires: int = 600, **given: Any) -> SipResponse:
        request = self.request("REGISTER", headers=[("Expires", str(expires))], **given)
        return await self.endpoint.request(request, self.hop, auth=self.digest, timeout=PATIENCE_S)

    async def invite(self, number: str, headers: Sequence[tuple[str, str]] = ()) -> int:
        """The final status."""
        request = self.request("INVITE", str(SipUri(self.hop.remote[0], number)), headers=headers)
        call = await self.endpoint.invite(request, self.hop, auth=self.digest)
        try:
            return (await call.answered(PATIENCE_S)).status
        except Exception as exc:
            return int(getattr(exc, "status", 0))


@asynccontextmanager
async def phone(
    at: House,
    user: str = "8001",
    password: str = PASSWORD,
    *,
    transport: str = "udp",
    host: str = "127.0.0.1",
    **given: Any,
) -> AsyncIterator[Phone]:
    """`host` is its own address: another one than the trunk's server has, where there is a trunk."""
    listens = [Listen("udp", host, 0), Listen("tcp", host, 0)]
    async with SipEndpoint(listens, product="Phone/1") as endpoint:
        hop = await endpoint.hop_to(cast(Any, transport), at.address(transport), **given)
        yield Phone(endpoint, hop, user, password)
