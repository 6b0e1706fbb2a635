"""RTSP legs whose media comes over pairs of UDP sockets: whom it is taken from."""

from __future__ import annotations

import struct

import pytest

from gateway import codecs
from tests.unit.codecs.rig import Rig, Source, parts, udp
from tests.unit.codecs.test_rtsp import H264, PCMA, sender_report


def test_a_source_over_pairs_of_sockets_gets_reports_and_no_stranger_is_heard(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    ours, theirs = [udp() for _ in range(4)], [udp() for _ in range(4)]
    to = [s.getsockname() for s in ours]
    ours[1].connect(theirs[1].getsockname())
    leg = rig.engine.open_rtsp_in(
        stream,
        [
            codecs.RtspIn([H264], rtp_fd=ours[0].detach(), rtcp_fd=ours[1].detach()),
            codecs.RtspIn([PCMA], rtp_fd=ours[2].detach(), rtcp_fd=ours[3].detach()),
        ],
    )
    early = theirs[1].recv(1500)
    assert early[1] == 201 and len(parts(early)[201]) == 8, "an empty report opens the way back"
    source = Source(to[0])
    for _ in range(3):
        for packet in source.packets(key=True):
            theirs[0].sendto(packet, to[0])
    rig.wait(codecs.LegEvent, lambda e: e.state == "media")
    udp().sendto(source.packets(key=True)[0], to[0])
    for i in range(3):
        theirs[2].sendto(struct.pack("!BBHII", 0x80, 8, i, 160 * i, 88) + bytes(160), to[2])
    rig.wait(codecs.TrackEvent, lambda e: e.codec == "pcma")
    rig.settle()
    stats = rig.engine.leg_stats(leg)
    assert (stats["transport"], stats["packets"], stats["lost"]) == ("udp", 12, 0)
    rig.engine.close_leg(leg)


def test_only_the_server_is_heard_though_a_stranger_comes_first(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    ours, server, stranger = [udp(), udp()], udp(), udp()
    to, reports_to = (s.getsockname() for s in ours)
    fds = {"rtp_fd": ours[0].detach(), "rtcp_fd": ours[1].detach()}
    track = codecs.RtspIn([H264], **fds, hosts=["127.0.0.1"], ports=(server.getsockname()[1], 0))
    leg = rig.engine.open_rtsp_in(stream, [track])
    false, true = Source(to), Source(to)
    for packet in false.packets(key=True):
        stranger.sendto(packet, to)
    stranger.sendto(sender_report(77, 1.7e9, 0), reports_to)
    told = rig.wait(codecs.LegEvent)
    assert (told.state, told.code) == ("problem", "media-elsewhere")
    assert str(stranger.getsockname()[1]) in told.detail and str(server.getsockname()[1]) in told.detail
    sent = 0
    for at in range(3):
        for packet in true.packets(key=at == 0):
            server.sendto(packet, to)
            sent += 1
        for packet in false.packets(key=True):
            stranger.sendto(packet, to)
    heard = rig.wait(codecs.LegEvent, lambda e: e.state != "problem")
    assert heard.state == "media" and heard.address.endswith(f":{server.getsockname()[1]}")
    rig.settle()
    stats = rig.engine.leg_stats(leg)
    assert (stats["packets"], stats["lost"]) == (sent, 0)
    with pytest.raises(codecs.MediaError, match="is not an IP address"):
        codecs.RtspIn([H264], channel=0, hosts=["camera.example"])
    rig.engine.close_leg(leg)
