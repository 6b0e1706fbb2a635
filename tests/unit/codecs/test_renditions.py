"""A rendition beside its source: what a converter reads, and a viewer that is moved from one to the other and back."""

from __future__ import annotations

import itertools
import socket
import struct

import pytest

from gateway import codecs

from .rig import PPS, SPS, Nalus, Packet, Peer, Rig, parts, running
from .test_ingest import HEAD, NONE, track_record, unit_records

CACHED = 16


def whole(reader: socket.socket) -> tuple[int, int, int, list[bytes]]:
    """The next record, put together: kind, flags, pts, parts."""
    body, head, flags = b"", HEAD.unpack_from(record := reader.recv(70_000)), 0
    while True:
        body += record[HEAD.size :]
        flags |= head[4]
        if head[4] & 8:
            break
        head = HEAD.unpack_from(record := reader.recv(70_000))
    parts, at = [], 0
    while head[2] == 1 and at < len(body):
        n = struct.unpack_from("!I", body, at)[0]
        parts.append(body[at + 4 : at + 4 + n])
        at += 4 + n
    return head[2], flags, head[6], parts


def reads(rig: Rig, stream: int, *, key_frames_only: bool = False) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(5)
    rig.engine.open_frames_out(stream, theirs.detach(), key_frames_only=key_frames_only)
    return ours


