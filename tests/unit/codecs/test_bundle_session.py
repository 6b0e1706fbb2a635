"""A bundle comes about, is refused, is revoked, and survives the restarts of both ends."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.bundle_rig import Center, Kit, Pair, figures, paired, told, two, until
from tests.unit.codecs.rig import Rig


@pytest.fixture
def engines() -> Iterator[tuple[Rig, Rig]]:
    with two() as made:
        yield made


def echo(pair: Pair, text: bytes = b"are you there") -> None:
    here, there = pair.stream()
    with here, there:
        here.sendall(text)
        assert there.recv(100) == text
        there.sendall(text[::-1])
        assert here.recv(100) == text[::-1]


def test_a_kit_is_known_by_its_key(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    echo(pair)
    kit, center = pair.ends()
    until(lambda: figures(kit, pair.near).get("path.lan.state") == "in")
    seen = figures(center, pair.far)
    assert (seen["state"], seen["peer"]) == ("up", "kit-1")
    assert int(seen["path.lan.bytes_in"]) > 0 and float(seen["path.lan.rtt_ms"]) < 1000
    assert figures(center, pair.center.door)["sessions"] == 1
    # Farewell is heard at once; the handle is gone, the door stays.
    kit.bundle_close(pair.near)
    assert told(engines[1], "down").code == "peer-closed"
    with pytest.raises(codecs.MediaError, match="no such"):
        kit.bundle_stats(pair.near)
    assert figures(center, pair.center.door)["sessions"] == 0


def test_who_is_not_admitted_stays_outside_and_is_told(engines: tuple[Rig, Rig]) -> None:
    center = Center(engines[1])
    known, other = Kit(engines[0], center, "known"), Kit(engines[0], center, "somebody else")
    stranger = Kit(engines[0], center, "stranger")
    center.admit(known, other)
    stranger.dial()
    stranger.direct()
    at_kit = told(engines[0], "refused")
    assert (at_kit.bundle, at_kit.code) == (stranger.bundle, "unknown-key")
    at_door = told(engines[1], "refused")
    assert (at_door.bundle, at_door.door, at_door.code) == (0, center.door, "unknown-key")
    assert (at_door.key, at_door.name, at_door.host) == (stranger.public, "stranger", "127.0.0.1")
    # A known key under another's name.
    known.name = other.name
    known.dial()
    known.direct()
    assert told(engines[0], "refused", lambda e: e.bundle == known.bundle).code == "duplicate-gateway"
    # Admitted, it comes in by itself.
    center.admit(stranger)
    assert center.up().name == "stranger"
    assert told(engines[0], "up").bundle == stranger.bundle


def test_a_wrong_center_is_not_believed(engines: tuple[Rig, Rig]) -> None:
    center = Center(engines[1])
    kit = Kit(engines[0], center)
    center.admit(kit)
    kit.bundle = engines[0].engine.bundle_dial(
        private=kit.private, peer=codecs.bundle_keys()[1], gateway=kit.name, boot=1
    )
    kit.direct()
    until(
        lambda: (
            int(figures(engines[1].engine, center.door)["stray"])
            + int(figures(engines[1].engine, center.door)["refused"])
            > 0
        )
    )
    assert figures(engines[1].engine, center.door)["sessions"] == 0
    assert figures(engines[0].engine, kit.bundle)["state"] == "connecting"


def test_a_revoked_key_ends_its_session_at_once(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    here, there = pair.stream()
    pair.center.admit()
    assert told(engines[1], "down").code == "revoked"
    assert told(engines[0], "down").code == "revoked"
    with here, there:
        # What was open is closed.
        assert here.recv(1) == b"" and there.recv(1) == b""
    assert told(engines[0], "refused").code in ("revoked", "unknown-key")


def test_a_restarted_kit_takes_its_place(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    with Restarted(pair) as second:
        assert told(engines[1], "down", lambda e: e.bundle == pair.far).code == "replaced"
        echo(second)


class Restarted:
    """The same kit in another engine, its boot counter grown."""

    def __init__(self, pair: Pair) -> None:
        self.old = pair
        self.rig = Rig()

    def __enter__(self) -> Pair:
        kit = Kit(self.rig, self.old.center, self.old.kit.name, self.old.kit.private, boot=2)
        near = kit.dial()
        kit.direct()
        far = self.old.center.up()
        assert (far.number, far.name) == (2, kit.name)
        told(self.rig, "up")
        return Pair(kit, self.old.center, near, far.bundle)

    def __exit__(self, *error: object) -> None:
        self.rig.engine.close()


def test_a_restarted_center_is_found_again(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    center = pair.center
    # Gone without a word, as by a crash: its engine's door stays silent because nothing is bound to the port.
    engines[1].engine.close()
    second = Rig()
    try:
        center.rig = second
        center.listen()
        center.admit(pair.kit)
        down = told(engines[0], "down")
        assert down.bundle == pair.near
        far = center.up()
        told(engines[0], "up")
        echo(Pair(pair.kit, center, pair.near, far.bundle))
    finally:
        second.engine.close()


def test_strangers_at_the_door_change_nothing(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for i in range(500):
            data = bytes((i * 7 + j * j) & 0xFF for j in range(i * 5 % 1400))
            stranger.sendto(data, ("127.0.0.1", pair.center.port))
        until(lambda: int(figures(engines[1].engine, pair.center.door)["stray"]) > 100)
    echo(pair)


def test_sessions_come_and_go_without_a_trace(engines: tuple[Rig, Rig]) -> None:
    """A thousand sessions, each with a stream: descriptors and memory stay as they were."""
    center = Center(engines[1])
    kit = Kit(engines[0], center)
    center.admit(kit)

    def once(n: int) -> None:
        kit.boot = n
        near = kit.dial()
        kit.direct()
        far = center.up()
        told(engines[0], "up")
        pair = Pair(kit, center, near, far.bundle)
        if n % 10 == 0:
            echo(pair)
        engines[0].engine.bundle_close(near)
        told(engines[1], "down", lambda e: e.bundle == far.bundle)
        for rig in engines:
            rig.seen.clear()

    def held() -> tuple[int, int]:
        fds = len(list(Path("/proc/self/fd").iterdir()))
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return fds, pages * resource.getpagesize()

    for n in range(1, 201):
        once(n)
    before = held()
    for n in range(201, 1201):
        once(n)
    # The media plane closes what a session had a moment after it is told; a busy machine takes longer.
    until(lambda: held()[0] <= before[0] + 2)
    after = held()
    assert after[1] - before[1] < 8 << 20, f"{(after[1] - before[1]) >> 10} KiB more"
    assert figures(engines[1].engine, center.door)["sessions"] == 0


def test_orders_on_what_is_gone(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    kit = engines[0].engine
    kit.bundle_close(pair.near)
    until(lambda: not _known(kit, pair.near))
    kit.bundle_drop_path(pair.near, 0)
    kit.bundle_close_flow(pair.near, 1)
    kit.bundle_want_key(pair.near, 1)
    kit.bundle_close(pair.near)
    a, b = socket.socketpair()
    with b, pytest.raises(codecs.MediaError, match="no such"):
        kit.bundle_stream(pair.near, a.detach(), purpose="rpc")


def _known(engine: codecs.Engine, handle: int) -> bool:
    try:
        engine.bundle_stats(handle)
    except codecs.MediaError:
        return False
    return True
