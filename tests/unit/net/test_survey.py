"""What a link is like, measured over the loopback against our echo and small servers of the test's own."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

import pytest

from gateway.base.udp import UdpSocket
from gateway.net.links import echo, survey
from gateway.net.links.prober import Target
from gateway.net.links.survey import Outlet

HERE = Outlet("", "127.0.0.1", "::1")
TOKEN = bytes(range(8))


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "PATIENCE_S", 0.5)
    monkeypatch.setattr(survey, "PING_EVERY_S", 0.005)


def test_a_large_probe_says_what_came_and_from_where() -> None:
    said = echo.answer(echo.large(TOKEN, 7, 1200), ("192.0.2.7", 4711))
    assert said is not None and len(said) == 48 and echo.seen_from(said, TOKEN) == (7, 1200, "192.0.2.7", 4711)
    assert echo.number_of(said, TOKEN) is None and echo.seen_from(said, bytes(8)) is None
    six = echo.answer(echo.large(TOKEN, 1, 1), ("2001:db8::7", 5))
    assert six is not None and echo.seen_from(six, TOKEN) == (1, 48, "2001:db8::7", 5)
    for size in (25, 47, 1501, 9000):
        assert echo.answer(echo.probe(TOKEN, 1).ljust(size, b"\0"), ("192.0.2.7", 1)) is None
    for cut in range(48):
        assert echo.seen_from(said[:cut], TOKEN) is None


async def test_round_trip_rate_size_and_mapping() -> None:
    ports = free_port(), free_port()
    stops = [echo.serve("127.0.0.1", port) for port in ports]
    one, two = (Target("udp", "127.0.0.1", port) for port in ports)
    pings = await survey.pings(HERE, one)
    assert (pings.sent, pings.answered) == (20, 20) and pings.rtt_ms is not None
    await asyncio.sleep(0.3)  # the echo's rate is for each source
    assert await survey.payload(HERE, one) == 1472
    assert len(set(await survey.mapping(HERE, [one, two]))) == 1
    for stop in stops:
        stop()
    assert (await survey.pings(HERE, one)).answered == 0
    assert await survey.payload(HERE, one) is None and await survey.capacity(HERE, one) is None
    assert await survey.mapping(HERE, [one]) == [] and await survey.mapping(HERE, []) == []
    nowhere = Outlet("no-such-0", "127.0.0.1")
    assert (await survey.pings(nowhere, one)).sent == 0 and await survey.stun(nowhere, one) is None


async def test_rate_by_a_train() -> None:
    port = free_port()
    stop = echo.serve("127.0.0.1", port)
    rate = await survey.capacity(HERE, Target("udp", "127.0.0.1", port))
    assert rate is not None and rate > 1e6
    stop()


async def test_stun_and_sip() -> None:
    sock = UdpSocket("127.0.0.1", 0)
    sip: list[bytes] = []

    def heard(data: bytes, remote: tuple[str, int], local: tuple[str, int]) -> None:
        if data[:2] == b"\x00\x01":
            port = struct.pack(">H", remote[1] ^ 0x2112)
            address = bytes(a ^ b for a, b in zip(socket.inet_aton(remote[0]), b"\x21\x12\xa4\x42", strict=True))
            body = b"\x80\x22\x00\x03abc\0" + b"\x00\x20\x00\x08\x00\x01" + port + address
            sock.send(b"\x01\x01" + struct.pack(">H", len(body)) + data[4:20] + body, remote, local[0])
        else:
            sip.append(data)
            head = next(line for line in data.split(b"\r\n") if line.startswith(b"Call-ID"))
            sock.send(b"SIP/2.0 200 OK\r\n" + head + b"\r\n\r\n", remote, local[0])

    sock.open(heard)
    target = Target("udp", "127.0.0.1", sock.port)
    seen = await survey.stun(HERE, target)
    assert seen is not None and seen[0] == "127.0.0.1"
    assert await survey.options(HERE, target) == "200 OK" and sip[0].startswith(b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n")
    sock.close()
    assert survey._mapped(b"\x01\x01\x00\x00" + bytes(16) + b"\x00\x20\x00\x08\x00") is None


async def test_tls_that_is_none_is_said() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello, who is there?\r\n")
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    began = time.monotonic()
    told = await survey.shaken(HERE, socket.AF_INET, host, port)
    assert told.seconds is None and told.problem and time.monotonic() - began < 8
    server.close()
    await server.wait_closed()
    assert (await survey.shaken(HERE, socket.AF_INET, host, port)).seconds is None
