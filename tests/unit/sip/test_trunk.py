"""Trunks against a server on the loopback: registration, refresh, refusal, fail-over and fail-back, silence, moves."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.sip.accounts import AccountState, Granted
from adapters.sip.trunk_servers import ServerList
from adapters.sip.trunk_status import TrunkState
from gateway.base.errors import LinkDown
from gateway.model.principal import SYSTEM
from tests.unit.sip.house import house
from tests.unit.sip.server import CenterServer, center

PATIENCE_S = 60.0
SECRET = "center password"


def trunk(*servers: CenterServer | str, **given: Any) -> dict[str, Any]:
    """A configuration with one trunk, impatient enough for a test."""
    names = [one if isinstance(one, str) else f"udp:127.0.0.1:{one.port}" for one in servers]
    given.setdefault("accounts", [{"user": "6001", "password": SECRET, "target": "talk/ops"}])
    fast = {
        "keepalive": "1s",
        "keepalive_patience": "300ms",
        "keepalive_misses": 1,
        "register_patience": "500ms",
        "retry_first": "50ms",
        "retry_most": "1s",
        "refused_retry": "1h",
        "failback": "1s",
    }
    routes = [{"pattern": "9.", "trunks": ["center"], "strip": 1}]
    return {"trunks": {"center": {"servers": names, **fast, **given}}, "address_poll": "50ms", "routes": routes}


async def registered(server: CenterServer) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await server.registered.get()


async def test_it_registers_with_digest_and_signs_off_at_the_end(tmp_path: Path) -> None:
    async with center() as server:
        async with house(tmp_path, trunk(server)) as at:
            request = await registered(server)
            assert request.to.user == "6001" and request.expires == 3600
            assert "algorithm=SHA-256" in request.headers.get("Authorization")
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            status = at.trunk().status
            assert [one.state for one in status.accounts] == [AccountState.REGISTERED] and status.code == ""
            assert at.gateway.figures()["accounts_registered"] == 1
        gone = await registered(server)
        assert gone.expires == 0 and gone.call_id == request.call_id and gone.cseq.number > request.cseq.number


async def test_it_registers_over_tcp_and_keeps_the_connection(tmp_path: Path) -> None:
    async with center(transport="tcp") as server, house(tmp_path, trunk(f"tcp:127.0.0.1:{server.port}")) as at:
        request = await registered(server)
        assert "transport=tcp" in request.contact.uri
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)
        assert await server.invite(server.hops["6001"], "6001") == 486
        origin = await at.origins.get()
        assert (origin.trunk, origin.target.ref) == ("center", "kit1/talk/ops")


async def test_it_refreshes_at_four_fifths(tmp_path: Path) -> None:
    async with center() as server:
        server.expires = "2"
        async with house(tmp_path, trunk(server)):
            first = await registered(server)
            second = await registered(server)
            assert second.call_id == first.call_id and second.cseq.number > first.cseq.number


def test_when_a_registration_is_refreshed() -> None:
    assert [Granted(seconds).refresh_s for seconds in (3600.0, 60.0, 10.0, 2.0)] == [2880.0, 48.0, 8.0, 1.6]


async def test_423_asks_for_longer(tmp_path: Path) -> None:
    async with center() as server:
        server.min_expires = 7200
        async with house(tmp_path, trunk(server)):
            assert (await registered(server)).expires == 7200


async def test_a_refused_password_is_told_and_not_hammered(tmp_path: Path) -> None:
    async with center("another password") as server, house(tmp_path, trunk(server)) as at:
        await at.until(lambda: at.trunk().status.state is TrunkState.WAITING)
        status = at.trunk().status
        assert status.code == "trunk-password" and status.accounts[0].state is AccountState.REFUSED
        assert status.retry_at - status.since > 60, "centers ban those who hammer"
        await asyncio.sleep(0.3)  # several polls of our address later
        assert len(server.seen) == 2, "the challenge and the wrong answer, no more"
        assert SECRET not in status.detail


@pytest.mark.parametrize(
    ("status", "code"), [(404, "trunk-unknown"), (503, "trunk-unavailable"), (500, "trunk-unavailable")]
)
async def test_what_each_refusal_is_called(tmp_path: Path, status: int, code: str) -> None:
    async with center() as server:
        server.status = status
        async with house(tmp_path, trunk(server)) as at:
            await at.until(lambda: at.trunk().status.code == code)


async def test_one_refused_account_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    accounts = [
        {"user": "6001", "password": SECRET, "target": "talk/ops"},
        {"user": "6002", "password": "a wrong one", "target": "ball-1/ch1"},
    ]
    async with center() as server, house(tmp_path, trunk(server, accounts=accounts)) as at:
        await at.until(lambda: at.trunk().status.code == "trunk-password")
        status = at.trunk().status
        assert status.state is TrunkState.UP
        assert [one.state for one in status.accounts] == [AccountState.REGISTERED, AccountState.REFUSED]


async def test_a_dead_first_server_is_passed_over_and_taken_again_when_it_is_back(tmp_path: Path) -> None:
    async with center() as second, AsyncExitStack() as late:
        async with center() as placeholder:
            port = placeholder.port
        async with house(tmp_path, trunk(f"udp:127.0.0.1:{port}", second)) as at:
            await registered(second)
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            assert at.trunk().status.server.endswith(f":{second.port}")
            first = await late.enter_async_context(center(port=port))
            await registered(first)
            await at.until(lambda: at.trunk().status.server.endswith(f":{port}"))
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)


async def test_a_server_that_falls_silent_is_left_for_the_next(tmp_path: Path) -> None:
    async with center() as first, center() as second, house(tmp_path, trunk(first, second)) as at:
        await registered(first)
        first.silent = True
        first.status = 503
        await registered(second)
        await at.until(lambda: at.trunk().status.server.endswith(f":{second.port}"))


async def test_a_connection_that_breaks_is_made_anew(tmp_path: Path) -> None:
    async with center(transport="tcp") as server:
        port = server.port
        async with house(tmp_path, trunk(f"tcp:127.0.0.1:{port}")) as at:
            await registered(server)
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            again_of_a_call = at.trunk().again_after(at.trunk().hop)
            await server.endpoint.__aexit__(None, None, None)
            await at.until(lambda: at.trunk().status.state is not TrunkState.UP)
            assert at.manager.moves == 1, "a trunk that dies during a call: the call is told, finds a way or ends"
            with pytest.raises(LinkDown) as raised:
                at.desk.outgoing(SYSTEM, "9123")
            assert raised.value.code == "trunk-down"
            with pytest.raises(LinkDown):
                await again_of_a_call()
            async with center(transport="tcp", port=port) as again:
                await registered(again)
                await at.until(lambda: at.trunk().status.state is TrunkState.UP)
                assert await again_of_a_call() == at.trunk().hop


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_calls_are_told_that_their_server_is_gone(
    tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.sip.trunk.HOPE_S", 0.2)
    async with (
        center(transport=transport) as server,
        house(tmp_path, trunk(f"{transport}:127.0.0.1:{server.port}")) as at,
    ):
        await registered(server)
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)
        assert at.manager.lost == []
        await server.endpoint.__aexit__(None, None, None)
        await at.until(lambda: bool(at.manager.lost))
        name, words = at.manager.lost[0]
        assert name == "center" and words.startswith("trunk center: ")


async def test_a_connection_that_comes_back_soon_loses_no_call(tmp_path: Path) -> None:
    async with center(transport="tcp") as server:
        port = server.port
        async with house(tmp_path, trunk(f"tcp:127.0.0.1:{port}")) as at:
            await registered(server)
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            await server.endpoint.__aexit__(None, None, None)
            await at.until(lambda: at.trunk().status.code == "trunk-unavailable" or at.trunk().hop is None)
            async with center(transport="tcp", port=port) as again:
                await registered(again)
                await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            assert at.manager.lost == []


async def test_calls_by_udp_are_told_that_their_trunk_has_another_server(tmp_path: Path) -> None:
    """The old one may be dead: nothing of the old way tells, so they ask."""
    async with center() as first, center() as second, house(tmp_path, trunk(first, second)) as at:
        await registered(first)
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)
        first.status = 503  # it refuses the refresh; OPTIONS it would answer
        first.silent = True
        await registered(second)
        await at.until(lambda: any("went over" in words for _, words in at.manager.lost))


async def test_service_route_is_followed_and_a_broken_one_left_out(tmp_path: Path) -> None:
    async with center() as server:
        server.service_route = ["<sip:edge.center;lr>", "<sip:core.center;lr>"]
        async with house(tmp_path, trunk(server)) as at:
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            assert at.trunk().accounts[0].service_route == ("<sip:edge.center;lr>", "<sip:core.center;lr>")
    async with center() as server:
        server.service_route = ["nonsense"]
        async with house(tmp_path, trunk(server)) as at:
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            assert at.trunk().accounts[0].service_route == ()


async def test_a_static_trunk_lives_by_options(tmp_path: Path) -> None:
    given = {"mode": "static", "accounts": []}
    async with center() as server, house(tmp_path, trunk(server, **given)) as at:
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)
        assert server.seen == [] and server.pings >= 1 and at.trunk().status.rtt_ms is not None
        assert (await server.ask("OPTIONS", await server.endpoint.hop_to("udp", at.address()))).status == 200
        server.options_status = 503
        await at.until(lambda: at.trunk().status.code == "trunk-silent")
        server.options_status = 200
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)


async def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    async with house(tmp_path, trunk("udp:nowhere.invalid")) as at:
        await at.until(lambda: at.trunk().status.code == "name-unresolved")


async def test_servers_are_found_by_srv_and_a_dead_one_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    async with center() as server:
        async with center() as placeholder:
            dead = placeholder.port

        async def dns(name: str, kind: str) -> list[Any]:
            asked.append((name, kind))
            if (name, kind) != ("_sip._udp.center.test", "SRV"):
                return []
            records = ((10, dead), (20, server.port))
            return [SimpleNamespace(priority=p, weight=0, target="127.0.0.1.", port=port) for p, port in records]

        monkeypatch.setattr("gateway.net.sip.resolve._dns", dns)
        async with house(tmp_path, trunk("udp:center.test")) as at:
            request = await registered(server)
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            assert request.uri == "sip:center.test" and ("_sip._udp.center.test", "SRV") in asked
            assert at.trunk().hop.remote == ("127.0.0.1", server.port) and at.trunk().addresses == {"127.0.0.1"}


async def test_a_change_of_our_address_registers_anew_and_takes_the_old_contact_back(tmp_path: Path) -> None:
    """The trunk listens on the wildcard; its server is reached from another own address now."""
    given = {**trunk("udp:127.0.0.1:1"), "listen": ["udp:0.0.0.0:0"]}
    async with center() as server:
        given["trunks"]["center"]["servers"] = [f"udp:127.0.0.1:{server.port}"]
        async with house(tmp_path, given) as at:
            first = await registered(server)
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            real = at.endpoint.hop_to

            async def elsewhere(transport: Any, remote: Any, **given: Any) -> Any:
                hop = await real(transport, remote, **given)
                return replace(hop, local=("127.0.0.2", hop.local[1]))

            at.endpoint.hop_to = elsewhere  # type: ignore[method-assign]
            at.context.own[:] = ["127.0.0.2"]
            second = await registered(server)
            assert second.call_id == first.call_id
            uris = {one.sip.host: one.param("expires") for one in second.contacts}
            assert uris == {"127.0.0.2": None, "127.0.0.1": "0"}
            assert at.manager.moves >= 1


async def test_a_connection_by_the_old_address_is_given_up(tmp_path: Path) -> None:
    given = {**trunk("tcp:127.0.0.1:1"), "listen": ["udp:0.0.0.0:0", "tcp:0.0.0.0:0"]}
    async with center(transport="tcp") as server:
        given["trunks"]["center"]["servers"] = [f"tcp:127.0.0.1:{server.port}"]
        async with house(tmp_path, given) as at:
            await registered(server)
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            before = at.trunk().hop
            await asyncio.sleep(0.3)
            assert at.trunk().hop == before and server.registered.empty(), "looked at several times, left alone"
            real = at.endpoint.hop_to

            async def elsewhere(transport: Any, remote: Any, **given: Any) -> Any:
                hop = await real(transport, remote, **given)
                return replace(hop, local=("127.0.0.2", hop.local[1]))

            at.endpoint.hop_to = elsewhere  # type: ignore[method-assign]
            second = await registered(server)
            assert {one.sip.host for one in second.contacts} == {"127.0.0.1", "127.0.0.2"}
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            assert at.trunk().hop.flow != before.flow and at.manager.moves >= 1


def test_each_server_has_its_own_backoff() -> None:
    servers = ServerList(2, first_s=1.0, most_s=4.0, spread=lambda: 1.0)
    assert servers.choose(0.0) == (0, 0.0)
    servers.failed(0, 0.0)
    assert servers.choose(0.5) == (1, 0.0)
    servers.failed(1, 0.5)
    assert servers.choose(0.6) == (0, pytest.approx(0.4))
    for _ in range(5):
        servers.failed(0, 10.0)
        servers.failed(1, 10.0)
    assert servers.choose(10.0) == (0, 4.0)
    servers.failed(0, 10.0, least_s=60.0)
    assert servers.choose(20.0) == (1, 0.0)
    servers.works(0)
    assert servers.choose(20.0) == (0, 0.0)
    servers.failed(0, 20.0)
    servers.retry_all()
    assert servers.choose(20.0) == (0, 0.0)
