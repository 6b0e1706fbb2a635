"""The emulator by itself: what goes in comes out late, slowly or not at all, and every packet is accounted for."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emu.link import Link, Shape
from tests.emu.program import skip_unless_able
from tests.emu.world import CENTER_ADDRESS, Node, World, shares

ANSWER_S = 20.0


@pytest.fixture
def world() -> Iterator[World]:
    skip_unless_able()
    with World() as made:
        yield made


def udp(node: Node, *, address: str = "0.0.0.0", port: int = 0, device: str = "") -> socket.socket:
    with node.entered():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(ANSWER_S)
    if device:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    made.bind((address, port))
    return made


class Pair:
    """A socket in the kit, bound to a link's device, and one in the center."""

    def __init__(self, world: World, device: str) -> None:
        self.kit = udp(world.kit, device=device)
        self.center = udp(world.center, address=CENTER_ADDRESS)
        self.to = self.center.getsockname()

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        self.kit.close()
        self.center.close()

    def send(self, count: int, length: int = 100, each_s: float = 0.0) -> None:
        for number in range(count):
            self.kit.sendto(number.to_bytes(4, "big") + bytes(length - 32), self.to)
            time.sleep(each_s)

    def seen(self, count: int) -> list[int]:
        return [int.from_bytes(self.center.recv(2048)[:4], "big") for _ in range(count)]


def settled(link: Link, sent: int, way: str = "up") -> dict[str, int]:
    """The figures when all that was sent has met its fate."""
    for _ in range(int(ANSWER_S / 0.02)):
        one: dict[str, int] = link.figures()[way]
        if one["packets_in"] >= sent and not one["on_the_way"]:
            return one
        time.sleep(0.02)
    raise AssertionError(link.figures())


def test_nothing_comes_before_its_delay(world: World) -> None:
    world.link("lteA", up=Shape(delay_ms=60), down=Shape(delay_ms=40))
    with Pair(world, "lteA") as pair:
        began = time.monotonic()
        pair.send(1)
        _, back = pair.center.recvfrom(2048)
        there = time.monotonic()
        pair.center.sendto(b"back", back)
        pair.kit.recv(2048)
        assert there - began >= 0.06
        assert time.monotonic() - there >= 0.04


def test_what_is_sent_at_once_comes_no_faster_than_the_rate(world: World) -> None:
    link = world.link("lteA", up=Shape(rate_bps=4e6, queue_ms=2000))
    with Pair(world, "lteA") as pair:
        began = time.monotonic()
        pair.send(400, 1000)
        assert pair.seen(400) == list(range(400))
        # The first has its turn at once and then takes its own time: 400 of 1000 bytes are 0.8 s at 4 Mb/s.
        assert time.monotonic() - began >= 0.8 * 0.999
    figures = settled(link, 400)
    assert (figures["bytes_in"], figures["dropped_queue"]) == (400_000, 0)


def test_a_full_queue_drops_and_says_so(world: World) -> None:
    link = world.link("lteA", up=Shape(rate_bps=1e6, queue_ms=100))
    with Pair(world, "lteA") as pair:
        pair.send(200, 1000)
        figures = settled(link, 200)
        assert figures["dropped_queue"] > 100
        assert pair.seen(200 - figures["dropped_queue"])[0] == 0
        assert figures["queue_max_ms"] <= 100


def test_the_seed_decides_what_is_lost(world: World) -> None:
    link = world.link("lteA")
    lost = []
    for seed in (3, 3, 4):
        with Pair(world, "lteA") as pair:
            link.begin(seed)
            link.set(up=Shape(loss=0.1))
            pair.send(2000)
            figures = settled(link, 2000)
            seen = pair.seen(figures["packets_out"])
            assert len(set(seen)) + figures["lost_random"] == 2000
            lost.append(set(range(2000)) - set(seen))
    assert lost[0] == lost[1] != lost[2]
    assert 140 < len(lost[0]) < 260


