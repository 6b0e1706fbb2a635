"""Interfaces come, go and get default routes, in a network of the test's own, and it is told."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from adapters.uplink.config import UplinkConfig
from adapters.uplink.paths import Wish, wishes
from gateway.net.rtnetlink import changes


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
