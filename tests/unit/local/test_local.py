"""Cameras and microphones of this machine: what is listed, what is waited for, and the worker on the real media plane.

There is no camera where these tests run. The worker reads FFmpeg's own test inputs (lavfi, files) in a device's
place, which is the same code but for the driver; plugging is played on a tree of files.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.local import Local, adapter, process
from adapters.local.config import LocalConfig
from adapters.local.process import ALSA
from adapters.local.recipe import Input, Recipe, recipe_of
from gateway import codecs
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, RemoteProtocolError
from gateway.base.url import parse_url
from gateway.core.mediaplane import MediaPlane
from gateway.core.publication import Attempt
from gateway.model.discovery import FindWay
from gateway.model.ids import StreamId
from gateway.net.discovery import search
from gateway.net.discovery.table import Finds
from gateway.net.plugged import Places, card_of, listed, node_of, there

CARDS = """ 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xf7e10000 irq 31
 1 [Capture        ]: USB-Audio - USB3 HDMI Capture
                      MACROSILICON at usb-0000:00:14.0-3, super speed
"""
PCM = """00-00: ALC269VC Analog : ALC269VC Analog : playback 1
01-00: USB Audio : USB Audio : capture 1
"""


def plug(tree: Path, number: int = 0, *, index: int = 0, name: str = "USB3 HDMI Capture") -> Path:
    node = tree / "dev" / f"video{number}"
    for folder in ("dev/v4l/by-id", f"sys/class/video4linux/video{number}", "proc/asound"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    node.touch()
    (tree / "sys/class/video4linux" / node.name / "name").write_text(name + "\n")
    (tree / "sys/class/video4linux" / node.name / "index").write_text(f"{index}\n")
    return node


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "dev", tmp_path / "sys", tmp_path / "proc")


def test_what_is_plugged_in(tmp_path: Path, places: Places) -> None:
    assert listed(places) == []
    plug(tmp_path, 2)
    plug(tmp_path, 3, index=1)  # the camera's node of metadata
    lasting = tmp_path / "dev/v4l/by-id/usb-MACROSILICON_USB3-video-index0"
    lasting.symlink_to("../../video2")
    (tmp_path / "proc/asound/cards").write_text(CARDS)
    (tmp_path / "proc/asound/pcm").write_text(PCM)
    camera, microphone = listed(places)
    assert (camera.kind, camera.name, camera.url) == ("video", "USB3 HDMI Capture", f"v4l2:{lasting}")
    assert (microphone.name, microphone.url) == ("USB3 HDMI Capture", "alsa:hw:CARD=Capture,DEV=0")
    assert there("v4l2", str(lasting), places) and there("alsa", "hw:1,0", places)
    assert there("alsa", "plughw:CARD=Capture,DEV=0", places) and there("alsa", "default", places)
    assert not there("alsa", "hw:0,0", places), "it only plays"
    (tmp_path / "dev/video2").unlink()
    assert not there("v4l2", str(lasting), places)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/dev/sda", "/dev/../etc/passwd", "/dev/video0/../sda", "/proc/self/mem"]
)
def test_only_cameras_are_opened(path: str) -> None:
    assert node_of(path, Places()) is None


def test_a_link_that_leads_elsewhere(tmp_path: Path, places: Places) -> None:
    plug(tmp_path)
    (tmp_path / "secret").touch()
    (tmp_path / "dev/video9").symlink_to(tmp_path / "secret")
    assert node_of(str(tmp_path / "dev/video9"), places) is None
    assert node_of(str(tmp_path / "dev/video0"), places) == tmp_path / "dev/video0"


def test_what_a_url_asks() -> None:
    url = parse_url("v4l2:///dev/video0#size=1280x720&fps=30&format=mjpeg&audio=hw:1,0&bitrate=2000000")
    made = recipe_of(url, "/dev/video0", ("h264", "mjpeg"))
    assert made.video == Input(
        "v4l2", "/dev/video0", {"input_format": "mjpeg", "video_size": "1280x720", "framerate": "30"}
    )
    assert made.audio == Input("alsa", "plughw:1,0", {"sample_rate": "48000", "channels": "1"})
    assert Recipe.from_text(made.as_text()) == made and made.bitrate_bps == 2_000_000
    best = recipe_of(parse_url("v4l2:/dev/video0"), "/dev/video0", ("h264", "mjpeg")).video
    assert best is not None and best.options == {"input_format": "h264"}
    assert recipe_of(parse_url("alsa:hw:1,0"), "", ()).video is None
    assert card_of("hw:CARD=Mic,DEV=0") == "Mic" and card_of("default") == ""


@pytest.mark.parametrize(
    "options",
    ["format=exe", "size=1280", "size=1x1", "fps=0", "fps=x", "bitrate=-1", "audio=hw:1%2C0%3Brm%20x", "audio=%24(x)"],
)
def test_refused(options: str) -> None:
    with pytest.raises(RemoteProtocolError):
        recipe_of(parse_url(f"v4l2:/dev/video0#{options}"), "/dev/video0", ())


# — the worker —


class Kit:
    """The media plane, one publication, and the adapter on another tree."""

    def __init__(self, places: Places) -> None:
        self.plane = MediaPlane(codecs.Engine(), lambda: (30000, 30010))  # type: ignore[arg-type, return-value]
        self.plane.start()
        self.engine = self.plane.engine
        self.stream = self.engine.open_stream("local")
        self.plane.on_stream(self.stream, self._track)
        self.waits = asyncio.Event()
        self.tracks: dict[str, codecs.TrackEvent] = {}
        self.publication = Attempt(
            self.plane,
            StreamId("kit1/cable/main"),
            self.stream,
            stall_s=30.0,
            patience_s=60.0,
            told=lambda _event: None,
            said=lambda code, _detail: self.waits.set() if code == "local-unplugged" else None,
        )
        context: Any = type("Context", (), {"media": self.plane})()
        self.local = Local(LocalConfig(look_every=0.1), context, places)

    def _track(self, event: object) -> None:
        if isinstance(event, codecs.TrackEvent):
            self.tracks[event.kind] = event

    async def frames(self, least: int) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while True:
            stats = self.engine.stream_stats(self.stream)
            if int(stats["frames"]) >= least:
                return dict(stats)
            assert time.monotonic() < deadline, stats
            await asyncio.sleep(0.1)


@asynccontextmanager
async def a_kit(places: Places) -> AsyncIterator[Kit]:
    kit = Kit(places)
    try:
        yield kit
    finally:
        await kit.publication.close()
        kit.plane.stop()


@asynccontextmanager
async def capturing(kit: Kit, recipe: Recipe) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(kit.local._capture(recipe, kit.publication))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_raw_pictures_and_sound(places: Places) -> None:
    """What a camera without codec gives is made H.264, a microphone's samples Opus, on one time line."""
    recipe = Recipe(
        Input("lavfi", "testsrc2=size=320x240:rate=25,realtime", {}),
        Input("lavfi", "sine=frequency=1000:sample_rate=44100,arealtime", {}),
    )
    async with a_kit(places) as kit, capturing(kit, recipe):
        stats = await kit.frames(50)
        assert int(stats["key_frames"]) >= 1
        assert (kit.tracks["video"].codec, kit.tracks["video"].width) == ("h264", 320)
        assert not kit.tracks["video"].b_frames
        assert kit.tracks["audio"].codec == "opus"


