"""LL-HLS read by programs we did not write: FFmpeg, GStreamer, and by a reader that holds it to RFC 8216bis."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urljoin

import httpx
import pytest

from tests.peers.browser import launch, require
from tests.peers.hls_rules import Playlist, Rules
from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer


@asynccontextmanager
async def a_link(
    place: Path, *, tls: bool = True, more: str = ""
) -> AsyncIterator[tuple[Stage, str, httpx.AsyncClient]]:
    """A ball, and the link of its picture for players that know no header."""
    with ports() as free:
        stage = Stage(place, free)
        config = place / "ports.toml"
        config.write_text(config.read_text().replace("[api]\n", f"[api]\ntls = {str(tls).lower()}\n{more}"))
        try:
            stream = await stage.begin()
            trust = ssl.create_default_context(cafile=str(place / "tls" / "ca.crt") if tls else None)
            base = f"http{'s' if tls else ''}://127.0.0.1:{free.api}"
            token = stage.client.post("/api/v1/tokens", {"name": "wall", "role": "viewer"})["token"]
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(base_url=base, verify=trust, timeout=60) as client:
                assert (await client.get(f"/hls/{stream}/index.m3u8")).status_code == 401
                made = (await client.post(f"/hls/{stream}/link", headers=headers)).json()
                # On the kit itself, with an address that others reach.
                local = await asyncio.to_thread(stage.client.post, f"/hls/{stream}/link")
                assert str(free.api) in local["url"] and "fieldgate" not in local["url"]
                yield stage, made["url"], client
        finally:
            await stage.stop()


async def frames(*command: str) -> list[dict[str, str]]:
    made = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await asyncio.wait_for(made.communicate(), 120)
    assert made.returncode == 0, err.decode()[-2000:]
    return list(json.loads(out)["frames"])


async def test_ffmpeg_reads_it(tmp_path: Path) -> None:
    async with a_link(tmp_path) as (_, url, _client):
        seen = await frames(
            "ffprobe", "-v", "error", "-select_streams", "v", "-read_intervals", "%+4", "-show_frames",
            "-show_entries", "frame=pts_time,key_frame,width", "-of", "json", url,
        )  # fmt: skip
        times = [float(one["pts_time"]) for one in seen]
        assert len(seen) >= 60 and times == sorted(times) and len(set(times)) == len(times)
        assert any(one["key_frame"] for one in seen)


async def test_gstreamer_reads_it(tmp_path: Path) -> None:
    """Over plain HTTP, as behind a proxy: its HLS elements can not be told to trust the kit's own authority."""
    async with a_link(tmp_path, tls=False) as (_, url, _client):
        command = ["stdbuf", "-oL", "gst-launch-1.0", "-v", "souphttpsrc", f"location={url}", "!", "hlsdemux", "!"]
        command += ["decodebin", "!", "videoconvert", "!", "fakesink", "silent=false"]
        made = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert made.stdout is not None
        pictures: list[str] = []
        try:
            async with asyncio.timeout(90):
                while len(pictures) < 100 and (line := await made.stdout.readline()):
                    if b"chain" in line and (found := re.search(rb"pts: ([0-9:.]+)", line)):
                        pictures.append(found[1].decode())
        finally:
            made.kill()
            await made.wait()
        assert len(pictures) == 100 and pictures == sorted(pictures), pictures[-5:]


@pytest.mark.long
async def test_it_keeps_the_rules(tmp_path: Path) -> None:
    """Blocking reloads and hinted parts as a low-latency player asks for them, every playlist held to the rules."""
    async with a_link(tmp_path) as (stage, url, client):
        index = (await client.get(url)).text
        assert 'CODECS="avc1.' in index and "RESOLUTION=" in index
        media = urljoin(url, index.strip().splitlines()[-1])
        rules = Rules(media)
        playlist = rules.check((await client.get(media)).text)
        for _ in range(40):
            number, part = playlist.next_part
            hinted = asyncio.create_task(client.get(urljoin(media, playlist.hint)))
            answer = await client.get(media, params={"_HLS_msn": number, "_HLS_part": part})
            playlist = rules.check(answer.text)
            assert playlist.next_part > (number, part), "the answer came before the part was there"
            got = await hinted
            assert got.status_code == 200 and got.content[4:8] in (b"moof", b"styp", b"prft")
        init = await client.get(urljoin(media, playlist.map))
        assert init.content[4:8] == b"ftyp" and b"avcC" in init.content
        # A segment is its parts, one after the other.
        segment = next(one for one in reversed(playlist.segments) if one.uri and one.parts)
        whole = (await client.get(urljoin(media, segment.uri))).content
        parts = [(await client.get(urljoin(media, uri))).content for uri in segment.parts]
        assert whole == b"".join(parts)
        # What nobody has, and what nobody may.
        assert (await client.get(media, params={"_HLS_msn": number + 100})).status_code == 400
        assert (await client.get(media, params={"_HLS_part": 1})).status_code == 400
        assert (await client.get(urljoin(media, "seg-0000999999.m4s"))).json()["code"] == "hls-gone"
        ticket = url.split("/")[4]
        forged = url.replace(ticket, ticket[:-2] + ("AA" if ticket[-2:] != "AA" else "BB"))
        assert (await client.get(forged)).json()["code"] == "ticket-unknown"
        # Nobody asks any more: the source is let go.
        await stage.until("nobody watches", lambda: stage.client.get("/api/v1/viewings") == [], 60)
        # Who comes back meets no number a second time.
        again = Rules(media).check((await client.get(media)).text)
        assert again.segments[0].number >= playlist.next_part[0] and again.map != playlist.map


