"""Media through the engine: in by RTP, out by RTP and SRTP."""

from __future__ import annotations

import base64
import gc
import itertools
import os
import socket
import struct
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.rig import OPENED, PPS, PROFILES, SPS, Nalus, Packet, Peer, Rig, Source, parts, running, udp


def test_plain_out_carries_the_same_nal_units(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    leg, source = rig.source(stream)
    _, sink = rig.plain(stream)
    source.picture(key=True, size=9000)
    rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "first-frame")
    for i in range(1, 12):
        source.picture(key=i % 6 == 0, size=9000 if i % 6 == 0 else 700)
    nalus, packets = Nalus(), []
    while nalus.found != source.sent:
        packets.append(Packet.parse(sink.recv(4096)))
        nalus.push(packets[-1].payload)
    assert [p.seq for p in packets] == [(packets[0].seq + i) & 0xFFFF for i in range(len(packets))]
    assert {p.ssrc for p in packets} == {5} and {p.pt for p in packets} == {96}
    assert sum(p.marker for p in packets) == 12
    media = rig.wait(codecs.LegEvent, lambda e: e.state == "media")
    assert (media.leg, media.detail) == (leg, "h264") and media.address.startswith("127.0.0.1:")
    track = rig.wait(codecs.TrackEvent)
    assert (track.codec, track.width, track.height, track.b_frames) == ("h264", 1280, 720, False)
    assert [base64.b64decode(one) for one in track.sprop.split(",")] == [SPS, PPS]


