"""RTSP legs and readers of the real engine over loopback: interleaved and by UDP, messages between the frames."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from gateway import codecs
from tests.unit.codecs.rig import (
    PATIENCE_S,
    Nalus,
    Packet,
    Rig,
    Source,
    is_rtcp,
    parts,
    receiver_report,
    udp,
)

H264 = codecs.RtpMap(96, "h264", 90_000, fmtp="packetization-mode=1")
PCMA = codecs.RtpMap(8, "pcma", 8000)


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    for s in (ours, theirs):
        s.settimeout(PATIENCE_S)
    return ours, theirs


def signed(difference: int) -> int:
    """Of 32-bit times."""
    return (difference + (1 << 31)) % (1 << 32) - (1 << 31)


def frame(channel: int, data: bytes) -> bytes:
    return struct.pack("!cBH", b"$", channel, len(data)) + data


@dataclass
class Far:
    """The far end of an interleaved connection: frames by channel, messages apart."""

    socket: socket.socket
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    """Channels as they came; −1 for a message."""
    held: bytes = b""

    def more(self) -> bool:
        data = self.socket.recv(1 << 20)
        self.held += data
        while self.held:
            if self.held[:1] == b"$":
                if len(self.held) < 4 or len(self.held) < 4 + struct.unpack_from("!H", self.held, 2)[0]:
                    break
                end = 4 + struct.unpack_from("!H", self.held, 2)[0]
                self.frames.append((self.held[1], self.held[4:end]))
                self.order.append(self.held[1])
            else:
                end = self.held.find(b"\r\n\r\n") + 4
                if end < 4:
                    break
                self.texts.append(self.held[:end])
                self.order.append(-1)
            self.held = self.held[end:]
        return bool(data)

    def next(self, channel: int) -> bytes:
        while True:
            for i, (of, data) in enumerate(self.frames):
                if of == channel:
                    del self.frames[i]
                    return data
            assert self.more(), "the connection ended"

    def text(self) -> bytes:
        while not self.texts:
            assert self.more(), "the connection ended"
        return self.texts.pop(0)


@contextlib.contextmanager
def reader(rig: Rig, stream: int, *, audio: bool = False, **more: bool | int) -> Iterator[tuple[int, Far]]:
    ours, theirs = pair()
    tracks = [codecs.RtspOut(H264, 5, channel=0)] + ([codecs.RtspOut(PCMA, 6, channel=2)] if audio else [])
    sub = rig.engine.subscribe_rtsp(stream, tracks, fd=ours.detach(), **more)  # type: ignore[arg-type]
    with theirs:
        yield sub, Far(theirs)


def sender_report(ssrc: int, ntp_s: float, ts: int) -> bytes:
    ntp = int((ntp_s + 2_208_988_800) * 2**32)
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, ntp, ts & 0xFFFFFFFF, 1, 1)


def pictures(far: Far, count: int) -> list[tuple[int, bytes]]:
    """(RTP time, NAL unit) of the next pictures' slices."""
    nalus, out = Nalus(), []
    while len(out) < count:
        packet = Packet.parse(far.next(0))
        before = len(nalus.found)
        nalus.push(packet.payload)
        out += [(packet.ts, n) for n in nalus.found[before:] if n[0] & 0x1F in (1, 5)]
    return out


