"""The tests' fake camera, asked by an ONVIF client that is not ours: what it says is what ONVIF's own schemas say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.peers import onvif
from tests.unit.onvif.fake_camera import FakeCamera, Quirks

pytestmark = pytest.mark.peer

ASKS = """
import asyncio, datetime, json, sys
from onvif import ONVIFCamera

async def main():
    host, port, user, password = sys.argv[1:]
    camera = ONVIFCamera(host, int(port), user, password)
    await camera.update_xaddrs()
    device = await camera.create_devicemgmt_service()
    media = await camera.create_media_service()
    ptz = await camera.create_ptz_service()
    imaging = await camera.create_imaging_service()
    told = await device.GetDeviceInformation()
    profiles = await media.GetProfiles()
    uri = await media.GetStreamUri({"ProfileToken": profiles[1].token, "StreamSetup": {"Stream": "RTP-Unicast",
        "Transport": {"Protocol": "RTSP"}}})
    await ptz.ContinuousMove({"ProfileToken": "B", "Velocity": {"PanTilt": {"x": 0.5, "y": 0}, "Zoom": {"x": 0}}})
    status = await ptz.GetStatus({"ProfileToken": "B"})
    await ptz.Stop({"ProfileToken": "B", "PanTilt": True, "Zoom": True})
    presets = await ptz.GetPresets({"ProfileToken": "B"})
    iris = await imaging.GetImagingSettings({"VideoSourceToken": "L1"})
    options = await imaging.GetOptions({"VideoSourceToken": "L1"})
    await imaging.SetImagingSettings({"VideoSourceToken": "L1", "ForcePersistence": True,
        "ImagingSettings": {"Brightness": 60, "IrCutFilter": "OFF", "Sharpness": 3}})
    picture = await imaging.GetImagingSettings({"VideoSourceToken": "L1"})
    manager = await camera.create_pullpoint_manager(datetime.timedelta(seconds=60), lambda: None)
    messages = await manager.get_service().PullMessages({"Timeout": "PT5S", "MessageLimit": 10})
    await manager.shutdown()
    print(json.dumps({
        "model": told.Model, "profiles": [p.token for p in profiles], "uri": uri.Uri,
        "size": profiles[1].VideoEncoderConfiguration.Resolution.Width,
        "moving": status.MoveStatus.PanTilt, "presets": [p.token for p in presets],
        "iris": iris.Exposure.Iris,
        "range": [options.Brightness.Min, options.Brightness.Max], "modes": options.IrCutFilterModes,
        "before": [iris.Brightness, iris.IrCutFilter, iris.Sharpness],
        "picture": [picture.Brightness, picture.IrCutFilter, picture.Sharpness],
        "events": len(messages.NotificationMessage),
    }))
    await camera.close()

asyncio.run(main())
"""


async def test_a_client_that_is_not_ours_understands_the_fake_camera() -> None:
    onvif.require()
    async with FakeCamera(Quirks(events="address")) as camera:
        process = await asyncio.create_subprocess_exec(
            *(str(onvif.PYTHON), "-c", ASKS, camera.host, str(camera.port), camera.user, camera.password),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        camera.happens("RuleEngine/CellMotionDetector/Motion", "L1", "IsMotion", "true")
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()[-3000:]
        told: dict[str, Any] = json.loads(out)
        assert told == {
            "model": "F-1",
            "profiles": ["S", "B"],
            "uri": f"rtsp://{camera.host}:554/main?profile=B&unicast=true",
            "size": 1920,
            "moving": "MOVING",
            "presets": ["1", "parking"],
            "iris": 40.0,
            "range": [0.0, 200.0],
            "modes": ["ON", "OFF"],
            "before": [50.0, "ON", 0.0],
            "picture": [60.0, "OFF", 3.0],
            "events": 1,
        }
        assert camera.moves == [(0.5, 0.0, 0.0)] and not camera.moving