def test_bursts_take_their_share_and_every_packet_is_accounted_for(world: World) -> None:
    link = world.link("lteA")
    link.set(up=Shape(burst_loss=0.3, delay_ms=20, jitter_ms=2, duplicate=0.05))
    link.begin(11)
    with Pair(world, "lteA") as pair:
        pair.send(1500, each_s=0.001)
        figures = settled(link, 1500)
        seen = pair.seen(figures["packets_out"])
    assert figures["bursts"] > 0 and figures["burst_longest_ms"] <= 120
    assert figures["packets_out"] == 1500 - figures["lost_burst"] + figures["duplicated"]
    assert len(seen) - len(set(seen)) == figures["duplicated"]
    # What is lost lies together: many packets in few holes.
    missing = sorted(set(range(1500)) - set(seen))
    holes = 1 + sum(after != before + 1 for before, after in itertools.pairwise(missing))
    assert len(missing) > 4 * holes
    assert 0.05 < shares(link.figures()) < 0.7


def test_a_cut_and_its_end_by_a_plan(world: World) -> None:
    link = world.link("lteA")
    with Pair(world, "lteA") as pair:
        link.begin(1, [(0.0, {"cut": True}), (0.3, {"cut": False})])
        pair.send(10)
        while link.figures()["cut"]:
            pair.send(1)
            time.sleep(0.01)
        dropped = link.figures()["up"]["dropped_cut"]
        assert dropped > 10
        pair.send(1)
        pair.seen(1)


def test_blocked_udp_lets_tcp_through(world: World) -> None:
    link = world.link("lteA", udp=False)
    with Pair(world, "lteA") as pair:
        pair.send(3)
    with world.center.entered():
        door = socket.create_server((CENTER_ADDRESS, 0))
    with world.kit.entered():
        wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with door, wire:
        wire.settimeout(ANSWER_S)
        wire.connect(door.getsockname())
        taken, peer = door.accept()
        with taken:
            wire.sendall(b"through the NAT")
            assert taken.recv(100) == b"through the NAT"
            assert peer[0] == "203.0.113.17"
    assert link.figures()["udp_refused"] == 3


def test_a_rebinding_is_seen_as_another_address(world: World) -> None:
    link = world.link("lteA")
    with Pair(world, "lteA") as pair:
        seen = []
        for _ in range(2):
            pair.send(1)
            seen.append(pair.center.recvfrom(2048)[1])
            link.rebind()
        assert seen[0][0] == "203.0.113.17" and seen[1][0] == "203.0.113.18"
        pair.center.sendto(b"to the old one", seen[0])
        pair.send(1)
        pair.center.sendto(b"to the new one", pair.center.recvfrom(2048)[1])
        assert pair.kit.recv(2048) == b"to the new one"
        assert link.figures()["nat_refused"] == 1


def test_a_narrower_way_drops_what_is_too_large_without_a_word(world: World) -> None:
    link = world.link("lteA", mtu=1400)
    link.set(mtu=1200)
    with Pair(world, "lteA") as pair:
        pair.send(1, 1300)
        pair.send(1, 1200)
        assert len(pair.center.recv(2048)) == 1200 - 28
    assert link.figures()["too_big"] == 1


def test_each_kit_has_links_of_its_own() -> None:
    skip_unless_able()
    with World("countyA", "countyB") as world:
        for name in ("countyA", "countyB"):
            world.link("lteA", kit=world.nodes[name])
            kit = udp(world.nodes[name], device="lteA")
            center = udp(world.center, address=CENTER_ADDRESS)
            with kit, center:
                kit.sendto(b"x", center.getsockname())
                assert center.recv(10) == b"x"


def test_the_center_may_be_here() -> None:
    """As in the demo, where a person's browser has to reach it."""
    skip_unless_able()
    with World("countyA", "countyB", here=True) as world:
        for name in ("countyA", "countyB"):
            link = world.link("lteA", kit=world.nodes[name])
            assert link.outer_name in Path("/proc/net/dev").read_text()
            kit = udp(world.nodes[name], device="lteA")
            center = udp(world.center, address=world.center_address)
            with kit, center:
                kit.sendto(b"x", center.getsockname())
                _, source = center.recvfrom(10)
                center.sendto(b"y", source)
                assert kit.recv(10) == b"y"
    assert link.outer_name not in Path("/proc/net/dev").read_text()


def test_a_wrong_word_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="colour"):
        world.link("lteA").set(colour=1)
