"""A center's server from the other side of the wire: registers accounts, answers OPTIONS, calls and is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.net.sip import IncomingRequest, Listen, SipEndpoint
from gateway.wire.digest import Authorization, DigestServer, Verdict
from gateway.wire.sip import Hop, SipRequest, SipResponse, new_request


class CenterServer:
    """`answers` of REGISTER may be set: a status for everybody, or None for digest. `registered` holds the requests
    that were accepted, in order."""

    def __init__(self, endpoint: SipEndpoint, password: str) -> None:
        self.endpoint = endpoint
        self.password = password
        self.digest = DigestServer("center", algorithms=("SHA-256", "MD5"))
        self.registered: asyncio.Queue[SipRequest] = asyncio.Queue()
        self.hops: dict[str, Hop] = {}
        self.seen: list[SipRequest] = []
        self.pings = 0
        self.status: int | None = None  # REGISTER is refused with it
        self.options_status = 200
        self.silent = False  # OPTIONS go unanswered (480 s of patience are the peer's)
        self.expires = ""  # of our 200, "" as asked
        self.min_expires = 0
        self.service_route: list[str] = []
        self.calls: asyncio.Queue[Any] = asyncio.Queue()
        endpoint.on_request("REGISTER", self._register)
        endpoint.on_request("OPTIONS", self._options)
        endpoint.on_call(self._call)

    @property
    def port(self) -> int:
        return self.endpoint.bound[0].port

    async def _register(self, incoming: IncomingRequest) -> None:
        request = incoming.request
        self.seen.append(request)
        if self.status is not None:
            incoming.respond(self.status)
            return
        now = asyncio.get_running_loop().time()
        written = request.headers.get("Authorization")
        good = False
        if written is not None:
            auth = Authorization.parse(written)
            verdict = self.digest.check(auth, "REGISTER", now, password=self.password)
            good = verdict is Verdict.OK
            if verdict is Verdict.WRONG:
                incoming.respond(403)
                return
        if not good:
            lines = [("WWW-Authenticate", str(one)) for one in self.digest.challenges(now)]
            incoming.respond(401, headers=lines)
            return
        if self.min_expires and 0 < (request.expires or 0) < self.min_expires:
            incoming.respond(423, headers=[("Min-Expires", str(self.min_expires))])
            return
        granted = self.expires or str(request.expires or 0)
        assert request.contact is not None
        lines = [("Contact", f"<{request.contact.uri}>;expires={granted}")]
        lines += [("Service-Route", one) for one in self.service_route]
        incoming.respond(200, headers=lines)
        if request.expires:
            self.hops[request.to.user] = incoming.hop
        else:
            self.hops.pop(request.to.user, None)
        self.registered.put_nowait(request)

    async def _options(self, incoming: IncomingRequest) -> None:
        self.pings += 1
        if self.silent:
            await asyncio.sleep(3600)
        incoming.respond(self.options_status)

    async def _call(self, call: Any) -> None:
        self.calls.put_nowait(call)
        call.reject(486)

    async def invite(
        self, hop: Hop, number: str, headers: list[tuple[str, str]] | None = None, who: str = "4000"
    ) -> int:
        """Call the kit; the final status."""
        host, port = hop.remote
        uri = f"sip:{number}@{host}:{port}"
        request = new_request(
            "INVITE", uri, from_=f'"Center" <sip:{who}@center>', hop=hop, contact_user="4000", headers=headers or []
        )
        call = await self.endpoint.invite(request, hop)
        try:
            return (await call.answered(10)).status
        except Exception as exc:
            return int(getattr(exc, "status", 0))

    async def ask(self, method: str, hop: Hop) -> SipResponse:
        request = new_request(method, f"sip:{hop.remote[0]}", from_="sip:center@center", hop=hop, contact_user="c")
        return await self.endpoint.request(request, hop, timeout=5)


@asynccontextmanager
async def center(
    password: str = "center password", transport: str = "udp", port: int = 0, **given: Any
) -> AsyncIterator[CenterServer]:
    listen: Any = Listen(transport, "127.0.0.1", port)  # type: ignore[arg-type]
    async with SipEndpoint([listen], product="Center/1", **given) as endpoint:
        yield CenterServer(endpoint, password)
