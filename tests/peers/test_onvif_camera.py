"""The adapter with a camera that is not ours: IPyCam. Sign-in, profiles, its stream, moves, presets, home."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.base.errors import Unsupported
from gateway.model.device import DeviceState
from gateway.model.ptz import Preset, PresetOp, PtzMove, PtzPlace
from tests.peers import onvif
from tests.peers.programs import need
from tests.peers.stage import ports
from tests.unit.onvif.rig import adapter, camera_of
from tests.unit.onvif.test_camera import _Publication

pytestmark = pytest.mark.peer


@pytest.fixture(autouse=True)
def _installed() -> None:
    onvif.require()
    need("ffmpeg", "ffprobe")


async def test_ipycam_is_watched_moved_and_stopped(tmp_path: Path) -> None:
    with ports() as free:
        port, rtsp = free.api, free.rtsp
    async with onvif.camera(tmp_path, port, rtsp) as camera:
        said = {"gate": {"address": f"127.0.0.1:{port}", "password": "camera-pass"}}
        async with adapter(tmp_path, devices=said) as context:
            attached = await camera_of(context)
            await attached.until(lambda a: (DeviceState.ONLINE, "") in a.states, 20)
            assert attached.described["manufacturer"] == "PythonCam" and attached.described["name"] == "Gate camera"
            assert list(attached.reports) == ["Profile_Main", "Profile_Sub"]
            handler: Any = attached.handler

            await handler.move("Profile_Main", PtzMove(pan=0.5))
            async with asyncio.timeout(20):
                while (await camera.ptz())["pan"] < 0.05:  # noqa: ASYNC110 - a program of somebody else
                    await asyncio.sleep(0.02)
            await handler.move("Profile_Main", PtzMove())
            stopped = await camera.ptz()
            assert not stopped["moving"] and stopped["pan"] > 0

            with pytest.raises(Unsupported) as refused:  # it has no imaging service
                await handler.picture_now("Profile_Main")
            assert refused.value.code == "no-picture-setting"

            await handler.preset("Profile_Main", PresetOp.SET, 3, "door")
            assert Preset(3, "door") in await handler.presets("Profile_Main")
            await handler.go("Profile_Main", PtzPlace(-0.5, 0.25, 0.0))
            await _looks(camera, pan=-0.5, tilt=0.25)
            await handler.preset("Profile_Main", PresetOp.CALL, 3, "")
            await _looks(camera, pan=stopped["pan"], tilt=stopped["tilt"])
            await handler.go("Profile_Main", None)
            await _looks(camera, pan=0.0, tilt=0.0)

            opening = asyncio.create_task(context.streams.offers["kit1/gate/ch2"].open(_Publication()))  # type: ignore
            url = await asyncio.wait_for(context.sources.opened.get(), 10)
            opening.cancel()
            assert await _video(f"{url}") == {"codec_name": "h264", "width": 320, "height": 180}


async def test_ipycam_refuses_a_wrong_password(tmp_path: Path) -> None:
    with ports() as free:
        port, rtsp = free.api, free.rtsp
    async with onvif.camera(tmp_path, port, rtsp):
        said = {"gate": {"address": f"127.0.0.1:{port}", "password": "wrong"}}
        async with adapter(tmp_path, devices=said) as context:
            attached = await camera_of(context)
            await attached.until(lambda a: (DeviceState.OFFLINE, "onvif-auth") in a.states, 20)


async def _looks(camera: onvif.IpyCam, *, pan: float, tilt: float) -> None:
    async with asyncio.timeout(20):
        while True:
            told = await camera.ptz()
            if abs(told["pan"] - pan) < 0.02 and abs(told["tilt"] - tilt) < 0.02:
                return
            await asyncio.sleep(0.05)


async def _video(url: str) -> dict[str, Any]:
    arguments = ["-v", "error", "-rtsp_transport", "tcp", "-of", "json"]
    arguments += ["-show_entries", "stream=codec_name,width,height", url]
    process = await asyncio.create_subprocess_exec("ffprobe", *arguments, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    return dict(json.loads(out)["streams"][0])
