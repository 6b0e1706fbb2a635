"""The server on real sockets: HTTPS by the kit's own authority, the local socket, and ports that are taken."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway.api import listener, server
from gateway.api.late import Late
from gateway.api.mounts import Mounts
from gateway.api.server import ApiServer, bind_local
from gateway.base.errors import ConfigError
from gateway.config.root import Api
from gateway.core.services import Services
from gateway.model.principal import Role


@asynccontextmanager
async def running(
    services: Services, state_dir: Path, started: Callable[[], Awaitable[object]] | None = None, **config: Any
) -> AsyncIterator[ApiServer]:
    api = ApiServer(
        services,
        Mounts(),
        Api(listen="127.0.0.1", port=0, **config),
        state_dir=state_dir,
        addresses=lambda: ["127.0.0.1"],
        **({} if started is None else {"started": started}),  # type: ignore[arg-type]
    )
    ready = asyncio.Event()
    task = asyncio.create_task(api.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    async with asyncio.timeout(10):
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            await task
        yield api
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.wait({task})


def trust(state_dir: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(state_dir / "tls" / "ca.crt"))


async def test_https_is_trusted_by_the_kits_authority(services: Services, tmp_path: Path) -> None:
    async with running(services, tmp_path) as api, httpx.AsyncClient(verify=trust(tmp_path)) as client:
        assert api.url.startswith("https://127.0.0.1:")
        answer = await client.get(f"{api.url}/healthz")
        assert answer.json() == {"ok": True}
        assert "server" not in answer.headers
        for name in ("server.key", "ca.key"):
            assert (tmp_path / "tls" / name).stat().st_mode & 0o777 == 0o600


async def test_answers_are_dated_and_a_server_at_rest_does_not_tick(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ticks(_server: Any, _counter: int) -> bool:
        raise AssertionError("uvicorn looks whether it is to end")

    monkeypatch.setattr("uvicorn.Server.on_tick", ticks)
    now = [1_790_000_000.0]
    monkeypatch.setattr(listener, "time", type("", (), {"time": lambda: now[0]}))
    async with running(services, tmp_path, tls=False) as api, httpx.AsyncClient() as client:
        answer = await client.get(f"{api.url}/healthz")
        assert answer.headers.get_list("date") == [formatdate(now[0], usegmt=True)]
        now[0] += 61.0
        answer = await client.get(f"{api.url}/healthz")
        assert answer.headers["date"] == formatdate(now[0], usegmt=True)


async def test_who_asks_before_the_routes_are_built_has_them_built(services: Services, tmp_path: Path) -> None:
    built, never = asyncio.Event(), asyncio.Event()
    build = Late._load

    async def noted(self: Late) -> None:
        await build(self)
        built.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Late, "_load", noted)
        async with running(services, tmp_path, started=never.wait):
            transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "api.sock"))
            async with httpx.AsyncClient(transport=transport, base_url="http://fieldgate") as client:
                assert (await client.get("/healthz")).json() == {"ok": True}
                assert (await client.get("/api/v1/system")).json()["ready"] is True
                assert not built.is_set(), "these are there at once"
                me, page, strange = await asyncio.gather(
                    client.get("/api/v1/auth/me"), client.get("/"), client.get("/api/v1/nothing")
                )
                assert built.is_set() and me.json()["name"] == "local"
                assert page.headers["content-type"].startswith("text/html") and strange.status_code == 404
                assert (await client.get("/api/v1/system")).status_code == 200


async def test_a_server_that_ends_while_its_routes_are_built_leaves_nothing(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def stays(self: Late) -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(Late, "_load", stays)
    before = asyncio.all_tasks()
    async with running(services, tmp_path), asyncio.timeout(20):
        await begun.wait()
    assert asyncio.all_tasks() == before


async def test_the_routes_are_built_when_the_daemon_is_ready(services: Services, tmp_path: Path) -> None:
    built = asyncio.Event()
    build = Late._load

    async def noted(self: Late) -> None:
        await build(self)
        built.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Late, "_load", noted)
        async with running(services, tmp_path), asyncio.timeout(20):
            await built.wait()


async def test_the_local_socket_needs_no_password(services: Services, tmp_path: Path) -> None:
    async with running(services, tmp_path):
        path = tmp_path / "api.sock"
        assert path.stat().st_mode & 0o777 == 0o600
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://fieldgate") as client:
            me = (await client.get("/api/v1/auth/me")).json()
            assert me["name"] == "local"
            assert me["role"] == "administrator"
            assert (await client.get("/api/v1/audit")).status_code == 403
    assert not path.exists()


async def test_websocket_over_tls(services: Services, tmp_path: Path) -> None:
    async with running(services, tmp_path) as api:
        token = services.accounts.give(Role.VIEWER)  # type: ignore[attr-defined]
        url = api.url.replace("https", "wss") + "/api/v1/events"
        headers = {"Authorization": f"Bearer {token}"}
        async with asyncio.timeout(10), connect(url, ssl=trust(tmp_path), additional_headers=headers) as socket_:
            assert json.loads(await socket_.recv())["type"] == "hello"
            services.bus.publish("stream", "kit1/ball-1/ch1", {"state": "live"})
            assert json.loads(await socket_.recv())["data"] == {"state": "live"}
            await socket_.send("x" * 8192)
            with pytest.raises(ConnectionClosed):
                await socket_.recv()


async def test_old_tls_is_refused(services: Services, tmp_path: Path) -> None:
    async with running(services, tmp_path) as api:
        context = trust(tmp_path)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        port = int(api.url.rpartition(":")[2])
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def test_a_taken_port_is_named(services: Services, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        api = ApiServer(
            services,
            Mounts(),
            Api(listen="127.0.0.1", port=holder.getsockname()[1]),
            state_dir=tmp_path,
            addresses=list,
        )
        with pytest.raises(ConfigError) as caught:
            await api.run(lambda: None)
    assert caught.value.code == "port-in-use"
    assert caught.value.key == "api.port"


async def test_a_second_daemon_on_the_same_state_is_refused(services: Services, tmp_path: Path) -> None:
    async with running(services, tmp_path):
        with pytest.raises(ConfigError, match="another gateway runs"):
            bind_local(tmp_path / "api.sock")


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    bind_local(path).close()


async def test_a_new_address_gets_into_the_certificate(services: Services, tmp_path: Path) -> None:
    own = ["127.0.0.1"]
    async with running(services, tmp_path) as api:
        api._addresses = lambda: own
        assert not await api.renew()
        own.append("192.0.2.7")
        assert await api.renew()
        port = int(api.url.rpartition(":")[2])
        context = trust(tmp_path)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="192.0.2.7")
        writer.close()
        await writer.wait_closed()


async def test_an_unusable_certificate_is_named(services: Services, tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text("not a certificate")
    config = {"tls_cert": tmp_path / "own.pem", "tls_key": tmp_path / "own.pem"}
    with pytest.raises(ConfigError) as caught:
        async with running(services, tmp_path, **config):
            pass
    assert caught.value.key == "api.tls_cert"


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTT"])
async def test_a_request_that_never_ends_is_given_up(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes, asked_before: bool
) -> None:
    monkeypatch.setattr(listener, "HEADER_PATIENCE_S", 0.05)
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 1)
    async with running(services, tmp_path, tls=False) as api, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2]))
        if asked_before:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: kit1\r\n\r\n")
            assert b"200" in await reader.readuntil(b"}")
        writer.write(begun)
        assert await reader.read() == b""  # returns when the server closes
        writer.close()


async def test_a_websocket_is_no_slow_request(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HEADER_PATIENCE_S", 0.05)
    async with running(services, tmp_path, tls=False) as api, asyncio.timeout(10):
        token = services.accounts.give(Role.VIEWER)  # type: ignore[attr-defined]
        url = api.url.replace("http", "ws") + "/api/v1/events"
        async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket_:
            await socket_.recv()
            idle = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.2, idle.set_result, None)
            await idle
            await socket_.send('{"type":"ping"}')
            assert json.loads(await socket_.recv()) == {"type": "pong"}


def test_the_daemons_loop_serves_both_sockets(services: Services, tmp_path: Path) -> None:
    """uvloop takes unix sockets and TLS its own way; the daemon runs on it."""

    async def ask() -> None:
        await test_https_is_trusted_by_the_kits_authority(services, tmp_path)
        await test_the_local_socket_needs_no_password(services, tmp_path)
        await test_websocket_over_tls(services, tmp_path)

    uvloop.run(ask())
