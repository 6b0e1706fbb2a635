"""The lines of docs/guide-outputs.md, as they stand there: each plays a stream of a real daemon.

In place of a screen there is none: SDL's own dummy, GStreamer's fakesink, VLC's dummy. Debian's VLC has no RTSP. OBS
has a test of its own, test_obs.py.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.peers.programs import need
from tests.peers.senders import a_stage, live, running
from tests.peers.stage import Ports, Stage, ports

pytestmark = pytest.mark.peer

GUIDE = (Path(__file__).parents[2] / "docs" / "guide-outputs.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", GUIDE, re.M | re.S))
GROUP = "239.255.77.41"
PATIENCE_S = 40.0
SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")


def line(section: str, program: str) -> str:
    (found,) = re.findall(rf"^\| {program} \| `(.+?)`", SECTIONS[section], re.M)
    return str(found)


@pytest.fixture
def free() -> Iterator[Ports]:
    need("ffmpeg", "ffplay", "gst-launch-1.0", "vlc", "setpriv")
    with ports() as mine:
        yield mine


def site(free: Ports) -> str:
    """Of the configuration: a ball may publish, a wall may read, and its transport stream goes to a group."""
    return f"""
[program.ball]
password = "the-ball-s-own"
publish = ["ball-1/*"]
[program.wall]
password = "look-at-it-1"
read = ["*"]
[adapter.mpegts]
interface = "lo"
[push.wall]
stream = "ball-1/ch1"
url = "udp://{GROUP}:{free.ts}?ttl=0"
"""


@pytest.fixture
async def stage(free: Ports, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path, free, site(free)) as made:
        yield made


def here(text: str, free: Ports, link: str) -> str:
    """The guide's address, ports, password and link are those of this daemon."""
    for said, meant in (
        ("https://KIT:8443/hls-media/…/index.m3u8", link),
        ("239.9.9.1:5004", f"{GROUP}:{free.ts}?localaddr=127.0.0.1"),
        ("address=239.9.9.1 port=5004", f"address={GROUP} port={free.ts} multicast-iface=lo"),
        ("KIT:8554", f"127.0.0.1:{free.rtsp}"),
        ("KIT:8890", f"127.0.0.1:{free.srt}"),
        ("KIT:1935", f"127.0.0.1:{free.rtmp}"),
        ("SECRET", "look-at-it-1"),
    ):
        text = text.replace(said, meant)
    assert "KIT" not in text and "…" not in text, text
    return text


async def said(until: str, *command: str, **more: str) -> str:
    """What it says until `until` is found in it, or it ends; then it is killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | more,
    )
    assert process.stdout is not None
    words = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not re.search(until, words, re.S) and (data := await process.stdout.read(65536)):
                words += data.decode(errors="replace")
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
    return words


async def ffplay(text: str) -> None:
    program, *arguments = shlex.split(text)
    assert program == "ffplay"
    silent = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    shown = r"showinfo\S* @ \S+ n: *25 pts"
    words = await said(shown, program, "-vf", "showinfo", *arguments, **silent)
    assert re.search(shown, words), words[-3000:]


def trusting(authority: Path, folder: Path) -> tuple[str, ...]:
    """What follows it finds the kit's authority among the system's, as after `update-ca-certificates`: a folder of
    mounts of its own has the machine's list with one more."""
    merged = folder / "authorities.crt"
    merged.write_text(SYSTEM.read_text() + authority.read_text())
    merged.chmod(0o644)
    mine = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    shell = f'mount --bind "$0" {SYSTEM} && exec "$@"'
    return ("unshare", "--mount", *mine, "sh", "-c", shell, str(merged))


async def gst_launch(text: str, *within: str) -> None:
    text = text.replace("autovideosink", "fakesink num-buffers=50 sync=false")
    program, *arguments = shlex.split(text)
    assert program == "gst-launch-1.0"
    if arguments[0].startswith("playbin"):
        # The picture alone, and an end after fifty of them.
        arguments += ["flags=video", "video-sink=fakevideosink num-buffers=50"]
    words = await said("Got EOS", *within, program, *arguments)
    assert "Got EOS" in words and "ERROR" not in words, words[-3000:]


async def vlc(text: str, home: Path, *within: str) -> None:
    program, *arguments = shlex.split(text.replace("?localaddr=127.0.0.1", ""))
    assert program == "vlc"
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    silent = ("-I", "dummy", "--vout", "dummy", "--aout", "dummy", "--no-color", "-vv", "--miface=lo")
    shown = "Received first picture"
    words = await said(shown, *within, *nobody, program, *silent, *arguments, HOME=str(home))
    assert shown in words, words[-3000:]


async def test_each_line_plays(stage: Stage, free: Ports, tmp_path: Path) -> None:
    sender = (
        "ffmpeg -v error -re -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine=sample_rate=48000 -c:v libx264 "
        "-preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -f rtsp -rtsp_transport tcp "
        f"rtsp://ball:the-ball-s-own@127.0.0.1:{free.rtsp}/ball-1/ch1"
    )
    with running(*sender.split()):
        await live(stage, "ball-1/ch1", "h264", "aac")
        made = await asyncio.to_thread(stage.client.post, "/hls/kit1/ball-1/ch1/link", {})
        link = re.sub(r"//[^/]+/", f"//127.0.0.1:{free.api}/", str(made["url"]), count=1)
        for section in ("RTSP", "SRT", "RTMP", "MPEG-TS over UDP", "LL-HLS"):
            await ffplay(here(line(section, "FFmpeg"), free, link))
        for section in ("RTSP", "SRT", "RTMP", "MPEG-TS over UDP"):
            await gst_launch(here(line(section, "GStreamer"), free, link))
        for section in ("SRT", "RTMP", "MPEG-TS over UDP"):
            await vlc(here(line(section, "VLC"), free, link), tmp_path)
        trusted = trusting(tmp_path / "tls" / "ca.crt", tmp_path)
        await gst_launch(here(line("LL-HLS", "GStreamer"), free, link), *trusted)
        await vlc(here(line("LL-HLS", "VLC"), free, link), tmp_path, *trusted)
