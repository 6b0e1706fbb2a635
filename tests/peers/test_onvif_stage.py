"""From the cable to the picture on the whole gateway: IPyCam is found, adopted, watched, moved; a stream on the wire is
found and adopted; and what was said between them is captured."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers import onvif
from tests.peers.discovery.net import net, running
from tests.peers.programs import need
from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer


def order(stage: Stage, action: str, target: str, **args: Any) -> Any:
    return stage.client.post("/api/v1/commands", {"action": action, "target": target, "args": args})


def find(stage: Stage, **wanted: Any) -> Any:
    """The find that has these, with a search under way until it is there."""
    told = stage.client.get("/api/v1/discover")
    if not told["search"]["running"]:
        stage.client.post("/api/v1/discover", {"seconds": 10, "ways": "all"})
    return next((f for f in told["finds"] if all(f[k] == v for k, v in wanted.items())), None)


def live(stage: Stage, stream: str) -> Any:
    """Its tracks once it is live; held open meanwhile."""
    order(stage, "stream.open", stream, hold_s=30)
    told = stage.client.get(f"/api/v1/streams/{stream}")
    return told["tracks"] if told["state"] == "live" else None


async def test_found_adopted_watched_moved_and_captured(tmp_path: Path) -> None:
    onvif.require()
    need("ffmpeg", "tshark")
    pytest.importorskip("scapy", reason="scapy is not installed: run `make peers`")
    sender = (
        "ffmpeg",
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x240:r=15",
        "-c:v",
        "libx264",
        "-g",
        "15",
    )
    sender += ("-tune", "zerolatency", "-f", "mpegts", "udp://239.79.1.1:5010?pkt_size=1316&ttl=2")
    with net() as place, ports() as free:
        more = '\n[adapter.onvif]\ncheck_every = "2s"\n[streams]\nidle_close = "1s"\n'
        stage = Stage(tmp_path, free, more=more)
        (tmp_path / "camera").mkdir()
        try:
            await stage.daemon()
            await stage.until("the gateway's start", stage.ready)
            async with (
                onvif.camera(tmp_path / "camera", 8080, 8554, host=place.there, within=place.within) as camera,
                running(place, sender),
            ):
                found = await stage.until("the camera", lambda: find(stage, external_id=f"{place.there}:8080"), 40)
                assert found["adopt"] == "onvif" and found["name"] == "Gate camera"
                body = {"key": found["key"], "id": "gate", "user": "admin", "password": "camera-pass"}
                assert stage.client.post("/api/v1/discover/adopt", body)["data"]["device"] == "kit1/gate"

                def online() -> bool:
                    return bool(stage.client.get("/api/v1/devices/kit1/gate")["state"] == "online")

                await stage.until("the camera on line", online, 40)
                (track,) = await stage.until("its picture", lambda: live(stage, "kit1/gate/ch1"), 40)
                assert (track["codec"], track["width"], track["height"]) == ("h264", 640, 360)
                (track,) = await stage.until("its small picture", lambda: live(stage, "kit1/gate/ch2"), 40)
                assert (track["width"], track["height"]) == (320, 180)

                before = (await camera.ptz())["pan"]
                order(stage, "ptz.move", "kit1/gate/ch1", pan=0.5, hold_s=0.5)
                await _until(camera, lambda told: told["moving"])
                # Nobody renews it: the dead man stops the camera.
                await _until(camera, lambda told: not told["moving"] and told["pan"] > before)
                order(stage, "ptz.go", "kit1/gate/ch1", home=True)
                await _until(camera, lambda told: abs(told["pan"]) < 0.02)

                seen = await stage.until("the stream", lambda: find(stage, destination="239.79.1.1:5010"), 40)
                assert seen["codecs"] == ["h264"] and seen["address"] == place.there
                assert stage.client.post("/api/v1/discover/adopt", {"key": seen["key"], "id": "truck"})["data"][
                    "stream"
                ]
                told = await stage.until(
                    "it is marked as adopted", lambda: find(stage, destination="239.79.1.1:5010", adopted="truck"), 40
                )
                assert told["key"] == seen["key"]

                (track,) = await stage.until("its picture", lambda: live(stage, "kit1/truck/main"), 40)
                assert (track["codec"], track["width"]) == ("h264", 320)

                turns = itertools.count()

                def open_and_shut() -> None:
                    if next(turns) % 8 < 4:
                        live(stage, "kit1/gate/ch1")
                    else:
                        order(stage, "stream.close", "kit1/gate/ch1")

                order(stage, "stream.close", "kit1/gate/ch2")
                caught = await _capture(tmp_path, place.cable, open_and_shut)
            (path,) = caught["files"]
            assert b"camera-pass" not in Path(path).read_bytes()
            said = [
                step["text"].split()[0] for d in caught["dialogs"] if d["protocol"] == "RTSP" for step in d["steps"]
            ]
            assert {"DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "200"} <= set(said), said
            assert any(one["codec"] in ("H264", "") and one["packets"] > 20 for one in caught["rtp"])
        finally:
            await stage.stop()


async def _capture(state: Path, interface: str, meanwhile: Any) -> dict[str, Any]:
    """The command beside the running gateway: it finds the ports by itself."""
    command = ["capture", "--seconds", "12", "--interface", interface, "--keep-free", "1MB", "--json"]
    command += ["--write", str(state / "ring"), "--state-dir", str(state)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *command, stdout=asyncio.subprocess.PIPE
    )
    said = asyncio.create_task(process.communicate())
    async with asyncio.timeout(60):
        while not said.done():
            meanwhile()
            await asyncio.wait({said}, timeout=0.5)
    return dict(json.loads(said.result()[0]))


async def _until(camera: onvif.IpyCam, true: Any) -> None:
    async with asyncio.timeout(30):
        while not true(await camera.ptz()):  # noqa: ASYNC110 - a program of somebody else
            await asyncio.sleep(0.05)
