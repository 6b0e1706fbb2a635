"""SIP and GB/T 28181 through the bundle: SIPp registers at a kit by its center, a ball at a center by its kit.

Calls' sound and pictures are no matter of these: they go as voices and pictures of the bundle.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.model.device import Device, DeviceState
from gateway.model.principal import SYSTEM
from gateway.sim.ball import Ball
from gateway.sim.report import silent
from tests.paths.uplink_rig import County, county, until
from tests.peers.programs import need
from tests.peers.stage import Ports, ports
from tests.peers.test_sipp import finish, scenario, sipp
from tests.unit.webrtc.client import only_loopback

pytestmark = pytest.mark.peer
PASSWORD = "correct-horse-battery"
OTHER_BALL = "34020000001110000007"


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports]]:
    only_loopback(monkeypatch)
    with ExitStack() as stack:
        yield stack.enter_context(ports()), stack.enter_context(ports())


def forward(port: int, service: str, peer: str) -> str:
    return f'forwards = [{{ listen = "127.0.0.1:{port}", service = "{service}", peer = "{peer}" }}]\n'


async def test_a_phone_of_the_center_registers_at_the_kit(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    need("sipp")
    kit, center = free
    at_kit = f'fallback = false\nservices = {{ sip = "127.0.0.1:{kit.phones}" }}\n'
    users = f'[adapter.sip.users.8101]\npassword = "{PASSWORD}"\n'
    text = scenario("register", tmp_path).read_text()
    script = tmp_path / "8101.xml"
    text = text.replace("sip:device@3402000000", "sip:8101@kit7").replace("sip:device@", "sip:8101@")
    script.write_text(text.replace("username=device password=kit-password", f"username=8101 password={PASSWORD}"))
    async with county(
        tmp_path,
        kit,
        center,
        kit=at_kit,
        center=forward(center.pbx, "sip", "kit7"),
        sip='digests = ["MD5"]\n',
        more_kit=users,
    ) as made:
        await made.here()
        await until("the port is open", lambda: _listens(center.pbx))
        async with sipp(tmp_path, "tcp", "-sf", script, "-r", 5, f"127.0.0.1:{center.pbx}") as phone:
            await finish(phone, tmp_path)
        answer = await _options(center.pbx)
        assert answer.startswith(b"SIP/2.0 ") and b"Server: Fieldgate" in answer, "the kit's own server answers"


async def test_a_ball_of_the_kits_network_registers_at_the_center(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    kit, center = free
    at_center = f'services = {{ gb28181 = "127.0.0.1:{center.sip}" }}\n'
    at_kit = "fallback = false\n" + forward(kit.pbx, "gb28181", "county")
    async with county(tmp_path, kit, center, kit=at_kit, center=at_center) as made:
        await made.here()
        await until("the port is open", lambda: _listens(kit.pbx))
        await made.center.local("post", "/api/v1/devices", {"external_id": OTHER_BALL, "id": "far", "name": "Far"})
        password = (made.center.state / "kit-password").read_text().strip()
        profile = dataclasses.replace(
            made.ball.profile, server=("127.0.0.1", kit.pbx), device_id=OTHER_BALL, password=password, transport="tcp"
        )
        running = asyncio.create_task(Ball(profile, silent).run())
        try:
            # Registered, its catalogue asked for and answered, by requests both ways over one stream.
            await until("it is registered and known", lambda: _whole(made))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await until("it has logged out", lambda: _away(made))


def _ball(made: County) -> Device | None:
    return next((one for one in made.center.core.directory.devices(SYSTEM) if one.id == "county/far"), None)


def _whole(made: County) -> bool:
    ball = _ball(made)
    return ball is not None and ball.state is DeviceState.ONLINE and any(one.stream for one in ball.channels)


def _away(made: County) -> bool:
    ball = _ball(made)
    return ball is not None and ball.state is DeviceState.OFFLINE


def _listens(port: int) -> bool:
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


async def _options(port: int) -> bytes:
    """What a SIP server behind that port says to OPTIONS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"OPTIONS sip:kit7 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKone\r\nFrom: <sip:8101@kit7>;tag=1\r\n"
        b"To: <sip:kit7>\r\nCall-ID: one\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    finally:
        writer.close()
        await writer.wait_closed()
