"""Cameras with habits, pulled into a real core on the real media plane; and what goes wrong, by its reason."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.base import server_tls as tls
from gateway.core.streams import Viewing
from gateway.model.ids import StreamId
from tests.fakes.rtsp_camera import SPS, Camera, a_camera
from tests.paths.rtsp_rig import TECHNICIAN, Rig, a_rig

CAM = StreamId("fieldgate/cam/main")


@asynccontextmanager
async def watched(folder: Path, url: str, **config: Any) -> AsyncIterator[tuple[Rig, Viewing]]:
    """A source `cam` of this URL, and somebody who watches it."""
    async with (
        a_rig(folder, source={"cam": {"url": url}}, **config) as rig,
        rig.core.streams.view(CAM, TECHNICIAN, "test") as viewing,
    ):
        yield rig, viewing


async def live(rig: Rig) -> None:
    await rig.until(lambda: rig.state("cam/main") == "live", "live")


async def reason(rig: Rig, code: str) -> str:
    await rig.until(lambda: rig.status("cam/main").code == code, f"{code}: {rig.status('cam/main')}")
    return str(rig.status("cam/main").detail)


HABITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no Content-Base": {"base": None},
    "a base that is a path": {"base": "/cam/"},
    "absolute controls": {"control": "{uri}/trackID=0", "whole": "{uri}"},
    "an inner address in the control": {"control": "rtsp://192.168.1.64:554/cam/trackID=0"},
    "no control": {"control": ""},
    "no Transport in the answer": {"transport": None},
    "half a Transport": {"transport": "short"},
    "no CSeq": {"cseq": False},
    "no range": {"no_range": True},
    "RTCP on the channel of RTP": {"one_channel": True},
    "asks us between": {"chatty": True},
    "a wrong clock": {"media": "H264/9000"},
    "461 to TCP": {"refuses": ("tcp",)},
}


@pytest.mark.parametrize("habit", HABITS)
async def test_a_camera_with_habits_is_live(tmp_path: Path, habit: str) -> None:
    async with a_camera(**HABITS[habit]) as camera, watched(tmp_path, camera.url) as (rig, _):
        await live(rig)
        assert camera.asked[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"] or habit in ("no range", "461 to TCP")
        assert all("@" not in uri for uri in camera.uris)


async def test_it_is_left_in_good_order_when_nobody_watches(tmp_path: Path) -> None:
    config = {"streams": {"idle_close": "1s"}}
    async with a_camera() as camera, a_rig(tmp_path, source={"cam": {"url": camera.url}}, **config) as rig:
        async with rig.core.streams.view(CAM, TECHNICIAN, "test"):
            await live(rig)
        await rig.until(lambda: camera.asked[-1] == "TEARDOWN" and camera.open == 0)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_the_transport_that_was_asked_for(tmp_path: Path, transport: str) -> None:
    async with a_camera() as camera, watched(tmp_path, f"{camera.url}#transport={transport}") as (rig, _):
        await live(rig)
        stats = [rig.engine.leg_stats(leg) for leg in range(1 << 8, 1 << 12, 1 << 8) if _is_leg(rig, leg)]
        assert [s["transport"] for s in stats] == [transport]


async def test_over_udp_only_the_camera_is_heard(tmp_path: Path) -> None:
    async with a_camera(silent_after=0) as camera, watched(tmp_path, f"{camera.url}#transport=udp") as (rig, _):
        await rig.until(lambda: "PLAY" in camera.asked and camera.udp_to is not None)
        to = camera.udp_to
        assert to is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.3", 0))
            stranger.sendto(struct.pack("!BBHII", 0x80, 96 | 0x80, 1, 0, 77) + SPS, to)
            assert "127.0.0.3" in await reason(rig, "media-elsewhere")


async def test_a_camera_whose_datagrams_come_from_another_port_than_it_says(tmp_path: Path) -> None:
    async with a_camera(wrong_port=True) as camera:
        url = f"{camera.url}#transport=udp"
        async with watched(tmp_path, url) as (rig, _):
            assert "127.0.0.1" in await reason(rig, "media-elsewhere")
        async with watched(tmp_path / "b", f"{url}&from=host") as (rig, _):
            await live(rig)
        async with watched(tmp_path / "c", f"{url}&from=me") as (rig, _):
            await reason(rig, "bad-url")


def _is_leg(rig: Rig, leg: int) -> bool:
    try:
        rig.engine.leg_stats(leg)
    except Exception:
        return False
    return True


@pytest.mark.parametrize(
    ("algorithm", "qop"), [("Basic", False), ("MD5", True), ("MD5", False), ("SHA-256", True), ("SHA-256", False)]
)
async def test_credentials(tmp_path: Path, algorithm: str, qop: bool) -> None:
    habits = {"user": "admin", "password": "p@ss:w", "algorithm": algorithm, "qop": qop}
    async with a_camera(**habits) as camera:
        url = camera.url.replace("//", "//admin:p%40ss%3Aw@")
        async with watched(tmp_path, url) as (rig, _):
            await live(rig)
            assert all("p@ss" not in line and "p%40" not in line for line in camera.uris)


async def test_wrong_and_missing_credentials_are_told_apart_and_not_tried_over_and_over(tmp_path: Path) -> None:
    async with (
        a_camera(user="admin", password="right") as camera,
        watched(tmp_path, camera.url.replace("//", "//admin:wrong@")) as (rig, _),
    ):
        detail = await reason(rig, "rtsp-password")
        assert "wrong" not in detail and "401" in detail
        tries = [line for line in camera.secrets if line]
        assert len(tries) / camera.ever <= 1, "one answer to one challenge: cameras lock addresses"
    async with a_camera(user="admin", password="right") as camera, watched(tmp_path / "b", camera.url) as (rig, _):
        await reason(rig, "rtsp-no-password")


async def test_redirects_lead_to_the_stream_and_never_inside(tmp_path: Path) -> None:
    async with a_camera() as real, a_camera(redirect=real.url) as camera, watched(tmp_path, camera.url) as (rig, _):
        await live(rig)
        assert real.ever == 1
    # Allowed to reach the camera itself, and not what it points at.
    allowed = {"security": {"pull_allow": ["127.0.0.1/32"]}}
    async with (
        a_camera(redirect="rtsp://127.0.0.2:554/x") as camera,
        watched(tmp_path / "b", camera.url, **allowed) as (rig, _),
    ):
        assert "127.0.0.2" in await reason(rig, "url-refused")


async def test_a_password_goes_to_no_other_host(tmp_path: Path) -> None:
    async with a_camera(user="u", password="p") as other:
        elsewhere = other.url.replace("127.0.0.1", "127.0.0.2")
        async with (
            a_camera(redirect=elsewhere, user="u", password="p") as camera,
            watched(tmp_path, camera.url.replace("//", "//u:p@")) as (rig, _),
        ):
            # The other one listens at 127.0.0.1 only: that it is tried at all is the core's word.
            await rig.until(lambda: rig.status("cam/main").code in ("connect-refused", "rtsp-no-password"))
            assert not any(other.secrets)


@pytest.mark.parametrize("algorithm", ["Basic", "MD5"])
async def test_a_password_is_not_sent_in_clear_after_tls(tmp_path: Path, algorithm: str) -> None:
    files = tls.ensure(tmp_path / "tls", "camera", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    secret = {"user": "u", "password": "p", "algorithm": algorithm}

    def url(camera: Camera) -> str:
        return f"{camera.url}#verify=0".replace("//", "//u:p@", 1)

    async with (
        a_camera(**secret) as clear,
        a_camera(tls=context, redirect=clear.url, **secret) as camera,
        watched(tmp_path / "a", url(camera)) as (rig, _),
    ):
        assert "not ciphered" in await reason(rig, "rtsp-downgrade")
        assert any(camera.secrets) and clear.ever and not any(clear.secrets)
    # From one ciphered place to another the password goes along; and in clear what needs none is watched.
    async with (
        a_camera(tls=context, **secret) as other,
        a_camera(tls=context, redirect=other.url, **secret) as camera,
        watched(tmp_path / "b", url(camera)) as (rig, _),
    ):
        await live(rig)
    async with (
        a_camera() as clear,
        a_camera(tls=context, redirect=clear.url, **secret) as camera,
        watched(tmp_path / "c", url(camera)) as (rig, _),
    ):
        await live(rig)


async def test_loopback_is_refused_unless_allowed(tmp_path: Path) -> None:
    async with a_camera() as camera, watched(tmp_path, camera.url, security={"pull_allow": []}) as (rig, _):
        await reason(rig, "url-refused")
        assert camera.ever == 0


async def test_descriptions_that_lie_or_say_nothing(tmp_path: Path) -> None:
    async with a_camera(media="H265/90000") as camera, watched(tmp_path, camera.url) as (rig, _):
        await live(rig)
        assert [t.codec.value for t in rig.status("cam/main").tracks] == ["h264"], "the content decides"
    for says, code in (
        ("this is no description", "rtsp-sdp"),
        ("v=0\r\nm=application 0 RTP/AVP 107\r\n", "source-codec"),
        ("v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 AV1/90000\r\n", "source-codec"),
    ):
        async with a_camera(says=says) as camera, watched(tmp_path / code / says[5:9], camera.url) as (rig, _):
            await reason(rig, code)


SHORT = ";timeout=5"
"""So short that the first sign of life is due after two and a half seconds."""
BOTH = "OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, GET_PARAMETER"


async def test_signs_of_life_are_those_that_the_camera_knows(tmp_path: Path) -> None:
    async with (
        a_camera(timeout=SHORT, public=BOTH) as knows,
        a_camera(timeout=SHORT) as does_not,
        a_camera(timeout=SHORT, public=BOTH, keep_alive=501) as says_so_only,
    ):
        cameras = {"knows": knows, "other": does_not, "lies": says_so_only}
        source = {name: {"url": one.url} for name, one in cameras.items()}
        async with a_rig(tmp_path, source=source) as rig, AsyncExitStack() as viewers:
            for name in cameras:
                watch = rig.core.streams.view(StreamId(f"fieldgate/{name}/main"), TECHNICIAN, "test")
                await viewers.enter_async_context(watch)
            await rig.until(lambda: knows.asked.count("GET_PARAMETER") >= 2, f"{knows.asked}")
            assert knows.asked.count("OPTIONS") == 1, "only what comes before DESCRIBE"
            assert does_not.asked.count("OPTIONS") >= 2 and "GET_PARAMETER" not in does_not.asked
            await rig.until(lambda: says_so_only.asked.count("OPTIONS") >= 2, f"{says_so_only.asked}")
            assert says_so_only.asked.count("GET_PARAMETER") == 1, "what it refused is not asked again"
            assert all(one.ever == 1 for one in cameras.values()), "nobody was left for it"


async def test_a_camera_that_has_forgotten_the_session_is_asked_anew(tmp_path: Path) -> None:
    async with (
        a_camera(timeout=SHORT, public=BOTH, keep_alive=454) as camera,
        watched(tmp_path, camera.url) as (rig, viewing),
    ):
        await live(rig)
        codes: list[str] = []

        async def follow() -> None:
            async for status in viewing.changes():
                codes.append(status.code)

        following = asyncio.create_task(follow())
        await rig.until(lambda: "rtsp-session" in codes, f"{codes}")
        await rig.until(lambda: camera.ever >= 2 and rig.state("cam/main") == "live")
        following.cancel()


async def test_a_camera_that_leads_elsewhere_while_it_sends(tmp_path: Path) -> None:
    async with a_camera() as real, a_camera(leads_on=real.url) as camera, watched(tmp_path, camera.url) as (rig, _):
        await rig.until(lambda: "PLAY" in real.asked, "the other place is asked")
        await live(rig)
        assert (camera.ever, real.ever) == (1, 1)
    async with (
        a_camera(leads_on="rtsp://127.0.0.2:554/x") as camera,
        watched(tmp_path / "b", camera.url, security={"pull_allow": ["127.0.0.1/32"]}) as (rig, _),
    ):
        assert "127.0.0.2" in await reason(rig, "url-refused")


async def test_a_group_is_joined_on_the_network_of_the_camera(tmp_path: Path) -> None:
    """Not on that of the default route: a kit has several."""
    async with (
        a_camera(group="239.255.77.31") as camera,
        watched(tmp_path, f"{camera.url}#transport=multicast") as (rig, _),
    ):
        await live(rig)
        assert camera.asked.count("SETUP") == 1
    # One that sends to no group sends in another way.
    async with (
        a_camera(refuses=("multicast",)) as camera,
        watched(tmp_path / "b", f"{camera.url}#transport=multicast") as (rig, _),
    ):
        await live(rig)
        assert camera.asked.count("SETUP") == 2


@pytest.mark.parametrize(
    ("habits", "options", "code"),
    [
        ({"status": 404}, "", "rtsp-not-found"),
        ({"status": 500}, "", "rtsp-refused"),
        ({"refuses": ("tcp", "udp")}, "", "rtsp-transport"),
        ({}, "#transport=http", "rtsp-tunnel"),
    ],
)
async def test_a_refusal_has_its_name(tmp_path: Path, habits: dict[str, Any], options: str, code: str) -> None:
    async with a_camera(**habits) as camera, watched(tmp_path, camera.url + options) as (rig, _):
        await reason(rig, code)


async def test_a_camera_that_falls_silent_while_its_connection_stands(tmp_path: Path) -> None:
    config = {"streams": {"stall": "1s"}}
    async with a_camera(silent_after=50) as camera, watched(tmp_path, camera.url, **config) as (rig, _):
        await live(rig)
        await rig.until(lambda: camera.ever >= 2, "it is opened anew")
    async with (
        a_camera(mute_on="DESCRIBE") as camera,
        watched(tmp_path / "b", camera.url, rtsp={"patience": "1s"}) as (rig, _),
    ):
        assert "DESCRIBE" in await reason(rig, "rtsp-silent")


async def test_nothing_there_and_something_else_there(tmp_path: Path) -> None:
    async with watched(tmp_path, "rtsp://127.0.0.1:1/x") as (rig, _):
        await reason(rig, "connect-refused")

    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(http, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, watched(tmp_path / "b", f"rtsp://127.0.0.1:{port}/x") as (rig, _):
        await reason(rig, "rtsp-broken")


async def test_a_camera_that_comes_and_goes_leaves_nothing(tmp_path: Path) -> None:
    async with a_rig(tmp_path, source={"cam": {"url": "rtsp://127.0.0.1:9/"}}) as rig:
        for _ in range(5):
            async with a_camera() as camera:
                rig.core.sources.apply([])
                await _again(rig, camera)
        await rig.until(lambda: rig.engine.engine_stats()["legs"] == 0)


async def _again(rig: Rig, camera: Camera) -> None:
    from gateway.core.sources import Wanted

    rig.core.sources.apply([Wanted("cam", "Cam", {"main": camera.url})])
    async with rig.core.streams.view(CAM, TECHNICIAN, "test"):
        await live(rig)
