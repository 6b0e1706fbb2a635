"""A search of a network with devices and streams that are not ours: IPyCam, python-zeroconf, ssdpy, FFmpeg."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from gateway.base.errors import GatewayError
from gateway.model.device import DeviceState
from gateway.model.discovery import Find, FindKind, FindWay
from gateway.model.ptz import PtzMove
from gateway.net.discovery import onwire
from gateway.net.discovery.search import ACTIVE, Search
from gateway.net.discovery.table import Finds
from gateway.net.multicast import Group, interfaces
from gateway.wire import wsd
from gateway.wire.onwire import Seen
from tests.peers import onvif
from tests.peers.discovery.net import ip, net, running
from tests.peers.programs import need
from tests.unit.onvif.rig import Context, FakeReach, adapter, camera_of
from tests.unit.onvif.test_camera import online

pytestmark = pytest.mark.peer

ANNOUNCE = Path(__file__).parent / "discovery" / "announce.py"
VIDEO = "testsrc2=s=320x240:r=15"


@pytest.fixture(autouse=True)
def _installed() -> None:
    onvif.require()
    need("ffmpeg", "ip")


async def search(finds: Finds, cable: str, ways: tuple[FindWay, ...], until: object) -> Search:
    """Until `until(finds)` is true, at most half a minute."""
    made = Search(finds, time.time, lambda host, port: FakeReach().connect(host, port, trusted=True))
    task = asyncio.create_task(made.run(ways, 30.0, interface=cable))
    try:
        while not until(finds.all()) and not task.done():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # the table has no event
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return made


def by(finds: list[Find], way: FindWay, kind: FindKind) -> list[Find]:
    return [find for find in finds if way in find.ways and find.kind is kind]


async def test_devices_that_answer_are_found(tmp_path: Path) -> None:
    with net() as place:
        async with (
            onvif.camera(tmp_path, 8080, 8554, host=place.there, within=place.within),
            running(place, [str(onvif.PYTHON), str(ANNOUNCE), place.there], ready=b"ready"),
        ):
            finds = Finds()

            def whole(found: list[Find]) -> bool:
                return bool(
                    by(found, FindWay.WS_DISCOVERY, FindKind.CAMERA)
                    and by(found, FindWay.MDNS, FindKind.SOURCE)
                    and any(f.manufacturer == "Acme" for f in found)
                )

            made = await search(finds, place.cable, ACTIVE, whole)
            found = finds.all()
            assert whole(found), (found, made.notes)
            (camera,) = by(found, FindWay.WS_DISCOVERY, FindKind.CAMERA)
            assert camera.external_id == f"{place.there}:8080" and camera.adopt == "onvif"
            assert camera.name == "Gate camera" and camera.identity.startswith("urn:uuid:")
            # The SSDP notice came from the same address: it is the same thing.
            assert FindWay.SSDP in camera.ways and camera.manufacturer == "Acme"
            (drone,) = by(found, FindWay.MDNS, FindKind.SOURCE)
            assert drone.urls == (f"rtsp://{place.there}:8554/live/1",)
            assert (drone.name, drone.model, drone.adopt) == ("Truck drone", "D-3", "source")


async def test_streams_on_the_wire_are_told_by_their_content() -> None:
    pytest.importorskip("scapy", reason="scapy is not installed: run `make peers`")
    with net() as place:
        to = place.here
        ffmpeg = ("ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", VIDEO)
        sound = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000")
        h264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-bf", "0")
        h265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=0", "-g", "15")
        sent = (
            (*ffmpeg, *h264, "-f", "rtp", f"rtp://{to}:5004"),
            (*ffmpeg, *h265, "-f", "rtp", f"rtp://{to}:5006"),
            (*ffmpeg, *sound, *h264, "-c:a", "aac", "-f", "mpegts", "udp://239.78.1.1:5010?pkt_size=1316&ttl=2"),
            (*ffmpeg, *h264, "-f", "rtp_mpegts", "rtp://239.78.1.2:5012?ttl=2"),
            ("ffmpeg", "-v", "error", "-re", *sound, "-c:a", "pcm_alaw", "-f", "rtp", f"rtp://{to}:5014"),
        )
        wanted = {
            f"{to}:5004": ("RTP", ("h264",), ""),
            f"{to}:5006": ("RTP", ("h265",), ""),
            "239.78.1.1:5010": ("MPEG-TS", ("h264", "aac"), f"udp://239.78.1.1:5010#iface={place.cable}"),
            "239.78.1.2:5012": ("MPEG-TS in RTP", ("h264",), f"rtp://239.78.1.2:5012#iface={place.cable}"),
            f"{to}:5014": ("RTP", ("pcma",), ""),
        }
        finds = Finds()

        def told(found: list[Find]) -> dict[str, tuple[str, tuple[str, ...], str]]:
            return {f.destination: (f.name, f.codecs, f.urls[0] if f.urls else "") for f in found if f.codecs}

        async with AsyncExitStack() as stack:
            for command in sent:
                await stack.enter_async_context(running(place, command))
            made = await search(finds, place.cable, (FindWay.WIRE,), lambda found: told(found) == wanted)
            # Again a second later: what was told once stays.
            assert told(finds.all()) == wanted, made.notes
            for find in finds.all():
                assert find.kind is FindKind.STREAM and find.address == place.there
                assert find.packets >= 8 and find.bitrate_bps is not None
                assert (find.adopt == "source") == bool(find.urls)


async def test_listening_without_the_right_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scapy", reason="scapy is not installed: run `make peers`")
    spawn = asyncio.create_subprocess_exec

    async def without(*command: str, **more: object) -> asyncio.subprocess.Process:
        return await spawn("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", *command, **more)  # type: ignore

    need("setpriv")
    monkeypatch.setattr(asyncio, "create_subprocess_exec", without)
    with pytest.raises(GatewayError) as failed:
        await asyncio.wait_for(onwire.listen(_nothing, "lo"), 30)
    assert failed.value.code == "capture-no-right"


async def test_a_camera_that_moved_is_found_again(tmp_path: Path) -> None:
    """DHCP gave it another address, and it says no Hello: the adapter asks the network for it."""
    with net() as place:
        moved = place.there.rpartition(".")[0] + ".77"
        async with adapter(tmp_path, listen_hello=True, timeout="1s") as context:
            async with onvif.camera(tmp_path, 8080, 8554, host=place.there, within=place.within):
                await _knocks(context, f"{place.there}:8080")
                context.devices.admit(f"{place.there}:8080", "gate", "camera-pass")
                attached = await camera_of(context)
                await attached.until(lambda a: online(a) and "3fa1fe68" in a.remembered, 40)
            await attached.until(lambda a: a.states[-1][0] is DeviceState.OFFLINE, 40)
            ip("-n", place.name, "addr", "del", f"{place.there}/24", "dev", "inner")
            ip("-n", place.name, "addr", "add", f"{moved}/24", "dev", "inner")
            ip("-n", place.name, "route", "replace", "default", "dev", "inner")
            async with onvif.camera(tmp_path, 8090, 8554, host=moved, within=place.within) as camera:
                await attached.until(online, 40)
                assert f'"host":"{moved}","port":8090' in attached.remembered
                await attached.handler.move("Profile_Main", PtzMove(pan=1))
                assert (await camera.ptz())["moving"], "orders reach it where it is now"


async def test_a_network_plugged_in_later_is_heard_beside_an_older_listener() -> None:
    """The adapter's listener was opened before that network was there; a search that hears it shares its port."""
    (lo,) = [one for one in interfaces(loopback=True) if one.name == "lo"]
    older = Group(wsd.GROUP, wsd.PORT, lambda *_: None, on=[lo])
    try:
        with net() as place:
            heard: set[bytes] = set()
            more = asyncio.Event()

            def hears(data: bytes, host: str, port: int, interface: str) -> None:
                heard.add(data)
                more.set()

            newer = Group(wsd.GROUP, wsd.PORT, hears, on=[one for one in interfaces() if one.name == place.cable])
            try:
                async with running(place, [sys.executable, "-c", SIXTEEN, place.there, wsd.GROUP, str(wsd.PORT)]):
                    async with asyncio.timeout(30):
                        while not {b"hello %d" % n for n in range(16)} <= heard:
                            more.clear()
                            await more.wait()
            finally:
                newer.close()
    finally:
        older.close()


