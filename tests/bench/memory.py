"""bench-memory: 10,000 viewers come and go, then 500 devices with 8 channels each register. Flat, or it is a leak.

Three parts, each against real code: the media plane alone with 1,000 armed sessions (KB a viewer); the real daemon
with viewers that offer, connect by ICE and DTLS and leave (RSS over joins, descriptors and tasks before and after); the
same daemon with devices that register and bring their catalogue, twice over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import time
from typing import Any

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.bench.common import ROOT, finish, first_picture_packets, h264_file, machine, rss_kb, rtp_file, say
from tests.bench.daemon import SERVER_ID, Daemon
from tests.bench.device import BenchDevices

WATCHED = "34020000001320000001"
PARALLEL = 8


# ── the media plane alone ────────────────────────────────────────────────────


def plane_child() -> None:
    """In a process of its own: RSS with 200 and with 1,200 viewers of one playing stream; prints KB a viewer."""
    from gateway import codecs

    packets = first_picture_packets(rtp_file(h264_file(seconds=2))[0])
    engine = codecs.Engine(threads=1)
    inlet, port_socket, peer = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
    for sock in (inlet, port_socket, peer):
        sock.bind(("127.0.0.1", 0))
    host, peer_port = peer.getsockname()
    address = inlet.getsockname()
    stream = engine.open_stream("bench/plane")
    engine.open_rtp(stream, udp_fd=inlet.detach(), hint="h264")
    port = engine.open_port(port_socket.detach())

    def join(index: int) -> None:
        session = engine.open_session(f"u{index}", pwd=secrets.token_hex(12))
        key, salt = secrets.token_bytes(16), secrets.token_bytes(12)
        engine.subscribe_session(
            stream,
            session,
            video=[codecs.RtpMap(96, "h264", 90000, rtx_pt=97)],
            audio=[],
            video_ssrc=2 * index + 1,
            video_rtx_ssrc=2 * index + 2,
            audio_ssrc=0,
            cname="bench",
        )
        engine.arm_session(
            session,
            port,
            host,
            peer_port,
            profile="AEAD_AES_128_GCM",
            tx_key=key,
            tx_salt=salt,
            rx_key=key,
            rx_salt=salt,
        )

    def play(pictures: int) -> None:
        """Key frames only: the heaviest case for queues and caches."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as feeder:
            for picture in range(pictures):
                for index, packet in enumerate(packets):
                    seq = (picture * len(packets) + index) & 0xFFFF
                    stamp = (picture * 3000) & 0xFFFFFFFF
                    feeder.sendto(packet[:2] + seq.to_bytes(2, "big") + stamp.to_bytes(4, "big") + packet[8:], address)
                time.sleep(0.1)
                engine.drain()

    play(10)
    for index in range(200):
        join(index)
    play(20)
    before = rss_kb(os.getpid())
    for index in range(200, 1200):
        join(index)
    play(40)
    after = rss_kb(os.getpid())
    stats = engine.engine_stats()
    engine.close()
    print(json.dumps({"kb_per_viewer": (after - before) / 1000, "packets_out": stats["packets_out"]}))


# ── the daemon ───────────────────────────────────────────────────────────────


