"""Other servers: FFmpeg that listens is pulled from and pushed to; another gateway; refusals, redirects, outages."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from adapters.rtmp.protocol import amf
from adapters.rtmp.protocol.handshake import BLOCK
from gateway.model.ids import StreamId
from tests.paths.rtmp_rig import CONFIG, KEY, TECHNICIAN, Program, Raw, Rig, a_rig, frames, reader, sender
from tests.paths.test_rtmp_drone import tags


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int, seconds: float = 30) -> list[str]:
    """FFmpeg as a server that plays to whoever comes first."""
    line = sender(f"rtmp://127.0.0.1:{port}/live/cam", seconds=seconds)
    return [*line[:-1], "-listen", "1", line[-1]]


def source(url: str) -> dict[str, Any]:
    return CONFIG | {"source": {"far": {"url": url}}, "streams": {"retry_first": "200ms", "retry_most": "500ms"}}


async def watching(rig: Rig, name: str, seen: list[str]) -> None:
    """Hold a stream open; what it says meanwhile goes to `seen`."""
    async with rig.core.streams.view(StreamId(f"fieldgate/{name}"), TECHNICIAN, "test") as viewing:
        async for status in viewing.changes():
            seen.append(f"{status.state} {status.code}")


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_ffmpeg_is_pulled_from_and_pulled_again_when_it_comes_back(tmp_path: Path) -> None:
    port = free_port()
    async with a_rig(tmp_path, **source(f"rtmp://127.0.0.1:{port}/live/cam")) as rig:
        seen: list[str] = []
        watch = asyncio.create_task(watching(rig, "far/main", seen))
        await rig.until(lambda: any("connect-refused" in s for s in seen), f"refused, of {seen}")
        first = await Program.start(*listening(port))
        await rig.until(lambda: rig.state("far/main") == "live")
        assert {t.codec.value for t in rig.status("far/main").tracks} == {"h264", "aac"}
        await first.stop()
        await rig.until(lambda: rig.state("far/main") != "live")
        second = await Program.start(*listening(port))
        await rig.until(lambda: rig.state("far/main") == "live")
        await end(watch)
        await second.stop()


async def test_one_gateway_pulls_from_and_pushes_to_another(tmp_path: Path) -> None:
    async with a_rig(tmp_path / "a") as center:
        push = {"out": {"stream": "drone-1/main", "url": center.url("live/drone-9?key=of-another")}}
        pull = {"far": {"url": center.url("live/drone-9").replace("//", "//wall:look-at-it@")}}
        config = CONFIG | {"push": push, "source": pull}
        async with a_rig(tmp_path / "b", **config) as kit:
            publisher = await Program.start(*sender(kit.url(f"live/drone-1?key={KEY}"), b_frames=2))
            await kit.until(lambda: center.state("drone-9/main") == "live", "the push arrives")
            status = center.status("drone-9/main")
            assert {t.codec.value for t in status.tracks} == {"h264", "aac"}
            assert status.source.software == "FMLE/3.0 (compatible; Fieldgate)"
            seen: list[str] = []
            watch = asyncio.create_task(watching(kit, "far/main", seen))
            await kit.until(lambda: kit.state("far/main") == "live", f"pulled back, of {seen}")
            said = await (await Program.start(*reader(center.url("live/drone-9?user=wall&pass=look-at-it")))).said()
            assert frames(said).get(0, 0) >= 40, said
            assert frames(said).get(1, 0) >= 80, said
            await end(watch)
            # The sender goes and comes back: the push goes on by itself.
            await publisher.stop()
            await kit.until(lambda: kit.status("drone-1/main").code == "publisher-gone")
            publisher = await Program.start(*sender(kit.url(f"live/drone-1?key={KEY}")))
            await kit.until(lambda: center.state("drone-9/main") == "live")
            await publisher.stop()


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("live/drone-9?key=wrong", "rtmp-refused", "program-password"),
        ("live/camera-1?key=of-another", "rtmp-refused", "push-unknown"),
    ],
)
async def test_a_push_that_is_refused_says_why(tmp_path: Path, path: str, code: str, words: str) -> None:
    async with a_rig(tmp_path / "a") as center:
        config = CONFIG | {"push": {"out": {"stream": "drone-1/main", "url": center.url(path)}}}
        async with a_rig(tmp_path / "b", **config) as kit:
            publisher = await Program.start(*sender(kit.url(f"live/drone-1?key={KEY}")))
            status = await kit.until(lambda: next((s for s in kit.core.pushes.all() if s.code == code), None))
            assert words in status.detail
            assert "key=" not in status.detail
            await publisher.stop()


async def test_a_pull_of_what_is_not_there_says_why(tmp_path: Path) -> None:
    async with a_rig(tmp_path / "a") as center:
        url = center.url("live/drone-9?user=wall&pass=look-at-it")
        async with a_rig(tmp_path / "b", **source(url)) as kit:
            seen: list[str] = []
            watch = asyncio.create_task(watching(kit, "far/main", seen))
            await kit.until(lambda: any("rtmp-refused" in s for s in seen), f"of {seen}")
            await end(watch)


async def test_a_server_that_says_nothing_and_one_that_is_none(tmp_path: Path) -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    async def web(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    for answer, code in ((silent, "rtmp-silent"), (web, "rtmp-not")):
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        folder = tmp_path / code
        async with a_rig(folder, rtmp={"patience": "1s"}, **source(f"rtmp://127.0.0.1:{port}/live/x")) as rig:
            seen: list[str] = []
            watch = asyncio.create_task(watching(rig, "far/main", seen))
            await rig.until(lambda code=code, seen=seen: any(code in s for s in seen), f"{code} of {seen}")  # type: ignore[misc]
            await end(watch)
        server.close()
        for writer in held:
            writer.close()
        held.clear()


async def test_a_redirect_inside_is_refused(tmp_path: Path) -> None:
    """Where it leads is looked at as any URL that a stranger gave."""

    async def elsewhere(r: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await r.readexactly(1 + BLOCK)
        writer.write(b"\x03" + bytes(2 * BLOCK))
        await r.readexactly(BLOCK + 100)
        info = {
            "level": "error",
            "code": "NetConnection.Connect.Rejected",
            "ex": {"redirect": "rtmp://169.254.169.254/a/b"},
        }
        body = amf.encode("_error", 1, None, info)
        chunks = body[:128] + b"".join(b"\xc3" + body[at : at + 128] for at in range(128, len(body), 128))
        writer.write(b"\x03" + bytes(3) + len(body).to_bytes(3) + b"\x14" + bytes(4) + chunks)
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with a_rig(tmp_path, **source(f"rtmp://127.0.0.1:{port}/live/x")) as rig:
        seen: list[str] = []
        watch = asyncio.create_task(watching(rig, "far/main", seen))
        await rig.until(lambda: any("url-refused" in s for s in seen), f"url-refused of {seen}")
        await end(watch)
    server.close()
    for writer in held:
        writer.close()


async def test_a_server_that_sends_without_an_answer_is_taken(tmp_path: Path) -> None:
    """Some cameras never say NetStream.Play.Start."""
    sent = tags("flv_h264_b_aac.flv")

    async def camera(r: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await r.readexactly(1 + BLOCK)
        writer.write(b"\x03" + bytes(2 * BLOCK))
        await r.readexactly(BLOCK)
        raw = Raw(r, writer)
        await raw.until(b"connect")
        raw.command("_result", 1, {}, {"code": "NetConnection.Connect.Success"})
        await raw.until(b"createStream")
        raw.command("_result", 4, None, 1)
        await raw.until(b"play")
        for kind, time_ms, body in sent:
            raw.chunk(kind, body, 1, time_ms=time_ms)
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(camera, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with a_rig(tmp_path, **source(f"rtmp://127.0.0.1:{port}/live/x")) as rig:
        seen: list[str] = []
        watch = asyncio.create_task(watching(rig, "far/main", seen))
        await rig.until(lambda: any(s.startswith("live") for s in seen), f"live of {seen}")
        await end(watch)
    server.close()
    for writer in held:
        writer.close()
