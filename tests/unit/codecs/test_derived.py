"""Sound in another codec for subscribers that take none of the stream's own: made once, dropped when nobody is left."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from itertools import pairwise

from gateway import codecs

from .rig import Packet, Peer, Rig, is_rtcp, udp
from .voice_rig import FRAME, UNALAW, alaw, hears, tone

PCMA = codecs.RtpMap(8, "pcma", 8000)
OPUS = codecs.RtpMap(111, "opus", 48_000, channels=2)
G722 = codecs.RtpMap(9, "g722", 8000)
L16 = codecs.RtpMap(96, "l16", 16_000)


class Microphone:
    def __init__(self, rig: Rig, stream: int, hz: float) -> None:
        s = udp()
        self.to = s.getsockname()
        self.leg = rig.engine.open_rtp(stream, udp_fd=s.detach(), hint="pcma", payloads=[PCMA])
        self.socket, self.hz, self.n = udp(), hz, 0

    def speak(self) -> None:
        pcm = tone(self.hz, FRAME, self.n * FRAME)
        head = struct.pack("!BBHII", 0x80, 8, 500 + self.n, 160 * self.n, 3)
        self.socket.sendto(head + bytes(alaw(s) for s in pcm), self.to)
        self.n += 1


def speak(microphone: Microphone, packets: int) -> None:
    begin = time.monotonic()
    for n in range(packets):
        time.sleep(max(0.0, begin + n * 0.01 - time.monotonic()))
        microphone.speak()


def watch(rig: Rig, peer: Peer, stream: int, audio: list[codecs.RtpMap]) -> int:
    return rig.engine.subscribe_session(
        stream,
        peer.session,
        video=[],
        audio=audio,
        video_ssrc=1,
        video_rtx_ssrc=0,
        audio_ssrc=3000,
        cname="d",
    )


def steps(packets: Sequence[Packet]) -> set[int]:
    return {(b.ts - a.ts) & 0xFFFFFFFF for a, b in pairwise(packets)}


def test_one_stream_in_four_codecs_at_once(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    microphone = Microphone(rig, stream, 700)
    speak(microphone, 5)
    rig.wait(codecs.TrackEvent, lambda e: e.codec == "pcma")
    peers = {name: Peer(rig) for name in ("opus", "opus again", "g722", "l16", "pcma")}
    maps = {"opus": OPUS, "opus again": OPUS, "g722": G722, "l16": L16, "pcma": PCMA}
    for name, peer in peers.items():
        watch(rig, peer, stream, [maps[name]])
    speak(microphone, 60)
    got = {name: peer.receive(40) for name, peer in peers.items()}
    assert steps(got["opus"]) == {960} and steps(got["g722"]) == {160} and steps(got["pcma"]) == {160}
    assert {p.pt for p in got["opus"]} == {111} and {p.pt for p in got["g722"]} == {9}
    # Made once: both get the same bytes.
    assert [p.payload for p in got["opus"]][-20:] == [p.payload for p in got["opus again"]][-20:]
    samples = [s for p in got["l16"] for s in struct.unpack(f"!{len(p.payload) // 2}h", p.payload)]
    assert hears(samples[-6400:], 700, 16_000) and steps(got["l16"]) == {320}
    assert not [e for e in rig.seen if isinstance(e, codecs.SubscriptionEvent) and e.state == "refused"]


def test_back_from_opus_to_g711(rig: Rig) -> None:
    first = rig.engine.open_stream("ball")
    microphone = Microphone(rig, first, 700)
    relay = udp()
    out = udp()
    rig.engine.subscribe_rtp(
        first,
        out.detach(),
        *relay.getsockname()[:2],
        video=[],
        audio=[OPUS],
        video_ssrc=1,
        audio_ssrc=2,
        cname="o",
    )
    second = rig.engine.open_stream("opus")
    s = udp()
    to = s.getsockname()
    rig.engine.open_rtp(second, udp_fd=s.detach(), hint="opus", payloads=[OPUS])
    phone = Peer(rig)
    watch(rig, phone, second, [PCMA])
    begin = time.monotonic()
    relay.setblocking(False)
    for n in range(80):
        time.sleep(max(0.0, begin + n * 0.01 - time.monotonic()))
        microphone.speak()
        try:
            while True:
                data = relay.recv(2000)
                if not is_rtcp(data):
                    relay.sendto(data, to)
        except BlockingIOError:
            pass
    got = phone.receive(40)
    assert steps(got) == {160} and {p.pt for p in got} == {8}
    assert hears([UNALAW[b] for p in got for b in p.payload][-3200:], 700)


def test_sound_that_can_not_be_converted_is_refused(rig: Rig) -> None:
    stream = rig.engine.open_stream("camera")
    s = udp()
    to = s.getsockname()
    aac = codecs.RtpMap(97, "mpeg4-generic", 16_000, fmtp="mode=AAC-hbr;config=1408;sizelength=13;indexlength=3")
    rig.engine.open_rtp(stream, udp_fd=s.detach(), hint="aac", payloads=[aac])
    peer = Peer(rig)
    sub = watch(rig, peer, stream, [OPUS])
    camera = udp()
    for n in range(5):
        head = struct.pack("!BBHII", 0x80, 0x80 | 97, n, 1024 * n, 3)
        camera.sendto(head + struct.pack("!HH", 16, 30 << 3) + bytes(range(30)), to)
    event = rig.wait(codecs.SubscriptionEvent, lambda e: e.subscription == sub)
    assert (event.state, event.code, event.detail) == ("refused", "audio-unsupported", "aac")
