"""RTSP with programs of others on the real media plane: GStreamer's server, source and sink, FFmpeg over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.base import server_tls as tls
from gateway.contract.adapter import KitTls
from gateway.model.ids import StreamId
from tests.paths.rtsp_rig import DRONE, KEY, TECHNICIAN, WALL, Program, a_rig, frames, reader, sender
from tests.peers.programs import need

GST_SERVER = Path(__file__).parents[1] / "interop" / "gst_server.py"
PICTURE = (
    "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! "
    "x264enc tune=zerolatency key-int-max=25 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96"
)
SOUND = "audiotestsrc is-live=true ! avenc_aac ! rtpmp4gpay name=pay1 pt=97"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@asynccontextmanager
async def gst_server(launch: str) -> AsyncIterator[int]:
    need("gst-launch-1.0")
    port = free_port()
    program = await Program.start("/usr/bin/python3", str(GST_SERVER), str(port), "cam", f"( {launch} )")
    try:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                assert program.process.returncode is None, await program.said()
                await asyncio.sleep(0.05)
        yield port
    finally:
        await program.stop()


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_gstreamers_server_is_pulled(tmp_path: Path, transport: str) -> None:
    async with gst_server(f"{PICTURE} {SOUND}") as port:
        source = {"cam": {"url": f"rtsp://127.0.0.1:{port}/cam#transport={transport}"}}
        async with a_rig(tmp_path, source=source, program={"w": {"password": "look-at-it", "read": ["cam"]}}) as rig:
            stream = StreamId("fieldgate/cam/main")
            async with rig.core.streams.view(stream, TECHNICIAN, "test"):
                await rig.until(lambda: {t.codec.value for t in rig.status("cam/main").tracks} == {"h264", "aac"})
                said = await (await Program.start(*reader(rig.url("cam", "w:look-at-it")))).said()
                found = frames(said)
                assert found.get(0, 0) >= 40 and found.get(1, 0) >= 60, said


async def test_motion_jpeg_is_taken_and_read_as_h264(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        line = sender(rig.url("drone-1", DRONE), "-huffman", "0", audio="", video="mjpeg")
        publisher = await Program.start(*line)
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        assert [t.codec.value for t in rig.status("drone-1/main").tracks] == ["mjpeg"]
        said = await (await Program.start(*reader(rig.url("drone-1", WALL)))).said()
        assert frames(said).get(0, 0) >= 30, said
        await publisher.stop()


async def test_latm_is_pulled(tmp_path: Path) -> None:
    sound = SOUND.replace("rtpmp4gpay", "rtpmp4apay")
    async with gst_server(f"{PICTURE} {sound}") as port:
        source = {"cam": {"url": f"rtsp://127.0.0.1:{port}/cam"}}
        program = {"w": {"password": "look-at-it", "read": ["cam"]}}
        async with (
            a_rig(tmp_path, source=source, program=program) as rig,
            rig.core.streams.view(StreamId("fieldgate/cam/main"), TECHNICIAN, "test"),
        ):
            await rig.until(lambda: {t.codec.value for t in rig.status("cam/main").tracks} == {"h264", "aac"})
            said = await (await Program.start(*reader(rig.url("cam", "w:look-at-it")))).said()
            found = frames(said)
            assert found.get(0, 0) >= 40 and found.get(1, 0) >= 60, said


@pytest.mark.parametrize("protocols", ["tcp", "udp"])
async def test_gstreamers_sink_announces_latm(tmp_path: Path, protocols: str) -> None:
    need("gst-launch-1.0")
    async with a_rig(tmp_path) as rig:
        line = (
            f"gst-launch-1.0 -q rtspclientsink name=s location={rig.url('drone-1')} protocols={protocols} "
            f"user-id=drone-1 user-pw={KEY} "
            "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! "
            "x264enc tune=zerolatency key-int-max=25 speed-preset=ultrafast ! s. "
            "audiotestsrc is-live=true ! audioconvert ! avenc_aac ! aacparse ! s."
        )
        publisher = await Program.start(*line.split())
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        await rig.until(lambda: {t.codec.value for t in rig.status("drone-1/main").tracks} == {"h264", "aac"})
        assert rig.status("drone-1/main").code == ""
        said = await (await Program.start(*reader(rig.url("drone-1", WALL)))).said()
        found = frames(said)
        assert found.get(0, 0) >= 40 and found.get(1, 0) >= 60, said
        await publisher.stop()


@pytest.mark.parametrize("protocols", ["tcp", "udp"])
async def test_gstreamers_sink_publishes_and_its_source_reads(tmp_path: Path, protocols: str) -> None:
    need("gst-launch-1.0")
    async with a_rig(tmp_path) as rig:
        where = f"location={rig.url('drone-1')} protocols={protocols}"
        line = (
            f"gst-launch-1.0 -q rtspclientsink name=s {where} user-id=drone-1 user-pw={KEY} "
            "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! "
            "x264enc tune=zerolatency key-int-max=25 speed-preset=ultrafast ! s. "
            "audiotestsrc is-live=true ! audioconvert ! opusenc ! s."
        )
        publisher = await Program.start(*line.split())
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        await rig.until(lambda: {t.codec.value for t in rig.status("drone-1/main").tracks} == {"h264", "opus"})
        line = (
            f"gst-launch-1.0 -q rtspsrc {where} user-id=wall user-pw=look-at-it latency=100 ! rtph264depay ! "
            "h264parse ! avdec_h264 ! identity eos-after=50 ! fakesink"
        )
        said = await (await Program.start(*line.split())).said()
        assert "ERROR" not in said, said
        await publisher.stop()
        await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")


async def test_rtsps_both_ways_and_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    files = tls.ensure(tmp_path / "tls", "fieldgate", ["127.0.0.1"])
    kit = KitTls(files.certificate, files.key, None)
    async with a_rig(tmp_path / "kit", tls=kit) as rig:
        url = (
            rig.url("drone-1", DRONE).replace("rtsp:", "rtsps:").replace(str(rig.port), str(rig.adapter.ports["rtsps"]))
        )
        publisher = await Program.start(*sender(url))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        read = url.replace(DRONE, WALL)
        found = frames(await (await Program.start(*reader(read))).said())
        assert found.get(0, 0) >= 40
        source = {"cam": {"url": f"{read}#verify=0"}, "doubted": {"url": read}}
        async with a_rig(tmp_path / "other", source=source) as other:
            async with other.core.streams.view(StreamId("fieldgate/cam/main"), TECHNICIAN, "test"):
                await other.until(lambda: other.state("cam/main") == "live")
            async with other.core.streams.view(StreamId("fieldgate/doubted/main"), TECHNICIAN, "test"):
                await other.until(lambda: other.status("doubted/main").code == "tls-failed")
        await publisher.stop()


async def test_a_stream_is_pushed_to_another_server(tmp_path: Path) -> None:
    async with a_rig(tmp_path / "far") as far:
        push = {"far": {"stream": "drone-1", "url": far.url("drone-9", DRONE)}}
        async with a_rig(tmp_path / "near", push=push) as near:
            publisher = await Program.start(*sender(near.url("drone-1", DRONE)))
            await far.until(lambda: far.state("drone-9/main") == "live")
            found = frames(await (await Program.start(*reader(far.url("drone-9", WALL)))).said())
            assert found.get(0, 0) >= 40 and found.get(1, 0) >= 80
            await publisher.stop()
