"""A gateway for working on the console without one: the real API over made-up devices, and a moving test picture.

`python console/dev/mock.py 8443 [seconds until the ball goes and comes]` from the repository's root; it prints a link.
Not shipped and not a test.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.rtcconfiguration import RTCConfiguration

sys.path.insert(0, str(Path(__file__).parents[2]))

from console.dev.mock_voice import MockVoice
from gateway.api.mounts import Mounts
from gateway.api.server import ApiServer
from gateway.config.root import Api
from gateway.contract.http import HttpRequest, HttpResponse
from gateway.core.addresses import own_addresses
from gateway.core.facts import Notice
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.device import Capabilities, Channel, Device, DeviceState, PendingDevice
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import Codec, StreamFigures, StreamState, StreamStatus, Track, TrackKind
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import SYSTEM, Role
from gateway.model.ptz import Preset
from tests.unit.api.fakes import fake_services

NAMES = [("ball-1", "1号布控球 东门", True), ("ball-2", "2号布控球 指挥车", True), ("cam-1", "高点云台", False)]


def main(port: int) -> None:
    services: Any = replace(fake_services(), now=time.time)
    directory, now = services.directory, time.time()
    devices, streams = [], []
    for place, (slug, name, on) in enumerate(NAMES):
        device = DeviceId(f"kit1/{slug}")
        caps = Capabilities(ptz=True, zoom=True, focus=True, iris=True, presets=True)
        channels = []
        for number in range(1, 3 if place else 2):
            stream = StreamId(f"{device}/ch{number}")
            channels.append(
                Channel(f"ch{number}", f"3402000000132000{place}00{number}", f"通道 {number}", on, "", caps, stream)
            )
            state = StreamState.IDLE if on else StreamState.OFFLINE
            track = Track(TrackKind.VIDEO, Codec.H264, 90000, width=640, height=480)
            figures = StreamFigures(fps=25, bitrate_bps=4e6, loss_ratio=0.002, frame_age_s=0.04)
            streams.append(
                StreamStatus(
                    stream, device, name, state, "" if on else "device-offline", tracks=(track,), figures=figures
                )
            )
        state = DeviceState.ONLINE if on else DeviceState.OFFLINE
        devices.append(
            Device(device, "gb28181", f"3402000000111000000{place}", name, state, channels=tuple(channels), since=now)
        )
    directory.devices = lambda who, text="", **_: devices
    directory.streams = lambda who, text="": streams
    directory.stream = lambda who, ref: next(s for s in streams if s.id.endswith(ref))
    directory.pending = lambda who: [
        PendingDevice("gb28181", "34020000001110000009", "10.0.0.23:5060", now - 90, now - 4, 7, "unknown-device"),
        PendingDevice("gb28181", "34020000001110000007", "10.0.0.24:5060", now - 90, now - 9, 2, "wrong-password"),
    ]
    alarms = [
        Alarm(
            DeviceId("kit1/ball-1"),
            "ch1",
            "a",
            AlarmSeverity.CRITICAL,
            "manual",
            "device",
            "SOS 按键",
            now - 15,
            now - 15,
            id="01A",
        ),
        Alarm(
            DeviceId("kit1/ball-2"),
            "ch1",
            "b",
            AlarmSeverity.MINOR,
            "motion",
            "video",
            "移动侦测",
            now - 400,
            now - 400,
            id="01B",
            repeats=4,
        ),
    ]
    positions = [
        Position(
            DeviceId("kit1/ball-1"),
            "ch1",
            116.397428,
            39.90923,
            Datum.WGS84,
            PositionSource.GNSS,
            now - 6,
            now,
            5.0,
            speed_kmh=12.0,
        ),
        Position(
            DeviceId("kit1/cam-1"), "", 121.473701, 31.230416, Datum.GCJ02, PositionSource.CATALOG, now - 86400, now
        ),
    ]

    async def recent(who: Any, **_: Any) -> Any:
        return alarms

    async def presets(who: Any, stream: str) -> Any:
        return [Preset(1, "东门"), Preset(2, "停车场")]

    services.alarms.recent = recent
    services.positions.latest = lambda who: positions
    services.ptz.presets = presets
    services.accounts.people = {"wang": ("wang", Role.OPERATOR), "admin": ("admin", Role.ADMINISTRATOR)}
    mounts = Mounts()
    sessions: dict[str, tuple[RTCPeerConnection, str]] = {}
    numbers = itertools.count(1)
    offline: set[str] = {s.id for s in streams if s.state is StreamState.OFFLINE}

    async def watch(request: HttpRequest) -> HttpResponse:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if request.path["stream"] not in offline:
            peer.addTrack(VideoStreamTrack())
        await peer.setRemoteDescription(RTCSessionDescription(request.body.decode(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        ident = str(next(numbers))
        sessions[ident] = (peer, request.path["stream"])
        return HttpResponse(
            201, peer.localDescription.sdp.encode(), "application/sdp", {"Location": f"/whep-session/{ident}"}
        )

    async def status(request: HttpRequest) -> HttpResponse:
        import json

        from gateway.base.errors import NotFound
        from gateway.model.reason import reason

        if request.path["id"] not in sessions:
            raise NotFound("no such session")
        code = "device-offline" if sessions[request.path["id"]][1] in offline else ""
        words = reason(code)
        body = {
            "state": "connected",
            "code": code,
            "cause": {"en": words.cause_en, "zh": words.cause_zh},
            "cure": {"en": words.cure_en, "zh": words.cure_zh},
        }
        return HttpResponse(200, json.dumps(body).encode(), "application/json")

    async def end(request: HttpRequest) -> HttpResponse:
        peer, _ = sessions.pop(request.path["id"], (None, ""))
        if peer:
            await peer.close()
        return HttpResponse(200)

    MockVoice(services).mount(mounts)
    mounts.route("POST", "/whep/{stream:path}", watch)
    mounts.route("GET", "/whep-session/{id}", status)
    mounts.route("DELETE", "/whep-session/{id}", end)

    async def run() -> None:
        with tempfile.TemporaryDirectory() as state:
            api = ApiServer(services, mounts, Api(port=port), state_dir=Path(state), addresses=own_addresses)

            def ready() -> None:
                code = services.accounts.mint_code(SYSTEM, role=Role.ADMINISTRATOR, scope="", ttl_s=60, name="dev")
                print(f"{api.url}/#code={code}", flush=True)
                services.bus.publish("notice", "", Notice("disk-low", "3 % frei / 剩余 3 %", time.time()))

            await api.run(ready)

    asyncio.run(run())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8443)
