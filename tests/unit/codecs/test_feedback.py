"""What viewers say back: NACK, PLI, FIR, REMB, reports; and what a publisher is told."""

from __future__ import annotations

import struct
import time

from gateway import codecs
from tests.unit.codecs.rig import (
    Nalus,
    Packet,
    Peer,
    Rig,
    Source,
    fir,
    is_rtcp,
    nack,
    parts,
    pli,
    receiver_report,
    remb,
    twcc,
)


def watched(rig: Rig, *, rtx: bool = True) -> tuple[int, Source, Peer, int]:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    peer = Peer(rig)
    sub = peer.watch(stream, rtx=rtx)
    return stream, source, peer, sub


def test_nack_is_answered_over_rtx(rig: Rig) -> None:
    _, source, peer, sub = watched(rig)
    source.picture(key=True, size=5000)
    source.picture()
    packets = peer.receive(6)
    lost = packets[2]
    peer.send_rtcp(nack(1000, lost.seq, 0b1))
    again = peer.receive(2)
    for packet, original in zip(again, packets[2:4], strict=True):
        assert (packet.ssrc, packet.pt, packet.ts, packet.marker) == (2000, 103, original.ts, original.marker)
        assert packet.payload == struct.pack("!H", original.seq) + original.payload
    stats = rig.engine.subscription_stats(sub)
    assert (stats["nacks"], stats["retransmits"]) == (2, 2)
    # Numbers that were never sent are not answered.
    peer.send_rtcp(nack(1000, packets[-1].seq + 100))
    peer.send_rtcp(nack(1000, lost.seq))
    assert peer.receive(1)[0].payload[2:] == lost.payload


def test_without_rtx_the_same_bytes_go_again(rig: Rig) -> None:
    _, source, peer, _ = watched(rig, rtx=False)
    source.picture(key=True, size=3000)
    nalus = Nalus()
    wire = []
    while nalus.found != source.sent:
        data = peer.raw()
        if not is_rtcp(data):
            wire.append(data)
            nalus.push(Packet.parse(peer.inbound.unprotect(data)).payload)
    lost = Packet.parse(wire[1])
    # One nonce, one plaintext: no send time in a header that may have to be repeated.
    assert lost.extension[:2] == b"\x100" and len(lost.extension) == 4
    peer.send_rtcp(nack(1000, lost.seq))
    while is_rtcp(data := peer.raw()):
        pass
    assert data == wire[1]


def test_pli_and_fir_become_a_wish_at_most_twice_a_second(rig: Rig) -> None:
    stream, source, peer, sub = watched(rig)
    source.picture(key=True)
    peer.receive(1)
    rig.settle()
    rig.seen.clear()
    began = time.monotonic()
    for _ in range(10):
        peer.send_rtcp(pli(1000))
    wish = rig.wait(codecs.KeyFrameWanted)
    assert (wish.stream, wish.cause) == (stream, "pli")
    peer.send_rtcp(fir(1000))
    # A wish that came within the half second is told after it, since no key frame came meanwhile.
    rig.wait(codecs.KeyFrameWanted)
    assert time.monotonic() - began >= 0.45
    stats = rig.engine.subscription_stats(sub)
    assert (stats["plis"], stats["firs"]) == (10, 1)
    rig.settle()
    assert not [e for e in rig.seen if isinstance(e, codecs.KeyFrameWanted)]


def test_round_trip_loss_and_estimate_are_read(rig: Rig) -> None:
    _, source, peer, sub = watched(rig)
    source.picture(key=True)
    peer.receive(1)
    report = parts(peer.report())[200]
    ntp_mid = struct.unpack_from("!I", report, 10)[0]
    block = struct.pack("!IIIIII", 1000, 64 << 24 | 5, 1, 0, ntp_mid, 0)
    peer.send_rtcp(receiver_report(9, block) + remb(1000, 3_000_000))
    while not rig.engine.subscription_stats(sub)["remb_bps"]:
        rig.settle()
    stats = rig.engine.subscription_stats(sub)
    assert stats["peer_loss_ratio"] == 0.25
    assert 0 <= float(stats["rtt_ms"]) < 5000
    assert abs(int(stats["remb_bps"]) - 3_000_000) < 100


