"""gateway/net/snmp.py against net-snmp's agent: v1, v2c, and v3 with the extra."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.base.errors import GatewayError, LinkDown
from gateway.net.snmp import Agent, client_of
from gateway.wire.snmp import parse_oid
from tests.peers.programs import need

pytestmark = pytest.mark.peer
BASE = "1.3.6.1.4.1.64000.1"
CONF = f"""
agentaddress udp:127.0.0.1:{{port}}
rocommunity fieldgate 127.0.0.1
sysName station
override {BASE}.1.0 integer -71
override {BASE}.2.0 octet_str "12.5"
createUser kit SHA-256 "authpass12345" AES "privpass12345"
rouser kit priv
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    need("snmpd")
    folder: Path = tmp_path_factory.mktemp("snmpd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    (folder / "snmpd.conf").write_text(CONF.format(port=number))
    command = ["snmpd", "-f", "-Lf", folder / "log", "-C", "-c", folder / "snmpd.conf", "-r", "-I", "-smux"]
    with subprocess.Popen(
        command, env={"SNMP_PERSISTENT_DIR": str(folder / "kept"), "PATH": "/usr/sbin:/usr/bin"}
    ) as run:
        try:
            asyncio.run(_up(number))
            yield number
        finally:
            run.terminate()


async def _up(port: int) -> None:
    client = client_of(Agent("127.0.0.1", port, community="fieldgate", timeout_s=0.3, retries=60))
    try:
        await client.get([parse_oid(f"{BASE}.1.0")])
    finally:
        client.close()


AGENTS = {
    "1": Agent("127.0.0.1", version="1", community="fieldgate"),
    "2c": Agent("127.0.0.1", community="fieldgate"),
    "3": Agent("127.0.0.1", version="3", user="kit", auth_password="authpass12345", privacy_password="privpass12345"),
}


def at(port: int, agent: Agent, **how: object) -> Agent:
    from dataclasses import replace

    return replace(agent, port=port, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", list(AGENTS))
async def test_values_and_a_walk(port: int, version: str) -> None:
    if version == "3":
        pytest.importorskip("pysnmp", reason="pysnmp not installed: run `make peers`")
    client = client_of(at(port, AGENTS[version], timeout_s=5.0))
    try:
        found = await client.get([parse_oid(f"{BASE}.{n}.0") for n in (1, 2, 3)])
        assert [bound.value for bound in found.values()] == [-71, b"12.5"]
        system = await client.walk(parse_oid("1.3.6.1.2.1.1"), most=40)
        assert b"station" in [bound.value for bound in system]
    finally:
        client.close()


async def test_a_wrong_community_is_silence_and_a_wrong_password_refused(port: int) -> None:
    client = client_of(at(port, AGENTS["2c"], community="wrong", timeout_s=0.2))
    with pytest.raises(LinkDown):
        await client.get([parse_oid(f"{BASE}.1.0")])
    client.close()
    pytest.importorskip("pysnmp", reason="pysnmp not installed: run `make peers`")
    client = client_of(at(port, AGENTS["3"], auth_password="wrongpassword", timeout_s=2.0))
    with pytest.raises(GatewayError) as told:
        await client.get([parse_oid(f"{BASE}.1.0")])
    assert told.value.code in ("snmp-refused", "snmp-silent")
    client.close()