async def _join(client: httpx.AsyncClient, daemon: Daemon, stream: str) -> tuple[RTCPeerConnection, str]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("video", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    answer = await client.post(
        f"{daemon.url}/whep/{stream}", content=pc.localDescription.sdp, headers={"content-type": "application/sdp"}
    )
    if answer.status_code != 201:
        raise SystemExit(f"WHEP answered {answer.status_code}: {answer.text[:300]}")
    await pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    async with asyncio.timeout(30):
        while pc.connectionState != "connected":
            if pc.connectionState in ("failed", "closed"):
                raise SystemExit(f"a viewer's connection is {pc.connectionState}\n{daemon.log()[-2000:]}")
            await asyncio.sleep(0.01)
    return pc, answer.headers["location"]


async def _leave(client: httpx.AsyncClient, daemon: Daemon, pc: RTCPeerConnection, location: str) -> None:
    await client.delete(httpx.URL(daemon.url).join(location))
    await pc.close()


async def _joins(client: httpx.AsyncClient, daemon: Daemon, stream: str, total: int) -> list[tuple[int, int]]:
    """`total` joins and leaves, PARALLEL at a time; (joins, RSS in KB) every few hundred."""
    done, samples, began = 0, [(0, rss_kb(daemon.pid))], time.monotonic()
    step = max(PARALLEL, total // 40)

    async def one() -> None:
        pc, location = await _join(client, daemon, stream)
        await _leave(client, daemon, pc, location)

    while done < total:
        async with asyncio.TaskGroup() as group:
            for _ in range(PARALLEL):
                group.create_task(one())
        done += PARALLEL
        if done % step < PARALLEL:
            samples.append((done, rss_kb(daemon.pid)))
            rate = done / (time.monotonic() - began)
            say(f"  {done:6} of {total} joins, daemon {samples[-1][1] / 1024:7.1f} MiB, {rate:5.1f} joins/s")
    return samples


def _slope_kb_per_1000(samples: list[tuple[int, int]]) -> float:
    """Least squares over the second half: what the first half fills (pools, caches) is not a leak."""
    half = [s for s in samples if s[0] >= samples[-1][0] / 2]
    return 1000 * statistics.linear_regression([s[0] for s in half], [s[1] for s in half]).slope


async def _feed(devices: BenchDevices, device: str, target: list[int]) -> None:
    """Keep the watched stream alive: one key frame a second."""
    packets = first_picture_packets(rtp_file(h264_file(seconds=2))[0])
    turn = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as feeder:
        while True:
            if target:
                for index, packet in enumerate(packets):
                    seq, stamp = (turn * len(packets) + index) & 0xFFFF, (turn * 90000) & 0xFFFFFFFF
                    head = packet[:2] + seq.to_bytes(2, "big") + stamp.to_bytes(4, "big")
                    feeder.sendto(head + packet[8:], ("127.0.0.1", target[0]))
            turn += 1
            if turn % 20 == 0:
                await devices.keepalive(device)
            await asyncio.sleep(1)


STANDING = {
    "tasks": "gateway_loop_tasks",
    "legs": "gateway_media_legs",
    "ports": "gateway_media_ports",
    "sessions": "gateway_media_sessions",
    "subscriptions": "gateway_media_subscriptions",
    "dialogs": 'gateway_adapter_figure{adapter="gb28181",figure="dialogs"}',
    "transactions": 'gateway_adapter_figure{adapter="gb28181",figure="transactions"}',
}
"""What must be as before once everybody has left, by the daemon's own /metrics."""
SETTLE_S = 45.0  # SIP transactions absorb repeats for 32 s (RFC 3261 §17)


async def _standing(client: httpx.AsyncClient, daemon: Daemon) -> dict[str, float]:
    text = (await client.get(daemon.url + "/metrics")).text
    found = dict(re.findall(r"^([a-z_]+(?:\{[^}]+\})?)(?:\{\})? ([0-9.e+]+)$", text, re.M))
    return {name: float(found[metric]) for name, metric in STANDING.items()} | {"fds": float(daemon.open_fds())}


async def _leaked(client: httpx.AsyncClient, daemon: Daemon, before: dict[str, float]) -> dict[str, float]:
    """What stands more than before; a little patience, for what ends by a timer."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        after = await _standing(client, daemon)
        more = {name: after[name] - before[name] for name in before}
        if max(more.values()) <= 0 or time.monotonic() > deadline:
            return more
        await asyncio.sleep(1)


async def _daemon_part(joins: int, device_count: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with Daemon() as daemon:
        server = ("127.0.0.1", daemon.sip)
        headers = {"authorization": f"Bearer {daemon.token}"}
        # Idle connections of this client are no leak of the daemon's: they are gone before descriptors are counted.
        limits = httpx.Limits(max_connections=PARALLEL, keepalive_expiry=1)
        async with (
            httpx.AsyncClient(verify=False, timeout=30, headers=headers, limits=limits) as client,  # noqa: S501
            BenchDevices(server, SERVER_ID, daemon.kit_password()) as devices,
        ):
            target: list[int] = []

            def on_invite(_channel: str, _host: str, port: int) -> None:
                target[:] = [port]

            devices.on_invite = on_invite
            assert await devices.register(WATCHED) == 200
            feeder = asyncio.create_task(_feed(devices, WATCHED, target))
            stream = await _stream(client, daemon)
            say("one viewer stays, so that the stream stays open")
            stays = await _join(client, daemon, stream)
            say("100 viewers at once: the whole process, Python included")
            await _joins(client, daemon, stream, 2 * PARALLEL)
            before = rss_kb(daemon.pid)
            held = [await _join(client, daemon, stream) for _ in range(100)]
            result["kb_per_viewer_whole_process"] = (rss_kb(daemon.pid) - before) / 100
            for pc, location in held:
                await _leave(client, daemon, pc, location)
            await asyncio.sleep(2)
            await _standing(client, daemon)  # closes what this client kept open
            await asyncio.sleep(2)
            before_joins = await _standing(client, daemon)
            say(f"{joins} joins and leaves")
            samples = await _joins(client, daemon, stream, joins)
            result["slope_kb_per_1000_joins"] = _slope_kb_per_1000(samples)
            more = await _leaked(client, daemon, before_joins)
            result |= {f"leaked_{name}": more[name] for name in more if name not in ("dialogs", "transactions")}
            result["rss_samples_kb"] = samples
            await _leave(client, daemon, *stays)
            feeder.cancel()
            result |= await _devices_part(client, daemon, device_count)
    return result


async def _stream(client: httpx.AsyncClient, daemon: Daemon) -> str:
    for _ in range(200):
        rows = (await client.get(daemon.url + "/api/v1/streams")).json()
        rows = rows["items"] if isinstance(rows, dict) else rows
        if rows:
            return str(rows[0]["id"])
        await asyncio.sleep(0.1)
    raise SystemExit(f"the bench's device brought no stream:\n{daemon.log()[-2000:]}")


async def _devices_part(client: httpx.AsyncClient, daemon: Daemon, count: int) -> dict[str, Any]:
    say(f"{count} devices with 8 channels each register, twice over")
    ids = [f"3402000000132{index:07d}" for index in range(100, 100 + count)]
    before, standing = rss_kb(daemon.pid), await _standing(client, daemon)
    async with BenchDevices(("127.0.0.1", daemon.sip), SERVER_ID, daemon.kit_password(), channels=8) as many:
        sizes = []
        for _turn in range(2):
            await _all(many, ids)
            await _channels(client, daemon, 8 * count)
            sizes.append(rss_kb(daemon.pid))
            say(f"  {count} devices, {8 * count} channels: daemon {sizes[-1] / 1024:.1f} MiB")
        await _all(many, ids, expires=0)
        more = await _leaked(client, daemon, standing)
        # An admitted device that is away keeps its own few tasks; they must not grow when it comes and goes again.
        away = await _standing(client, daemon)
        await _all(many, ids)
        await _channels(client, daemon, 8 * count)
        await _all(many, ids, expires=0)
        again = await _leaked(client, daemon, away)
    return {
        "kb_per_device": (sizes[0] - before) / count,
        "kb_second_registration": (sizes[1] - sizes[0]) / count,
        "leaked_dialogs": more["dialogs"],
        "leaked_transactions": more["transactions"],
        "leaked_fds_devices": more["fds"],
        "leaked_legs_devices": more["legs"],
        "leaked_tasks_devices": again["tasks"],
    }


async def _all(many: BenchDevices, ids: list[str], *, expires: int = 3600) -> None:
    """Every device registers, twenty at a time; with `expires` 0 it logs out."""
    for begin in range(0, len(ids), 20):
        statuses = await asyncio.gather(*(many.register(device, expires=expires) for device in ids[begin : begin + 20]))
        assert set(statuses) == {200}, statuses


async def _channels(client: httpx.AsyncClient, daemon: Daemon, expected: int) -> None:
    for _ in range(300):
        rows = (await client.get(daemon.url + "/api/v1/devices")).json()
        rows = rows["items"] if isinstance(rows, dict) else rows
        online = [row for row in rows if row["state"] == "online"]
        if sum(len(row["channels"]) for row in online) >= expected:
            return
        await asyncio.sleep(0.2)
    raise SystemExit(f"not all channels came: {daemon.log()[-2000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--joins", type=int, default=10_000)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--plane-child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plane_child:
        plane_child()
        return
    say("the media plane alone: 1,000 armed viewers of a playing stream")
    command = [sys.executable, "-m", "tests.bench.memory", "--plane-child"]
    plane = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    say(f"  {plane['kb_per_viewer']:.1f} KB a viewer")
    result = {"kb_per_viewer": plane["kb_per_viewer"]}
    result |= asyncio.run(_daemon_part(args.joins, args.devices))
    finish(result | {"joins": args.joins, "devices": args.devices, "machine": machine()})


if __name__ == "__main__":
    main()
