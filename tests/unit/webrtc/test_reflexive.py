"""Our outer address, from a STUN server on loopback; and answers that are none."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aioice import stun

from adapters.webrtc import reflexive
from adapters.webrtc.ports import LocalPort
from adapters.webrtc.reflexive import Reflexive, binding_request, mapped_address
from tests.unit.webrtc.fakes import FakeEngine, FakeMedia, until

ID = b"123456789012"


def answer(request: bytes, address: tuple[str, int]) -> bytes:
    """As somebody else's STUN writes it."""
    asked = stun.parse_message(request)
    told = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=asked.transaction_id)
    told.attributes["XOR-MAPPED-ADDRESS"] = address
    return bytes(told)


def test_reads_what_a_server_says() -> None:
    data = answer(binding_request(ID), ("203.0.113.7", 40001))
    assert mapped_address(data, ID) == ("203.0.113.7", 40001)
    assert mapped_address(data, b"another one!") is None
    for cut in range(len(data)):
        assert mapped_address(data[:cut], ID) is None


async def test_asks_through_the_shared_port_and_keeps_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflexive, "EVERY_S", 0.05)
    engine = FakeEngine()
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind(("127.0.0.1", 0))
    number = own.getsockname()[1]
    port = LocalPort(engine.open_port(own.detach()), "192.0.2.2", number, 1)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    server.bind(("127.0.0.1", 0))
    name = f"127.0.0.1:{server.getsockname()[1]}"
    asking = Reflexive(FakeMedia(engine), name, lambda: [port])  # type: ignore[arg-type]
    task = asyncio.create_task(asking.run())
    loop = asyncio.get_running_loop()
    try:
        for outer in (("203.0.113.7", 40001), ("203.0.113.8", 40002)):  # the NAT was restarted in between
            data, sender = await asyncio.wait_for(loop.sock_recvfrom(server, 2048), 5)
            assert sender[1] == number
            server.sendto(answer(data, outer), sender)
            await until(lambda outer=outer: asking.mapped.get(port.handle) == outer, "mapped")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        engine.close_port(port.handle)
    assert not engine.sessions and not engine.handlers