async def test_a_microphone_by_alsa(places: Places) -> None:
    """ALSA's own device of silence: the library, its configuration and the options are those of a real card."""
    if not ALSA.exists():
        pytest.skip(f"{ALSA} is not there (Debian: libasound2-data)")
    recipe = Recipe(audio=Input("alsa", "null", {"sample_rate": "48000", "channels": "1"}))
    async with a_kit(places) as kit, capturing(kit, recipe):
        await kit.frames(20)
        assert kit.tracks["audio"].codec == "opus"


@pytest.mark.parametrize("codec", ["mjpeg", "h264"])
async def test_what_a_camera_codes_itself_is_passed(places: Places, tmp_path: Path, codec: str) -> None:
    file = tmp_path / f"camera.{codec}"
    made = ["-c:v", "libx264", "-bf", "0", "-g", "10"] if codec == "h264" else ["-c:v", "mjpeg"]
    source = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-frames:v", "100"]
    await asyncio.to_thread(
        subprocess.run, [*source, "-pix_fmt", "yuvj420p", *made, "-f", codec, str(file)], check=True
    )
    async with a_kit(places) as kit, capturing(kit, Recipe(Input(codec, str(file), {}))) as task:
        await kit.frames(20)
        assert (kit.tracks["video"].codec, kit.tracks["video"].height) == (codec, 240)
        # The file's end is a cable that was pulled out.
        with pytest.raises(LinkDown) as ended:
            await asyncio.wait_for(asyncio.shield(task), 60)
        assert ended.value.code in ("local-unplugged", "source-ended")


