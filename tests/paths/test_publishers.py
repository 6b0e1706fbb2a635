"""Publishers and sources on the real media plane: FFmpeg sends, goes, and another one comes with another picture."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from threading import Thread

import av
import pytest

from gateway import codecs
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.base.url import SourceUrl
from gateway.config.root import Config
from gateway.config.sources import Source
from gateway.contract.media import Publication
from gateway.contract.source import PushInfo
from gateway.core.core import Core
from gateway.core.mediaplane import MediaPlane
from gateway.core.secrets import Secrets
from gateway.core.streams import Viewing
from gateway.model.media import StreamState
from gateway.model.principal import Principal, Role
from gateway.store.store import Store
from tests.peers.programs import need

OTTO = Principal("otto", Role.OPERATOR, "s-otto")
INFO = PushInfo("ts", "127.0.0.1", "FFmpeg")
PATIENCE_S = 30.0


@asynccontextmanager
async def core(folder: Path, config: Config | None = None) -> AsyncIterator[Core]:
    """Everything but adapters and API, on a media plane of its own."""
    config, clock, secrets = config or Config(), Clock(), Secrets(folder)
    plane = MediaPlane(codecs.Engine(threads=1), lambda: config.media.rtp_ports)
    made = Core(lambda: config, folder, Store(folder, secrets.audit_key()), secrets, plane, clock)
    made.start()
    try:
        yield made
    finally:
        await made.quiesce()
        await made.close()


@contextmanager
def sending(port: int, size: str, codec: str = "libx264") -> Iterator[None]:
    line = (
        f"ffmpeg -v error -re -f lavfi -i testsrc2=size={size}:rate=25 -c:v {codec} -preset ultrafast -g 25 "
        f"-pix_fmt yuv420p -f mpegts udp://127.0.0.1:{port}?pkt_size=1316"
    )
    process = subprocess.Popen(line.split(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Sender:
    """What an adapter does for one publisher: a leg on a socket of its own, until the sender has been silent."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.hung_up = asyncio.Event()

    async def open(self, publication: Publication) -> None:
        engine = publication._plane.engine  # type: ignore[attr-defined]
        handle = engine.open_ts_in(publication.handle, self.socket.detach(), stall_ms=publication.stall_ms)
        publication.leg(handle)
        await self.hung_up.wait()


