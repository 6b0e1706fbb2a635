"""Interfaces come, go and get default routes, in a network of the test's own, and it is told."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.uplink.config import UplinkConfig
from adapters.uplink.paths import Wish, wishes
from gateway.net import rtnetlink
from gateway.net.rtnetlink import Interface, changes
from tests.fakes.loop import advance, by_hand


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


async def within() -> None:
    """Runs in a network namespace of its own."""
    news = changes()

    async def next_where(name: str, fits: object) -> None:
        async with asyncio.timeout(8):  # sooner than it is looked at by the clock
            async for found in news:
                if fits(wishes(UplinkConfig(), found), found):  # type: ignore[operator]
                    print(name)
                    return

    def links(*names: str) -> object:
        return lambda made, _: tuple(one.name for one in made) == names

    await next_where("nothing", links())
    ip("link", "add", "lte0", "mtu", "1390", "type", "veth", "peer", "name", "tower")
    ip("link", "set", "tower", "up")
    ip("link", "set", "lte0", "up")
    ip("address", "add", "192.0.2.7/24", "dev", "lte0")
    await next_where("an address without a way out", lambda made, found: not made and found and found[0].v4)
    ip("route", "add", "default", "dev", "lte0", "table", "77")
    wish = Wish("lte0", "lte0", "wire", 0, "192.0.2.7", "", 1342)
    await next_where("a route of another table", lambda made, _: made == [wish])
    ip("address", "flush", "dev", "lte0")
    ip("address", "add", "192.0.2.8/24", "dev", "lte0")
    await next_where("another address", lambda made, found: found[0].v4 == ["192.0.2.8"])
    ip("link", "del", "lte0")
    await next_where("gone", links())


def test_links_are_found_as_they_come_and_go() -> None:
    code = "import asyncio; from tests.unit.net.test_rtnetlink import within; asyncio.run(within())"
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", code]
    if subprocess.run([*command[:4], "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces here (unshare)")
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n") == [
        "nothing",
        "an address without a way out",
        "a route of another table",
        "another address",
        "gone",
        "",
    ]


@by_hand
async def test_by_the_clock_it_is_looked_seldom_but_where_the_kernel_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, looked, answers = asyncio.get_running_loop(), list[float](), [True]

    def interfaces() -> list[Interface]:
        looked.append(loop.time())
        if not answers[0]:
            raise OSError(errno.EIO, "no answer")
        return []

    class Socket(socket.socket):
        """Of no group: what happens on the machine of the tests is not told."""

        def bind(self, _address: object) -> None:
            if deaf:
                raise OSError(errno.EPERM, "no groups")

    monkeypatch.setattr(socket, "socket", Socket)
    monkeypatch.setattr(rtnetlink, "interfaces", interfaces)

    async def follows(seconds: float) -> list[float]:
        del looked[:]
        began = loop.time()

        async def follow() -> None:
            async for _ in changes():
                pass

        following = asyncio.create_task(follow())
        await advance(seconds)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        return [at - began for at in looked]

    deaf = False
    assert await follows(130.0) == [0.0, 60.0, 120.0]
    deaf = True
    assert await follows(35.0) == [0.0, 10.0, 20.0, 30.0]
    deaf, answers[0] = False, False
    assert await follows(35.0) == [0.0, 10.0, 20.0, 30.0], "it did not answer"
    answers[0] = True

    lost = iter([OSError(errno.ENOBUFS, "no room for news")])
    receive = loop.sock_recv

    async def sock_recv(sock: socket.socket, size: int) -> bytes:
        for exc in lost:
            raise exc
        return await receive(sock, size)

    monkeypatch.setattr(loop, "sock_recv", sock_recv)
    assert await follows(30.0) == pytest.approx([0.0, rtnetlink.GATHER_S]), "that news were lost is news"


def test_what_an_interface_is_is_read_once_for_its_number_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtnetlink, "_SYSTEM", tmp_path)
    rtnetlink._bearer.cache_clear()
    for name, kind in (("modem", "wwan"), ("radio", "wlan")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "uevent").write_text(f"DEVTYPE={kind}\nINTERFACE={name}\n")
    try:
        found = [Interface(n, name, True) for n, name in enumerate(("modem", "radio", "eth0", "wlan0", "usb0"), 1)]
        assert [one.bearer for one in found] == ["lte", "wifi", "wire", "wifi", "lte"]
        (tmp_path / "modem" / "uevent").write_text("DEVTYPE=wlan\n")
        assert [Interface(n, "modem", True).bearer for n in (1, 7)] == ["lte", "wifi"], "a number is one interface's"
    finally:
        rtnetlink._bearer.cache_clear()


def test_bytes_are_counted_by_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "dev"
    monkeypatch.setattr(rtnetlink, "_COUNTERS", table)
    zeros = " 0" * 6
    table.write_text(
        "Inter-|   Receive    |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
        f"    lo: 71912709343 54551470{zeros} 71912709340 54551470{zeros}\n"
        f"wwan0:1:   12       1{zeros}        34       0{zeros}\n"
    )
    assert rtnetlink.counted() == {"lo": (71912709343, 71912709340), "wwan0:1": (12, 34)}
    table.write_text(f"\n\n    lo: 71912709350 54551470{zeros} 71912709351 54551470{zeros}\n")
    assert rtnetlink.counted() == {"lo": (71912709350, 71912709351)}, "as it is now"
    os.close(rtnetlink._tables.pop(table))
    monkeypatch.undo()
    assert all(len(figures) == 2 for figures in rtnetlink.counted().values())
    assert "lo" in rtnetlink.counted()
