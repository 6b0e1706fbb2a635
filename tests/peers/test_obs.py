"""OBS Studio by the lines of docs/guide-outputs.md and docs/guide-sources.md: it shows a stream of the kit by each way,
all at once in one scene, and sends that scene back to the kit by RTMP.

It runs on a screen in memory (Xvfb, Mesa's software rasterizer), signed in as nobody's desktop: no sound server.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import av
import pytest

from tests.interop.reader import read
from tests.peers.programs import need
from tests.peers.senders import a_stage, live, running
from tests.peers.stage import Ports, Stage, ports
from tests.peers.test_guide_outputs import SECTIONS, here, site

pytestmark = [pytest.mark.peer, pytest.mark.long]

TILE = (320, 180)
COLUMNS, ROWS = 3, 2
WAYS = ("RTSP", "SRT", "RTMP", "MPEG-TS over UDP", "LL-HLS")
SPOTS = 16 * 9
PATIENCE_S = 60.0
LIT = 32
"""Mean luma of a tile with the test picture is above it (it has 110), of a black one below."""


@pytest.fixture
def free() -> Iterator[Ports]:
    need("ffmpeg", "obs", "Xvfb")
    with ports() as mine:
        yield mine


@pytest.fixture
async def stage(free: Ports, tmp_path: Path) -> AsyncIterator[Stage]:
    config = site(free) + '[program.obs]\npassword = "obs-sends-it-1"\npublish = ["obs"]\n'
    async with a_stage(tmp_path, free, config) as made:
        yield made


def media_source(way: str, free: Ports, link: str) -> dict[str, Any]:
    """Settings of a Media Source, as the guide's line says them."""
    (said,) = re.findall(r"^\| OBS \| (.+?) \|$", SECTIONS[way], re.M)

    def field(name: str) -> str:
        return next(iter(re.findall(rf"{name} `(.+?)`", said)), "")

    url = here(field("input"), free, link)
    more = {"input_format": field("input format"), "ffmpeg_options": field("FFmpeg options")}
    return {"is_local_file": False, "input": url, **more}


