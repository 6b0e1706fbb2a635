"""Strangers at our own port, and groups that can not be joined."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.rtsp import guest
from adapters.rtsp.config import RtspConfig
from adapters.rtsp.guest import Guest
from adapters.rtsp.pull import join_pair
from gateway.base.errors import LinkDown
from gateway.wire.rtsp import Guard, Transport


async def test_who_says_one_thing_and_then_nothing_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = 0.0
    monkeypatch.setattr(guest, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead))
    config, context = RtspConfig(), SimpleNamespace(media=None)
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    served = asyncio.create_task(
        Guest(config, context, Guard("x", ["MD5"]), "10.0.0.9", "rtsp").serve(ours)  # type: ignore[arg-type]
    )
    with theirs:
        await loop.sock_sendall(theirs, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        async with asyncio.timeout(10):
            assert (await loop.sock_recv(theirs, 4096)).startswith(b"RTSP/1.0 200")
            ahead = config.session_timeout + config.patience + 1
            with pytest.raises(LinkDown) as ended:
                await served
    assert ended.value.code == "rtsp-silent"


def test_a_group_that_can_not_be_joined_has_a_reason_and_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Socket(socket.socket):
        def bind(self, address: Any) -> None:
            made.append(self)

        def setsockopt(self, *args: Any) -> None:
            if args[1] == socket.IP_ADD_MEMBERSHIP:
                raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(socket, "socket", Socket)
    with pytest.raises(LinkDown) as failed:
        join_pair(Transport(multicast=True, destination="239.1.1.1", port=(5004, 5005)), "127.0.0.1")
    assert failed.value.code == "no-interface"
    assert [one.fileno() for one in made] == [-1]


def test_who_sends_or_reads_tells_of_himself_but_for_a_reader_over_udp() -> None:
    one = Guest(RtspConfig(), SimpleNamespace(), Guard("x", ["MD5"]), "10.0.0.9", "rtsp")  # type: ignore[arg-type]
    assert one._left_s(sends_or_reads=False) == guest.LOOK_S, "what it will do is not known yet"
    assert one._left_s(sends_or_reads=True) is None, "it sends"
    one._outlet = SimpleNamespace(udp=False)  # type: ignore[assignment]
    assert one._left_s(sends_or_reads=True) is None, "its connection breaks with it"
    one._outlet = SimpleNamespace(udp=True)  # type: ignore[assignment]
    left_s, timeout_s = one._left_s(sends_or_reads=True), one._config.session_timeout
    assert left_s is not None and 2 * timeout_s - 5 < left_s <= 2 * timeout_s
    one._heard -= 3 * timeout_s
    assert one._left_s(sends_or_reads=True) == guest.LOOK_S
