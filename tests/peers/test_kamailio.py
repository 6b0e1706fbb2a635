"""Kamailio, which we did not write, as the center's server: our trunks register at it and call through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.sip.config import SipConfig
from adapters.sip.trunk_status import TrunkState
from gateway.model.principal import SYSTEM
from gateway.net.sip import InviteCall, Listen, SipEndpoint
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Hop, NameAddr, new_request
from tests.peers.kamailio.process import Kamailio, free_ports, kamailio
from tests.peers.kamailio.script import DOMAIN, PASSWORD, Kit
from tests.peers.programs import need
from tests.unit.sip.house import House, config, house

pytestmark = pytest.mark.peer

PATIENCE_S = 15.0


@pytest.fixture(autouse=True)
def kamailio_is_here() -> None:
    need("kamailio", "openssl")


def trunk(center: Kamailio, transport: str = "udp", *more: Kamailio, **given: Any) -> SipConfig:
    servers = [
        f"{transport}:127.0.0.1:{one.ports.tls if transport == 'tls' else one.ports.udp}" for one in (center, *more)
    ]
    given.setdefault("accounts", [{"user": "6001", "password": PASSWORD, "target": "talk/ops"}])
    made = {
        "servers": servers,
        "domain": DOMAIN,
        "ca": str(center.certificate) if transport == "tls" else None,
        "keepalive": "1s",
        "keepalive_patience": "500ms",
        "keepalive_misses": 2,
        "register_patience": "2s",
        "failback": "1s",
        "retry_first": "100ms",
        "retry_most": "1s",
        **given,
    }
    return config(
        trunks={"center": made},
        routes=[{"pattern": "9.", "trunks": ["center"], "strip": 1}],
        listen=["udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0"],
    )


async def up(at: House) -> None:
    await at.until(lambda: at.trunk().status.state is TrunkState.UP)


class Agent:
    """A second user of the center: registers, calls and is called. Bodies are its own business."""

    def __init__(self, endpoint: SipEndpoint, hop: Hop, user: str) -> None:
        self.endpoint = endpoint
        self.hop = hop
        self.user = user
        self.digest = DigestClient(user, PASSWORD)
        self.calls: asyncio.Queue[Any] = asyncio.Queue()
        endpoint.on_call(self._call)

    async def _call(self, call: Any) -> None:
        call.ringing()
        call.accept(b"v=0\r\n", "application/sdp")
        await call.acked(PATIENCE_S)
        self.calls.put_nowait(call)
        await call.ended()

    async def register(self) -> None:
        us = NameAddr(f"sip:{self.user}@{DOMAIN}")
        request = new_request(
            "REGISTER", f"sip:{DOMAIN}", from_=us, to=us, hop=self.hop, contact_user=self.user,
            headers=[("Expires", "600")],
        )  # fmt: skip
        answer = await self.endpoint.request(request, self.hop, auth=self.digest, timeout=PATIENCE_S)
        assert answer.status == 200, answer

    async def invite(self, number: str) -> InviteCall:
        """Answered and acknowledged."""
        request = new_request(
            "INVITE", f"sip:{number}@{DOMAIN}", from_=f'"Agent" <sip:{self.user}@{DOMAIN}>', hop=self.hop,
            contact_user=self.user, body=b"v=0\r\n", content_type="application/sdp",
        )  # fmt: skip
        call = await self.endpoint.invite(request, self.hop, auth=self.digest)
        await call.answered(PATIENCE_S)
        await call.ack()
        return call


@asynccontextmanager
async def agent(center: Kamailio, user: str = "4000", transport: str = "udp") -> AsyncIterator[Agent]:
    listens = [Listen("udp", "127.0.0.1", 0), Listen("tcp", "127.0.0.1", 0)]
    async with SipEndpoint(listens, product="Agent/1") as endpoint:
        hop = await endpoint.hop_to(cast(Any, transport), ("127.0.0.1", center.ports.udp))
        yield Agent(endpoint, hop, user)


def answering(at: House) -> asyncio.Queue[tuple[Any, Any]]:
    """From now on the kit answers its calls: (origin, call) of each that is up."""
    up_calls: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue()

    async def on_call(call: Any) -> None:
        origin = await at.desk.incoming(call)
        if origin is None:
            return
        call.accept(b"v=0\r\n", "application/sdp")
        await call.acked(PATIENCE_S)
        up_calls.put_nowait((origin, call))
        await call.ended()
        origin.ended()

    at.endpoint.on_call(on_call)
    return up_calls


async def dial(at: House, number: str) -> tuple[InviteCall, Callable[[], None]]:
    """Call out by the trunk, as a call of the gateway does."""
    (route,) = at.desk.outgoing(SYSTEM, number)
    request = new_request(
        "INVITE", route.uri, from_=NameAddr(route.from_uri, route.from_display), hop=route.hop,
        contact_user=route.contact_user, headers=route.headers, body=b"v=0\r\n", content_type="application/sdp",
    )  # fmt: skip
    call = await route.endpoint.invite(request, route.hop, auth=route.credentials)
    await call.answered(PATIENCE_S)
    await call.ack()
    return call, route.ended


async def taken(queue: asyncio.Queue[Any]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await queue.get()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_registers_calls_and_is_called_with_record_route(tmp_path: Path, transport: str) -> None:
    async with (
        kamailio(tmp_path / "center") as center,
        house(tmp_path, trunk(center, transport)) as at,
        agent(center) as other,
    ):
        await up(at)
        await other.register()
        calls = answering(at)
        # in: agent → Kamailio → kit, ended by the agent; BYE goes along the Record-Route
        incoming = await other.invite("6001")
        origin, call = await taken(calls)
        assert (origin.trunk, origin.target.ref, origin.number) == ("center", "kit1/talk/ops", "4000")
        assert call.request.headers.all("Record-Route"), "the proxy stays in the way"
        assert call.hop.transport == transport
        await incoming.bye()
        assert (await asyncio.wait_for(call.ended(), PATIENCE_S)).by == "remote"
        # in, ended by the kit
        incoming = await other.invite("6001")
        _, call = await taken(calls)
        await call.bye()
        assert (await asyncio.wait_for(incoming.ended(), PATIENCE_S)).by == "remote"
        # out: kit → Kamailio (407, digest) → agent, ended by the agent
        outgoing, give_back = await dial(at, "94000")
        answered = await taken(other.calls)
        await answered.bye()
        assert (await asyncio.wait_for(outgoing.ended(), PATIENCE_S)).by == "remote"
        give_back()
        # out, ended by the kit
        outgoing, give_back = await dial(at, "94000")
        answered = await taken(other.calls)
        await outgoing.bye()
        assert (await asyncio.wait_for(answered.ended(), PATIENCE_S)).by == "remote"
        give_back()
        await at.until(lambda: at.desk.caps.total == 0)


async def test_sha_256(tmp_path: Path) -> None:
    async with kamailio(tmp_path / "center", algorithm="SHA-256") as center, house(tmp_path, trunk(center)) as at:
        await up(at)


async def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    accounts = [{"user": "6001", "password": "not this one", "target": "talk/ops"}]
    async with kamailio(tmp_path / "center") as center, house(tmp_path, trunk(center, accounts=accounts)) as at:
        await at.until(lambda: at.trunk().status.code == "trunk-password")


async def test_423_is_obeyed(tmp_path: Path) -> None:
    async with (
        kamailio(tmp_path / "center", min_expires=3600) as center,
        house(tmp_path, trunk(center, expires="60s")) as at,
    ):
        await up(at)


async def test_a_certificate_of_somebody_else_is_refused(tmp_path: Path) -> None:
    async with kamailio(tmp_path / "center") as center, kamailio(tmp_path / "other") as other:
        given = trunk(center, "tls").model_dump(mode="json")
        given["trunks"]["center"].update(ca=str(other.certificate))
        given["trunks"]["center"]["accounts"][0]["password"] = PASSWORD
        given["users"] = {}
        async with house(tmp_path, given) as at:
            await at.until(lambda: at.trunk().status.code == "tls-failed")


async def test_the_second_server_is_taken_when_the_first_dies_and_left_when_it_is_back(tmp_path: Path) -> None:
    ports = free_ports()
    async with (
        kamailio(tmp_path / "second") as second,
        kamailio(tmp_path / "first", ports) as first,
        house(tmp_path, trunk(first, "udp", second)) as at,
        agent(second) as other,
    ):
        await up(at)
        assert at.trunk().status.server.endswith(f":{ports.udp}")
        await first.kill()
        await at.until(lambda: at.trunk().status.server.endswith(f":{second.ports.udp}"))
        await up(at)
        calls = answering(at)
        incoming = await other.invite("6001")
        await taken(calls)
        await incoming.bye()
        async with kamailio(tmp_path / "again", ports):
            await at.until(lambda: at.trunk().status.server.endswith(f":{ports.udp}"))
            await up(at)


async def test_a_static_trunk_without_register(tmp_path: Path) -> None:
    """An SBC that knows us by our address: OPTIONS, P-Asserted-Identity and Diversion, listed numbers only."""
    kit = free_ports()
    static = {
        "mode": "static",
        "accounts": [],
        "numbers": ["600"],
        "trusted": True,
        "caller_id": "01066660000",
    }
    async with kamailio(tmp_path / "center", kit=Kit("127.0.0.1", kit.udp)) as center:
        given = trunk(center, **static).model_dump(mode="json")
        given |= {"listen": [f"udp:127.0.0.1:{kit.udp}"], "users": {}}
        async with house(tmp_path, given) as at, agent(center) as other:
            await up(at)
            await other.register()
            calls = answering(at)
            incoming = await other.invite("600")
            origin, _ = await taken(calls)
            assert (origin.number, origin.diversion) == ("+861066660000", "01088880000")
            await incoming.bye()
            with pytest.raises(Exception, match="403"):
                await other.invite("666")
            outgoing, give_back = await dial(at, "94000")
            answered = await taken(other.calls)
            said = answered.request.headers.get("P-Asserted-Identity")
            assert said is not None and f"sip:01066660000@{DOMAIN}" in said
            await outgoing.bye()
            give_back()
