"""The whole gateway behind Kamailio: two phones of the center meet in a talk group of the kit and hear each other."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.cli.client import Client
from gateway.net.sip import InviteCall
from gateway.wire.sip import SipResponse, new_request
from tests.peers.kamailio.process import Kamailio, free_ports, kamailio
from tests.peers.kamailio.script import DOMAIN, PASSWORD
from tests.peers.programs import need
from tests.peers.test_kamailio import PATIENCE_S, Agent, agent

pytestmark = pytest.mark.peer

TONE_HZ = 400.0
PTIME_S = 0.02
LOUD = 1000  # of 32768: a tone of -6 dBFS arrives far above, comfort noise far below


@pytest.fixture(autouse=True)
def kamailio_is_here() -> None:
    need("kamailio", "openssl")


CONFIG = """\
[gateway]
state_dir = "{folder}"
[api]
listen = "127.0.0.1"
port = 0
tls = false
[media]
rtp_ports = "{rtp}-{rtp_last}"
[talk.group.ops]
name = "ops"
number = "600"
mode = "full"
[adapter.gb28181]
enabled = false
[adapter.webrtc]
enabled = false
[adapter.roip]
enabled = false
[adapter.sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[adapter.sip.trunks.center]
servers = ["{transport}:127.0.0.1:{port}"]
keepalive = "1s"
keepalive_patience = "1s"
keepalive_misses = 1
retry_first = "1s"
retry_most = "2s"
domain = "{domain}"
accounts = [{{user = "6001", password = "{password}", target = "talk/ops"}}]
"""


@asynccontextmanager
async def gateway(folder: Path, center: Kamailio, transport: str = "tcp") -> AsyncIterator[asyncio.subprocess.Process]:
    """A daemon whose trunk is up."""
    rtp = free_ports().udp // 2 * 2 % 20_000 + 40_000
    config = folder / "gateway.toml"
    config.write_text(
        CONFIG.format(
            folder=folder,
            transport=transport,
            port=center.ports.udp,
            domain=DOMAIN,
            password=PASSWORD,
            rtp=rtp,
            rtp_last=rtp + 199,
        )
    )
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "run", "--config", str(config), stdout=log, stderr=log,
            env=os.environ | {"FIELDGATE_STATE_DIR": str(folder)},
        )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while True:
                assert process.returncode is None, (folder / "log").read_text()[-3000:]
                try:
                    told = await asyncio.to_thread(Client(folder).get, "/sip/status")
                except Exception:
                    told = {"trunks": []}
                if any(trunk["state"] == "up" for trunk in told["trunks"]):
                    break
                await asyncio.sleep(0.1)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)


class Voice:
    """A phone's sound: PCMA on a socket of its own; `loudest` is what was heard."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = int(self.socket.getsockname()[1])

    def __enter__(self) -> Voice:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def sdp(self) -> bytes:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        lines += [f"m=audio {self.port} RTP/AVP 8", "a=rtpmap:8 PCMA/8000", "a=sendrecv", ""]
        return "\r\n".join(lines).encode()

    async def talk(self, remote: tuple[str, int]) -> None:
        """A tone, until cancelled: 20 ms hold eight whole waves, so that one packet's sound is every packet's."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        body = bytes(alaw(int(16000 * math.sin(2 * math.pi * TONE_HZ * n / 8000))) for n in range(160))
        for sequence in range(1 << 16):
            header = struct.pack("!BBHII", 0x80, 8, sequence, sequence * 160, 0x1234)
            await loop.sock_sendto(self.socket, header + body, remote)
            await asyncio.sleep(max(0.0, began + (sequence + 1) * PTIME_S - loop.time()))

    async def hears(self) -> None:
        """Returns when something loud has come."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                packet = await loop.sock_recv(self.socket, 2048)
                if len(packet) > 12 and max(abs(linear(byte)) for byte in packet[12:]) > LOUD:
                    return


def alaw(sample: int) -> int:
    """The A-law byte whose value is nearest to a 16-bit sample (G.711)."""
    return min(range(256), key=lambda byte: abs(linear(byte) - sample))


def linear(byte: int) -> int:
    byte ^= 0x55
    exponent, mantissa = (byte >> 4) & 7, byte & 0x0F
    value = (mantissa << 4) + 8
    if exponent:
        value = (value + 0x100) << (exponent - 1)
    return value if byte & 0x80 else -value


async def call_in(one: Agent, voice: Voice) -> tuple[InviteCall, tuple[str, int]]:
    """Call the kit's account; the call, and where its sound goes."""
    request = new_request(
        "INVITE", f"sip:6001@{DOMAIN}", from_=f"sip:{one.user}@{DOMAIN}", hop=one.hop, contact_user=one.user,
        body=voice.sdp(), content_type="application/sdp",
    )  # fmt: skip
    call = await one.endpoint.invite(request, one.hop, auth=one.digest)
    answer: SipResponse = await call.answered(PATIENCE_S)
    await call.ack()
    text = answer.body.decode()
    host = next(line.split()[-1] for line in text.splitlines() if line.startswith("c="))
    port = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("m=audio"))
    return call, (host, port)


async def test_two_phones_of_the_center_hear_each_other_in_a_group_of_the_kit(tmp_path: Path) -> None:
    async with (
        kamailio(tmp_path / "center") as center,
        agent(center) as one,
        agent(center, "4001") as two,
        gateway(tmp_path, center) as daemon,
    ):
        first, second = Voice(), Voice()
        call, where = await call_in(one, first)
        other, there = await call_in(two, second)
        talking = [asyncio.create_task(first.talk(where))]
        await second.hears()
        talking[0].cancel()
        talking.append(asyncio.create_task(second.talk(there)))
        await first.hears()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await call.bye()
        assert other.end is None
        daemon.terminate()
        ended = await asyncio.wait_for(other.ended(), PATIENCE_S)
        assert ended.by == "remote", "a gateway that stops hangs up along the Record-Route"
        first.socket.close()
        second.socket.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_trunk_that_is_killed_during_a_call_ends_it_in_words(tmp_path: Path, transport: str) -> None:
    """Within seconds, long before the session timer; over UDP nothing but the silence tells."""
    async with (
        AsyncExitStack() as stack,
        kamailio(tmp_path / "center") as center,
        agent(center) as one,
        gateway(tmp_path, center, transport),
    ):
        stack.enter_context(voice := Voice())
        await call_in(one, voice)
        client = Client(tmp_path)
        (call,) = await asyncio.to_thread(client.get, "/api/v1/calls")
        assert (call["state"], call["trunk"]) == ("up", "center")
        await center.kill()
        async with asyncio.timeout(30):
            while call["state"] != "ended":
                await asyncio.sleep(0.1)
                (call,) = await asyncio.to_thread(client.get, "/api/v1/calls")
        assert call["code"] == "call-link-lost", call
        # Over TCP the call itself may be the first to see that its connection is gone.
        assert "trunk center" in call["detail"] or "the connection is gone" in call["detail"], call
        # And that before the trunk has seen it.
        found = {"grade": ""}
        async with asyncio.timeout(60):
            while found["grade"] != "fail":
                checks = await asyncio.to_thread(client.get, "/api/v1/system/doctor")
                (found,) = [one for one in checks if one["check"] == "sip trunk center"]
        assert found["code"], found
