"""A vehicle terminal's connection on the real engine: picture and sound in, talk-back on the same connection."""

from __future__ import annotations

import socket
import struct
import threading
import time

from gateway import codecs
from tests.unit.codecs.rig import Rig
from tests.unit.codecs.voice_rig import PCMA, UNALAW, alaw, hears, tone

SIM = bytes.fromhex("013912345678")


def sound(seq: int, samples: list[int]) -> bytes:
    """One frame of table 19 with G.711A, as a terminal writes it."""
    data = bytes(alaw(s) for s in samples)
    head = b"\x30\x31\x63\x64\x81" + bytes([0x86]) + struct.pack(">H", seq) + SIM + bytes([1, 0x30])
    return head + struct.pack(">QH", seq * 40, len(data)) + data


def test_talk_back_goes_out_on_the_terminals_own_connection(rig: Rig) -> None:
    engine = rig.engine
    stream = engine.open_stream("bus")
    near, far = socket.socketpair()
    leg = engine.open_bytes_in(stream, near.detach(), "jt1078")
    voice = engine.open_voice_jt1078(leg, send=[PCMA])
    other, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    microphone = engine.open_voice_pcm(other.detach(), rate_hz=8000)
    room = engine.open_room("talk")
    engine.route(room, voice, talk=False, listen=True)
    engine.route(room, microphone, talk=True, listen=False)
    over = threading.Event()

    def speak() -> None:
        at = 0
        while not over.is_set():
            theirs.send(struct.pack("<160h", *tone(700, 160, at)))
            far.sendall(sound(at // 160, tone(300, 160, at)))
            at += 160
            time.sleep(0.02)

    speaker = threading.Thread(target=speak)
    far.settimeout(10)
    with far, theirs:
        speaker.start()
        try:
            track = rig.wait(codecs.TrackEvent, lambda e: e.stream == stream)
            assert (track.kind, track.codec) == ("audio", "pcma")
            got, heard = b"", b""
            while len(heard) < 12_000:
                got += far.recv(4096)
                while len(got) >= 26 and len(got) >= 26 + int.from_bytes(got[24:26]):
                    size = int.from_bytes(got[24:26])
                    # magic, flags, G.711A with its mark, the terminal's own number and channel, sound in one piece
                    assert (got[:6], got[8:16]) == (b"01cd\x81\x86", SIM + bytes([1, 0x30]))
                    heard += got[26 : 26 + size]
                    got = got[26 + size :]
            samples = [UNALAW[b] for b in heard[4000:]]
            assert hears(samples, 700) and not hears(samples, 300)
            engine.close_leg(leg)
            assert rig.wait(codecs.VoiceEvent, lambda e: e.voice == voice and e.state == "closed").code
        finally:
            over.set()
            speaker.join()
