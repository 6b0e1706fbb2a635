"""Ways in: TCP with framing, the frame port, silence and its end."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import time

from gateway import codecs
from tests.unit.codecs.rig import PPS, SPS, Nalus, Packet, Rig, Source, udp


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    return client, accepted


def framed(packets: list[bytes]) -> bytes:
    return b"".join(struct.pack("!H", len(p)) + p for p in packets)


def nalus_of(sink: socket.socket, wanted: list[bytes]) -> Nalus:
    nalus = Nalus()
    while not nalus.found or nalus.found[-1] != wanted[-1]:
        nalus.push(Packet.parse(sink.recv(4096)).payload)
    return nalus


def test_tcp_finds_its_framing_again(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    leg = rig.engine.open_rtp(stream, hint="h264", payloads=[codecs.RtpMap(96, "h264", 90_000)])
    _, sink = rig.plain(stream)
    source = Source(("127.0.0.1", 9))
    client, accepted = tcp_pair()
    with client:
        first = framed(source.packets(key=True))
        rig.engine.attach_tcp(leg, accepted.detach(), "rfc4571", initial=first[:100])
        client.sendall(first[100:])
        assert rig.wait(codecs.LegEvent).state == "attached"
        assert nalus_of(sink, source.sent).found == source.sent
        assert rig.engine.leg_stats(leg)["transport"] == "tcp"
        # Half a packet is missing: what follows it is found again.
        client.sendall(framed(source.packets(key=False))[:300])
        source.sent.clear()
        for _ in range(6):
            client.sendall(framed(source.packets(key=False)))
        client.sendall(framed(source.packets(key=True)))
        client.sendall(framed(source.packets(key=False)))
        problem = rig.wait(codecs.LegEvent, lambda e: e.state == "problem")
        assert problem.code == "framing-lost"
        found = nalus_of(sink, source.sent).found
        assert found[-4:] == source.sent[-4:]
        assert int(rig.engine.leg_stats(leg)["resyncs"]) >= 1
    ended = rig.wait(codecs.LegEvent, lambda e: e.state == "detached")
    assert (ended.leg, ended.code) == (leg, "source-ended")
    # The leg stays: the device connects anew.
    client, accepted = tcp_pair()
    with client:
        rig.engine.attach_tcp(leg, accepted.detach(), "rfc4571")
        client.sendall(framed(source.packets(key=True)))
        assert nalus_of(sink, source.sent).found[-3:] == source.sent[-3:]


def test_silence_is_told_and_its_end(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    s = udp()
    source = Source(s.getsockname())
    leg = rig.engine.open_rtp(stream, udp_fd=s.detach(), hint="h264", stall_ms=100)
    source.picture(key=True)
    stalled = rig.wait(codecs.LegEvent, lambda e: e.state == "stalled")
    assert (stalled.leg, stalled.code) == (leg, "media-stopped")
    source.picture()
    assert rig.wait(codecs.LegEvent, lambda e: e.state == "resumed").leg == leg


def test_a_source_of_garbage_breaks_nothing(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    leg, source = rig.source(stream)
    for i in range(300):
        source.socket.sendto(bytes((i * 7 + j * j) & 0xFF for j in range(i * 5 % 1500)), source.to)
    _, sink = rig.plain(stream)
    # A live source goes on sending; it is taken once the stranger has been silent for a while.
    other, nalus = Source(source.to), Nalus()
    sink.settimeout(0.02)
    deadline = time.monotonic() + 10
    while PPS not in nalus.found:
        assert time.monotonic() < deadline
        other.picture(key=True)
        with contextlib.suppress(TimeoutError):
            nalus.push(Packet.parse(sink.recv(4096)).payload)
    assert int(rig.engine.leg_stats(leg)["invalid"]) > 0


# The worker's side of docs/frame-port.md, written from the page.
HEAD = struct.Struct("!BBBBHHqqqII")
NONE = -(1 << 63)


def track_record() -> bytes:
    sets = b"".join(struct.pack("!H", len(s)) + s for s in (SPS, PPS))
    body = struct.pack("!IIIIIBB", 90_000, 1280, 720, 0, 0x42C01F, 0, 0) + b"\x0cbaseline@3.1" + b"\x02" + sets
    return HEAD.pack(0xF6, 1, 0, 0, 4 | 8, 1, 0, 0, NONE, len(body), 0) + body


def unit_records(nalus: list[bytes], pts: int, *, key: bool) -> list[bytes]:
    body = b"".join(struct.pack("!I", len(n)) + n for n in nalus)
    out = []
    for at in range(0, len(body), 60_000):
        part = body[at : at + 60_000]
        flags = int(key) | (4 if at == 0 else 0) | (8 if at + len(part) == len(body) else 0)
        out.append(HEAD.pack(0xF6, 1, 1, 0, flags, 1, pts, pts, NONE, len(body), at) + part)
    return out


def wish_record(flags: int = 0) -> bytes:
    return HEAD.pack(0xF6, 1, 2, 0, 4 | 8 | flags, 0, 0, 0, NONE, 0, 0)


def test_a_wish_for_a_key_frame_goes_against_the_stream(rig: Rig) -> None:
    stream, other = rig.engine.open_stream("ball"), rig.engine.open_stream("taken over")
    reader, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker.settimeout(5)
    with worker, reader:
        rig.engine.open_frames_out(stream, theirs.detach())
        assert rig.wait(codecs.KeyFrameWanted, lambda e: e.stream == stream).cause == "join"
        reader.send(b"not a record")
        reader.send(wish_record(2))
        # What was asked for a moment ago is asked again when that has passed.
        assert rig.wait(codecs.KeyFrameWanted, lambda e: e.stream == stream).cause == "loss"
        rig.engine.open_frames_in(other, ours.detach())
        worker.send(track_record())
        rig.plain(other)
        rig.wait(codecs.KeyFrameWanted, lambda e: e.stream == other)
        worker.send(wish_record())
        rig.settle()
        rig.plain(other)
        # Only now: a worker that did not say that it can ask is not written to.
        assert worker.recv(100) == wish_record()


def test_frame_port_in_and_out(rig: Rig) -> None:
    stream = rig.engine.open_stream("converted")
    worker, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader.settimeout(5)
    with worker, reader:
        leg = rig.engine.open_frames_in(stream, ours.detach(), stall_ms=300)
        sub = rig.engine.open_frames_out(stream, theirs.detach())
        worker.send(track_record())
        key = [SPS, PPS, b"\x65" + bytes(range(256)) * 600]
        for record in unit_records(key, 1000, key=True):
            worker.send(record)
        head = HEAD.unpack_from(first := reader.recv(70_000))
        assert head[:4] == (0xF6, 1, 0, 0) and b"baseline@3.1" in first
        body, times = b"", []
        while True:
            record = reader.recv(70_000)
            head = HEAD.unpack_from(record)
            assert head[2] == 1 and head[10] == len(body) and head[4] & 1
            body += record[HEAD.size :]
            times.append(head[6])
            if head[4] & 8:
                break
        assert body == b"".join(struct.pack("!I", len(n)) + n for n in key) and len(times) == 3
        worker.send(unit_records([b"\x41\x9a\x00\x01"], 4000, key=False)[0])
        head = HEAD.unpack_from(reader.recv(70_000))
        assert head[6] - times[0] == 3000
        assert rig.wait(codecs.LegEvent, lambda e: e.state == "media").detail == "frames"
        assert rig.wait(codecs.LegEvent, lambda e: e.state == "stalled").leg == leg
        # What is not as documented is refused in words, and nothing else suffers.
        worker.send(b"nonsense")
        assert rig.wait(codecs.LegEvent, lambda e: e.state == "problem").leg == leg
        worker.send(unit_records([b"\x41\x9a\x00\x02"], 7000, key=False)[0])
        assert HEAD.unpack_from(reader.recv(70_000))[6] - times[0] == 6000
        assert rig.wait(codecs.LegEvent, lambda e: e.state == "resumed").leg == leg
        assert rig.engine.subscription_stats(sub)["frames"] == 3
    assert rig.wait(codecs.LegEvent, lambda e: e.state == "closed").leg == leg
    assert rig.wait(codecs.SubscriptionEvent, lambda e: e.code == "link-down").subscription == sub


def test_what_waits_for_a_slow_reader_comes_when_it_reads(rig: Rig) -> None:
    """Its socket is watched for room only while something waits."""
    stream = rig.engine.open_stream("converted")
    worker, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker.settimeout(5)
    reader.settimeout(5)
    with worker, reader:
        rig.engine.open_frames_in(stream, ours.detach())
        sub = rig.engine.open_frames_out(stream, theirs.detach())
        worker.send(track_record())
        for turn in range(2):
            # More than a socket takes, then nothing more: what wakes the engine is the reader alone.
            key = [SPS, PPS, b"\x65" + bytes(range(256)) * 6400]
            for record in unit_records(key, 1000 + 3000 * turn, key=True):
                worker.send(record)
            rig.settle()
            got = 0
            while True:
                record = reader.recv(70_000)
                head = HEAD.unpack_from(record)
                if head[2] == 1:
                    got += len(record) - HEAD.size
                    if head[4] & 8:
                        break
            assert got == sum(4 + len(nalu) for nalu in key)
        assert rig.engine.subscription_stats(sub)["frames"] == 2


def test_key_frames_only(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    reader, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader.settimeout(5)
    with reader:
        rig.engine.open_frames_out(stream, theirs.detach(), key_frames_only=True)
        for i in range(9):
            source.picture(key=i % 4 == 0)
        records = []
        while len(records) < 3:
            record = reader.recv(70_000)
            if record[2] == 1:
                records.append(HEAD.unpack_from(record))
        assert all(r[4] & 1 for r in records)
        assert [b[6] - a[6] for a, b in itertools.pairwise(records)] == [12_000, 12_000]
