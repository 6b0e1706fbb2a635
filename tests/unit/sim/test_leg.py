"""Media legs on real loopback sockets: UDP, dialling, listening, and their faults."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.leg import QUEUE_FRAMES, Leg
from gateway.sim.offer import Carrier
from gateway.sim.replay import Replay

SMALL = VideoSettings(width=320, height=240, gop_s=0.2)
SSRC = 100_000_001


@asynccontextmanager
async def playing(leg: Leg) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(leg.play(Replay(SMALL)))
    try:
        async with asyncio.timeout(20):
            yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        leg.close()


def udp_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


def leg_to(address: tuple[str, int], carrier: Carrier, *faults: str) -> Leg:
    leg = Leg(carrier, address, SSRC, SMALL, Faults.read(faults))
    leg.open()
    return leg


async def read_packet(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack("!H", await reader.readexactly(2))
    return await reader.readexactly(size)


async def test_udp_carries_the_ssrc_and_starts_with_a_key_frame() -> None:
    with udp_socket() as sock:
        leg = leg_to(sock.getsockname(), Carrier.UDP)
        async with playing(leg):
            data, source = await asyncio.get_running_loop().sock_recvfrom(sock, 2048)
    assert struct.unpack("!I", data[8:12])[0] == SSRC and source[1] == leg.port
    assert data[12:16] == b"\x00\x00\x01\xba" and b"\x00\x00\x01\xbc" in data


async def test_rebinding_changes_the_source_port_in_mid_stream() -> None:
    loop = asyncio.get_running_loop()
    with udp_socket() as sock:
        leg = leg_to(sock.getsockname(), Carrier.UDP)
        async with playing(leg):
            await loop.sock_recvfrom(sock, 2048)
            leg.rebind()
            while (await loop.sock_recvfrom(sock, 2048))[1][1] == leg.port:
                pass


async def test_dialling_frames_rtp_by_length() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            await arrived.put(await read_packet(reader))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    leg = leg_to(server.sockets[0].getsockname(), Carrier.DIAL)
    async with server, playing(leg) as play:
        first = await arrived.get()
        assert struct.unpack("!I", first[8:12])[0] == SSRC
        await play  # the platform closed: the leg ends by itself


async def test_listening_accepts_and_garbage_breaks_the_framing() -> None:
    leg = leg_to(("127.0.0.1", 9), Carrier.LISTEN, "tcp-framing=0.2")
    async with playing(leg):
        reader, writer = await asyncio.open_connection("127.0.0.1", leg.port)
        sound = 0
        while (await read_packet(reader))[:2] in (b"\x80\x60", b"\x80\xe0"):
            sound += 1
        writer.close()
    assert sound > 0


async def test_tcp_refused_never_plays() -> None:
    leg = leg_to(("127.0.0.1", 9), Carrier.LISTEN, "tcp-refuses")
    async with playing(leg) as play:
        try:
            await asyncio.open_connection("127.0.0.1", leg.port)
        except ConnectionRefusedError:
            refused = True
        else:
            refused = False
        assert refused and not play.done()


async def test_a_full_queue_drops_to_the_next_key_frame() -> None:
    from gateway.sim.encoder import Frame

    leg = Leg(Carrier.UDP, ("127.0.0.1", 9), SSRC, SMALL, Faults())
    leg.feed(Frame(b"early", False, 0, 0))
    assert not leg._queue  # nothing before a key frame
    leg.feed(Frame(b"key", True, 0, 0))
    for _ in range(QUEUE_FRAMES + 10):
        leg.feed(Frame(b"delta", False, 0, 0))
    assert not leg._queue
    leg.feed(Frame(b"key", True, 0, 0))
    assert [frame.key for frame in leg._queue] == [True]
