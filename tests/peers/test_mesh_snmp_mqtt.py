"""adapters/mesh against net-snmp's table of interfaces, and Meshtastic's messages by mosquitto."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model.position import Position
from tests.peers.programs import need
from tests.peers.test_snmpd import BASE, port
from tests.unit.mesh.test_adapter import running
from tests.unit.mesh.test_meshtastic import message

pytestmark = pytest.mark.peer
__all__ = ["port"]  # the fixture


async def test_a_table_by_snmp(port: int) -> None:
    """Any table will do: sysORTable's descriptions as names of neighbours."""
    agent = {"host": "127.0.0.1", "port": port, "community": "fieldgate", "timeout": "5s"}
    fields = {"own_fields": {"snr": f"{BASE}.1.0*0.5"}, "link_fields": {"b": "1.3.6.1.2.1.1.9.1.3"}}
    async with asyncio.timeout(60), running(mast={"kind": "snmp", "agent": agent, **fields}) as context:
        told = await context.until(lambda one: len(one.edges) > 2)
        mast = next(node for node in told.nodes if node.id == "mast")
        assert mast.read and [(r.key, r.value) for r in mast.readings] == [("snr", -35.5)]
        assert {edge.a for edge in told.edges} == {"mast"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    need("mosquitto", "mosquitto_pub")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    (tmp_path / "m.conf").write_text(f"listener {number} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    with subprocess.Popen(["mosquitto", "-c", tmp_path / "m.conf"], stderr=subprocess.DEVNULL) as run:
        try:
            yield number
        finally:
            run.terminate()


async def test_meshtastic_by_mosquitto(broker: int, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[Position] = []
    async with asyncio.timeout(60), running(lora={"kind": "meshtastic", "port": broker}) as context:
        context.position = placed.append  # type: ignore[attr-defined]
        await context.until(lambda one: one.sources[0].code == "")
        where = {"latitude_i": 399000000, "longitude_i": 1164000000, "time": 1_790_000_000}
        for sent in (b"\xffgarbage", message("position", where, id=1), message("text", {"text": "到位"}, id=2)):
            command = ["mosquitto_pub", "-p", str(broker), "-t", "msh/CN/2/json/LongFast/!0a0b0cff", "-s"]
            await asyncio.to_thread(subprocess.run, command, input=sent, check=True)
        told = await context.until(lambda one: len(one.texts) == 1 and len(one.edges) == 1)
        assert told.texts[0].text == "到位" and told.texts[0].channel == "LongFast"
    assert [(p.device, p.longitude, p.taken_at) for p in placed] == [("kit1/mesh-0a0b0c01", 116.4, 1_790_000_000)]
