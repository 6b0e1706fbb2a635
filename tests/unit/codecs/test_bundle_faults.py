"""What an attacker, or a copied key, does to a bundle, as its ends are told of it."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from gateway import codecs
from tests.unit.codecs.bundle_rig import Center, Kit, Pair, Way, figures, paired, told, two, until
from tests.unit.codecs.rig import Rig

INIT, ACCEPT, DATA = 1, 2, 4


@pytest.fixture
def engines() -> Iterator[tuple[Rig, Rig]]:
    with two() as made:
        yield made


def kind(datagram: bytes) -> int:
    return datagram[0] >> 4


def listened(engines: tuple[Rig, Rig]) -> tuple[Pair, Way]:
    """A pair whose one link is overheard from the first datagram on."""

    def connect(kit: Kit) -> None:
        kit.path("lte-1", 0).listens = True

    pair = paired(*engines, connect)
    return pair, pair.kit.ways["lte-1"]


def quiet(engines: tuple[Rig, Rig]) -> bool:
    kinds = {getattr(event, "kind", "") for rig in engines for event in rig.seen}
    return not kinds & {"up", "down", "refused"}


def refused(engine: codecs.Engine, bundle: int) -> int:
    return int(figures(engine, bundle)["refused_packets"])


def test_what_was_overheard_and_is_played_again_is_counted_and_changes_nothing(engines: tuple[Rig, Rig]) -> None:
    pair, way = listened(engines)
    here, there = pair.flow(1, "datagrams", klass="voice", playout_ms=100)
    with here, there, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        said = [struct.pack("!I", n) + bytes(100) for n in range(50)]
        for word in said:
            here.send(word)
        assert [there.recv(200) for _ in said] == said
        kit, center = pair.ends()
        before = (refused(kit, pair.near), refused(center, pair.far))

        def carried() -> list[int]:
            return [sum(1 for up, d in list(way.heard) if up is to and kind(d) == DATA) for to in (False, True)]

        until(lambda: min(carried()) > 3)
        overheard = list(way.heard)
        data = [sum(1 for up, d in overheard if up is to and kind(d) == DATA) for to in (False, True)]
        for up, datagram in overheard:
            way.forge(datagram, to_center=up)
            if up:
                stranger.sendto(datagram, ("127.0.0.1", pair.center.port))
        until(lambda: refused(kit, pair.near) >= before[0] + data[0])
        until(lambda: refused(center, pair.far) >= before[1] + 2 * data[1])
        # Nothing of it comes out a second time, and what is said now still does.
        here.send(b"now")
        assert there.recv(200) == b"now"
    assert quiet(engines)
    assert figures(center, pair.center.door)["sessions"] == 1


def test_forged_packets_under_the_right_index_are_counted_and_not_heard(engines: tuple[Rig, Rig]) -> None:
    pair, way = listened(engines)
    here, there = pair.stream()
    chance = random.Random(7)
    with here, there:
        kit, center = pair.ends()
        until(lambda: any(up and kind(d) == DATA for up, d in way.heard))
        until(lambda: any(not up and kind(d) == DATA for up, d in way.heard))
        before = (refused(kit, pair.near), refused(center, pair.far))
        heads = [next(d for up, d in way.heard if up is to_center and kind(d) == DATA) for to_center in (False, True)]
        for n in range(200):
            for to_center, head in zip((False, True), heads, strict=True):
                number = chance.choice([n, 1 << 20, (1 << 47) + n]).to_bytes(6, "big")
                way.forge(head[:6] + number + chance.randbytes(60), to_center=to_center)
        until(lambda: refused(kit, pair.near) >= before[0] + 200)
        until(lambda: refused(center, pair.far) >= before[1] + 200)
        here.sendall(b"still there")
        assert there.recv(100) == b"still there"
        there.sendall(b"so are we")
        assert here.recv(100) == b"so are we"
    assert quiet(engines)


def test_a_copy_of_the_kit_is_told_what_it_is(engines: tuple[Rig, Rig]) -> None:
    """One key in two machines: of the same boot, behind, and ahead."""
    pair = paired(*engines, lambda kit: kit.direct())
    twin = Rig()
    try:
        center = pair.center

        def copy(boot: int) -> Kit:
            made = Kit(twin, center, pair.kit.name, pair.kit.private, boot=boot)
            made.dial()
            made.direct()
            return made

        same = copy(1)
        first = told(twin, "refused", lambda e: e.bundle == same.bundle)
        assert (first.code, "a session of boot 1" in told(engines[1], "refused").detail) == ("duplicate-gateway", True)
        twin.engine.bundle_close(same.bundle)
        behind = copy(0)
        assert told(twin, "refused", lambda e: e.bundle == behind.bundle).code == "boot-behind"
        twin.engine.bundle_close(behind.bundle)
        assert not [e for e in engines[0].seen if getattr(e, "kind", "") == "down"]
        ahead = copy(2)
        assert told(twin, "up").bundle == ahead.bundle
        assert told(engines[0], "down").code == "replaced"
        assert told(engines[0], "refused").code == "boot-behind"
    finally:
        twin.engine.close()


def test_a_thief_of_a_key_that_was_taken_back_is_told_so_and_so_is_the_center(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    pair.center.admit()
    assert told(engines[1], "down").code == "revoked"
    thief = Rig()
    try:
        stolen = Kit(thief, pair.center, pair.kit.name, pair.kit.private, boot=9)
        stolen.dial()
        stolen.direct()
        assert told(thief, "refused").code == "revoked"
        at_door = told(engines[1], "refused", lambda e: e.code == "revoked")
        assert (at_door.key, at_door.name) == (pair.kit.public, pair.kit.name)
        assert figures(engines[1].engine, pair.center.door)["sessions"] == 0
    finally:
        thief.engine.close()


def test_a_flood_of_greetings_keeps_nobody_out(engines: tuple[Rig, Rig]) -> None:
    """A stranger's greeting, over and over: few are answered, the kit that comes meanwhile is in."""
    center = Center(engines[1])
    stranger, kit = Kit(engines[0], center, "stranger"), Kit(engines[0], center, "county-7")
    center.admit(kit)
    stranger.dial()
    way = stranger.path("lte-1", 0)
    way.listens = True
    assert told(engines[0], "refused").code == "unknown-key"
    until(lambda: any(kind(d) == INIT for _, d in way.heard))
    init = next(d for _, d in way.heard if kind(d) == INIT)
    engines[0].engine.bundle_close(stranger.bundle)
    over = threading.Event()
    sent = 0

    def flood() -> None:
        nonlocal sent
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            while not over.is_set():
                for _ in range(20):
                    wire.sendto(init, ("127.0.0.1", center.port))
                    sent += 1
                over.wait(0.005)

    flooder = threading.Thread(target=flood)
    flooder.start()
    try:
        until(lambda: sent > 1000)
        kit.dial()
        kit.path("lte-2", 1)
        assert center.up().name == "county-7"
        until(lambda: sent > 5000)
        known = figures(engines[1].engine, center.door)
        assert known["sessions"] == 1 and int(known["refused"]) < sent / 2
    finally:
        over.set()
        flooder.join()
