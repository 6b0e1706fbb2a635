"""How packets leave: voice before a paced picture, another address, sockets without segmentation, IPv6."""

from __future__ import annotations

import itertools
import os
import socket
import struct
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.rig import Nalus, Packet, Peer, Rig, Source, is_rtcp, nack, receiver_report, running, stun, udp


def test_voice_overtakes_a_large_picture_that_is_paced(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    s = udp()
    to = s.getsockname()
    rig.engine.open_rtp(
        stream, udp_fd=s.detach(), payloads=[codecs.RtpMap(96, "h264", 90_000), codecs.RtpMap(8, "pcma", 8000)]
    )
    source, peer = Source(to), Peer(rig)
    peer.watch(stream)
    voice = (struct.pack("!BBHII", 0x80, 8, i, 160 * i, 88) + bytes([i]) * 160 for i in itertools.count(1))
    source.picture(key=True)
    for frame in itertools.islice(voice, 5):
        source.socket.sendto(frame, to)
    while peer.receive(1)[0].ssrc != 3000:  # both tracks play
        pass
    packets = source.packets(key=True, size=300_000)
    for at in range(0, len(packets) - 1, 40):
        for piece in packets[at : min(at + 40, len(packets) - 1)]:
            source.socket.sendto(piece, to)
        rig.settle()  # no more at once than a socket's buffer holds
    # The picture is whole with its last packet; the voice stands behind it.
    source.socket.sendto(packets[-1], to)
    last = next(voice)
    source.socket.sendto(last, to)
    seen: list[Packet] = []
    nalus = Nalus()
    while nalus.found[-3:] != source.sent[-3:]:
        (packet,) = peer.receive(1)
        if packet.ssrc == 1000:
            nalus.push(packet.payload)
        seen.append(packet)
    spoken = [at for at, packet in enumerate(seen) if packet.payload == last[12:]]
    assert len(spoken) == 1
    before = sum(packet.ssrc == 1000 for packet in seen[: spoken[0]])
    assert before < (sum(packet.ssrc == 1000 for packet in seen) - before)


def test_a_session_moves_to_another_address_with_its_keys_and_numbers(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    peer = Peer(rig)
    peer.watch(stream)
    source.picture(key=True)
    (first,) = peer.receive(1)
    old, new = peer.socket, udp()
    here = new.getsockname()
    # Media from an address that passed a check is taken, and told; where ours goes is for ICE to say.
    new.sendto(stun(f"u{peer.port}:x"), rig.address)
    rig.wait(codecs.Datagram)
    new.sendto(peer.outbound.protect_rtcp(receiver_report(9)), rig.address)
    event = rig.wait(codecs.SessionEvent)
    assert (event.session, event.state, (event.host, event.host_port)) == (peer.session, "address", here)
    source.picture()
    (second,) = peer.receive(1)
    rig.engine.move_session(peer.session, rig.port, *here)
    rig.settle()
    peer.socket = new
    source.picture()
    (third,) = peer.receive(1)
    assert [p.seq for p in (second, third)] == [(first.seq + i) & 0xFFFF for i in (1, 2)]
    old.setblocking(False)
    with pytest.raises(BlockingIOError):
        while is_rtcp(old.recv(4096)):
            pass


def test_a_socket_that_refuses_segmentation_gets_its_packets_one_by_one(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    _, source = rig.source(stream)
    out = udp()
    # Linux refuses UDP_SEGMENT (EINVAL) where the checksum is left out: udp(7), SO_NO_CHECK.
    out.setsockopt(socket.SOL_SOCKET, 11, 1)
    _, sink = rig.plain(stream, out=out)
    nalus, count = Nalus(), 0
    source.picture(key=True, size=30_000)
    while nalus.found != source.sent:
        nalus.push(Packet.parse(sink.recv(4096)).payload)
        count += 1
    stats = rig.engine.engine_stats()
    assert stats["gso_sends"] == 0 and stats["plain_sends"] >= count > 16
    assert stats["send_errors"] == 0
    # The next socket is asked anew.
    _, sink = rig.plain(stream)
    nalus, whole = Nalus(), source.sent[:]
    while nalus.found != whole:
        nalus.push(Packet.parse(sink.recv(4096)).payload)
    assert rig.engine.engine_stats()["gso_sends"] > 0


def test_everything_over_ipv6() -> None:
    if not Path("/proc/net/if_inet6").exists() or not Path("/proc/net/if_inet6").read_text().strip():
        if os.environ.get("CI") == "true":
            pytest.fail("IPv6 is off, and CI must have it")
        pytest.skip("IPv6 is off on this machine")
    with running(host="::1") as rig:
        stream = rig.engine.open_stream("ball")
        _, source = rig.source(stream)
        peer = Peer(rig)
        peer.watch(stream)
        _, sink = rig.plain(stream)
        peer.socket.sendto(stun(f"u{peer.port}:x"), rig.address)
        datagram = rig.wait(codecs.Datagram)
        assert (datagram.session, datagram.host, datagram.host_port) == (peer.session, "::1", peer.port)
        rig.engine.send_datagram(peer.session, rig.port, b"\x14reply", datagram.host, datagram.host_port)
        assert peer.raw() == b"\x14reply"
        source.picture(key=True, size=20_000)
        sealed, plain = Nalus(), Nalus()
        while sealed.found != source.sent:
            sealed.push(peer.receive(1)[0].payload)
        while plain.found != source.sent:
            plain.push(Packet.parse(sink.recv(4096)).payload)
        assert rig.wait(codecs.LegEvent, lambda e: e.state == "media").address.startswith("[::1]:")
        source.picture()
        lost = peer.receive(1)[0]
        peer.send_rtcp(nack(1000, lost.seq))
        assert peer.receive(1)[0].payload[2:] == lost.payload