def test_a_way_in_tells_its_first_picture_after_its_track(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    first, source = rig.source(stream)
    source.picture(key=True)
    source.picture()
    rig.wait(codecs.LegEvent, lambda e: (e.leg, e.state) == (first, "picture"))
    assert any(isinstance(event, codecs.TrackEvent) for event in rig.seen), "the track was told before"
    rig.engine.close_leg(first)
    second, source = rig.source(stream)
    source.picture()
    while not rig.engine.leg_stats(second)["packets"]:
        rig.settle()
    assert not [e for e in rig.seen if isinstance(e, codecs.LegEvent) and e.state == "picture"], "no key frame yet"
    source.picture(key=True)
    source.picture()
    rig.wait(codecs.LegEvent, lambda e: (e.leg, e.state) == (second, "picture"))
    source.picture(key=True)
    source.picture()
    rig.settle()
    assert not [e for e in rig.seen if isinstance(e, codecs.LegEvent) and e.state == "picture"], "said once"


@pytest.mark.parametrize("profile", list(PROFILES))
def test_srtp_is_what_libsrtp_takes(rig: Rig, profile: codecs.SrtpProfile) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    peer = Peer(rig, profile)
    peer.watch(stream)
    nalus = Nalus()
    source.picture(key=True, size=20_000)
    for _ in range(3):
        source.picture(size=3000)
    while nalus.found != source.sent:
        (packet,) = peer.receive(1)
        assert (packet.pt, packet.ssrc) == (102, 1000)
        # mid "0" under id 1, abs-send-time under id 3.
        assert packet.extension[:2] == b"\x100" and packet.extension[2] == 0x32
        nalus.push(packet.payload)
    report = parts(peer.report())
    ssrc, _, _, _, count = struct.unpack_from("!IIIII", report[200], 4)
    assert ssrc == 1000 and count > 0 and b"test" in report[202]


def test_a_late_viewer_begins_with_the_cached_group(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    source.picture(key=True)
    for _ in range(5):
        source.picture()
    rig.wait(codecs.TrackEvent)
    while rig.engine.stream_stats(stream)["frames"] != 6:
        rig.settle()
    peer = Peer(rig)
    peer.watch(stream)
    packets, nalus = peer.receive(6), Nalus()
    for packet in packets:
        nalus.push(packet.payload)
    assert nalus.found == source.sent
    # Old pictures are drawn together in time, so that the player is at the present at once.
    span = (packets[-1].ts - packets[0].ts) & 0xFFFFFFFF
    assert 0 < span <= 5 * 90 + 3000
    source.picture()
    (live,) = peer.receive(1)
    assert (live.ts - packets[-1].ts) & 0xFFFFFFFF == 3000


def test_no_key_frame_yet_is_said_and_asked_for(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    leg, source = rig.source(stream)
    source.picture(key=True)
    rig.wait(codecs.TrackEvent)
    # The source is gone: its last picture is not shown to newcomers as if it were live.
    rig.engine.close_leg(leg)
    sub, sink = rig.plain(stream)
    event = rig.wait(codecs.SubscriptionEvent)
    assert (event.subscription, event.state, event.code) == (sub, "key-frame-wait", "waiting-key-frame")
    assert rig.wait(codecs.KeyFrameWanted).cause == "join"
    _, source = rig.source(stream)
    source.picture()
    source.picture(key=True)
    nalus = Nalus()
    while nalus.found != source.sent[1:]:
        nalus.push(Packet.parse(sink.recv(4096)).payload)


def test_sequence_and_time_go_on_over_a_new_source(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    peer = Peer(rig)
    peer.watch(stream)
    packets: list[Packet] = []
    for generation in range(3):
        leg, source = rig.source(stream, ssrc=100 + generation, ts=generation * 1_000_000_007, seq=generation * 777)
        source.picture(key=True)
        source.picture()
        packets += peer.receive(2)
        if generation == 1:
            rig.engine.close_leg(leg)
    assert [p.seq for p in packets] == [(packets[0].seq + i) & 0xFFFF for i in range(6)]
    steps = [(b.ts - a.ts) & 0xFFFFFFFF for a, b in itertools.pairwise(packets)]
    assert all(0 < step < 90_000 * 10 for step in steps), steps
    assert {p.ssrc for p in packets} == {1000}


def test_a_session_that_is_armed_late_gets_the_picture_then(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    peer = Peer(rig, arm=False)
    sub = peer.watch(stream)
    source.picture(key=True)
    rig.wait(codecs.TrackEvent)
    assert rig.engine.subscription_stats(sub)["packets"] == 0
    peer.arm()
    assert peer.receive(1)[0].ssrc == 1000


def test_a_closed_session_says_bye_and_is_silent(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    peer = Peer(rig)
    peer.watch(stream)
    source.picture(key=True)
    peer.receive(1)
    rig.engine.close_session(peer.session)
    # What left before it returned is in the socket's buffer now; nothing may follow.
    peer.socket.setblocking(False)
    last: dict[int, bytes] = {}
    while True:
        try:
            data = peer.socket.recv(4096)
        except BlockingIOError:
            break
        last = parts(peer.inbound.unprotect_rtcp(data))
    assert 203 in last
    source.picture(key=True)
    while rig.engine.stream_stats(stream)["frames"] != 2:
        rig.settle()
    with pytest.raises(BlockingIOError):
        peer.socket.recv(4096)


def test_voice_goes_at_once_beside_the_picture(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    s = udp()
    to = s.getsockname()
    rig.engine.open_rtp(
        stream, udp_fd=s.detach(), payloads=[codecs.RtpMap(96, "h264", 90_000), codecs.RtpMap(8, "pcma", 8000)]
    )
    source = Source(to)
    peer = Peer(rig)
    peer.watch(stream)
    source.picture(key=True)
    (first,) = peer.receive(1)
    assert first.ssrc == 1000
    sent = [bytes([i]) * 160 for i in range(1, 6)]
    for i, payload in enumerate(sent):
        source.socket.sendto(struct.pack("!BBHII", 0x80, 8, i, 160 * i, 88) + payload, to)
    voice = peer.receive(4)
    assert {(p.ssrc, p.pt) for p in voice} == {(3000, 8)}
    assert [p.payload for p in voice] == sent[-len(voice) :] or [p.payload for p in voice] == sent[: len(voice)]
    assert all(
        (b.ts - a.ts) & 0xFFFFFFFF == 160 and b.seq == (a.seq + 1) & 0xFFFF for a, b in itertools.pairwise(voice)
    )
    track = rig.wait(codecs.TrackEvent, lambda e: e.kind == "audio")
    assert (track.codec, track.clock_hz) == ("pcma", 8000)


def test_refusals_have_a_reason(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    # A browser; phones get single NAL unit packets (test_single_nal_units.py).
    mode0 = codecs.RtpMap(97, "h264", 90_000, fmtp="packetization-mode=0;profile-level-id=42e01f")
    for maps in ([codecs.RtpMap(98, "h265", 90_000)], [mode0]):
        sub = Peer(rig).watch(stream, video=maps)
        source.picture(key=True)
        event = rig.wait(codecs.SubscriptionEvent, lambda e, sub=sub: e.subscription == sub)  # type: ignore[misc]
        assert (event.state, event.code, event.detail) == ("refused", "codec-unsupported", "h264")


def test_a_large_key_frame_leaves_in_runs_of_sixteen(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    peer = Peer(rig)
    peer.watch(stream)
    source.picture(key=True, size=100_000)
    nalus = Nalus()
    count = 0
    while nalus.found != source.sent:
        nalus.push(peer.receive(1)[0].payload)
        count += 1
    stats = rig.engine.engine_stats()
    assert stats["gso_sends"] + stats["plain_sends"] >= count / 16


def test_a_slow_subscriber_loses_only_its_own_frames_up_to_a_key_frame(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    slow, slow_sink = rig.plain(stream, queue_bytes=65_536)
    source.picture(key=True, size=30_000)
    rig.wait(codecs.SubscriptionEvent, lambda e: e.subscription == slow and e.state == "first-frame")
    # Pacing holds back what comes at once: far more than the bound of the queue.
    for _ in range(12):
        source.picture(size=30_000)
    rig.wait(codecs.SubscriptionEvent, lambda e: e.subscription == slow and e.state == "congested")
    assert rig.engine.subscription_stats(slow)["queue_bytes"] <= 65_536 + 31_000
    source.picture(key=True, size=1000)
    rig.wait(codecs.SubscriptionEvent, lambda e: e.subscription == slow and e.state == "recovered")
    stats = rig.engine.subscription_stats(slow)
    assert stats["frames_dropped"] > 0 and not stats["congested"]
    nalus = Nalus()
    seqs = []
    while not nalus.found or nalus.found[-1] != source.sent[-1]:
        packet = Packet.parse(slow_sink.recv(4096))
        seqs.append(packet.seq)
        nalus.push(packet.payload)
    assert seqs == [(seqs[0] + i) & 0xFFFF for i in range(len(seqs))]


def test_streams_of_several_threads(rig: Rig) -> None:
    with running(threads=3) as wide:
        peers = []
        for i in range(6):
            stream = wide.engine.open_stream(f"ball-{i}")
            _, source = wide.source(stream, ssrc=i)
            peer = Peer(wide)
            peer.watch(stream)
            peers.append((source, peer))
        for source, peer in peers:
            source.picture(key=True)
            nalus = Nalus()
            while nalus.found != source.sent:
                nalus.push(peer.receive(1)[0].payload)
        assert wide.engine.engine_stats()["threads"] == 3
        assert len(wide.engine.all_stream_stats()) == 6
        engine, streams, legs, voice = wide.engine.all_stats()
        assert engine.keys() == wide.engine.engine_stats().keys()
        assert (engine["threads"], engine["legs"], len(streams), len(legs)) == (3, 6, 6, 6)
        for leg, counters in legs.items():
            assert counters["packets"] == wide.engine.leg_stats(leg)["packets"] > 0
        assert all(counters["frames"] == 1 for counters in streams.values())
        assert voice.keys() == wide.engine.voice_clock().keys()


def test_a_thousand_joins_and_leaves_leave_nothing(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    source.picture(key=True)
    rig.wait(codecs.TrackEvent)

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    def turn(n: int) -> None:
        for i in range(n):
            session = rig.engine.open_session(f"ufrag{i}")
            key, salt = bytes(16), bytes(12)
            rig.engine.arm_session(
                session,
                rig.port,
                "127.0.0.1",
                9,
                profile="AEAD_AES_128_GCM",
                tx_key=key,
                tx_salt=salt,
                rx_key=key,
                rx_salt=salt,
            )
            rig.engine.subscribe_session(
                stream,
                session,
                video=[codecs.RtpMap(96, "h264", 90_000)],
                audio=[],
                video_ssrc=1,
                video_rtx_ssrc=0,
                audio_ssrc=2,
                cname="x",
            )
            sub, sink = rig.plain(stream)
            sink.close()
            rig.engine.unsubscribe(sub)
            a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            rig.engine.unsubscribe(rig.engine.open_frames_out(stream, a.detach()))
            b.close()
            rig.engine.close_session(session)
        rig.settle()

    turn(50)
    gc.collect()
    before = descriptors()
    turn(1000)
    assert descriptors() <= before
    stats = rig.engine.engine_stats()
    assert (stats["sessions"], stats["subscriptions"], stats["streams"]) == (0, 0, 1)


def test_a_bug_ends_one_stream_and_no_other(rig: Rig) -> None:
    good, bad = rig.engine.open_stream("good"), rig.engine.open_stream("bad")
    _, source = rig.source(good)
    _, doomed = rig.source(bad)
    _, sink = rig.plain(good)
    rig.plain(bad)
    rig.engine._panic_stream(bad)  # type: ignore[attr-defined]
    doomed.picture(key=True)
    event = rig.wait(codecs.StreamPanic)
    assert event.stream == bad and "test" in event.detail
    source.picture(key=True)
    assert sink.recv(4096)
    stats = rig.engine.engine_stats()
    assert (stats["streams"], stats["legs"], stats["subscriptions"]) == (1, 1, 1)
    with pytest.raises(codecs.MediaError):
        rig.engine.stream_stats(bad)
    with pytest.raises(codecs.MediaError, match="no such stream"):
        rig.plain(bad)


def test_closing_the_engine_closes_every_socket() -> None:
    def descriptors() -> set[str]:
        return {p.name for p in Path("/proc/self/fd").iterdir()}

    gc.collect()
    before = descriptors()
    rig = Rig()
    stream = rig.engine.open_stream("ball")
    rig.source(stream)
    rig.engine.close()
    rig.engine.close()
    s = udp()
    with pytest.raises(codecs.MediaError, match="closed"):
        rig.engine.open_port(s.detach())
    while OPENED:
        OPENED.pop().close()
    # Two eventfds live as long as the object.
    assert len(descriptors() - before) == 3
    del rig
    assert descriptors() <= before