def scene(sources: list[dict[str, Any]]) -> dict[str, Any]:
    """A collection of one scene, its sources as tiles in rows of three."""
    items = [
        {
            "name": f"tile {index}",
            "id": index + 1,
            "visible": True,
            "pos": {"x": float(index % COLUMNS * TILE[0]), "y": float(index // COLUMNS * TILE[1])},
            "bounds_type": 1,  # stretched to its bounds
            "bounds": {"x": float(TILE[0]), "y": float(TILE[1])},
            "bounds_align": 0,
            "align": 5,  # left and top
            "scale": {"x": 1.0, "y": 1.0},
        }
        for index in range(len(sources))
    ]
    settings = {"items": items, "id_counter": len(items), "custom_size": False}
    made = [{"id": "scene", "name": "wall", "settings": settings}]
    made += [
        {"id": "ffmpeg_source", "name": f"tile {index}", "settings": one, "mixers": 255, "volume": 0.2}
        for index, one in enumerate(sources)
    ]
    listed = {
        "name": "kit",
        "current_scene": "wall",
        "current_program_scene": "wall",
        "scene_order": [{"name": "wall"}],
    }
    return {**listed, "sources": made, "groups": [], "transitions": [], "saved_projectors": []}


def profile(folder: Path, collection: dict[str, Any], server: str, key: str) -> None:
    """What OBS keeps of a first run and of Settings → Stream, Output and Video."""
    home = folder / ".config" / "obs-studio"
    mine = home / "basic" / "profiles" / "kit"
    mine.mkdir(parents=True)
    (home / "basic" / "scenes").mkdir(parents=True)
    (home / "global.ini").write_text(
        "[General]\nFirstRun=true\nEnableAutoUpdates=false\nPre19Defaults=false\nPre21Defaults=false\n"
        "Pre23Defaults=false\nPre24.1Defaults=false\n"
        "[Basic]\nProfile=kit\nProfileDir=kit\nSceneCollection=kit\nSceneCollectionFile=kit\n"
        "[BasicWindow]\nWarnBeforeStartingStream=false\n"
    )
    size = "\n".join(f"{which}CX={COLUMNS * TILE[0]}\n{which}CY={ROWS * TILE[1]}" for which in ("Base", "Output"))
    (mine / "basic.ini").write_text(
        "[General]\nName=kit\n[Output]\nMode=Simple\n"
        "[SimpleOutput]\nVBitrate=2000\nABitrate=128\nStreamEncoder=x264\nUseAdvanced=true\nPreset=ultrafast\n"
        f"[Video]\n{size}\nFPSType=0\nFPSCommon=20\n[Audio]\nSampleRate=48000\nChannelSetup=Stereo\n"
    )
    service = {"type": "rtmp_custom", "settings": {"server": server, "key": key, "use_auth": False}}
    (mine / "service.json").write_text(json.dumps(service))
    (home / "basic" / "scenes" / "kit.json").write_text(json.dumps(collection))


@asynccontextmanager
async def screen() -> AsyncIterator[str]:
    """An X server in memory; its name."""
    told, tell = os.pipe()
    server = await asyncio.create_subprocess_exec(
        "Xvfb", "-displayfd", str(tell), "-screen", "0", "1280x800x24", "-nolisten", "tcp",
        pass_fds=[tell], stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(tell)
    try:
        with os.fdopen(told) as reader:
            number = await asyncio.to_thread(reader.readline)
        yield f":{number.strip()}"
    finally:
        with suppress(ProcessLookupError):
            server.kill()
        await server.wait()


@asynccontextmanager
async def obs(folder: Path, display: str) -> AsyncIterator[Path]:
    """It streams from its start; what it says is in the file."""
    said = folder / "obs.log"
    private = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config"), "XDG_RUNTIME_DIR": str(folder)}
    soft = {"DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"}
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "obs", "--multi", "--startstreaming", "--disable-updater", "--disable-missing-files-check",
            "--profile", "kit", "--collection", "kit", "--scene", "wall",
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | private | soft,
        )  # fmt: skip
    try:
        yield said
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def tiles(url: str) -> list[tuple[float, bool]]:
    """(mean luma, whether it moves) of each tile, of the pictures of two seconds."""
    first: list[bytes] = []
    last: list[bytes] = []
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=PATIENCE_S) as container:
        for count, frame in enumerate(container.decode(video=0)):
            last = cut(frame)
            first = first or last
            if count == 40:
                break
    moved = [sum(abs(a - b) for a, b in zip(*pair, strict=True)) / SPOTS for pair in zip(first, last, strict=True)]
    return [(sum(tile) / SPOTS, change > 0.5) for tile, change in zip(last, moved, strict=True)]


def cut(frame: Any) -> list[bytes]:
    """Luma of each tile, `SPOTS` of it."""
    small = frame.reformat(COLUMNS * 16, ROWS * 9, format="gray").planes[0]
    rows, step = bytes(small), small.line_size
    return [
        b"".join(rows[y * step + column * 16 : y * step + column * 16 + 16] for y in range(row * 9, row * 9 + 9))
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]


async def test_obs_shows_each_way_and_sends_it_back(stage: Stage, free: Ports, tmp_path: Path) -> None:
    sender = (
        "ffmpeg -v error -re -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine=1000:sample_rate=48000 "
        "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p -c:a aac -f rtsp "
        f"-rtsp_transport tcp rtsp://ball:the-ball-s-own@127.0.0.1:{free.rtsp}/ball-1/ch1"
    )
    with running(*sender.split()):
        await live(stage, "ball-1/ch1", "h264", "aac")
        made = await asyncio.to_thread(stage.client.post, "/hls/kit1/ball-1/ch1/link", {})
        link = re.sub(r"//[^/]+/", f"//127.0.0.1:{free.api}/", str(made["url"]), count=1)
        sources = [media_source(way, free, link) for way in WAYS]
        profile(tmp_path, scene(sources), f"rtmp://127.0.0.1:{free.rtmp}/live", "obs?key=obs-sends-it-1")
        async with screen() as display, obs(tmp_path, display) as said:
            back = f"rtsp://wall:look-at-it-1@127.0.0.1:{free.rtsp}/obs"
            try:
                await live(stage, "obs/main", "h264", "aac")
                found = await seen(back)
            except Exception as exc:
                exc.add_note(said.read_text(errors="replace")[-6000:])
                raise
            assert not dark(found), (dark(found), said.read_text(errors="replace")[-6000:])
            assert found[len(WAYS)][0] < LIT, "the tile without a source is black: what is measured is OBS's own"
            heard = await asyncio.to_thread(read, back, 4.0, PATIENCE_S, 1000)
            assert heard["tone"] > 0.5, heard


def dark(found: list[tuple[float, bool]]) -> dict[str, tuple[float, bool]]:
    """Ways whose tile has no picture, or one that stands."""
    named = dict(zip(WAYS, found, strict=False))
    return {way: tile for way, tile in named.items() if tile[0] < LIT or not tile[1]}


async def seen(url: str) -> list[tuple[float, bool]]:
    """The tiles once none is dark, or as they are when patience ends."""
    until = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        found = await asyncio.to_thread(tiles, url)
        if not dark(found) or asyncio.get_running_loop().time() > until:
            return found
