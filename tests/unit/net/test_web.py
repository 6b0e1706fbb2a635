"""The small HTTP client for devices on site."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError
from gateway.net.web import WebClient, WebUrl, request
from tests.unit.net.certificates import Authority


@pytest.mark.parametrize(("path", "asked"), [("/é?q=ü", "/%C3%A9?q=%C3%BC"), ("/a b", "/a%20b"), ("/x%20y", "/x%20y")])
async def test_a_path_that_is_no_ascii(path: str, asked: str) -> None:
    """Cameras and whoever announces one tell such paths: it is asked for, and nothing fails by it."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def connect(host: str, port: int) -> socket.socket:
        sock = socket.create_connection((host, port))
        sock.setblocking(False)
        return sock

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answer = await request(connect, WebUrl("127.0.0.1", port, path))
    assert answer.body == b"ok" and heads[0].split(b" ")[1].decode() == asked


async def test_cancelled_at_the_end_of_a_handshake_it_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of its socket is somebody else's a moment later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Authority(tmp_path).make("there", dns=("there",)))
    silent = asyncio.Event()
    made: list[socket.socket] = []
    asking: list[asyncio.Task[Any]] = []
    woken: Any = SSLProtocol._wakeup_waiter  # type: ignore[attr-defined]

    def shaken(protocol: Any, exc: BaseException | None = None) -> None:
        woken(protocol, exc)
        if not protocol._server_side:
            asking[0].cancel()

    monkeypatch.setattr(SSLProtocol, "_wakeup_waiter", shaken)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.transport.abort()

    async def connect(host: str, port: int) -> socket.socket:
        made.append(socket.create_connection((host, port)))
        made[0].setblocking(False)
        return made[0]

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        asking.append(asyncio.create_task(request(connect, WebUrl("127.0.0.1", port, "/", tls=True))))
        while not made:  # noqa: ASYNC110
            await asyncio.sleep(0)
        number = made[0].fileno()
        await asyncio.gather(asking[0], return_exceptions=True)
        assert asking[0].cancelled()
        await asyncio.sleep(0)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert number in (ours.fileno(), theirs.fileno())
            for sock in (ours, theirs):
                sock.setblocking(False)
                receiving = asyncio.create_task(asyncio.get_running_loop().sock_recv(sock, 10))
                await asyncio.sleep(0)
                (theirs if sock is ours else ours).send(b"x")
                assert await asyncio.wait_for(receiving, 5) == b"x"
        silent.set()


@asynccontextmanager
async def a_device(*answers: bytes) -> AsyncIterator[tuple[WebUrl, list[bytes]]]:
    """One that answers a connection each, and ends it; what it was asked."""
    heads: list[bytes] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(65536))  # a request or a ClientHello, small as they are
        writer.write(left.pop(0))
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield WebUrl("127.0.0.1", server.sockets[0].getsockname()[1], "/"), heads


async def to(host: str, port: int) -> socket.socket:
    sock = socket.create_connection((host, port))
    sock.setblocking(False)
    return sock


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not-http"),
        (b"", "not-http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + bytes(300), "http-too-large"),
    ],
)
async def test_an_answer_that_is_none_says_so(answer: bytes, code: str) -> None:
    async with a_device(answer) as (url, _):
        with pytest.raises(RemoteProtocolError) as failed:
            await request(to, url, max_body=200)
    assert failed.value.code == code


async def test_silence_and_a_broken_handshake_are_no_answer() -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # the kernel takes the connection, and nobody answers
    with silent, pytest.raises(LinkDown) as mute:
        await request(to, WebUrl("127.0.0.1", silent.getsockname()[1], "/"), timeout_s=0.05)
    async with a_device(b"HTTP/1.1 400 plain\r\n\r\n") as (url, _):
        with pytest.raises(LinkDown) as plain:
            await request(to, WebUrl(url.host, url.port, "/", tls=True))
    assert (mute.value.code, plain.value.code) == ("http-no-answer", "http-no-answer")


async def test_a_password_does_not_go_in_clear() -> None:
    asks = b'HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm="cam"\r\nContent-Length: 0\r\n\r\n'
    async with a_device(asks, asks) as (url, heads):
        with pytest.raises(PeerError) as clear:
            await WebClient(to, "admin", "s3cret").send(url)
    assert clear.value.code == "basic-only" and len(heads) == 1 and b"Authorization" not in heads[0]
