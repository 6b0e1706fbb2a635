"""What goes to which host, and what an answer's end is called."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.pull.adapter import Pull
from adapters.pull.config import PullConfig
from adapters.pull.hook import Hooks
from adapters.pull.http import Address, Client
from gateway.base.errors import Busy, LinkDown, RemoteProtocolError
from gateway.base.url import parse_url


class Reach:
    async def connect(self, _host: str, port: int, **_more: Any) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setblocking(False)
        return sock


CONTEXT: Any = SimpleNamespace(reach=Reach(), media=SimpleNamespace(engine=None))


@asynccontextmanager
async def a_server(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    heads: list[bytes] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        writer.write(answer(head))
        await writer.drain()
        await reader.read()  # the other side ends it
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heads
        async with asyncio.timeout(10):
            await asyncio.gather(*filter(None, serving))


def hooks(port: int, **more: Any) -> Hooks:
    hook = {"url": f"http://127.0.0.1:{port}/ask", "headers": {"Authorization": "Bearer s3cret"}, **more}
    return Hooks(PullConfig.model_validate({"renew": {"cloud": hook}}).renew, lambda _hook: Client(CONTEXT))


def led_away(port: Callable[[], int]) -> Callable[[bytes], bytes]:
    """The first answer leads to another name of this machine."""

    def answer(head: bytes) -> bytes:
        if b"/ask" in head.split(b"\r\n")[0]:
            place = f"http://localhost:{port()}/there".encode()
            return b"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: " + place + b"\r\n\r\n"
        body = b'{"url": "http://cloud.example/live.m3u8", "ends": 1' + b"0" * 400 + b"}"
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    return answer


async def test_a_hooks_key_does_not_follow_to_another_host() -> None:
    place = 0
    async with a_server(led_away(lambda: place)) as (at, heads):
        place = at
        made = await hooks(place, ends_pointer="/ends").address("cloud", "1")
    assert made.url == "http://cloud.example/live.m3u8" and len(heads) == 2
    assert b"s3cret" in heads[0] and b"s3cret" not in heads[1]


async def test_a_hooks_body_does_not_follow_to_another_host() -> None:
    place = 0
    async with a_server(led_away(lambda: place)) as (at, heads):
        place = at
        with pytest.raises(LinkDown) as failed:
            await hooks(place, method="POST", body="key=s3cret").address("cloud", "1")
    assert failed.value.code == "renew-failed" and len(heads) == 1


def test_a_password_goes_to_its_own_host_and_never_in_clear_after_tls() -> None:
    plain = Address("http://cloud/x", secret=("u", "p"))
    ciphered = Address("https://cloud/x", secret=("u", "p"))
    assert plain.join("y").secret and plain.join("https://cloud/y").secret and ciphered.join("y").secret
    assert ciphered.join("http://cloud/y").secret is None and plain.join("http://other/y").secret is None


async def test_an_answer_in_chunks_ends_with_the_media_planes_reason() -> None:
    """And not with a group of errors, which would read as a mistake of ours."""
    taken: list[socket.socket] = []

    class Engine:
        def open_bytes_in(self, _stream: int, fd: int, _container: str, **_more: Any) -> int:
            taken.append(socket.socket(fileno=fd))
            return 7

    class Leg:
        async def ended(self) -> str:
            return "media-stopped"

        def close(self) -> None:
            taken.pop().close()

    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    context: Any = SimpleNamespace(reach=Reach(), media=SimpleNamespace(engine=Engine()))
    publication: Any = SimpleNamespace(stream="kit1/cloud/main", handle=1, stall_ms=5000, leg=lambda _handle: Leg())
    async with a_server(lambda _head: sent) as (port, _):
        with pytest.raises(LinkDown) as failed:
            await Pull(PullConfig(), context)._open(
                parse_url(f"http://127.0.0.1:{port}/x.flv"), publication, "http", ""
            )
    assert failed.value.code == "media-stopped" and not taken


async def test_what_is_no_http_is_said_to_be_none() -> None:
    async with a_server(lambda _head: b"SSH-2.0-OpenSSH_9.2\r\n\r\n") as (port, _):
        with pytest.raises(RemoteProtocolError) as failed:
            async with Client(CONTEXT).ask(Address(f"http://127.0.0.1:{port}/x.flv")):
                pass
    assert failed.value.code == "http-broken"


async def test_a_hook_is_not_asked_again_too_early() -> None:
    """A source whose address is refused asks for another; a cloud counts what it gives out."""
    body = b'{"url": "http://cloud.example/live.m3u8"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with a_server(lambda _head: answer) as (port, heads):
        made = hooks(port, every="10m")
        assert (await made.address("cloud", "1")).url == (await made.address("cloud", "1")).url
        with pytest.raises(Busy) as early:
            await made.address("cloud", "1", anew=True)
        assert (await made.address("cloud", "2")).url, "another camera's is another matter"
    assert early.value.code == "renew-early" and len(heads) == 2


async def test_a_check_that_is_off_is_told_by_doctor() -> None:
    codes = {verify: (await Pull.checks(PullConfig(verify=verify)))[0].code for verify in (True, False)}
    assert codes == {True: "", False: "pull-unverified"}
