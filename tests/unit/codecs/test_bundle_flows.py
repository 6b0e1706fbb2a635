"""Flows: pictures and sound from a kit's stream to a center's, datagrams, slow readers, and wishes for key frames."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.bundle_rig import LONG_S, Pair, figures, paired, told, two, until
from tests.unit.codecs.rig import Rig
from tests.unit.codecs.test_ingest import HEAD, track_record, unit_records

CLIP = Path(__file__).parents[2] / "vectors/media/fmp4_h264_b_aac.mp4"
SEQPACKET = socket.SOCK_SEQPACKET


@pytest.fixture
def engines() -> Iterator[tuple[Rig, Rig]]:
    with two() as made:
        yield made


def port() -> tuple[socket.socket, socket.socket]:
    here, ours = socket.socketpair(socket.AF_UNIX, SEQPACKET)
    here.settimeout(LONG_S)
    return here, ours


Unit = tuple[int, int, int, bytes]


def read_units(reader: socket.socket, count: int) -> list[Unit]:
    """(codec, flags, pts, bytes) of the next units."""
    units: list[Unit] = []
    body = b""
    while len(units) < count:
        record = reader.recv(70_000)
        assert record, "the port ended"
        head = HEAD.unpack_from(record)
        if head[2] != 1:
            continue
        body = record[HEAD.size :] if head[4] & 4 else body + record[HEAD.size :]
        if head[4] & 8:
            units.append((head[3], head[4] & ~16, head[6], body))
    return units


def through(pair: Pair, *, mode: str = "best", joined: bool = False) -> tuple[int, int]:
    """A stream at the kit and one at the center with a flow between them."""
    kit, center = pair.ends()
    source, shown = kit.open_stream("ball"), center.open_stream("kit-1/ball")
    a, b = socket.socketpair(socket.AF_UNIX, SEQPACKET)
    c, d = socket.socketpair(socket.AF_UNIX, SEQPACKET)
    given = kit.open_frames_out(source, a.detach())
    kit.bundle_flow(
        pair.near,
        7,
        b.detach(),
        carries="frames",
        way="out",
        klass="video",
        mode=mode,
        playout_ms=400,  # type: ignore[arg-type]
    )
    assert told(pair.center.rig, "flow").number == 7
    taken = center.open_frames_in(shown, c.detach())
    center.bundle_flow(pair.far, 7, d.detach(), carries="frames", way="in")
    if joined:
        kit.bundle_join(pair.near, 7, given, way="out")
        center.bundle_join(pair.far, 7, taken, way="in")
    return source, shown


@pytest.mark.parametrize(
    ("mode", "joined", "threads"),
    [("best", False, 1), ("duplicate", True, 1), ("spread", True, 1), ("spread", True, 2)],
)
def test_a_picture_with_sound_arrives_as_it_was(mode: str, joined: bool, threads: int) -> None:
    with two(threads) as engines:
        pair = paired(*engines, lambda kit: (kit.path("lte-1", 0, loss=0.02), kit.path("lte-2", 1, loss=0.02)))
        arrives_as_it_was(engines, pair, *through(pair, mode=mode, joined=joined))
        # Only what lives in one thread goes from hand to hand.
        ways = ((engines[0].engine, pair.near, "out"), (engines[1].engine, pair.far, "in"))
        assert [figures(end, bundle)[f"{way}.7.joined"] for end, bundle, way in ways] == [joined and threads == 1] * 2


def arrives_as_it_was(engines: tuple[Rig, Rig], pair: Pair, source: int, shown: int) -> None:
    kit, center = pair.ends()
    here, ours = port()
    there, theirs = port()
    with here, there:
        kit.open_frames_out(source, ours.detach())
        center.open_frames_out(shown, theirs.detach())
        near, far = socket.socketpair()
        kit.open_bytes_in(source, near.detach(), "fmp4")
        with far:
            far.sendall(CLIP.read_bytes())
            track = told_track(engines[1], shown)
            assert (track.codec, track.width, track.height) == ("h264", 160, 120)
            sent, got = read_units(here, 60), read_units(there, 60)
    # What a viewer at the center sees is what one at the kit sees: bytes, order, and time between pictures.
    for codec in {unit[0] for unit in sent}:
        ours_, theirs_ = ([u for u in units if u[0] == codec] for units in (sent, got))
        both = min(len(ours_), len(theirs_))
        assert both > 10
        begin = next(n for n in range(len(ours_)) if ours_[n][3] == theirs_[0][3])
        pairs = list(zip(ours_[begin:], theirs_, strict=False))
        assert all(a[3] == b[3] for a, b in pairs)
        steps = [(b[2] - a[2]) for a, b in pairs]
        assert max(steps) - min(steps) <= 2
    seen = figures(center, pair.far)
    assert seen["in.7.units_lost"] == 0 and int(seen["in.7.units"]) > 50


def told_track(rig: Rig, stream: int) -> codecs.TrackEvent:
    return rig.wait(codecs.TrackEvent, lambda e: e.stream == stream and e.kind == "video", LONG_S)


@pytest.mark.parametrize("joined", [False, True])
def test_wishes_for_key_frames_travel_to_the_source(engines: tuple[Rig, Rig], joined: bool) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    source, shown = through(pair, joined=joined)
    kit, center = engines
    # A viewer at the center, before anything came.
    center.plain(shown)
    assert kit.wait(codecs.KeyFrameWanted, lambda e: e.stream == source, LONG_S)
    kit.seen.clear()
    kit.engine.bundle_close_flow(pair.near, 7)
    assert told(center, "flow-closed").number == 7


def test_datagrams_go_both_ways(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: (kit.path("lte-1", 0, loss=0.1), kit.path("lte-2", 1, loss=0.1)))
    here, there = pair.flow(1, "datagrams", klass="voice", mode="duplicate", playout_ms=200)
    sent = [struct.pack("!I", n) + bytes(160) for n in range(250)]
    with here, there:
        sender = threading.Thread(target=lambda: [(here.send(d), _tick()) for d in sent])
        sender.start()
        got = [there.recv(2048) for _ in range(240)]
        sender.join(LONG_S)
    numbers = [struct.unpack_from("!I", d)[0] for d in got]
    assert all(a < b for a, b in itertools.pairwise(numbers)), "in order, none twice"
    assert all(d == sent[n] for d, n in zip(got, numbers, strict=True))
    seen = figures(engines[1].engine, pair.far)
    assert int(seen["in.1.duplicates"]) > 0, "by both paths"


def _tick() -> None:
    threading.Event().wait(0.005)


def test_datagrams_of_a_udp_socket(engines: tuple[Rig, Rig]) -> None:
    """RTP of a call: both ends are connected UDP sockets on loopback."""
    pair = paired(*engines, lambda kit: kit.direct())

    def pair_of_udp() -> tuple[socket.socket, socket.socket]:
        a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for s in (a, b):
            s.bind(("127.0.0.1", 0))
            s.settimeout(LONG_S)
        a.connect(b.getsockname())
        b.connect(a.getsockname())
        return a, b

    here, ours = pair_of_udp()
    there, theirs = pair_of_udp()
    with here, there:
        kit, center = pair.ends()
        kit.bundle_flow(pair.near, 2, ours.detach(), carries="datagrams", way="out", klass="voice", playout_ms=100)
        told(engines[1], "flow")
        here.send(b"before anybody takes it")
        until(lambda: int(figures(center, pair.far).get("in.2.units", 0)) == 1)
        center.bundle_flow(pair.far, 2, theirs.detach(), carries="datagrams", way="in")
        here.send(b"rtp")
        assert [there.recv(100) for _ in range(2)] == [b"before anybody takes it", b"rtp"]


def test_a_slow_reader_loses_whole_pictures_and_goes_on_at_a_key_picture(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    here, there = pair.flow(3, "frames", mode="best", playout_ms=50)
    wished = threading.Event()
    big = bytes(range(256)) * 800
    with here, there:
        there.settimeout(LONG_S)
        here.send(track_record())
        # Nobody reads: far more than may wait.
        count = 0
        while int(figures(engines[1].engine, pair.far).get("in.3.dropped", 0)) == 0:
            for record in unit_records([struct.pack("!I", count) + big], 3000 * count, key=count % 30 == 0):
                here.send(record)
            count += 1
            threading.Event().wait(0.02)
            assert count < 2000
        here.setblocking(False)
        # The sender hears that a key picture is wanted.
        until(lambda: _wish(here, wished) or wished.is_set())
        here.setblocking(True)
        here.settimeout(LONG_S)
        # It reads again: what follows begins with a key picture, and pictures are whole.
        reader = threading.Thread(target=lambda: units.extend(_until_mark(there)))
        units: list[Unit] = []
        reader.start()
        for record in unit_records([b"mark" + big], 3000 * count, key=True):
            here.send(record)
        reader.join(LONG_S)
        assert not reader.is_alive()
    numbers = [struct.unpack_from("!I", u[3], 4)[0] for u in units[:-1]]
    assert all(a < b for a, b in itertools.pairwise(numbers))
    gaps = [(a, b) for a, b in itertools.pairwise(numbers) if b != a + 1]
    after = {b: next(u for u in units if struct.unpack_from("!I", u[3], 4)[0] == b) for _, b in gaps}
    assert all(u[1] & 1 for u in after.values()), "a gap ends with a key picture"


def _wish(port: socket.socket, heard: threading.Event) -> bool:
    try:
        record = port.recv(100)
    except BlockingIOError:
        return False
    if HEAD.unpack_from(record)[2] == 2:
        heard.set()
    return True


def _until_mark(reader: socket.socket) -> list[Unit]:
    units: list[Unit] = []
    while not units or units[-1][3][4:8] != b"mark":
        units += read_units(reader, 1)
    return units


def test_a_flow_ends_with_its_socket(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    here, there = pair.flow(4, "frames")
    there.close()
    for rig, bundle, way, code in ((engines[1], pair.far, "in", "link-down"), (engines[0], pair.near, "out", "")):
        gone = told(rig, "flow-closed")
        assert (gone.bundle, gone.number, gone.name, gone.code) == (bundle, 4, way, code)
    # What it wrote to is closed.
    assert here.recv(1) == b""
    here.close()
    here, there = pair.flow(5, "frames")
    here.close()
    for rig, bundle, way, code in ((engines[0], pair.near, "out", "link-down"), (engines[1], pair.far, "in", "")):
        gone = told(rig, "flow-closed")
        assert (gone.bundle, gone.number, gone.name, gone.code) == (bundle, 5, way, code)
    # Before its end: that it may be asked for key frames.
    assert HEAD.unpack_from(there.recv(100))[2] == 2 and there.recv(1) == b""
    there.close()


def joined_pair(engines: tuple[Rig, Rig]) -> tuple[Pair, int, int]:
    """A flow whose ends are joined: the subscription at the kit, the leg at the center."""
    pair = paired(*engines, lambda kit: kit.direct())
    kit, center = pair.ends()
    here, ours = socket.socketpair(socket.AF_UNIX, SEQPACKET)
    there, theirs = socket.socketpair(socket.AF_UNIX, SEQPACKET)
    kit.bundle_flow(pair.near, 9, ours.detach(), carries="frames", way="out", playout_ms=50)
    given = kit.open_frames_out(kit.open_stream("ball"), here.detach())
    kit.bundle_join(pair.near, 9, given, way="out")
    assert told(engines[1], "flow").number == 9
    center.bundle_flow(pair.far, 9, theirs.detach(), carries="frames", way="in")
    taken = center.open_frames_in(center.open_stream("kit-1/ball"), there.detach())
    center.bundle_join(pair.far, 9, taken, way="in")
    until(lambda: figures(kit, pair.near)["out.9.joined"] == figures(center, pair.far)["in.9.joined"] == 1)
    return pair, given, taken


@pytest.mark.parametrize("at_the_kit", [True, False])
def test_a_joined_flow_ends_with_its_stream(engines: tuple[Rig, Rig], at_the_kit: bool) -> None:
    pair, given, taken = joined_pair(engines)
    kit, center = pair.ends()
    if at_the_kit:
        kit.unsubscribe(given)
    else:
        center.close_leg(taken)
    codes = ("link-down", "") if at_the_kit else ("", "link-down")
    for rig, bundle, way, code in zip(engines, (pair.near, pair.far), ("out", "in"), codes, strict=True):
        gone = told(rig, "flow-closed")
        assert (gone.bundle, gone.number, gone.name, gone.code) == (bundle, 9, way, code)


def test_what_is_gone_or_another_thing_is_not_joined(engines: tuple[Rig, Rig]) -> None:
    pair = paired(*engines, lambda kit: kit.direct())
    here, there = pair.flow(4, "frames")
    kit, center = pair.ends()
    leg, _ = engines[1].source(center.open_stream("another"))
    with here, there:
        kit.bundle_join(pair.near, 4, 12345, way="out")
        kit.bundle_join(pair.near, 5, 12345, way="out")
        center.bundle_join(pair.far, 4, leg, way="in")
        # Orders are carried out by now.
        assert figures(kit, pair.near) and figures(center, pair.far)
        assert figures(kit, pair.near)["out.4.joined"] == figures(center, pair.far)["in.4.joined"] == 0
        assert center.leg_stats(leg)
        # It goes on by its socket.
        here.send(track_record())
        for record in unit_records([b"picture"], 0, key=True):
            here.send(record)
        assert read_units(there, 1)[0][3]
