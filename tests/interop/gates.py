"""The daemon that the matrix is run through: every adapter with ports of its own, programs to send and read."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.interop.fixtures import wav
from tests.interop.rule import GB28181, ONVIF, TS_MULTICAST, TS_UDP, WHIP, Ingest
from tests.interop.senders import PASSWORD, READER, READER_PASSWORD, USER, Gates, source_url
from tests.interop.watchers import Screen
from tests.peers import onvif
from tests.peers.stage import BALL, Stage, ports

LIVE_S = 30.0

# A page of the console publishes what Chromium's own camera and microphone give.
PUBLISH = """
(async (name, sound, key) => {
  const media = await navigator.mediaDevices.getUserMedia({
    video: {width: 640, height: 360, frameRate: 25},
    audio: sound && {echoCancellation: false, noiseSuppression: false, autoGainControl: false},
  });
  const pc = window.__sender = new RTCPeerConnection();
  for (const track of media.getTracks()) pc.addTransceiver(track, {direction: 'sendonly', streams: [media]});
  for (const one of pc.getTransceivers()) if (one.sender.track.kind === 'video') one.setCodecPreferences(
    RTCRtpSender.getCapabilities('video').codecs.filter(codec => /H264|rtx/.test(codec.mimeType)));
  await pc.setLocalDescription();
  await new Promise(done => {
    if (pc.iceGatheringState === 'complete') done();
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
  });
  const answer = await fetch('/whip/' + name, {
    method: 'POST', headers: {'content-type': 'application/sdp', authorization: 'Bearer ' + key},
    body: pc.localDescription.sdp,
  });
  if (!answer.ok) throw new Error(answer.status + ' ' + await answer.text());
  await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
})
"""


class Kit:
    """What the matrix asks of the daemon."""

    def __init__(self, folder: Path, stage: Stage, gates: Gates) -> None:
        self.folder = folder
        self.gates = gates
        self._stage = stage
        self.browser: Screen | None = None
        self._ball = ""

    @property
    def flags(self) -> Sequence[str]:
        """For Chromium: its microphone plays the tone."""
        return (f"--use-file-for-fake-audio-capture={wav()}",)

    def console(self) -> str:
        return self._stage.console("interop")

    def hls(self, slug: str) -> str:
        """A signed link, as for a wall that knows no header."""
        made: dict[str, Any] = self._stage.client.post(f"/hls/{slug}/link", {})
        return self.gates.http + urlsplit(str(made["url"])).path

    def name(self, one: Ingest) -> str:
        if one.way == ONVIF:
            return "gate/ch1"
        return self._ball if one.way == GB28181 else f"{one.slug}/main"

    @asynccontextmanager
    async def own(self, one: Ingest) -> AsyncIterator[None]:
        """The gateway has the stream while the context lasts; the ball and Chromium's camera are started here."""
        if one.way == GB28181:
            async with self._with_ball(one):
                yield
        elif one.way == ONVIF:
            async with onvif.camera(self.folder, self.gates.onvif, self.gates.onvif + 1):
                await self._stage.until("the camera in the directory", self._camera_online, 60)
                yield
        elif one.program == "chromium" and one.way == WHIP:
            async with self._with_camera(one):
                yield
        else:
            if not source_url(one, self.gates):
                await self._live(f"kit1/{one.slug}/main")
            yield

    def _camera_online(self) -> bool:
        listed = self._stage.client.get("/api/v1/devices")
        return any(it["id"] == "kit1/gate" and it["state"] == "online" for it in listed)

    async def _live(self, stream: str) -> None:
        def live() -> bool:
            listed = self._stage.client.get("/api/v1/streams")
            return any(it["id"] == stream and it["state"] == "live" for it in listed)

        await self._stage.until(f"{stream} live", live, LIVE_S)

    @asynccontextmanager
    async def _with_ball(self, one: Ingest) -> AsyncIterator[None]:
        faults = ["--fault", "b-frames"] if one.video == "h264b" else []
        codec = "h265" if one.video == "h265" else "h264"
        name = f"ball-{int(time.monotonic() * 1000)}"
        await self._stage.start(
            name, "sim", "ball", "--server", f"127.0.0.1:{self._stage.ports.sip}", "--id", BALL, "--json",
            "--password-file", str(self._stage.place / "kit-password"), "--size", "640x360", "--gop", "1s",
            "--codec", codec, "--audio", one.audio, *faults,
        )  # fmt: skip
        try:
            self._ball = str(await self._stage.until("the ball in the directory", self._stage.online))
            yield
        finally:
            child = self._stage.children.pop(name)
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await child.wait()
            await self._stage.until("the ball is gone", lambda: self._stage.online() is None, 30)

    @asynccontextmanager
    async def _with_camera(self, one: Ingest) -> AsyncIterator[None]:
        assert self.browser is not None
        page = await self.browser.open(self.gates.http + "/phone/")  # the page that may ask for a camera
        try:
            await page.wait_for("document.readyState === 'complete'")
            sound = "true" if one.audio != "none" else "false"
            await page.evaluate(f"({PUBLISH})('{one.slug}', {sound}, '{PASSWORD}')")
            await self._live(f"kit1/{one.slug}/main")
            yield
        finally:
            await page.close()


def _config(gates: Gates, chosen: Sequence[Ingest]) -> str:
    text = (
        f"[program.{USER}]\npassword = '{PASSWORD}'\npublish = ['*']\n"
        f"[program.{READER}]\npassword = '{READER_PASSWORD}'\nread = ['*']\n"
        "[security]\npull_allow = ['127.0.0.0/8']\n[streams]\nidle_close = '1s'\n"
    )
    if any(one.way == ONVIF for one in chosen):
        text += f"[adapter.onvif.devices.gate]\naddress = '127.0.0.1:{gates.onvif}'\npassword = 'camera-pass'\n"
    for one in chosen:
        if url := source_url(one, gates):
            text += f"[source.{one.slug}]\nurl = '{url}'\n"
    return text


@asynccontextmanager
async def kit(folder: Path, chosen: Sequence[Ingest]) -> AsyncIterator[Kit]:
    """The daemon, ready, with a source for each ingest that is pulled."""
    with ports() as free:
        streams = [one.slug for one in chosen if one.way in (TS_UDP, TS_MULTICAST)]
        last = free.rtp[1] - len(streams)
        gates = Gates(
            http=f"https://127.0.0.1:{free.api}", rtsp=free.rtsp, rtmp=free.rtmp, srt=free.srt,
            ts=dict(zip(streams, range(last + 1, free.rtp[1] + 1), strict=True)), pulled=free.other, relay=free.radio,
            onvif=free.usrp,
        )  # fmt: skip
        stage = Stage(folder, replace(free, rtp=(free.rtp[0], last)), more=_config(gates, chosen))
        try:
            await stage.daemon()
            await stage.until("the gateway's start", stage.ready)
            await asyncio.to_thread(
                stage.client.post, "/api/v1/devices", {"external_id": BALL, "id": "ball", "name": "ball"}
            )
            yield Kit(folder, stage, gates)
        finally:
            await stage.stop()
