"""Voices that are no UDP session: TCP, USRP, PCM ports, the tap of a stream; and keys (RFC 4733) both ways."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from gateway import codecs

from .rig import Packet, Rig, is_rtcp, udp
from .voice_rig import EVENT, FRAME, PCMA, UNALAW, Phone, clear, converse, hears, room, tone, voice_event


class Line:
    """Something beside a phone that speaks and takes at the same pace."""

    def __init__(self, speak: Callable[[], None], take: Callable[[], None]) -> None:
        self.speak, self.take = speak, take


def pace(lines: list[Line | Phone], seconds: float) -> None:
    begin = time.monotonic()
    for n in range(round(seconds / 0.02)):
        time.sleep(max(0.0, begin + n * 0.02 - time.monotonic()))
        for line in lines:
            line.speak()
            line.take()


def silent() -> None:
    pass


def ready(s: socket.socket) -> bool:
    return bool(select.select([s], [], [], 0)[0])


def test_tcp_both_ways_and_its_end(rig: Rig) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    listener.close()
    phone = Phone(rig, 700)
    shape = Phone(rig, 1300, arm=False)  # makes packets
    first = shape.frame()
    voice = rig.engine.open_voice_tcp(
        ours.detach(),
        send=[PCMA],
        receive=[PCMA],
        ssrc=9,
        cname="tcp",
        initial=struct.pack("!H", len(first)) + first[:50],
    )
    theirs.sendall(first[50:])
    made = rig.engine.open_room("tcp")
    rig.engine.route(made, voice, talk=True, listen=True)
    rig.engine.route(made, phone.voice, talk=True, listen=True)
    buffer, heard = bytearray(), list[int]()

    def speak() -> None:
        packet = shape.frame()
        theirs.sendall(struct.pack("!H", len(packet)) + packet)

    def take() -> None:
        while ready(theirs):
            buffer.extend(theirs.recv(65536))
        while len(buffer) >= 2 and len(buffer) >= 2 + struct.unpack_from("!H", buffer)[0]:
            size = struct.unpack_from("!H", buffer)[0]
            packet = bytes(buffer[2 : 2 + size])
            del buffer[: 2 + size]
            if not is_rtcp(packet):
                heard.extend(UNALAW[b] for b in packet[12:])

    pace([Line(speak, take), phone], 0.8)
    assert hears(heard[-2400:], 700) and hears(phone.heard[-2400:], 1300)
    theirs.close()
    assert voice_event(rig, voice, "closed").code in ("source-ended", "link-down")
    assert rig.engine.voice_stats(voice)["codec_out"] == "pcma", "the handle stays"
    rig.engine.close_voice(voice)


USRP = "!4sIIIIIII"


def usrp(seq: int, keyup: bool, samples: list[int] | None = None, kind: int = 0) -> bytes:
    body = struct.pack(f"<{len(samples)}h", *samples) if samples else b""
    return struct.pack(USRP, b"USRP", seq, 0, int(keyup), 0, kind, 0, 0) + body


def test_usrp_keys_and_is_keyed(rig: Rig) -> None:
    here, there = udp(), udp()
    to = there.getsockname()
    voice = rig.engine.open_voice_usrp(there.detach(), *here.getsockname())
    phone = Phone(rig, 700)
    rig.engine.set_voice(voice, transmit="heard")
    rig.engine.set_voice(phone.voice, vox_hang_ms=60)
    made = rig.engine.open_room("radio")
    rig.engine.route(made, voice, talk=True, listen=True)
    rig.engine.route(made, phone.voice, talk=True, listen=True)
    got: list[bytes] = []
    said = 0

    def speak() -> None:
        nonlocal said
        here.sendto(usrp(said, True, tone(1300, FRAME, said * FRAME)), to)
        said += 1

    def take() -> None:
        while ready(here):
            got.append(here.recv(1000))

    pace([Line(speak, take), phone], 0.6)
    voice_event(rig, voice, "key")
    here.sendto(usrp(said, False), to)
    voice_event(rig, voice, "unkey")
    assert hears(phone.heard[-1600:], 1300)
    pcm = [s for p in got if len(p) == 352 for s in struct.unpack_from("<160h", p, 32)]
    assert hears(pcm[-1600:], 700) and all(struct.unpack_from(USRP, p)[3] == 1 for p in got)
    phone.hz = 0
    pace([Line(silent, take), phone], 0.6)
    assert struct.unpack_from(USRP, got[-1])[3] == 0 and len(got[-1]) == 32, "one without key-up ends it"
    assert [struct.unpack_from(USRP, p)[1] for p in got] == list(range(len(got)))
    # What is no USRP, and whoever else sends: told and not heard.
    here.sendto(b"USRP" + bytes(10), to)
    assert voice_event(rig, voice, "problem").code == "protocol"
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.2", 0))
    stranger.sendto(usrp(1, True, tone(400, FRAME)), to)
    assert voice_event(rig, voice, "stranger").address.startswith("127.0.0.2:")
    stranger.close()
    # A text packet is nothing, a key is one.
    here.sendto(usrp(0, False, kind=2) + b"hello", to)
    here.sendto(usrp(0, False, kind=1) + b"5", to)
    assert voice_event(rig, voice, "dtmf").detail == "5"


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_pcm_port_both_ways(rig: Rig, rate: int) -> None:
    ours, here = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    voice = rig.engine.open_voice_pcm(ours.detach(), rate_hz=rate)
    phone = Phone(rig, 700)
    made = rig.engine.open_room("pcm")
    rig.engine.route(made, voice, talk=True, listen=True)
    rig.engine.route(made, phone.voice, talk=True, listen=True)
    n = rate // 50
    said, heard = 0, list[int]()

    def speak() -> None:
        nonlocal said
        here.send(struct.pack(f"<{n}h", *tone(1300, n, said, rate=rate)))
        said += n

    def take() -> None:
        while ready(here):
            record = here.recv(8192)
            assert len(record) == 2 * n
            heard.extend(struct.unpack(f"<{n}h", record))

    pace([Line(speak, take), phone], 0.8)
    assert hears(heard[-n * 20 :], 700, rate) and hears(phone.heard[-3200:], 1300)
    here.send(b"xx")
    assert voice_event(rig, voice, "problem").code == "protocol"
    # A reader that stands still loses the oldest, and goes on with what is newest.
    pace([phone], 1.5)
    here.close()
    assert voice_event(rig, voice, "closed").code in ("source-ended", "link-down")


def test_a_stream_s_sound_as_a_voice(rig: Rig) -> None:
    stream = rig.engine.open_stream("ball")
    s = udp()
    to = s.getsockname()
    rig.engine.open_rtp(stream, udp_fd=s.detach(), hint="pcma", payloads=[PCMA])
    voice = rig.engine.open_voice_tap(stream)
    phone = Phone(rig, 0)
    made = rig.engine.open_room("tap")
    rig.engine.route(made, voice, talk=True, listen=False)
    rig.engine.route(made, phone.voice, talk=False, listen=True)
    shape = Phone(rig, 1300, arm=False)
    shape.to = to
    pace([Line(shape.speak, silent), phone], 1.0)
    assert voice_event(rig, voice, "media").detail == "pcma"
    assert hears(phone.heard[-2400:], 1300)
    rig.engine.close_stream(stream)
    assert voice_event(rig, voice, "closed").code == "source-ended"
    with pytest.raises(codecs.MediaError, match="no such stream"):
        rig.engine.open_voice_tap(stream)


def test_keys_that_are_sent(rig: Rig) -> None:
    phone, other = Phone(rig, 0), Phone(rig, 700)
    room(rig, [phone, other])
    converse([phone, other], 0.2)
    clear([phone])
    for digit in "5#":
        rig.engine.send_dtmf(phone.voice, digit, duration_ms=100)
    converse([phone, other], 0.6)
    packets = [Packet.parse(p) for p in phone.packets]
    keys = [p for p in packets if p.pt == 101]
    assert [p.payload[0] for p in keys if p.marker] == [5, 11]
    assert {p.ts for p in keys if p.payload[0] == 5} != {p.ts for p in keys if p.payload[0] == 11}
    for event in (5, 11):
        ends = [p for p in keys if p.payload[0] == event and p.payload[1] & 0x80]
        assert len(ends) == 3 and {struct.unpack_from("!H", p.payload, 2)[0] for p in ends} == {800}
    seqs = [p.seq for p in packets]
    assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(seqs))
    assert packets[-1].pt == 8, "audio goes on"
    with pytest.raises(codecs.MediaError, match="digit"):
        rig.engine.send_dtmf(phone.voice, "E")


def test_keys_that_are_received_and_not_heard_by_others(rig: Rig) -> None:
    phone, other = Phone(rig, 700), Phone(rig, 0)
    room(rig, [phone, other])
    converse([phone, other], 0.2)
    for digit, code in (("9", 9), ("*", 10)):
        ts = phone.ts
        for i in range(1, 6):
            phone.send(phone.packet(struct.pack("!BBH", code, 10, 160 * i), pt=101, marker=i == 1, ts=ts))
        for _ in range(3):
            phone.send(phone.packet(struct.pack("!BBH", code, 0x80 | 10, 160 * 6), pt=101, ts=ts))
        phone.ts += 160 * 6
        converse([phone, other], 0.3)
        assert voice_event(rig, phone.voice, "dtmf").detail == digit
    assert not [e for e in rig.seen if isinstance(e, codecs.VoiceEvent) and e.state == "dtmf"]


def test_arguments(rig: Rig) -> None:
    session = rig.engine.open_rtp_session(udp().detach())
    send = [PCMA, EVENT]
    wrong: list[Callable[[], object]] = [
        lambda: rig.engine.open_voice_session(session, send=[EVENT], receive=send, ssrc=1, cname=""),
        lambda: rig.engine.open_voice_session(session, send=send, receive=[EVENT], ssrc=1, cname=""),
        lambda: rig.engine.open_voice_session(session, send=send, receive=send, ssrc=1, cname="", ptime_ms=30),
        lambda: rig.engine.open_voice_session(999, send=send, receive=send, ssrc=1, cname=""),
        lambda: rig.engine.arm_rtp_session(session, "phone.example", 4000),
        lambda: rig.engine.arm_rtp_session(session, "127.0.0.1", 4000, latch="any"),  # type: ignore[arg-type]
        lambda: rig.engine.arm_rtp_session(
            session, "127.0.0.1", 4000, keys=("AEAD_AES_128_GCM", b"1", b"2", b"3", b"4")
        ),
        lambda: rig.engine.arm_rtp_session(999, "127.0.0.1", 4000),
        lambda: rig.engine.open_voice_pcm(udp().detach(), rate_hz=8000),
        lambda: rig.engine.open_voice_usrp(udp().detach(), "radio", 4000),
        lambda: rig.engine.set_voice(1, gain_in_db=31),
        lambda: rig.engine.set_voice(1, transmit="loud"),  # type: ignore[arg-type]
        lambda: rig.engine.set_voice(1, jitter_min_ms=500),
        lambda: rig.engine.cue(1, b"123"),
        lambda: rig.engine.cue(1, bytes(2 * 80_001)),
        lambda: rig.engine.cue(1, b"", rate_hz=44_100),
        lambda: rig.engine.guard_echo(1, None, duck_db=1),
        lambda: rig.engine.route(1, 1, talk=True, listen=True, gain_db=float("nan")),
        lambda: rig.engine.open_rtp_session(-1),
    ]
    for call in wrong:
        with pytest.raises(codecs.MediaError):
            call()


def test_orders_on_what_is_gone_are_ignored(rig: Rig) -> None:
    phone = Phone(rig, 700)
    made = room(rig, [phone])
    rig.engine.close_voice(phone.voice)
    rig.engine.close_room(made)
    for _ in range(2):
        rig.engine.close_voice(phone.voice)
        rig.engine.route(made, phone.voice, talk=True, listen=True)
        rig.engine.leave(made, phone.voice)
        rig.engine.cue(phone.voice, bytes(320))
        rig.engine.set_voice(phone.voice)
        rig.engine.guard_echo(phone.voice, phone.voice)
        rig.engine.send_dtmf(phone.voice, "1")
        rig.engine.close_room(made)
    assert rig.engine.levels([phone.voice]) == {}
    assert rig.engine.voice_clock()["voices"] == 0
