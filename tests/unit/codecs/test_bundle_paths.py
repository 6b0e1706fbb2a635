"""Paths that are cut, rebound, blocked, and come back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from gateway import codecs

from tests.unit.codecs.bundle_rig import LONG_S, Kit, Pair, figures, paired, told, two, until
from tests.unit.codecs.rig import Rig
from tests.unit.codecs.test_ingest import tcp_pair


@pytest.fixture
def engines() -> Iterator[tuple[Rig, Rig]]:
    with two() as made:
        yield made


def carry(from_: socket.socket, to: socket.socket, size: int) -> None:
    """Bytes through a stream, and nothing else comes out."""
    data = os.urandom(size)
    sender = threading.Thread(target=lambda: (from_.sendall(data), from_.shutdown(socket.SHUT_WR)))
    sender.start()
    got = hashlib.sha256()
    count = 0
    while chunk := to.recv(1 << 16):
        got.update(chunk)
        count += len(chunk)
    sender.join(LONG_S)
    assert (count, got.digest()) == (size, hashlib.sha256(data).digest())


def both_ways(pair: Pair, size: int) -> None:
    here, there = pair.stream()
    with here, there:
        back = threading.Thread(target=carry, args=(there, here, size))
        back.start()
        carry(here, there, size)
        back.join(LONG_S)
        assert not back.is_alive()


def test_a_stream_of_megabytes_over_two_links_that_lose(engines: tuple[Rig, Rig]) -> None:
    def connect(kit: Kit) -> None:
        kit.path("lte-1", 0, loss=0.05, delay_s=0.005)
        kit.path("lte-2", 1, loss=0.03, delay_s=0.01)

    pair = paired(*engines, connect)
    both_ways(pair, 5_000_000)
    for rig, bundle in zip(engines, (pair.near, pair.far), strict=True):
        closed = told(rig, "stream-closed")
        assert (closed.bundle, closed.code) == (bundle, "")


def test_a_path_is_cut_and_comes_back(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: (kit.path("lte-1", 0), kit.path("lte-2", 1)))
    for name in ("lte-1", "lte-2"):
        told(engines[0], "path", lambda e, name=name: (e.name, e.code) == (name, ""))
    here, there = pair.stream()
    with here, there:
        pair.kit.ways["lte-1"].cut = True
        down = told(engines[0], "path", lambda e: e.name == "lte-1")
        assert down.code and down.number == 0
        here.sendall(b"by the other")
        assert there.recv(100) == b"by the other"
        # All cut: the session stays, and goes on with the first that is back.
        pair.kit.ways["lte-2"].cut = True
        told(engines[0], "path", lambda e: e.name == "lte-2" and e.code != "")
        here.sendall(b"later")
        pair.kit.ways["lte-1"].cut = False
        assert there.recv(100) == b"later"
        back = told(engines[0], "path", lambda e: e.name == "lte-1" and e.code == "")
        assert back.bundle == pair.near
        assert not [e for e in engines[0].seen if getattr(e, "kind", "") == "down"]


def test_a_nat_that_forgets(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.path("lte-1", 0))
    here, there = pair.stream()
    with here, there:
        for n in range(3):
            pair.kit.ways["lte-1"].rebind()
            text = b"after %d" % n
            here.sendall(text)
            assert there.recv(100) == text
            there.sendall(text)
            assert here.recv(100) == text
    assert not [e for rig in engines for e in rig.seen if getattr(e, "kind", "") in ("down", "up")]


def test_a_path_gets_another_socket(engines: tuple[Rig, Rig]) -> None:
    """Another network: the path's number stays, its socket is a new one."""
    pair = paired(*engines, lambda kit: kit.path("lte-1", 0))
    here, there = pair.stream()
    with here, there:
        pair.kit.ways["lte-1"].cut = True
        pair.kit.path("lte-1", 0)
        here.sendall(b"from elsewhere")
        assert there.recv(100) == b"from elsewhere"
        engines[0].engine.bundle_drop_path(pair.near, 0)
        until(lambda: not any(k.startswith("path.") for k in figures(engines[0].engine, pair.near)))


def test_where_udp_is_blocked_a_stream_carries_it(engines: tuple[Rig, Rig]) -> None:
    def by_tcp(kit: Kit) -> None:
        client, accepted = tcp_pair()
        host, port = client.getpeername()
        door = kit.center.door
        engines[1].engine.bundle_accept_tcp(door, accepted.detach())
        engines[0].engine.bundle_path(
            kit.bundle,
            client.detach(),
            host,
            port,
            path=3,
            name="tcp",
            kind="stream",
        )

    pair = paired(*engines, by_tcp)
    both_ways(pair, 2_000_000)
    assert figures(engines[1].engine, pair.center.door)["streams"] == 1
    # It breaks: both are told, and another connection goes on with the same session.
    here, there = pair.stream()
    with here, there:
        engines[0].engine.bundle_drop_path(pair.near, 3)
        by_tcp(pair.kit)
        here.sendall(b"by the second")
        assert there.recv(100) == b"by the second"