def test_what_arrives_on_a_lossy_path_holds_the_pace_down(rig: Rig) -> None:
    """Transport-wide feedback of two viewers, both of the same rate: half is lost on the way to one, nothing to the
    other. The same large picture is still on its way to the one when the other has all of it."""
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    lossy, clean = Peer(rig), Peer(rig)
    subs = [peer.watch(stream) for peer in (lossy, clean)]
    source.picture(key=True, size=50_000)
    for peer in (lossy, clean):
        while not peer.receive(1)[0].marker:
            pass
    lossy.send_rtcp(twcc(1000, [True, False] * 21, 50_000))
    clean.send_rtcp(twcc(1000, [True] * 28, 50_000))
    for sub in subs:
        while not rig.engine.subscription_stats(sub)["twcc_bps"]:
            rig.settle()
        # One packet of about 1,200 bytes in 50 ms.
        assert 100_000 < float(rig.engine.subscription_stats(sub)["twcc_bps"]) < 250_000
    source.picture(key=True, size=100_000)
    while not clean.receive(1)[0].marker:
        pass
    assert int(rig.engine.subscription_stats(subs[0])["queue_bytes"]) > 10_000
    assert rig.engine.subscription_stats(subs[1])["queue_bytes"] == 0
    while not lossy.receive(1)[0].marker:  # held back, not dropped
        pass


def test_silence_is_told_of_the_silent_one_only(rig: Rig) -> None:
    quiet, alive = Peer(rig), Peer(rig)
    told: codecs.SessionEvent | None = None
    for _ in range(25):
        alive.send_rtcp(receiver_report(9))
        try:
            told = rig.wait(codecs.SessionEvent, patience_s=1.0)
        except AssertionError:
            continue
        break
    assert told is not None and (told.session, told.state) == (quiet.session, "silent")
    # Once, until it is heard again.
    rig.settle()
    assert not [e for e in rig.seen if isinstance(e, codecs.SessionEvent)]


def test_bye_is_told(rig: Rig) -> None:
    _, _, peer, _ = watched(rig)
    peer.send_rtcp(receiver_report(9) + struct.pack("!BBHI", 0x81, 203, 1, 9))
    event = rig.wait(codecs.SessionEvent)
    assert (event.session, event.state) == (peer.session, "bye")


def test_forged_and_replayed_packets_are_counted_and_do_nothing(rig: Rig) -> None:
    _, source, peer, sub = watched(rig)
    source.picture(key=True)
    peer.receive(1)
    good = peer.outbound.protect_rtcp(pli(1000))
    forged = bytearray(good)
    forged[20] ^= 1
    for data in (bytes(forged), good, good):
        peer.socket.sendto(data, rig.address)
    while rig.engine.engine_stats()["unauthentic"] < 2:
        rig.settle()
    assert rig.engine.subscription_stats(sub)["plis"] == 1


def whip(rig: Rig) -> tuple[int, Peer, Source]:
    stream = rig.engine.open_stream("pushed")
    peer = Peer(rig)
    rig.engine.open_session_in(
        stream,
        peer.session,
        video=[codecs.RtpMap(96, "h264", 90_000, rtx_pt=97)],
        audio=[codecs.RtpMap(8, "pcma", 8000)],
    )
    return stream, peer, Source(rig.address)


def test_media_of_a_session_becomes_the_stream_and_gaps_are_asked_for(rig: Rig) -> None:
    stream, peer, source = whip(rig)
    _, sink = rig.plain(stream)
    first = source.packets(key=True, size=4000)
    hole = first[4]
    for packet in first:
        if packet is not hole:
            peer.send_rtp(packet)
    asked = b""
    while not asked:
        # More pictures keep coming, as they do.
        for packet in source.packets(key=False):
            peer.send_rtp(packet)
        peer.socket.settimeout(0.03)
        try:
            while not asked:
                asked = parts(peer.inbound.unprotect_rtcp(peer.raw())).get(205, b"")
        except TimeoutError:
            pass
    peer.socket.settimeout(5)
    seq = struct.unpack_from("!H", hole, 2)[0]
    assert struct.unpack_from("!IH", asked, 8) == (77, seq)
    # Answered over RTX (RFC 4588): another SSRC, the old number in front.
    rtx = struct.pack("!BBHII", 0x80, hole[1] & 0x80 | 97, 5, struct.unpack_from("!I", hole, 4)[0], 78)
    peer.send_rtp(rtx + struct.pack("!H", seq) + hole[12:])
    nalus = Nalus()
    while nalus.found != source.sent[: len(nalus.found)] or len(nalus.found) < len(source.sent):
        nalus.push(Packet.parse(sink.recv(4096)).payload)
    assert nalus.found == source.sent


def test_a_viewers_wish_reaches_the_publisher_as_pli(rig: Rig) -> None:
    stream, publisher, source = whip(rig)
    viewer = Peer(rig)
    viewer.watch(stream)
    for packet in source.packets(key=True):
        publisher.send_rtp(packet)
    viewer.receive(1)
    viewer.send_rtcp(pli(1000))
    while 206 not in (report := parts(publisher.report())) or report[206][0] & 0x1F != 1:
        pass
    assert struct.unpack_from("!I", report[206], 8)[0] == 77
    # And it gets receiver reports with an estimate, to let its encoder grow.
    while 206 not in (report := parts(publisher.report())) or report[206][12:16] != b"REMB":
        pass
    assert report[201][0] & 0x1F >= 1
