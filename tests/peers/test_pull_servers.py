"""HLS and HTTP-FLV pulled from what FFmpeg makes, over a web server whose habits are those of clouds."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer

SOURCE = [
    "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25",
    "-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000", "-c:v", "libx264", "-preset", "ultrafast", "-tune",
    "zerolatency", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac", "-shortest",
]  # fmt: skip


class Cloud:
    """A web server over one folder. `gate(path, query)` gives a status, or None to serve the file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.gate: Callable[[str, dict[str, list[str]]], tuple[int, dict[str, str], bytes] | None] = lambda *_: None
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *rest = head.decode().split("\r\n")
                method, target, _ = first.split()
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in rest)}
                if length := int(headers.get("content-length", 0)):
                    await reader.readexactly(length)
                parts = urlsplit(target)
                self.asked.append(f"{method} {target}")
                status, more, body = self.answer(parts.path, parse_qs(parts.query), headers)
                lines = [
                    f"HTTP/1.1 {status} X",
                    f"Content-Length: {len(body)}",
                    *(f"{k}: {v}" for k, v in more.items()),
                ]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(
        self, path: str, query: dict[str, list[str]], headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        if (told := self.gate(path, query)) is not None:
            return told
        file = self.folder / path.strip("/")
        if not file.is_file():
            return 404, {}, b""
        body = file.read_bytes()
        if span := headers.get("range"):
            first, _, last = span.removeprefix("bytes=").partition("-")
            return 206, {}, body[int(first) : int(last) + 1]
        return 200, {}, body


@asynccontextmanager
async def a_cloud(folder: Path, *output: str) -> AsyncIterator[Cloud]:
    """FFmpeg writes into the folder, the web server shows it."""
    folder.mkdir()
    cloud = Cloud(folder)
    server = await asyncio.start_server(cloud.serve, "127.0.0.1", 0)
    cloud.port = server.sockets[0].getsockname()[1]
    encoder = await asyncio.create_subprocess_exec(*SOURCE, *output, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        yield cloud
    finally:
        encoder.kill()
        await encoder.wait()
        server.close()


@asynccontextmanager
async def a_kit(place: Path, url: str, *, more: str = "", allow: str = "127.0.0.1") -> AsyncIterator[Stage]:
    place.mkdir()
    with ports() as free:
        text = f'[security]\npull_allow = ["{allow}"]\n[source.cloud]\nurl = "{url}"\non_demand = false\n{more}'
        stage = Stage(place, free, more=text)
        try:
            await stage.daemon()
            await stage.until("the gateway's start", stage.ready)
            yield stage
        finally:
            await stage.stop()


def cloud_stream(stage: Stage) -> dict[str, Any]:
    return next(one for one in stage.client.get("/api/v1/streams") if one["id"].endswith("/cloud/main"))


async def plays(stage: Stage, frames: int = 50) -> dict[str, Any]:
    """Live with picture and sound, and frames go on coming."""

    def question() -> Any:
        one = cloud_stream(stage)
        return one["state"] == "live" and len(one["tracks"]) == 2 and one["figures"]["frames"] >= frames and one

    return dict(await stage.until("picture and sound", question, 60))


async def ready(cloud: Cloud, name: str) -> None:
    deadline = time.monotonic() + 60
    while not (cloud.folder / name).exists():
        assert time.monotonic() < deadline, f"FFmpeg wrote no {name}"
        await asyncio.sleep(0.1)


HLS = ["-f", "hls", "-hls_time", "2", "-hls_list_size", "5", "-hls_flags", "delete_segments"]


@pytest.mark.parametrize("kind", ["mpegts", "fmp4", "aes", "ranges"])
async def test_live_hls(tmp_path: Path, kind: str) -> None:
    more: dict[str, list[str]] = {
        "mpegts": [],
        "fmp4": ["-hls_segment_type", "fmp4"],
        "aes": ["-hls_key_info_file", "key.info"],
        "ranges": ["-hls_flags", "single_file", "-hls_list_size", "0"],
    }
    folder = tmp_path / "cloud"
    if kind == "aes":
        (tmp_path / "key").write_bytes(os.urandom(16))
    async with a_cloud_with_key(folder, tmp_path, [*HLS, *more[kind], "live.m3u8"]) as cloud:
        await ready(cloud, "live.m3u8")
        async with a_kit(tmp_path / "kit", f"http://127.0.0.1:{cloud.port}/live.m3u8") as stage:
            one = await plays(stage, 100)
            assert {track["codec"] for track in one["tracks"]} == {"h264", "aac"}
            # Paced: segments come in bursts, pictures do not.
            assert 15 < one["figures"]["fps"] < 35


@asynccontextmanager
async def a_cloud_with_key(folder: Path, beside: Path, output: list[str]) -> AsyncIterator[Cloud]:
    """FFmpeg reads its key from beside the folder, whose copy the web server shows."""
    key = beside / "key"
    if key.exists():
        info = beside / "key.info"
        info.write_text(f"secret.key\n{key}\n")
        output = [str(info) if one == "key.info" else one for one in output]
    async with a_cloud(folder, *output) as cloud:
        if key.exists():
            (folder / "secret.key").write_bytes(key.read_bytes())
        yield cloud


async def test_an_address_that_expires_is_renewed(tmp_path: Path) -> None:
    """A token of some seconds in the address, another one by the operator's API, a redirect to the server of media."""
    valid, given = {"token": ""}, 0
    async with a_cloud(tmp_path / "cloud", *HLS, "live.m3u8") as cloud:

        def gate(path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes] | None:
            nonlocal given
            if path == "/api/play":
                given += 1
                valid["token"] = f"t{given}"
                url = f"http://127.0.0.1:{cloud.port}/go?token={valid['token']}"
                return 200, {}, f'{{"code": 0, "data": [{{"camera": "{query["id"][0]}", "url": "{url}"}}]}}'.encode()
            if path == "/go":
                if query.get("token") != [valid["token"]]:
                    return 403, {}, b""
                return 302, {"Location": f"/live.m3u8?token={valid['token']}"}, b""
            if path == "/live.m3u8" and query.get("token") != [valid["token"]]:
                return 403, {}, b""
            return None

        cloud.gate = gate
        await ready(cloud, "live.m3u8")
        api = f"http://127.0.0.1:{cloud.port}/api/play?id={{arg}}"
        more = f'[adapter.pull.renew.op]\nurl = "{api}"\npointer = "/data/0/url"\nevery = "1s"\ninside = true\n'
        url = "https://cloud.example/#renew=op&arg=camera%201&format=hls"
        async with a_kit(tmp_path / "kit", url, more=more) as stage:
            before = (await plays(stage))["figures"]["frames"]
            valid["token"] = "another"  # it has expired
            await stage.until("another address", lambda: given >= 2, 60)
            await plays(stage, before + 50)
            assert any("id=camera%201" in one for one in cloud.asked)


async def test_a_cloud_that_leads_inside_is_refused(tmp_path: Path) -> None:
    """The playlist's server is allowed; where it redirects to is not."""
    async with a_cloud(tmp_path / "cloud", *HLS, "live.m3u8") as cloud:
        cloud.gate = lambda path, query: (302, {"Location": "http://127.0.0.2:1/secret"}, b"")
        url = f"http://127.0.0.1:{cloud.port}/live.m3u8"
        async with a_kit(tmp_path / "kit", url, allow=f"127.0.0.1:{cloud.port}") as stage:
            refused = lambda: cloud_stream(stage)["code"] == "url-refused"  # noqa: E731
            await stage.until("the refusal", refused, 30)


STRANGE = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.bin\n#EXTINF:2,\nb.bin\n#EXTINF:2,\nc.bin\n"
WHY = {
    "refused": ("/403.m3u8", "source-refused"),
    "gone": ("/404.m3u8", "source-gone"),
    "failed": ("/500.m3u8", "http-failed"),
    "page": ("/page", "pull-unknown"),
    "list": ("/page#format=hls", "hls-playlist"),
    "strange": ("/strange.m3u8", "hls-segments"),
    "renewed": ("/#renew=nobody&arg=1&format=hls", "renew-unknown"),
}


async def test_why_nothing_comes_has_a_name(tmp_path: Path) -> None:
    """Each failure of a cloud is told by its own code, and each code has its words in both languages."""
    cloud = Cloud(tmp_path)
    answers = {
        "/403.m3u8": (403, {}, b""),
        "/404.m3u8": (404, {}, b""),
        "/500.m3u8": (500, {}, b""),
        "/page": (200, {"Content-Type": "text/html"}, b"<html>no picture</html>"),
        "/strange.m3u8": (200, {}, STRANGE),
    }
    cloud.gate = lambda path, query: answers.get(path, (200, {}, b"neither of the containers" * 100))
    server = await asyncio.start_server(cloud.serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    more = "".join(f'[source.{name}]\nurl = "{base}{path}"\non_demand = false\n' for name, (path, _) in WHY.items())
    async with server, a_kit(tmp_path / "kit", f"{base}/404.m3u8", more=more) as stage:
        told: dict[str, set[str]] = {name: set() for name in WHY}

        def all_told() -> bool:
            for one in stage.client.get("/api/v1/streams"):
                name = one["id"].split("/")[1]
                if name in told and one["code"]:
                    told[name].add(one["code"])
            return all(code in told[name] for name, (_, code) in WHY.items())

        with suppress(AssertionError):
            await stage.until("all of them", all_told, 40)
        assert {name: code for name, (_, code) in WHY.items() if code not in told[name]} == {}, told
        words = stage.client.get("/api/v1/reasons")
        assert all(set(words[code]["cause"]) == {"en", "zh"} for _, code in WHY.values())


async def test_http_flv(tmp_path: Path) -> None:
    """FFmpeg as the server of one connection, chunked as its HTTP is."""
    with ports() as free:
        port = free.radio
        command = [*SOURCE, "-f", "flv", "-listen", "1", f"http://127.0.0.1:{port}/live.flv"]
        encoder = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
        try:
            async with a_kit(tmp_path / "kit", f"http://127.0.0.1:{port}/live.flv") as stage:
                await plays(stage)
        finally:
            with suppress(ProcessLookupError):  # it ends with its one reader
                encoder.kill()
            await encoder.wait()


@asynccontextmanager
async def an_encoder(folder: Path, format_: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """FFmpeg, its container on its standard output."""
    folder.mkdir()
    encoder = await asyncio.create_subprocess_exec(
        *SOURCE, "-f", format_, "-", cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield encoder
    finally:
        with suppress(ProcessLookupError):
            encoder.kill()
        await encoder.communicate()  # what it wrote is read, or its end is never seen


@pytest.mark.parametrize("way", ["http", "https", "chunked"])
async def test_an_answer_without_end(tmp_path: Path, way: str) -> None:
    """FLV as clouds send it: neither length nor chunks, so that the media plane reads the connection itself, also under
    TLS; and in chunks."""
    async with an_encoder(tmp_path / "cloud", "flv") as encoder:
        assert encoder.stdout is not None
        given = encoder.stdout

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            kind = b"Transfer-Encoding: chunked\r\n" if way == "chunked" else b""
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n" + kind + b"\r\n")
            with suppress(ConnectionError):
                while data := await given.read(4096):
                    writer.write(b"%x\r\n%b\r\n" % (len(data), data) if way == "chunked" else data)
                    await writer.drain()

        context = None
        if way == "https":
            command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=cloud"]
            command += ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
            await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        url = f"http{'s' if context else ''}://127.0.0.1:{port}/live?token=x#verify=0"  # told by its Content-Type
        async with server, a_kit(tmp_path / "kit", url) as stage:
            await plays(stage)


async def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=cloud"]
    command += ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/live.m3u8"
    async with server, a_kit(tmp_path / "kit", url) as stage:
        told = lambda: cloud_stream(stage)["code"] == "tls-failed"  # noqa: E731
        await stage.until("the reason", told, 60)
