"""TCP services of one side, opened by name from the other: by whom the configuration says, and by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.uplink.config import Service, UplinkConfig
from gateway.base.errors import LinkDown
from gateway.model.principal import Role
from tests.unit.uplink.rig import VERA, a_pair, until


async def test_services_by_name(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    free = await asyncio.start_server(serve, "127.0.0.1", 0)
    first = free.sockets[0].getsockname()[1]
    free.close()
    await free.wait_closed()
    forwards = [{"listen": f"127.0.0.1:{first}", "service": "echo", "peer": "kit7"}]
    async with (
        server,
        a_pair(tmp_path, kit={"services": {"echo": f"127.0.0.1:{port}"}}, center={"forwards": forwards}) as pair,
    ):
        await pair.here()
        reader, writer = await asyncio.open_connection("127.0.0.1", first)
        writer.write(b"hello\n")
        assert await asyncio.wait_for(reader.readline(), 10) == b"HELLO\n"
        writer.close()

        services, loop = pair.center.core.fleet.services, asyncio.get_running_loop()
        with await services.connect("kit7", "echo") as ours:
            await loop.sock_sendall(ours, b"hello\n")
            assert await asyncio.wait_for(loop.sock_recv(ours, 10), 10) == b"HELLO\n"
        with await services.connect("kit7", "other") as ours:
            assert await asyncio.wait_for(loop.sock_recv(ours, 10), 10) == b"", "it is not configured"
        await pair.kit.stop()
        with pytest.raises(LinkDown):
            await until("the way is gone", lambda: pair.center.core.fleet.kit(VERA, "kit7").ways == ())
            await services.connect("kit7", "echo")


@pytest.mark.parametrize(
    ("rights", "service", "opened"),
    [
        ({"role": Role.OPERATOR}, {}, True),
        ({"role": Role.VIEWER}, {}, False),
        ({"role": Role.VIEWER}, {"role": "viewer"}, True),
        ({"role": Role.OPERATOR}, {"role": "technician"}, False),
        ({"role": Role.ADMINISTRATOR}, {"role": "technician"}, True),
        ({"role": Role.ADMINISTRATOR, "scope": "kit7/ball-1"}, {"role": "viewer"}, False),
        ({"role": Role.ADMINISTRATOR}, {"peers": ["province"]}, False),
        ({"role": Role.OPERATOR}, {"peers": ["province", "county"]}, True),
    ],
)
async def test_a_center_opens_what_it_may(
    tmp_path: Path, rights: dict[str, Any], service: dict[str, Any], opened: bool
) -> None:
    """A service shows all of the kit, whatever part of it the center was given."""
    async with an_echo() as port:
        config = {"services": {"echo": {"to": f"127.0.0.1:{port}", **service}}}
        async with a_pair(tmp_path, kit=config, **rights) as pair:
            await pair.here()
            loop = asyncio.get_running_loop()
            with await pair.center.core.fleet.services.connect("kit7", "echo") as ours:
                if opened:
                    await loop.sock_sendall(ours, b"hello\n")
                assert await asyncio.wait_for(loop.sock_recv(ours, 10), 10) == (b"HELLO\n" if opened else b"")


async def test_a_kit_opens_what_its_center_gives_it(tmp_path: Path) -> None:
    async with an_echo() as port:
        to = f"127.0.0.1:{port}"
        center = {"services": {"echo": to, "other": {"to": to, "peers": ["kit8"]}}}
        async with a_pair(tmp_path, center=center) as pair:
            await pair.here()
            services, loop = pair.kit.core.fleet.services, asyncio.get_running_loop()
            # The center has the kit before the kit hears that it is in: until then nothing carries a service.
            await until("the kit hears that it is in", lambda: "county" in services._carriers)
            with await services.connect("county", "echo") as ours:
                await loop.sock_sendall(ours, b"hello\n")
                assert await asyncio.wait_for(loop.sock_recv(ours, 10), 10) == b"HELLO\n"
            with await services.connect("county", "other") as ours:
                assert await asyncio.wait_for(loop.sock_recv(ours, 10), 10) == b""


def test_as_a_text_or_as_a_table() -> None:
    config = UplinkConfig.model_validate(
        {"services": {"sip": "127.0.0.1:5060", "db": {"to": "[::1]:1", "role": "viewer"}}}
    )
    assert config.services == {"sip": Service(to="127.0.0.1:5060"), "db": Service(to="[::1]:1", role=Role.VIEWER)}
    assert config.services["sip"].role is Role.OPERATOR
    wrong: list[Any] = [
        {"to": "nowhere"},
        {"to": "x:0"},
        {"to": "x:1", "role": "auditor"},
        {"to": "x:1", "peers": ["Kit 8"]},
        7,
    ]
    for one in wrong:
        with pytest.raises(ValidationError):
            UplinkConfig.model_validate({"services": {"sip": one}})


@asynccontextmanager
async def an_echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
