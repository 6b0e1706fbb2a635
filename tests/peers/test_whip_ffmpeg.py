"""WHIP as programs speak it: FFmpeg 8's muxer (in PyAV) with a program's stream key as bearer, and no other key.

FFmpeg is given a certificate on P-256: the one that its GnuTLS build makes for itself is on P-224, which OpenSSL 4 does
not take any more. OBS sends the same way since version 30 (Debian has 29); GStreamer: test_webrtc_gstreamer.py.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers.browser import outer_interface
from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer

KEY = "a stream key of OBS 1"
SENDER = """
import sys, time
from fractions import Fraction
import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
url, key, own = sys.argv[1:]
given = {"authorization": key, "cert_file": own + "/dtls.crt", "key_file": own + "/dtls.key"}
out = av.open(url, "w", format="whip", options=given)
given = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
video = out.add_stream("libx264", rate=25, options=given)
video.width, video.height, video.pix_fmt, video.gop_size = 320, 240, "yuv420p", 25
video.codec_context.max_b_frames = 0
audio = out.add_stream("libopus", rate=48000)
audio.codec_context.layout = "stereo"
began = time.monotonic()
for number in range(2500):
    frame = VideoFrame(320, 240, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([number % 250]) * plane.buffer_size)
    frame.pts, frame.time_base = number, Fraction(1, 25)
    for packet in video.encode(frame):
        out.mux(packet)
    for half in range(2):
        sound = AudioFrame(format="s16", layout="stereo", samples=960)
        sound.planes[0].update(bytes(sound.planes[0].buffer_size))
        sound.sample_rate, sound.time_base = 48000, Fraction(1, 48000)
        sound.pts = (number * 2 + half) * 960
        for packet in audio.encode(sound):
            out.mux(packet)
    time.sleep(max(0.0, began + number / 25 - time.monotonic()))
"""


async def certify(folder: Path) -> None:
    """A certificate for DTLS on P-256, self-signed."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(folder / "dtls.key"), "-out", str(folder / "dtls.crt"), "-days", "2", "-subj", "/CN=x"]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)


async def send(url: str, key: str, folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", SENDER, url, key, str(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


async def test_ffmpeg_publishes_by_its_key(tmp_path: Path) -> None:
    program = f'[program.obs]\npassword = "{KEY}"\npublish = ["obs"]\n'
    with outer_interface(), ports() as free:
        stage = Stage(tmp_path, free, more=program)
        sender = None
        await certify(tmp_path)
        try:
            await stage.daemon()
            await stage.until("the gateway's start", stage.ready)
            base = f"https://127.0.0.1:{free.api}/whip"
            for name, key in (("obs", "not the key"), ("another", KEY)):
                refused = await send(f"{base}/{name}", key, tmp_path)
                _, words = await asyncio.wait_for(refused.communicate(), 60)
                assert refused.returncode != 0, words
            sender = await send(f"{base}/obs", KEY, tmp_path)

            def live() -> Any:
                found = [one for one in stage.client.get("/api/v1/streams") if one["id"] == "kit1/obs/main"]
                return found and found[0]["state"] == "live" and found[0]["figures"]["frames"] >= 50 and found[0]

            one = await stage.until("FFmpeg's picture", live, 60)
            assert {track["codec"] for track in one["tracks"]} == {"h264", "opus"}
            assert one["source"]["protocol"] == "whip" and "Lavf" in one["source"]["software"]
            sender.kill()
            await sender.wait()
            gone = lambda: stage.client.get("/api/v1/streams/kit1/obs/main")["code"] == "publisher-gone"  # noqa: E731
            await stage.until("the stream stays and says so", gone, 60)
        finally:
            if sender is not None and sender.returncode is None:
                sender.kill()
            await stage.stop()