def test_one_address_does_not_fill_the_door(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    center, door = engines[1].engine, pair.center.door

    def knock(host: str) -> socket.socket:
        client, accepted = tcp_pair()
        center.bundle_accept_tcp(door, accepted.detach(), host=host)
        return client

    with contextlib.ExitStack() as open_:
        for n in range(60):
            open_.enter_context(knock(f"2001:db8::{n + 1:x}"))
        assert figures(center, door)["streams"] == 32
        # A kit from elsewhere comes in; and what an index brings that anybody can read does not make a stranger its session's.
        for host in ("192.0.2.7", "::ffff:192.0.2.8"):
            open_.enter_context(knock(host))
        assert figures(center, door)["streams"] == 34


def test_a_session_has_some_connections_the_latest(engines: tuple[Rig, Rig]) -> None:
    def by_tcp(kit: Kit, path: int) -> None:
        client, accepted = tcp_pair()
        host, port = client.getpeername()
        engines[1].engine.bundle_accept_tcp(kit.center.door, accepted.detach(), host="192.0.2.7")
        engines[0].engine.bundle_path(
            kit.bundle, client.detach(), host, port, path=path, name=f"tcp-{path}", kind="stream"
        )

    pair = paired(*engines, lambda kit: by_tcp(kit, 0))
    for path in range(1, 10):
        by_tcp(pair.kit, path)
        told(engines[0], "path", lambda e, name=f"tcp-{path}": (e.name, e.code) == (name, ""))
    oldest = {told(engines[0], "path", lambda e, n=n: e.name == f"tcp-{n}" and e.code != "").name for n in (0, 1)}
    assert oldest == {"tcp-0", "tcp-1"}
    until(lambda: figures(engines[1].engine, pair.center.door)["streams"] == 8)
    both_ways(pair, 100_000)


def test_a_stream_path_that_ends_is_told(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    client, accepted = tcp_pair()
    host, port = client.getpeername()
    engines[0].engine.bundle_path(pair.near, client.detach(), host, port, path=5, name="tcp", kind="stream")
    accepted.close()
    told_of = told(engines[0], "path", lambda e: e.name == "tcp" and e.code == "path-broken")
    assert (told_of.number, told_of.host, told_of.host_port) == (5, host, port)


def test_a_link_carries_only_its_classes_either_way(engines: tuple[Rig, Rig]) -> None:
    """The satellite is the quicker here, so that nothing but its classes keeps pictures and streams away from it."""
    barred = ("stream", "still", "video", "bulk")
    pair = paired(*engines, lambda kit: (kit.path("sat", 0, barred=barred), kit.path("lte", 1, delay_s=0.02)))
    for name in ("sat", "lte"):
        told(engines[0], "path", lambda e, name=name: (e.name, e.code) == (name, ""))
    kit, center = pair.ends()
    until(lambda: figures(center, pair.far).get("path.sat.state") == "in")

    def sent(engine: codecs.Engine, bundle: int, name: str) -> int:
        found = figures(engine, bundle)
        assert f"path.{name}.bytes_out" in found, sorted(k for k in found if k.startswith("path."))
        return int(found[f"path.{name}.bytes_out"])

    pictures, seen = pair.flow(1, "datagrams", klass="still", mode="spread", playout_ms=0)
    words, heard = pair.flow(2, "datagrams", klass="voice")
    with pictures, seen, words, heard:
        for n in range(300):
            pictures.send(n.to_bytes(2, "big") * 500)
            assert seen.recv(2000)[:2] == n.to_bytes(2, "big")
        both_ways(pair, 1_000_000)
        for engine, bundle, least in ((kit, pair.near, 1_300_000), (center, pair.far, 1_000_000)):
            assert sent(engine, bundle, "lte") >= least
            assert sent(engine, bundle, "sat") < 200_000, "the session's own words alone"
        # Nothing else is left: words go by it, pictures wait in vain.
        pair.kit.ways["lte"].cut = True
        told(engines[0], "path", lambda e: e.name == "lte" and e.code != "")
        until(lambda: figures(kit, pair.near)["usable_bps"] == 0)
        before = sent(kit, pair.near, "sat")
        for _ in range(100):
            pictures.send(bytes(1000))
        words.send(b"a word")
        assert heard.recv(100) == b"a word"
        until(lambda: int(figures(kit, pair.near)["out.1.units_given_up"]) >= 1)
        assert sent(kit, pair.near, "sat") - before < 50_000


def test_a_class_that_there_is_not(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.path("lte", 0))
    with pytest.raises(codecs.MediaError, match="no class 'film'|no class \"film\""):
        pair.kit.path("sat", 1, barred=("film",))