def test_an_interleaved_source_with_messages_between_its_frames(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    ours, theirs = pair()
    source = Source(("127.0.0.1", 9))
    first, *rest = source.packets(key=True, size=5000)
    leg = rig.engine.open_rtsp_in(
        stream,
        [codecs.RtspIn([H264], channel=0, ssrc=77), codecs.RtspIn([PCMA], channel=2)],
        fd=ours.detach(),
        initial=frame(0, first)[:700],
    )
    with theirs:
        far = Far(theirs)
        theirs.sendall(frame(0, first)[700:] + b"".join(frame(0, p) for p in rest[:2]))
        answer = b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nContent-Length: 4\r\n\r\n$\0\0\0"
        theirs.sendall(answer + b"".join(frame(0, p) for p in rest[2:]) + frame(1, sender_report(77, 1.7e9, 0)))
        assert rig.wait(codecs.LegEvent, lambda e: e.state == "media").detail == "h264"
        told = rig.wait(codecs.WireEvent)
        assert (told.wire, told.state, told.data) == (leg, "text", answer)
        assert rig.wait(codecs.TrackEvent).codec == "h264"
        for i in range(4):
            theirs.sendall(frame(2, struct.pack("!BBHII", 0x80, 8, i, 160 * i, 88) + bytes(160)))
        assert rig.wait(codecs.TrackEvent).codec == "pcma"
        rig.engine.send_text(leg, b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 8\r\n\r\n")
        assert far.text().startswith(b"GET_PARAMETER")
        report = parts(far.next(1))
        assert struct.unpack_from("!I", report[201], 8)[0] == 77, "a receiver report of what was heard"
        stats = rig.engine.leg_stats(leg)
        assert stats["transport"] == "tcp" and stats["packets"] == len(rest) + 1 + 4 and stats["lost"] == 0
        for at in range(40):
            for packet in source.packets(key=at % 10 == 0):
                theirs.sendall(frame(0, packet))
        with reader(rig, stream) as (_, viewer):
            assert len(pictures(viewer, 3)) == 3
        theirs.shutdown(socket.SHUT_WR)
        ended = rig.wait(codecs.LegEvent, lambda e: e.state == "closed")
        assert (ended.leg, ended.code) == (leg, "source-ended")
        closed = rig.wait(codecs.WireEvent, lambda e: e.wire == leg)
        assert (closed.state, closed.code) == ("closed", "source-ended")


def test_a_reader_begins_with_the_cached_group_behind_a_sender_report(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    _, source = rig.source(stream)
    for at in range(5):
        source.picture(key=at == 0, size=3000)
    rig.wait(codecs.TrackEvent)
    rig.settle()
    with reader(rig, stream) as (sub, far):
        report = parts(far.next(1))[200]
        assert not far.frames or far.frames[0][0] == 0
        got = pictures(far, 5)
        assert [n for _, n in got] == [n for n in source.sent if n[0] & 0x1F in (1, 5)]
        times = [t for t, _ in got]
        assert all((b - a) & 0xFFFFFFFF < 1 << 31 for a, b in itertools.pairwise(times))
        ssrc, _ntp, ts = struct.unpack_from("!IQI", report, 4)
        assert ssrc == 5 and abs(signed(ts - times[-1])) < 90_000, "the report's time is that of the picture"
        assert rig.wait(codecs.SubscriptionEvent).state == "first-frame"
        info = rig.engine.rtp_info(sub)
        assert list(info) == ["video"]
        source.picture()
        packet = Packet.parse(far.next(0))
        assert packet.seq == info["video"][0]
        far.socket.sendall(
            b"GET_PARAMETER * RTSP/1.0\r\n" + frame(1, b"")[:0] + b"CSeq: 1\r\n\r\n" + frame(1, receiver_report(9))
        )
        told = rig.wait(codecs.WireEvent)
        assert (told.wire, told.state) == (sub, "text") and told.data.endswith(b"CSeq: 1\r\n\r\n")
        rig.engine.send_text(sub, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
        assert far.text() == b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
        far.socket.close()
        closed = rig.wait(codecs.WireEvent)
        assert (closed.wire, closed.state) == (sub, "closed")
    rig.settle()
    assert rig.engine.engine_stats()["subscriptions"] == 0


def test_the_answer_to_play_goes_before_the_first_packet_and_pause_holds(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    _, source = rig.source(stream)
    source.picture(key=True)
    source.picture()
    rig.wait(codecs.TrackEvent)
    with reader(rig, stream, held=True) as (sub, far):
        seq, ts = rig.engine.rtp_info(sub)["video"]
        rig.engine.send_text(sub, b"RTSP/1.0 200 OK\r\nRTP-Info: seq=%d\r\n\r\n" % seq)
        rig.engine.hold_rtsp(sub, False)
        assert far.text().startswith(b"RTSP/1.0 200") and far.order[0] == -1
        first = Packet.parse(far.next(0))
        assert first.seq == seq and abs(signed(first.ts - ts)) < 2 * 90_000
        rig.engine.hold_rtsp(sub, True)
        rig.settle()
        source.picture()
        rig.settle()
        rig.engine.hold_rtsp(sub, False)
        rig.settle()
        source.picture()  # of a group that was begun: not shown again
        left_out = source.sent[-1]
        source.picture(key=True)
        source.picture()
        nalus = Nalus()
        while source.sent[-1] not in nalus.found:
            nalus.push(Packet.parse(far.next(0)).payload)
        assert left_out not in nalus.found and source.sent[-2] in nalus.found


def test_a_reader_that_does_not_read_loses_whole_pictures_only(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    _, source = rig.source(stream)
    ours, theirs = pair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
    sub = rig.engine.subscribe_rtsp(stream, [codecs.RtspOut(H264, 5, channel=0)], fd=ours.detach(), queue_bytes=300_000)
    for at in range(120):
        source.picture(key=at % 20 == 0, size=50_000 + at)
        rig.settle()
    rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "congested")
    assert rig.engine.subscription_stats(sub)["frames_dropped"] > 0
    with theirs:
        far = Far(theirs)
        nalus, last_seq, before = Nalus(), None, len(source.sent)
        while source.sent[-1] not in nalus.found or len(source.sent) == before:
            for _ in range(40):
                if not any(channel == 0 for channel, _ in far.frames):
                    source.picture(key=True, size=50_000 + len(source.sent))
                packet = Packet.parse(far.next(0))
                assert last_seq is None or packet.seq == (last_seq + 1) & 0xFFFF, "numbers have no gap"
                last_seq = packet.seq
                nalus.push(packet.payload)
        sent = {n: i for i, n in enumerate(n for n in source.sent if n[0] & 0x1F in (1, 5))}
        kinds = [n[0] & 0x1F for n in sent]
        numbers = [sent[n] for n in nalus.found if n[0] & 0x1F in (1, 5)]  # each whole
        assert numbers == sorted(set(numbers)) and len(numbers) < len(sent)
        for one, next_one in itertools.pairwise(numbers):
            assert next_one == one + 1 or kinds[next_one] == 5, "on at a key frame"


def test_readers_over_udp_with_their_reports(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    _, source = rig.source(stream)
    source.picture(key=True)
    rig.wait(codecs.TrackEvent)
    ours, theirs = [udp(), udp()], [udp(), udp()]
    back = ours[1].getsockname()
    sub = rig.engine.subscribe_rtsp(
        stream,
        [
            codecs.RtspOut(
                H264,
                5,
                rtp_fd=ours[0].detach(),
                rtcp_fd=ours[1].detach(),
                host="127.0.0.1",
                rtp_port=theirs[0].getsockname()[1],
                rtcp_port=theirs[1].getsockname()[1],
            )
        ],
    )
    report = theirs[1].recv(1500)
    assert parts(report)[200][4:8] == struct.pack("!I", 5)
    nalus = Nalus()
    while not nalus.found or nalus.found[-1] != source.sent[-1]:
        packet = Packet.parse(theirs[0].recv(1500))
        nalus.push(packet.payload)
    block = struct.pack("!IIIIII", 5, 64 << 24, packet.seq, 0, 0, 0)
    theirs[1].sendto(receiver_report(9, block), back)
    rig.settle()
    rig.settle()
    assert rig.engine.subscription_stats(sub)["peer_loss_ratio"] == 0.25
    rig.engine.unsubscribe(sub)
    while 203 not in parts(report):
        report = theirs[1].recv(1500)


def test_sound_is_laid_beside_the_picture_by_sender_reports(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    ours, theirs = pair()
    rig.engine.open_rtsp_in(
        stream, [codecs.RtspIn([H264], channel=0), codecs.RtspIn([PCMA], channel=2)], fd=ours.detach()
    )
    source = Source(("127.0.0.1", 9), ts=0)

    def sound(i: int) -> bytes:
        return frame(2, struct.pack("!BBHII", 0x80, 8, i, 160 * i, 88) + bytes([i]) * 160)

    with theirs, reader(rig, stream, audio=True) as (_, far):
        # By its reports the sound of time 0 was taken half a second after the picture of time 0.
        reports = frame(1, sender_report(77, 1.7e9, 0)) + frame(3, sender_report(88, 1.7e9 + 0.5, 0))
        start = b"".join(frame(0, p) for p in source.packets(key=True)) + sound(0) + sound(1)
        theirs.sendall(start + reports)
        for i in range(1, 20):
            theirs.sendall(b"".join(frame(0, p) for p in source.packets(key=i == 10)) + sound(i + 1))
        clocks: dict[int, tuple[int, int]] = {}
        last: dict[int, Packet] = {}
        # The last of each, both reports: they leave each in its own time.
        while not (
            clocks.keys() >= {0, 2}
            and last.keys() >= {0, 2}
            and last[2].payload[0] == 20
            and last[0].payload == source.sent[-1]
        ):
            assert far.more()
            for channel, data in far.frames:
                if is_rtcp(data):
                    _, ntp, ts = struct.unpack_from("!IQI", data, 4)
                    clocks[channel - 1] = (ntp, ts)
                else:
                    last[channel] = Packet.parse(data)
            far.frames.clear()

        def at(channel: int, hz: int, source_s: float) -> float:
            ntp, ts = clocks[channel]
            return ntp / 2**32 + signed(last[channel].ts - ts) / hz - source_s

        picture_s, sound_s = (source.ts - 3000) / 90_000, last[2].payload[0] * 160 / 8000
        assert at(2, 8000, sound_s) - at(0, 90_000, picture_s) == pytest.approx(0.5, abs=0.06)


def test_the_back_channel_leaves_among_the_messages_and_ends_with_the_leg(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    ours, theirs = pair()
    leg = rig.engine.open_rtsp_in(stream, [codecs.RtspIn([H264], channel=0)], fd=ours.detach())
    voice = rig.engine.open_voice_rtsp(leg, 4, send=[codecs.RtpMap(0, "pcmu", 8000)], ssrc=99, cname="talk")
    with theirs:
        far = Far(theirs)
        packets = [Packet.parse(far.next(4)) for _ in range(5)]
        assert {(p.pt, p.ssrc, len(p.payload)) for p in packets} == {(0, 99, 160)}
        assert [p.seq - packets[0].seq for p in packets] == list(range(5))
        rig.engine.close_leg(leg)
        ended = rig.wait(codecs.VoiceEvent, lambda e: e.state == "closed")
        assert (ended.voice, ended.code) == (voice, "source-ended")
    rig.engine.close_voice(voice)
    late = rig.engine.open_voice_rtsp(leg, 4, send=[codecs.RtpMap(0, "pcmu", 8000)], ssrc=99, cname="talk")
    assert rig.wait(codecs.VoiceEvent).voice == late


def test_bad_orders_are_refused_and_their_sockets_closed(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    with pytest.raises(codecs.MediaError, match="even"):
        codecs.RtspIn([H264], channel=3)
    with pytest.raises(codecs.MediaError, match="channel or to a socket"):
        codecs.RtspIn([H264])
    ours, theirs = pair()
    with pytest.raises(codecs.MediaError, match="four tracks"):
        rig.engine.open_rtsp_in(stream, [], fd=ours.detach())
    assert theirs.recv(1) == b""
    theirs.close()
    ours, theirs = pair()
    twice = [codecs.RtspOut(H264, 5, channel=0), codecs.RtspOut(H264, 6, channel=2)]
    with pytest.raises(codecs.MediaError, match="one track of video"):
        rig.engine.subscribe_rtsp(stream, twice, fd=ours.detach())
    assert theirs.recv(1) == b""
    theirs.close()
    ours, theirs = pair()
    leg = rig.engine.open_rtsp_in(stream, [codecs.RtspIn([H264], channel=0)], fd=ours.detach())
    with theirs:
        theirs.sendall(b"\x00" * (2 << 20))
        ended = rig.wait(codecs.LegEvent, lambda e: e.state == "closed")
        assert (ended.leg, ended.code) == (leg, "protocol")


def test_many_sources_and_readers_come_and_go_and_leave_nothing(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    source = Source(("127.0.0.1", 9))
    for _ in range(100):
        ours, theirs = pair()
        leg = rig.engine.open_rtsp_in(stream, [codecs.RtspIn([H264], channel=0)], fd=ours.detach())
        theirs.sendall(b"".join(frame(0, p) for p in source.packets(key=True)))
        with reader(rig, stream):
            theirs.close()
            rig.wait(codecs.LegEvent, lambda e, leg=leg: e.leg == leg and e.state == "closed")  # type: ignore[misc]
        rig.wait(codecs.WireEvent, lambda e, leg=leg: e.state == "closed" and e.wire != leg)  # type: ignore[misc]
    rig.settle()
    stats = rig.engine.engine_stats()
    assert (stats["legs"], stats["subscriptions"]) == (0, 0)
