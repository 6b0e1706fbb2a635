"""The small parts: task nest, token buckets, UDP socket."""

from __future__ import annotations

import asyncio

import pytest

from gateway.base.errors import Busy, ConfigError
from gateway.base.tasks import Nest
from gateway.base.udp import UdpSocket
from gateway.net.sip.rates import Rates


async def test_nest_is_bounded_and_failures_stay_their_own() -> None:
    nest = Nest("test", 2)
    failed: list[Exception] = []
    hold = asyncio.Event()

    async def wait() -> None:
        await hold.wait()

    async def fail() -> None:
        raise ValueError("x")

    nest.start(wait(), "one")
    await nest.start(fail(), "two", failed.append)
    assert [str(e) for e in failed] == ["x"] and len(nest) == 1
    nest.start(wait(), "three")
    with pytest.raises(Busy):
        nest.start(wait(), "four")
    await nest.close()
    assert len(nest) == 0
    with pytest.raises(Busy):
        nest.start(wait(), "five")


def test_rates_fill_again_and_forget_the_silent() -> None:
    rates = Rates(per_s=1.0, burst=2, max_sources=2)
    assert [rates.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.take("a", 1.0) and not rates.take("a", 1.5)
    assert rates.take("b", 1.5) and rates.take("c", 1.5) and len(rates) == 2
    assert not rates.take("b", 1.5, count=2)


async def test_udp_socket_says_what_was_hit_and_refuses_a_taken_port() -> None:
    got: asyncio.Queue[tuple[bytes, tuple[str, int], tuple[str, int]]] = asyncio.Queue()
    a, b = UdpSocket("0.0.0.0", 0), UdpSocket("127.0.0.1", 0)
    try:
        a.open(lambda data, remote, local: got.put_nowait((data, remote, local)))
        b.open(lambda data, remote, local: got.put_nowait((data, remote, local)))
        assert b.send(b"x", ("127.0.0.5", a.port), "127.0.0.1")
        assert await asyncio.wait_for(got.get(), 5) == (b"x", ("127.0.0.1", b.port), ("127.0.0.5", a.port))
        assert a.send(b"y", ("127.0.0.1", b.port), "127.0.0.5")
        assert await asyncio.wait_for(got.get(), 5) == (b"y", ("127.0.0.5", a.port), ("127.0.0.1", b.port))
        assert a.source_for(("127.0.0.9", 1)) == "127.0.0.1"
        assert a.send(b"z", ("127.0.0.1", b.port), "203.0.113.77"), "an address that is ours no more"
        assert (await asyncio.wait_for(got.get(), 5))[0] == b"z"
        with pytest.raises(ConfigError) as caught:
            UdpSocket("127.0.0.1", b.port)
        assert caught.value.code == "port-in-use"
        with pytest.raises(ConfigError):
            UdpSocket("203.0.113.77", 0)
    finally:
        a.close()
        b.close()
