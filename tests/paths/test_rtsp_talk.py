"""A camera with a back channel is a loudspeaker of talk groups: what is said arrives as G.711 on its own connection."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.base.errors import PeerError, Unsupported
from gateway.base.url import parse_url
from gateway.contract.voice import SeatWish
from gateway.model.ids import StreamId
from gateway.model.voice import MemberKind
from tests.fakes.rtsp_camera import a_camera
from tests.paths.rtsp_rig import TECHNICIAN, Program, a_rig
from tests.paths.test_rtsp_peers import free_port
from tests.peers.programs import need

ONVIF_SERVER = Path(__file__).parents[1] / "interop" / "gst_onvif_server.py"
CAM = StreamId("fieldgate/cam/main")


async def test_what_is_said_is_heard_by_the_camera_and_it_hangs_up_afterwards(tmp_path: Path) -> None:
    wish = SeatWish("tina", MemberKind.BROWSER, "Tina", principal=TECHNICIAN)
    async with a_camera(back_channel=True) as camera:
        source = {"cam": {"url": f"{camera.url}#talk=1"}}
        async with a_rig(tmp_path, source=source) as rig:
            async with rig.core.streams.view(CAM, TECHNICIAN, "test"):
                await rig.until(lambda: rig.state("cam/main") == "live")
            async with rig.core.talk.converse("cam/main", wish) as seat:
                stream = rig.engine.open_stream("nobody")
                voice = rig.engine.open_voice_tap(stream)
                seat.voice(voice)
                seat.press()
                await rig.until(lambda: len(camera.heard) > 10, "sound on the back channel")
                kinds = {(packet[1] & 0x7F, len(packet)) for packet in camera.heard[:10]}
                assert kinds == {(0, 172)}, "20 ms of G.711"
                numbers = [struct.unpack_from("!H", packet, 2)[0] for packet in camera.heard[:10]]
                assert numbers == list(range(numbers[0], numbers[0] + 10))
                rig.engine.close_voice(voice)
                rig.engine.close_stream(stream)


async def test_gstreamers_onvif_server_hears(tmp_path: Path) -> None:
    need("gst-launch-1.0")
    heard, port = tmp_path / "heard.raw", free_port()
    program = await Program.start("/usr/bin/python3", str(ONVIF_SERVER), str(port), str(heard))
    wish = SeatWish("tina", MemberKind.BROWSER, "Tina", principal=TECHNICIAN)
    try:
        source = {"cam": {"url": f"rtsp://127.0.0.1:{port}/cam#talk=1"}}
        async with a_rig(tmp_path, source=source) as rig:
            async with rig.core.streams.view(CAM, TECHNICIAN, "test"):
                await rig.until(lambda: rig.state("cam/main") == "live")
            async with rig.core.talk.converse("cam/main", wish) as seat:
                stream = rig.engine.open_stream("nobody")
                voice = rig.engine.open_voice_tap(stream)
                seat.voice(voice)
                seat.press()
                await rig.until(lambda: heard.exists() and heard.stat().st_size > 16_000, "a second of sound")
                rig.engine.close_voice(voice)
                rig.engine.close_stream(stream)
    finally:
        await program.stop()


async def test_a_camera_without_ears_is_offered_to_nobody(tmp_path: Path) -> None:
    async with a_camera() as camera, a_rig(tmp_path, source={"cam": {"url": f"{camera.url}#talk=1"}}) as rig:
        async with rig.core.streams.view(CAM, TECHNICIAN, "test"):
            await rig.until(lambda: rig.state("cam/main") == "live")
        assert not rig.adapter._loudspeakers._offered


async def test_a_camera_that_hears_no_more_or_is_elsewhere_says_so(tmp_path: Path) -> None:
    """It was offered while it heard; then its firmware or its address was changed."""
    line: Any = SimpleNamespace(say=lambda _code: None)
    async with a_camera() as camera, a_rig(tmp_path) as rig:
        speak, url = rig.adapter._loudspeakers._open, parse_url(f"{camera.url}#talk=1")
        with pytest.raises(Unsupported) as deaf:
            await speak(url, line)
        camera.habits.redirect = "rtsp://10.0.0.9/other"
        with pytest.raises(PeerError, match=r"10\.0\.0\.9") as moved:
            await speak(url, line)
    assert (deaf.value.code, moved.value.code) == ("rtsp-no-back-channel", "rtsp-moved")
