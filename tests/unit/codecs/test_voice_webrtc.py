"""Voice over a WebRTC session: Opus both ways, on the voice thread, beside viewers on other threads."""

from __future__ import annotations

import struct
import time
from itertools import pairwise

import pytest

from gateway import codecs

from .rig import Packet, Peer, Rig, is_rtcp, parts, running
from .voice_rig import Phone, clear, converse, hears, room, voice_event

OPUS = codecs.RtpMap(111, "opus", 48_000, fmtp="useinbandfec=1", channels=2)


class Browser:
    """Takes Opus from one session, and says into another what it has taken: libopus is the engine's."""

    def __init__(self, rig: Rig, *, late: bool = False, **more: int) -> None:
        self.peer = Peer(rig, arm=not late)
        self.voice = rig.engine.open_voice_session(
            self.peer.session, send=[OPUS], receive=[OPUS], ssrc=31, cname="b", mid_ext=4, mid="0", **more
        )
        if late:
            self.peer.arm()
        self.peer.socket.setblocking(False)
        self.packets: list[Packet] = []
        self.reports: list[bytes] = []
        self.say_to: Browser | None = None
        self.seq = 7

    def speak(self) -> None:
        pass

    def take(self) -> None:
        while True:
            try:
                data = self.peer.raw()
            except BlockingIOError:
                return
            if is_rtcp(data):
                self.reports.append(self.peer.inbound.unprotect_rtcp(data))
                continue
            packet = Packet.parse(self.peer.inbound.unprotect(data))
            self.packets.append(packet)
            if self.say_to:
                self.say_to.say(packet)

    def say(self, packet: Packet) -> None:
        self.peer.send_rtp(struct.pack("!BBHII", 0x80, 111, self.seq, packet.ts, 99) + packet.payload)
        self.seq += 1


def pace(lines: list[Browser | Phone], seconds: float) -> None:
    begin = time.monotonic()
    for n in range(round(seconds / 0.02)):
        time.sleep(max(0.0, begin + n * 0.02 - time.monotonic()))
        for line in lines:
            line.speak()
            line.take()


@pytest.mark.parametrize(("threads", "late"), [(1, False), (1, True), (3, False), (3, True)])
def test_opus_both_ways(threads: int, late: bool) -> None:
    with running(threads) as rig:
        first, second = Browser(rig, late=late), Browser(rig, late=late)
        first.say_to = second
        speaker, listener = Phone(rig, 700), Phone(rig, 0)
        a, b = room(rig, [speaker]), room(rig, [listener])
        rig.engine.route(a, first.voice, talk=True, listen=True)
        rig.engine.route(b, second.voice, talk=True, listen=True)
        pace([first, second, speaker, listener], 1.2)
        assert hears(listener.heard[-3200:], 700)
        some = first.packets[10:]
        assert {p.pt for p in some} == {111} and {p.extension[:2] for p in some} == {b"\x40\x30"}
        steps = {(y.ts - x.ts) & 0xFFFFFFFF for x, y in pairwise(some)}
        assert steps == {960}
        assert voice_event(rig, second.voice, "media").detail == "opus"
        found = parts(first.reports[-1])
        assert struct.unpack_from("!I", found[200], 4)[0] == 31
        stats = rig.engine.voice_stats(second.voice)
        assert (stats["codec_in"], stats["lost"], stats["concealed_ms"]) == ("opus", 0, 0)


@pytest.mark.parametrize("ptime_ms", [40, 60])
def test_longer_packets(rig: Rig, ptime_ms: int) -> None:
    first, second = Browser(rig, ptime_ms=ptime_ms), Browser(rig)
    first.say_to = second
    speaker, listener = Phone(rig, 700), Phone(rig, 0)
    a, b = room(rig, [speaker]), room(rig, [listener])
    rig.engine.route(a, first.voice, talk=True, listen=True)
    rig.engine.route(b, second.voice, talk=True, listen=True)
    pace([first, second, speaker, listener], 1.2)
    assert hears(listener.heard[-3200:], 700)
    some = first.packets[5:]
    assert {(y.ts - x.ts) & 0xFFFFFFFF for x, y in pairwise(some)} == {48 * ptime_ms}


def test_a_session_with_a_voice_takes_no_stream_of_another_thread(rig: Rig) -> None:
    browser = Browser(rig)
    stream = rig.engine.open_stream("ball")
    with pytest.raises(codecs.MediaError, match="another media thread"):
        browser.peer.watch(stream)
    watched = Peer(rig)
    watched.watch(stream)
    with pytest.raises(codecs.MediaError, match="another media thread"):
        rig.engine.open_voice_session(watched.session, send=[OPUS], receive=[OPUS], ssrc=1, cname="")


def test_no_packet_leaves_after_the_session_is_closed(rig: Rig) -> None:
    browser, speaker = Browser(rig), Phone(rig, 700)
    made = room(rig, [speaker])
    rig.engine.route(made, browser.voice, talk=True, listen=True)
    pace([browser, speaker], 0.3)
    assert browser.packets
    rig.engine.close_session(browser.peer.session)
    browser.take()
    browser.packets.clear()
    clear([speaker])
    converse([speaker], 0.2)
    browser.take()
    assert not browser.packets and any(203 in parts(report) for report in browser.reports)