async def test_over_an_outage(tmp_path: Path) -> None:
    """The ball is killed and comes again: the playlist stands still, goes on, and never broke a rule."""
    async with a_link(tmp_path) as (stage, url, client):
        media = urljoin(url, (await client.get(url)).text.strip().splitlines()[-1])
        rules = Rules(media)
        before = rules.check((await client.get(media)).text)
        await stage.kill("ball")

        async def grown(since: tuple[int, int]) -> Playlist:
            now = rules.check((await client.get(media)).text)
            while now.next_part <= since:
                at, part = now.next_part
                answer = await client.get(media, params={"_HLS_msn": at, "_HLS_part": part})
                now = rules.check(answer.text)
            return now

        # Asked for what does not come: the answer waits, then tells what stands.
        number, _ = before.next_part
        await client.get(media, params={"_HLS_msn": number + 2})
        stood = rules.check((await client.get(media)).text)
        await stage.ball()
        after = await asyncio.wait_for(grown(stood.next_part), 90)
        await asyncio.wait_for(grown((after.next_part[0] + 1, 0)), 60)
        text = (await client.get(media)).text
        assert "#EXT-X-DISCONTINUITY" in text


PAGE = """<!doctype html><video id=v muted autoplay playsinline></video><script src=/hls.js></script><script>
  // Faster for a while where a busy machine made it stall: by itself hls.js stays as late as it once was.
  const hls = window.hls = new Hls({lowLatencyMode: true, enableWorker: false, maxLiveSyncPlaybackRate: 1.5});
  window.fatal = ''; window.parts = []; window.early = 0;
  hls.on(Hls.Events.FRAG_LOADED, (_, {frag, part}) => {
    if (!part) return;
    window.parts.push(frag.sn + '-' + part.index);
    if (frag.sn > hls.latestLevelDetails.endSN) window.early += 1;  // its segment is not yet whole
  });
  hls.on(Hls.Events.ERROR, (_, told) => { if (told.fatal) window.fatal = told.type + ' ' + told.details; });
  hls.loadSource(decodeURIComponent(location.hash.slice(1)));
  hls.attachMedia(document.getElementById('v'));
</script>"""
HLS_JS = Path(__file__).parents[2] / "console" / "node_modules" / "hls.js" / "dist" / "hls.min.js"


async def test_hls_js_plays_it_in_chromium(tmp_path: Path) -> None:
    """With low latency: blocking reloads and parts, on a page of another site that the configuration allows."""
    require()
    assert HLS_JS.exists(), "make setup installs the console's packages, hls.js among them"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        script = head.startswith(b"GET /hls.js")
        body = await asyncio.to_thread(HLS_JS.read_bytes) if script else PAGE.encode()
        kind = "text/javascript" if script else "text/html"
        writer.write(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        a_link(tmp_path, more=f'cors_origins = ["{origin}"]\n') as (_, url, _client),
        launch() as browser,
    ):
        page = await browser.open(f"{origin}/#{quote(url, safe='')}")
        seen = "document.getElementById('v').getVideoPlaybackQuality().totalVideoFrames"
        first = await page.wait_for(f"fatal || {seen} > 25 && {seen}", 90, "a second of pictures")
        assert isinstance(first, int), first
        await page.wait_for(f"fatal || {seen} > {first} + 100", 90, "four more seconds")
        assert await page.evaluate("fatal") == ""
        assert await page.evaluate("document.getElementById('v').videoWidth") == 1280
        # Parts of segments that are not whole yet, each once: plain HLS would be three segments of 2 s behind.
        await page.wait_for("fatal || early >= 30", 90, "thirty parts ahead of their segments")
        assert await page.evaluate("fatal") == ""
        parts = await page.evaluate("parts")
        assert len(set(parts)) == len(parts), [one for one in sorted(set(parts)) if parts.count(one) > 1]
        await page.wait_for("hls.latency > 0 && hls.latency < 4", 90, "low latency")