SIXTEEN = """
import socket, sys, time
made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(16)]
while True:
    for number, one in enumerate(made):
        one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
        one.sendto(b"hello %d" % number, (sys.argv[2], int(sys.argv[3])))
    time.sleep(0.05)
"""
"""From 16 ports, each again and again."""


async def test_hostile_answers_harm_nothing(tmp_path: Path) -> None:
    """Whatever is answered: bounded, clean, and the search ends in time."""
    hostile = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "vectors" / "wsd").glob("*.xml"))]
    hostile += [b"\xff" * 9000, b"NOTIFY * HTTP/1.1\r\nUSN: \x1b[2J\r\n\r\n", b"\0\0\x84\0\0\0\xff\xff\0\0\0\0\xc0\x0c"]
    with net() as place:
        finds = Finds()
        made = Search(finds, time.time)
        task = asyncio.create_task(made.run(ACTIVE, 4.0, interface=place.cable))
        sender = await asyncio.create_subprocess_exec(
            *place.within, str(onvif.PYTHON), "-c", FLOOD, place.there, stdin=asyncio.subprocess.PIPE
        )
        await sender.communicate(b"".join(len(data).to_bytes(4, "big") + data for data in hostile))
        async with asyncio.timeout(20):
            await task
        for find in finds.all():
            for text in (find.name, find.model, find.manufacturer, find.identity, *find.urls):
                assert text.isprintable() and len(text) <= 600
        assert len(finds) <= 512
        assert any(find.name == "Gate 门 1" for find in finds.all()), "what is right among it is taken"


FLOOD = """
import socket, sys, time
data, messages = sys.stdin.buffer.read(), []
while data:
    size = int.from_bytes(data[:4], "big")
    messages.append(data[4:4 + size])
    data = data[4 + size:]
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
until = time.time() + 2.5
while time.time() < until:
    for message in messages:
        for group, port in (("239.255.255.250", 3702), ("239.255.255.250", 1900), ("224.0.0.251", 5353)):
            made.sendto(message, (group, port))
    time.sleep(0.01)  # so that the flood does not fill every queue on the way on a busy machine
"""


async def _knocks(context: Context, external_id: str) -> None:
    async with asyncio.timeout(30):
        while (external_id, "unknown-device") not in context.devices.knocks:
            context.devices.knocked.clear()
            await context.devices.knocked.wait()


def _nothing(seen: Seen) -> None:
    pass
