"""The small HTTP client for devices on site."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.net.web import WebUrl, request


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
