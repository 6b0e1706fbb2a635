"""Events to their owners, sockets for media, and what happens when there is none."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from typing import cast

import pytest

from gateway import codecs
from gateway.base.errors import Busy, ConfigError
from gateway.config.units import PortRange
from gateway.core import addresses
from gateway.core.addresses import own_addresses
from gateway.core.mediaplane import MediaPlane
from tests.fakes.engine import FakeEngine


def plane(first: int = 0, last: int = 0) -> tuple[MediaPlane, FakeEngine]:
    engine = FakeEngine()
    return MediaPlane(cast(codecs.Engine, engine), lambda: PortRange(first, last)), engine


def free_even_port() -> int:
    """A port whose next one is likely free as well."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port % 2 == 0 and port < 65000:
            return port


async def test_events_reach_their_owner_and_a_bad_owner_harms_nobody() -> None:
    media, engine = plane()
    heard: asyncio.Queue[object] = asyncio.Queue()
    media.start()
    leg = engine.open_rtp(engine.open_stream("s"))

    def bad(event: object) -> None:
        raise ZeroDivisionError

    media.on_session(7, bad)
    media.on_leg(leg, heard.put_nowait)
    engine.tell(codecs.SessionEvent(session=7, state="bye", host="", host_port=0))
    engine.tell(codecs.SessionEvent(session=8, state="bye", host="", host_port=0))
    engine.media(leg)
    event = await asyncio.wait_for(heard.get(), 5)
    assert isinstance(event, codecs.LegEvent) and event.state == "media"
    media.forget_leg(leg)
    lost: asyncio.Queue[int] = asyncio.Queue()
    media.on_lost = lost.put_nowait
    engine.media(leg)
    engine.tell(codecs.EventsLost(count=3))
    assert await asyncio.wait_for(lost.get(), 5) == 3 and heard.empty()
    media.stop()
    assert engine.closed


def test_what_a_thread_tells_the_plane_in_memory_while_it_is_drained_rings_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, engine = plane()
    late = threading.Thread(target=engine.tell, args=(codecs.EventsLost(count=2),))
    read = os.eventfd_read

    def slow(fd: int) -> int:
        late.start()
        late.join(0.1)
        return read(fd)

    monkeypatch.setattr(os, "eventfd_read", slow)
    engine.tell(codecs.EventsLost(count=1))
    assert len(engine.drain()) == 1
    late.join()
    assert select.select([engine.event_fd], [], [], 0)[0], "nobody would ask for it"
    monkeypatch.undo()
    assert len(engine.drain()) == 1 and not select.select([engine.event_fd], [], [], 0)[0]
    engine.close()


async def test_a_bundle_is_its_doors_until_somebody_takes_it() -> None:
    media, engine = plane()
    at_door: asyncio.Queue[codecs.BundleEvent] = asyncio.Queue()
    own: asyncio.Queue[codecs.BundleEvent] = asyncio.Queue()

    def came(event: codecs.BundleEvent) -> None:
        at_door.put_nowait(event)
        if event.kind == "up":
            media.on_bundle(event.bundle, own.put_nowait)

    media.start()
    media.on_door(5, came)
    engine.tell(codecs.BundleEvent(bundle=0, door=5, kind="refused", code="unknown-key"))
    engine.tell(codecs.BundleEvent(bundle=9, door=5, kind="up", name="kit", key=b"k" * 32, number=3))
    engine.tell(codecs.BundleEvent(bundle=9, door=5, kind="flow", number=1))
    event = await asyncio.wait_for(own.get(), 5)
    assert (event.kind, event.number) == ("flow", 1)
    assert [at_door.get_nowait().kind for _ in range(2)] == ["refused", "up"] and at_door.empty()
    media.forget_bundle(9)
    media.forget_door(5)
    engine.tell(codecs.BundleEvent(bundle=9, door=5, kind="down", code="revoked"))
    lost: asyncio.Queue[int] = asyncio.Queue()
    media.on_lost = lost.put_nowait
    engine.tell(codecs.EventsLost(count=1))
    assert await asyncio.wait_for(lost.get(), 5) == 1 and own.empty() and at_door.empty()
    media.stop()


def test_pairs_rotate_and_run_out() -> None:
    port = free_even_port()
    media, _ = plane(port, port + 3)
    pairs = []
    with pytest.raises(Busy) as full:
        for _ in range(3):
            pairs.append(media.bind_rtp_pair("127.0.0.1"))
    assert full.value.code == "ports-exhausted"
    assert 1 <= len(pairs) <= 2
    for udp, tcp in pairs:
        assert udp.getsockname() == tcp.getsockname() and udp.getsockname()[1] % 2 == 0
        assert not udp.getblocking() and udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 400_000
        udp.close()
        tcp.close()


def test_a_port_taken_for_tcp_only_is_passed_over() -> None:
    port = free_even_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        media, _ = plane(port, port + 1)
        with pytest.raises(Busy):
            media.bind_rtp_pair("127.0.0.1")


def test_an_address_that_is_not_ours_names_the_key() -> None:
    media, _ = plane(40000, 40001)
    with pytest.raises(ConfigError) as wrong:
        media.bind_rtp_pair("192.0.2.254")
    assert wrong.value.key == "media.rtp_host" and "address of this machine" in str(wrong.value)


@pytest.mark.parametrize(("configured", "bound"), [("127.0.0.3", "127.0.0.3"), ("", "127.0.0.2")])
def test_the_configured_address_comes_first_and_else_the_adapters(configured: str, bound: str) -> None:
    port = free_even_port()
    media = MediaPlane(cast(codecs.Engine, FakeEngine()), lambda: PortRange(port, port + 1), lambda: configured)
    pair = media.bind_rtp_pair("127.0.0.2")
    assert [one.getsockname()[0] for one in pair] == [bound, bound]
    for one in pair:
        one.close()


def test_own_addresses_are_addresses_and_never_none() -> None:
    found = own_addresses()
    assert found and all(socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a) for a in found)


@pytest.mark.parametrize(
    ("kernel", "own"),
    [
        (["127.0.0.1", "2001:db8::1", "fe80::1", "192.0.2.1", "::1"], ["192.0.2.1", "2001:db8::1"]),
        (["127.0.0.1", "::1", "169.254.7.7"], ["127.0.0.1"]),
        ([], ["127.0.0.1"]),
    ],
)
def test_own_addresses_are_those_that_others_reach(
    monkeypatch: pytest.MonkeyPatch, kernel: list[str], own: list[str]
) -> None:
    monkeypatch.setattr(addresses, "all_addresses", lambda: kernel)
    assert list(own_addresses()) == own
    monkeypatch.setattr(addresses, "all_addresses", lambda: ["192.0.2.77"])
    assert list(own_addresses()) == ["192.0.2.77"], "an address that came is seen at once"
