"""Ordinary traffic of a kit over links: HTTP, an MQTT session by mosquitto, a SIP registration over TLS by Kamailio.

Each asks every 200 ms and counts what was answered. HTTP makes a connection for each request; the others keep theirs,
as they do in the field, and make another when it ends or nothing is answered for 10 s.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt

from gateway.base.errors import GatewayError
from gateway.net.sip.endpoint import SipEndpoint
from gateway.net.sip.limits import Listen
from gateway.wire.digest import DigestClient
from gateway.wire.sip import NameAddr, new_request
from tests.peers.kamailio.process import kamailio
from tests.peers.kamailio.script import DOMAIN, PASSWORD, Ports
from tests.peers.mosquitto import program

HTTP, MQTT, SIP = 8080, 1883, Ports(5060, 5061)
EVERY_S = 0.2
HTTP_PATIENCE_S, PATIENCE_S = 3.0, 10.0
KINDS = ("http", "mqtt", "sip_tls")


def lacks() -> str:
    """The program that is missing here; ""."""
    there = {"mosquitto": program(), "kamailio": shutil.which("kamailio")}
    return next((name for name, found in there.items() if not found), "")


class Counts:
    def __init__(self) -> None:
        self.asked = self.answered = self.connections = 0
        self.longest_s = 0.0
        self._last = time.monotonic()

    def good(self) -> None:
        now = time.monotonic()
        self.answered += 1
        self.longest_s = max(self.longest_s, now - self._last)
        self._last = now

    def told(self) -> dict[str, float]:
        self.longest_s = max(self.longest_s, time.monotonic() - self._last)
        lost = self.asked - self.answered
        return {
            "asked": self.asked,
            "lost": lost,
            "longest_gap_s": round(self.longest_s, 2),
            "connections": self.connections,
        }


# — the center —


@asynccontextmanager
async def peers(host: str, folder: Path) -> AsyncIterator[None]:
    """The three servers, there; `folder/sip/center.crt` is what Kamailio shows."""
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {MQTT} {host}\nallow_anonymous true\nuser root\npersistence false\n")
    server = await asyncio.start_server(serve_http, host, HTTP)
    with (folder / "mosquitto.log").open("wb") as words:
        broker = await asyncio.create_subprocess_exec(program(), "-c", str(conf), stdout=words, stderr=words)
    try:
        async with server, kamailio(folder / "sip", SIP, host=host):
            async with asyncio.timeout(20):
                while True:
                    with suppress(OSError):
                        (await asyncio.open_connection(host, MQTT))[1].close()
                        break
                    await asyncio.sleep(0.05)
            yield
    finally:
        with suppress(ProcessLookupError):
            broker.terminate()
        await broker.wait()


async def serve_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
    writer.close()


# — the kit —


async def fetched(host: str, within_s: float) -> bool:
    """A request, by a connection of its own."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(host, HTTP)
            try:
                writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.read()).startswith(b"HTTP/1.1 200 ")
            finally:
                writer.close()
    return False


async def http(host: str, counts: Counts) -> None:
    """A request each 200 ms, whatever became of those before."""

    async def one() -> None:
        counts.asked += 1
        if await fetched(host, HTTP_PATIENCE_S):
            counts.connections += 1
            counts.good()

    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(one())
            await asyncio.sleep(EVERY_S)


async def mqtt(host: str, counts: Counts) -> None:
    """QoS 1 up, and down again by our own subscription: what comes back is what is counted."""

    async def hear(client: aiomqtt.Client) -> None:
        async for _ in client.messages:
            counts.good()

    while True:
        with suppress(OSError, TimeoutError, aiomqtt.MqttError, ExceptionGroup):
            async with (
                aiomqtt.Client(host, MQTT, identifier="kit1", keepalive=15, timeout=PATIENCE_S) as client,
                asyncio.TaskGroup() as group,
            ):
                counts.connections += 1
                await client.subscribe("bench/#", qos=1)
                group.create_task(hear(client))
                while True:
                    counts.asked += 1
                    await client.publish("bench/kit1", b"x", qos=1, timeout=PATIENCE_S)
                    await asyncio.sleep(EVERY_S)
        await asyncio.sleep(EVERY_S)


async def sip_tls(host: str, counts: Counts, certificate: Path) -> None:
    """REGISTER with digest on each new connection, then OPTIONS on it."""
    context = ssl.create_default_context(cafile=str(certificate))
    us, digest = NameAddr(f"sip:6001@{DOMAIN}"), DigestClient("6001", PASSWORD)
    async with SipEndpoint([Listen("tcp", "0.0.0.0", 0)], product="bench", tls_client=context) as endpoint:
        while True:
            hop = None
            with suppress(OSError, TimeoutError, GatewayError):
                hop = await endpoint.hop_to("tls", (host, SIP.tls), server_name=DOMAIN)
                counts.connections += 1
                request = new_request(
                    "REGISTER", f"sip:{DOMAIN}", from_=us, to=us, hop=hop, contact_user="6001",
                    headers=[("Expires", "600")],
                )  # fmt: skip
                await endpoint.request(request, hop, auth=digest, timeout=PATIENCE_S, check=True)
                while True:
                    counts.asked += 1
                    options = new_request("OPTIONS", f"sip:{DOMAIN}", from_=us, to=NameAddr(f"sip:{DOMAIN}"), hop=hop)
                    await endpoint.request(options, hop, timeout=PATIENCE_S, check=True)
                    counts.good()
                    await asyncio.sleep(EVERY_S)
            if hop is not None:
                endpoint.close_flow(hop, "nothing is answered")
            await asyncio.sleep(EVERY_S)