def test_a_reader_begins_with_the_cached_group(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    _, sink = rig.plain(stream)
    source.picture(key=True, size=100_000)
    source.picture()
    seen = Nalus()
    while seen.found[-1:] != source.sent[-1:]:
        seen.push(Packet.parse(sink.recv(4096)).payload)
    with reads(rig, stream) as reader, reads(rig, stream, key_frames_only=True) as stills:
        assert whole(reader)[0] == 0
        kind, flags, first, parts = whole(reader)
        assert (kind, flags & (1 | CACHED), parts) == (1, 1 | CACHED, source.sent[:3])
        kind, flags, second, parts = whole(reader)
        assert (flags & (1 | CACHED), parts, second - first) == (CACHED, source.sent[3:], 3000)
        source.picture()
        kind, flags, third, parts = whole(reader)
        assert (flags & CACHED, parts, third - second) == (0, source.sent[4:], 3000)
        # A reader of key frames has the cached one at once, and then only the next.
        assert whole(stills)[0] == 0
        assert whole(stills)[1:] == (1 | 4 | 8 | CACHED, first, source.sent[:3])
        source.picture(key=True)
        assert whole(stills)[3] == source.sent[5:]
    age = rig.engine.stream_stats(stream)["key_age_ms"]
    assert isinstance(age, float) and 0 <= age < 5000


class Line:
    """What a viewer got: one source all the time, its numbers without a gap, its time never back."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.last: Packet | None = None

    def until(self, last: bytes) -> list[bytes]:
        """NAL units up to `last`."""
        nalus = Nalus()
        while nalus.found[-1:] != [last]:
            packet = self.peer.receive(1)[0]
            assert packet.ssrc == 1000
            if self.last is not None:
                assert packet.seq == (self.last.seq + 1) & 0xFFFF
                assert (packet.ts - self.last.ts) & 0xFFFF_FFFF < 1 << 31, "time went back"
            self.last = packet
            nalus.push(packet.payload)
        return nalus.found


def test_a_viewer_is_moved_and_its_numbers_and_time_go_on(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    _, camera = rig.source(ball)
    peer = Peer(rig)
    sub, line = peer.watch(ball), Line(peer)
    camera.picture(key=True)
    camera.picture()
    line.until(camera.sent[-1])
    made = rig.engine.open_stream("ball h264", beside=ball)
    worker, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with worker:
        rig.engine.open_frames_in(made, ours.detach())
        rig.engine.move_subscription(sub, made)
        worker.send(track_record())
        # Until the rendition begins nothing comes, least of all of the source.
        camera.picture(key=True)
        picture = [SPS, PPS, b"\x65\x88" + bytes(range(1, 200))]
        for record in unit_records(picture, 1000, key=True):
            worker.send(record)
        assert line.until(picture[-1]) == picture
        for n in range(1, 4):
            worker.send(unit_records([b"\x41\x9a\x00%c" % n], 1000 + 3000 * n, key=False)[0])
        line.until(b"\x41\x9a\x00\x03")
        rig.settle()
        rig.seen.clear()
        camera.picture()
        # Back: the cached group is older than what was shown, so a key frame is asked for and waited for.
        rig.engine.move_subscription(sub, ball)
        assert rig.wait(codecs.KeyFrameWanted, lambda e: e.stream == ball).cause == "join"
        before = len(camera.sent)
        camera.picture()
        camera.picture(key=True)
        assert line.until(camera.sent[-1]) == camera.sent[before + 1 :]
        camera.picture()
        assert line.until(camera.sent[-1]) == camera.sent[-1:]


def sound_track() -> bytes:
    body = struct.pack("!IIIIIBB", 8000, 0, 0, 8000, 0, 1, 0) + b"\x00\x00"
    return HEAD.pack(0xF6, 1, 0, 3, 4 | 8, 1, 0, 0, NONE, len(body), 0) + body


def sound(pts: int, mark: int) -> bytes:
    body = struct.pack("!I", 160) + bytes([mark]) * 160
    return HEAD.pack(0xF6, 1, 1, 3, 1 | 4 | 8, 1, pts, pts, NONE, len(body), 0) + body


class Worker:
    """A stream of picture and sound, each written by the test; both count from one clock."""

    def __init__(self, rig: Rig, stream: int) -> None:
        self.socket, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        rig.engine.open_frames_in(stream, ours.detach())
        self.socket.send(track_record())
        self.socket.send(sound_track())

    def picture(self, ms: int, mark: int) -> None:
        for record in unit_records([SPS, PPS, b"\x65\x88" + bytes([mark]) * 50], ms * 90, key=True):
            self.socket.send(record)

    def sound(self, ms: int, mark: int) -> None:
        self.socket.send(sound(ms * 8, mark))


def test_a_rendition_whose_sound_is_late_takes_up_where_the_source_ended(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    peer = Peer(rig)
    sub = peer.watch(ball)
    source = Worker(rig, ball)
    made = rig.engine.open_stream("ball h264", beside=ball)
    heard: list[Packet] = []

    def hear(mark: int) -> None:
        while not heard or heard[-1].payload[0] != mark:
            heard.extend(p for p in peer.receive(1) if p.ssrc == 3000)

    with source.socket:
        source.picture(0, 1)
        for n in range(10):
            source.sound(60_000 + 20 * n, n)
        hear(9)
        worker = Worker(rig, made)
        with worker.socket:
            # The tracks are known, and nothing is in them yet: what comes first has been heard already.
            rig.wait(codecs.TrackEvent, lambda e: e.stream == made and e.codec == "pcma")
            rig.engine.move_subscription(sub, made)
            rig.settle()
            worker.picture(0, 2)
            for n in range(5):
                worker.sound(20 * n, 100 + n)
            for n in range(10, 20):
                worker.sound(60_000 + 20 * n, n)
            hear(19)
    assert [p.payload[0] for p in heard][-11:] == list(range(9, 20))
    assert all((b.ts - a.ts) & 0xFFFF_FFFF < 1 << 31 for a, b in itertools.pairwise(heard)), "time went back"
    assert all((b.seq - a.seq) & 0xFFFF == 1 for a, b in itertools.pairwise(heard))


def test_reports_keep_their_line_over_a_move_to_a_late_picture(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    peer = Peer(rig)
    sub = peer.watch(ball)
    source = Worker(rig, ball)
    made = rig.engine.open_stream("ball h264", beside=ball)

    def line(ssrc: int) -> float:
        """RTP seconds less NTP seconds, by the next report of that source."""
        while True:
            report = parts(peer.report())[200]
            said, high, low, ts = struct.unpack_from("!IIII", report, 4)
            if said == ssrc:
                hz = 90_000 if ssrc == 1000 else 8000
                return (ts / hz - high - low / (1 << 32)) % ((1 << 32) / hz)

    with source.socket:
        # Its time runs three seconds ahead of the machine's.
        for n in range(4):
            source.picture(1000 * n, n + 1)
            source.sound(1000 * n, n + 1)
        before = {ssrc: line(ssrc) for ssrc in (1000, 3000)}
        worker = Worker(rig, made)
        with worker.socket:
            rig.engine.move_subscription(sub, made)
            rig.settle()
            worker.picture(0, 9)
            worker.sound(0, 9)
            while peer.receive(1)[0].ssrc != 1000:
                pass
            peer.reports.clear()
            for ssrc in (1000, 3000):
                assert line(ssrc) == pytest.approx(before[ssrc], abs=0.005)


def test_what_is_made_of_a_source_has_its_times_however_late_it_comes(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    peer = Peer(rig)
    sub = peer.watch(ball)
    source = Worker(rig, ball)
    made = rig.engine.open_stream("ball h264", beside=ball)
    with source.socket, reads(rig, ball) as reader:
        # Its first picture came three seconds late: it runs ahead of the machine's time.
        source.picture(0, 1)
        first = peer.receive(1)[0].ts
        source.picture(3000, 2)
        while (shown := peer.receive(1)[0].ts) == first:
            pass
        worker, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with worker:
            rig.engine.open_frames_in(made, ours.detach(), made_of=ball)
            worker.send(track_record())
            rig.engine.move_subscription(sub, made)
            rig.settle()
            source.picture(4000, 3)
            while (unit := whole(reader))[3][-1:] != [b"\x65\x88" + bytes([3]) * 50]:
                pass
            for record in unit_records(unit[3], unit[2], key=True):
                worker.send(record)
            while (came := peer.receive(1)[0].ts) == shown:
                pass
    assert came - shown & 0xFFFF_FFFF == 90_000


def test_what_is_made_of_a_cached_group_has_no_time_below_zero(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    source = Worker(rig, ball)
    with source.socket, reads(rig, ball) as reader:
        source.picture(0, 1)
        while (cached := whole(reader))[0] != 1:
            pass
        # Fragments of MP4 can not say one: what is made later has the time of what it is made of.
        made = rig.engine.open_stream("ball h264", beside=ball)
        worker, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with worker, reads(rig, made) as seen:
            rig.engine.open_frames_in(made, ours.detach(), made_of=ball)
            worker.send(track_record())
            for record in unit_records(cached[3], cached[2], key=True):
                worker.send(record)
            while (unit := whole(seen))[0] != 1:
                pass
    assert unit[2] == cached[2] >= 0


def test_a_picture_refused_for_a_while_uses_no_number_twice(rig: Rig) -> None:
    stream = rig.engine.open_stream("made")
    worker, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with worker:
        rig.engine.open_frames_in(stream, ours.detach())
        peer = Peer(rig)
        sub, line = peer.watch(stream), Line(peer)

        def picture(pts: int, mark: int) -> bytes:
            last = b"\x65\x88" + bytes([mark]) * 50
            for record in unit_records([SPS, PPS, last], pts, key=True):
                worker.send(record)
            return last

        def b_frames(on: bool) -> None:
            record = bytearray(track_record())
            record[HEAD.size + 21] = on
            worker.send(record)

        worker.send(track_record())
        line.until(picture(0, 1))
        b_frames(True)
        refused = rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "refused")
        assert (refused.subscription, refused.code) == (sub, "b-frames")
        picture(3000, 2)
        b_frames(False)
        line.until(picture(6000, 3))


def test_a_stream_on_another_thread_is_refused() -> None:
    with running(threads=2) as rig:
        one, two = rig.engine.open_stream("one"), rig.engine.open_stream("two")
        sub, _ = rig.plain(one)
        with pytest.raises(codecs.MediaError, match="another media thread"):
            rig.engine.move_subscription(sub, two)
        beside = rig.engine.open_stream("beside", beside=one)
        rig.engine.move_subscription(sub, beside)
        rig.engine.close_stream(beside)
        with pytest.raises(codecs.MediaError, match="no such stream"):
            rig.engine.move_subscription(sub, beside)