async def to_our_workers(number: signal.Signals) -> list[int]:
    """Who got it. Ours only: the tests beside this one have workers as well."""
    ours = ["pgrep", "-P", str(os.getpid()), "-f", "adapters.local.worker .*realtime"]
    found = await asyncio.to_thread(subprocess.run, ours, capture_output=True, text=True)
    pids = [int(pid) for pid in found.stdout.split()]
    for pid in pids:
        os.kill(pid, number)
    return pids


async def test_a_worker_that_is_killed(places: Places) -> None:
    recipe = Recipe(Input("lavfi", "testsrc2=size=320x240:rate=25,realtime", {}))
    async with a_kit(places) as kit, capturing(kit, recipe) as task:
        await kit.frames(10)
        assert await to_our_workers(signal.SIGKILL)
        with pytest.raises(LinkDown) as died:
            await asyncio.wait_for(asyncio.shield(task), 60)
        assert died.value.code in ("local-worker", "source-ended")
        assert died.value.code == "source-ended" or "signal 9" in str(died.value)


async def test_a_driver_that_hangs(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is not let wait for ever: it is killed, and the reason is told."""
    monkeypatch.setattr(process, "HUNG_S", 4.0)
    recipe = Recipe(Input("lavfi", "testsrc2=size=320x240:rate=25,realtime", {}))
    async with a_kit(places) as kit, capturing(kit, recipe) as task:
        await kit.frames(10)
        hangs = await to_our_workers(signal.SIGSTOP)
        with pytest.raises(LinkDown) as hung:
            await asyncio.wait_for(asyncio.shield(task), 60)
        assert hung.value.code == "local-hung" and hangs
        assert not any(Path(f"/proc/{pid}").exists() for pid in hangs)


async def test_no_more_at_a_time_than_are_allowed(tmp_path: Path, places: Places) -> None:
    plug(tmp_path)
    url = parse_url(f"v4l2:{tmp_path}/dev/video0", trusted=True)
    async with a_kit(places) as kit:
        kit.local = Local(LocalConfig(look_every=0.1, workers=1), kit.local._context, places)
        kit.local._open = 1
        with pytest.raises(Busy) as refused:
            await kit.local.open(url, kit.publication)
        assert refused.value.code == "local-workers"


async def test_plugged_in_later(tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream waits in words, and goes on when the cable is there; pulled out, it ends and may be opened again."""
    (tmp_path / "dev").mkdir()
    recipe = Recipe(Input("lavfi", "testsrc2=size=320x240:rate=25,realtime,trim=duration=2", {}))
    monkeypatch.setattr(adapter, "recipe_of", lambda *_: recipe)
    url = parse_url(f"v4l2:{tmp_path}/dev/video0", trusted=True)
    async with a_kit(places) as kit:
        for _ in range(2):
            opened = asyncio.create_task(kit.local.open(url, kit.publication))
            await asyncio.wait_for(kit.waits.wait(), 60)
            kit.waits.clear()
            assert not opened.done()
            node = plug(tmp_path)
            frames = int(kit.engine.stream_stats(kit.stream)["frames"])
            await kit.frames(frames + 20)
            with pytest.raises(GatewayError) as ended:
                await asyncio.wait_for(opened, 60)
            assert ended.value.code in ("local-unplugged", "source-ended")
            node.unlink()


async def test_a_search_finds_them(tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is plugged in while the search goes on; it is taken in as a source like any other."""
    monkeypatch.setattr(search, "listed", lambda: listed(places))
    monkeypatch.setattr(search, "LOOK_AGAIN_S", 0.05)
    finds = Finds()
    going = asyncio.create_task(search.Search(finds, time.time).run((FindWay.PLUG,), 60.0, interface="lo"))
    await asyncio.sleep(0)
    plug(tmp_path)
    while not len(finds):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    going.cancel()
    await asyncio.wait([going])
    (find,) = finds.all()
    assert (find.name, find.adopt, find.urls) == ("USB3 HDMI Capture", "source", (f"v4l2:{tmp_path}/dev/video0",))
    assert parse_url(find.urls[0]).scheme == "v4l2"


async def test_only_the_configuration_opens_devices(places: Places, tmp_path: Path) -> None:
    async with a_kit(places) as kit:
        with pytest.raises(Denied):
            await kit.local.open(parse_url("v4l2:/dev/video0"), kit.publication)
