"""FFmpeg and GStreamer send; the media plane must carry it: H.264, H.265, TS and PS, over UDP and TCP.

What comes out of the plane is decoded by FFmpeg again (PyAV), so both ends are programs that we did not write.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Sequence

import av
import pytest

from gateway import codecs
from tests.peers.frames import FrameReader
from tests.peers.programs import need

pytestmark = pytest.mark.peer

SIZE = (640, 360)
_LAVFI = f"testsrc2=size={SIZE[0]}x{SIZE[1]}:rate=25"
_X264 = [
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-tune",
    "zerolatency",
    "-bf",
    "0",
    "-g",
    "25",
    "-pix_fmt",
    "yuv420p",
]
_X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"]
_X265 += ["-x265-params", "keyint=25:bframes=0:log-level=none"]
_FFMPEG = ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", _LAVFI, "-t", "20"]
_GST = ["gst-launch-1.0", "-q", "videotestsrc", "is-live=true", "!"]
_GST += [f"video/x-raw,format=I420,width={SIZE[0]},height={SIZE[1]},framerate=25/1", "!"]
_GST_X264 = ["x264enc", "tune=zerolatency", "speed-preset=ultrafast", "key-int-max=25", "!", "h264parse", "!"]


class Plane:
    """One stream of a real engine, with its events and its frames."""

    def __init__(self) -> None:
        self.engine = codecs.Engine()
        self.stream = self.engine.open_stream("peer")
        self.frames = FrameReader(self.engine, self.stream)

    def udp(self, hint: str) -> int:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
        self.leg = self.engine.open_rtp(self.stream, udp_fd=sock.detach(), hint=hint)
        return port

    async def decoded(self, codec: str, count: int) -> list[av.VideoFrame]:
        """The first `count` pictures, decoded by FFmpeg."""
        decoder = av.CodecContext.create({"h265": "hevc"}.get(codec, codec), "r")
        pictures: list[av.VideoFrame] = []
        async with asyncio.timeout(25):
            while len(pictures) < count:
                unit = await self.frames.video()
                pictures += decoder.decode(av.Packet(unit.annexb))  # type: ignore[attr-defined]
        return pictures


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    plane = Plane()
    yield plane
    plane.frames.close()
    plane.engine.close()


@contextlib.asynccontextmanager
async def running(command: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _plays(plane: Plane, codec: str) -> None:
    pictures = await plane.decoded(codec, 20)
    assert {(p.width, p.height) for p in pictures} == {SIZE}
    assert plane.engine.leg_stats(plane.leg)["lost"] == 0


@pytest.mark.parametrize(("codec", "encoder"), [("h264", _X264), ("h265", _X265)])
async def test_ffmpeg_rtp_over_udp(plane: Plane, codec: str, encoder: list[str]) -> None:
    need("ffmpeg")
    port = plane.udp("ps")  # the hint lies: the content decides
    async with running([*_FFMPEG, *encoder, "-f", "rtp", f"rtp://127.0.0.1:{port}"]):
        await _plays(plane, codec)


async def test_ffmpeg_transport_stream_in_rtp(plane: Plane) -> None:
    need("ffmpeg")
    port = plane.udp("ps")
    async with running([*_FFMPEG, *_X264, "-f", "rtp_mpegts", f"rtp://127.0.0.1:{port}"]):
        await _plays(plane, "h264")


async def test_gstreamer_h264_over_udp(plane: Plane) -> None:
    need("gst-launch-1.0")
    port = plane.udp("")
    sink = ["rtph264pay", "config-interval=-1", "!", "udpsink", "host=127.0.0.1", f"port={port}"]
    async with running([*_GST, *_GST_X264, *sink]):
        await _plays(plane, "h264")


async def test_gstreamer_transport_stream_in_rtp(plane: Plane) -> None:
    need("gst-launch-1.0")
    port = plane.udp("")
    sink = ["mpegtsmux", "alignment=7", "!", "rtpmp2tpay", "!", "udpsink", "host=127.0.0.1", f"port={port}"]
    async with running([*_GST, *_GST_X264, *sink]):
        await _plays(plane, "h264")


async def test_gstreamer_rfc4571_over_tcp(plane: Plane) -> None:
    """rtpstreampay is GStreamer's own RFC 4571."""
    need("gst-launch-1.0")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    plane.leg = plane.engine.open_rtp(plane.stream, hint="h264")
    sink = ["rtph264pay", "config-interval=-1", "!", "rtpstreampay", "!", "tcpclientsink", "host=127.0.0.1"]
    async with running([*_GST, *_GST_X264, *sink, f"port={port}"]):
        connection, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(listener), 20)
        listener.close()
        plane.engine.attach_tcp(plane.leg, connection.detach(), "rfc4571")
        await _plays(plane, "h264")


_PS_MUXERS = {
    "ffmpeg": [*_FFMPEG, *_X264, "-f", "vob", "-"],
    "ffmpeg-h265": [*_FFMPEG, *_X265, "-f", "vob", "-"],
    "gst-launch-1.0": [*_GST, *_GST_X264, "mpegpsmux", "!", "fdsink", "fd=1"],
}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("muxer", list(_PS_MUXERS))
async def test_program_stream_in_rtp(plane: Plane, muxer: str, transport: str) -> None:
    """Their program streams; neither has an RTP payload format for PS, so the packets around the bytes are ours."""
    need(muxer.removesuffix("-h265"))
    loop = asyncio.get_running_loop()
    if transport == "udp":
        port = plane.udp("")
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        out.connect(("127.0.0.1", port))
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        out = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        listener.close()
        plane.leg = plane.engine.open_rtp(plane.stream)
        plane.engine.attach_tcp(plane.leg, accepted.detach(), "rfc4571")
    out.setblocking(False)

    async def packetise(source: asyncio.StreamReader) -> None:
        seq, began = 0, loop.time()
        while chunk := await source.read(1400):
            stamp = int((loop.time() - began) * 90000) & 0xFFFFFFFF
            packet = struct.pack("!BBHII", 0x80, 96, seq & 0xFFFF, stamp, 0x0BE4) + chunk
            seq += 1
            framed = packet if transport == "udp" else struct.pack("!H", len(packet)) + packet
            await loop.sock_sendall(out, framed)

    async with running(_PS_MUXERS[muxer]) as process:
        assert process.stdout
        sender = asyncio.create_task(packetise(process.stdout))
        try:
            await _plays(plane, "h265" if muxer.endswith("h265") else "h264")
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            out.close()