class Reader:
    """A program that plays what the stream sends, as a transport stream on a pipe: sizes and times of its pictures."""

    def __init__(self, engine: codecs.Engine, stream: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        theirs.setblocking(False)
        self.subscription = engine.open_container_out(stream, theirs.detach(), "ts")
        self._engine = engine
        self._ours = ours
        self.seen: list[tuple[int, float, float]] = []  # height, pts, when
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with (
            self._ours.makefile("rb") as file,
            av.open(file, format="mpegts", options={"probesize": "200000"}) as container,
        ):
            for packet in container.demux(video=0):
                if packet.pts is None:
                    continue
                for frame in packet.decode():
                    assert frame.time is not None
                    self.seen.append((frame.height, frame.time, time.monotonic()))  # type: ignore[union-attr]

    async def until(self, height: int, count: int) -> None:
        """`count` pictures of that height have been played."""
        async with asyncio.timeout(PATIENCE_S):
            while sum(seen[0] == height for seen in self.seen) < count:
                assert self._thread.is_alive(), "the reader ended"
                await asyncio.sleep(0.05)

    def close(self) -> None:
        self._engine.unsubscribe(self.subscription)
        self._thread.join(10)
        self._ours.close()


async def until(viewing: Viewing, state: StreamState) -> str:
    """The reason code with which it got there."""
    async with asyncio.timeout(PATIENCE_S):
        async for status in viewing.changes():
            if status.state is state:
                return status.code
    raise AssertionError


async def test_a_viewer_lives_through_three_publishers_of_one_name(tmp_path: Path) -> None:
    need("ffmpeg")
    async with core(tmp_path) as gateway:
        points, engine = gateway.push_points, gateway.plane.engine
        stream = points.resolve("drone-1", OTTO)
        first = Sender()
        with sending(first.port, "640x360"):
            publishing = asyncio.create_task(points.publish(stream, OTTO, INFO, first.open))
            await asyncio.sleep(0)
            async with gateway.streams.view(stream, OTTO, "test") as viewing:
                assert await until(viewing, StreamState.LIVE) == ""
                handle, reader = viewing.handle, Reader(engine, viewing.handle)
                await reader.until(360, 30)
                first.hung_up.set()
                await publishing
                assert await until(viewing, StreamState.OFFLINE) == "publisher-gone"
                await gateway.figures.once()
                assert viewing.status.figures.frame_age_s is not None, "the age of the last picture is known"
                for size, codec, height in (("320x240", "libx264", 240), ("640x480", "libx264", 480)):
                    sender = Sender()
                    publishing = asyncio.create_task(points.publish(stream, OTTO, INFO, sender.open))
                    with sending(sender.port, size, codec):
                        await until(viewing, StreamState.LIVE)
                        await reader.until(height, 20)
                    sender.hung_up.set()
                    await publishing
                assert viewing.handle == handle and viewing.status.viewers == 1
                reader.close()
        times = [pts for _, pts, _ in reader.seen]
        assert times == sorted(times), "the times that a program sees never go back"
        assert {height for height, _, _ in reader.seen} == {360, 240, 480}


async def test_a_source_that_dies_and_comes_back_with_another_codec(tmp_path: Path) -> None:
    need("ffmpeg")
    config = Config(source={"yard": Source.model_validate({"url": "ts://127.0.0.1:1/"})})
    ports: asyncio.Queue[int] = asyncio.Queue()

    async def opener(url: SourceUrl, publication: Publication) -> None:
        sender = Sender()
        ports.put_nowait(sender.port)
        handle = gateway.plane.engine.open_ts_in(publication.handle, sender.socket.detach(), stall_ms=500)
        leg = publication.leg(handle)
        try:
            await leg.first_media(PATIENCE_S)
            await leg.ended()
        finally:
            leg.close()

    async with core(tmp_path, config) as gateway:
        forget = gateway.sources.scheme("ts", opener)
        stream = gateway.streams.resolve("yard")
        async with gateway.streams.view(stream, OTTO, "test") as viewing:
            with sending(await ports.get(), "640x360"):
                await until(viewing, StreamState.LIVE)
                assert viewing.tracks[0].codec == "h264"
                handle = viewing.handle
            assert await until(viewing, StreamState.STALLED) == "media-stopped"
            # Its adapter is restarted: what it had open ends, and it is asked again.
            forget()
            assert await until(viewing, StreamState.OFFLINE) == "adapter-off"
            gateway.sources.scheme("ts", opener)
            with sending(await ports.get(), "640x360", "libx265"):
                async with asyncio.timeout(PATIENCE_S):
                    async for status in viewing.changes():
                        if status.state is StreamState.LIVE and status.tracks[0].codec == "h265":
                            break
            assert viewing.handle == handle


@pytest.mark.parametrize("what", ["nothing", "noise"])
async def test_a_publisher_who_sends_no_picture_is_told(what: str, tmp_path: Path) -> None:
    config = Config()
    object.__setattr__(config, "streams", config.streams.model_copy(update={"open_patience": 1.0}))
    async with core(tmp_path, config) as gateway:
        points, sender = gateway.push_points, Sender()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            publishing = asyncio.create_task(points.publish(points.resolve("drone-1", OTTO), OTTO, INFO, sender.open))
            if what == "noise":
                out.sendto(b"\x00" * 1316, ("127.0.0.1", sender.port))
            with pytest.raises(GatewayError) as refused:
                await asyncio.wait_for(publishing, PATIENCE_S)
        assert refused.value.code == "no-media"
        assert gateway.streams.status(gateway.streams.resolve("drone-1")).code == "publisher-gone"
