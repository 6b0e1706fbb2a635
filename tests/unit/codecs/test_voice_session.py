"""Sessions with sockets of their own: whom they take media from, how they are ciphered, what a re-INVITE changes."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from pylibsrtp import Error as SrtpError

from gateway import codecs

from .rig import PROFILES, Packet, Rig, parts, stun, udp
from .voice_rig import PCMA, PCMU, Phone, SecurePhone, clear, converse, hears, room, voice_event


def numbers(phone: Phone) -> list[Packet]:
    return [Packet.parse(data) for data in phone.packets]


@pytest.mark.parametrize("profile", list(PROFILES))
def test_srtp_both_ways(rig: Rig, profile: codecs.SrtpProfile) -> None:
    secure, plain = SecurePhone(rig, 700, profile), Phone(rig, 1200)
    room(rig, [secure, plain])
    converse([secure, plain], 0.7)
    assert hears(secure.heard[-2400:], 1200) and hears(plain.heard[-2400:], 700)
    secure.socket.sendto(Phone.frame(secure), secure.to)
    assert voice_event(rig, secure.voice, "problem").code == "srtp-unauthentic"
    assert rig.engine.voice_stats(secure.voice)["unauthentic"] == 1


def test_nothing_leaves_before_the_session_is_armed_and_what_comes_is_not_heard(rig: Rig) -> None:
    early, other = Phone(rig, 700, arm=False), Phone(rig, 1200)
    room(rig, [early, other])
    converse([early, other], 0.4)
    assert not early.packets and not hears(other.heard, 700)
    early.arm()
    converse([early, other], 0.5)
    assert early.packets and hears(other.heard[-1600:], 700)


def test_strict_hears_only_the_address_that_was_named(rig: Rig) -> None:
    phone, other = Phone(rig, 700, latch="strict"), Phone(rig, 0)
    room(rig, [phone, other])
    converse([phone, other], 0.3)
    right, phone.socket = phone.socket, udp()
    clear([other])
    converse([phone, other], 0.8)
    assert not hears(other.heard[-1600:], 700)
    event = voice_event(rig, phone.voice, "stranger")
    assert event.address == f"127.0.0.1:{phone.socket.getsockname()[1]}"
    assert int(rig.engine.voice_stats(phone.voice)["strangers"]) > 10
    phone.socket = right
    phone.take()
    assert phone.packets, "it is sent to the address that was named"


def test_host_follows_to_another_port(rig: Rig) -> None:
    phone, other = Phone(rig, 700, latch="host"), Phone(rig, 1200)
    room(rig, [phone, other])
    phone.socket = udp()
    converse([phone, other], 0.6)
    assert hears(other.heard[-1600:], 700) and hears(phone.heard[-1600:], 1200)


def test_first_latches_the_first_source_and_ignores_a_second(rig: Rig) -> None:
    phone, other, stranger = Phone(rig, 700, latch="first"), Phone(rig, 1200), Phone(rig, 1900, arm=False)
    room(rig, [phone, other])
    phone.socket = udp()
    converse([phone, other], 0.4)
    assert phone.packets, "sent to where it came from"
    stranger.to = phone.to
    clear([phone, other])
    converse([phone, other, stranger], 0.6)
    assert hears(other.heard, 700) and not hears(other.heard, 1900)
    address = voice_event(rig, phone.voice, "stranger").address
    assert address == f"127.0.0.1:{stranger.socket.getsockname()[1]}"
    assert not stranger.packets


def test_noise_in_the_clear_does_not_latch(rig: Rig) -> None:
    phone, other = Phone(rig, 700), Phone(rig, 0)
    room(rig, [phone, other])
    noise = udp()
    for pt in (96, 33, 8 ^ 127):
        noise.sendto(struct.pack("!BBHII", 0x80, pt, 1, 1, 1) + bytes(160), phone.to)
    noise.sendto(b"\x80\x08", phone.to)
    converse([phone, other], 0.5)
    assert hears(other.heard[-1600:], 700) and phone.packets


def test_a_re_invite_moves_the_peer_and_the_source_goes_on(rig: Rig) -> None:
    phone, other = Phone(rig, 0), Phone(rig, 1200)
    room(rig, [phone, other])
    converse([phone, other], 0.3)
    before = numbers(phone)
    phone.socket = udp()
    phone.host, phone.port = phone.socket.getsockname()[:2]
    phone.packets.clear()
    phone.arm()
    converse([phone, other], 0.3)
    after = numbers(phone)
    assert {p.ssrc for p in before + after} == {before[0].ssrc}
    assert 0 < (after[0].seq - before[-1].seq) & 0xFFFF < 10
    assert all((b.seq - a.seq) & 0xFFFF == 1 and (b.ts - a.ts) & 0xFFFFFFFF == 160 for a, b in pairwise(after))


def test_hold_sends_nothing_and_resumes(rig: Rig) -> None:
    phone, other = Phone(rig, 0), Phone(rig, 1200)
    room(rig, [phone, other])
    converse([phone, other], 0.2)
    assert phone.packets
    phone.arm(host="0.0.0.0")
    rig.settle()
    rig.engine.voice_stats(phone.voice)
    clear([phone])
    converse([phone, other], 0.3)
    assert not phone.packets
    phone.arm()
    converse([phone, other], 0.3)
    assert phone.packets


def test_new_keys_in_a_re_invite_and_the_same_keys_again(rig: Rig) -> None:
    secure, plain = SecurePhone(rig, 700, "AES_CM_128_HMAC_SHA1_80"), Phone(rig, 1200)
    room(rig, [secure, plain])
    converse([secure, plain], 0.3)
    secure.arm()  # a session refresh: same keys, roll-over counter and replay window stay
    converse([secure, plain], 0.3)
    assert hears(secure.heard[-1600:], 1200) and hears(plain.heard[-1600:], 700)
    with pytest.raises(SrtpError):
        old = secure.inbound
        secure.rekey("AEAD_AES_256_GCM")
        converse([plain], 0.1)
        while True:
            old.unprotect(secure.socket.recv(4096))
    clear([secure, plain])
    converse([secure, plain], 0.5)
    assert hears(secure.heard[-1600:], 1200) and hears(plain.heard[-1600:], 700)


def test_dtls_comes_up_and_is_answered_with_port_0(rig: Rig) -> None:
    phone = Phone(rig, 0, arm=False)
    hello = bytes([22, 254, 253]) + bytes(20)
    phone.socket.sendto(hello, phone.to)
    phone.socket.sendto(stun("a:b"), phone.to)
    got = rig.wait(codecs.Datagram, lambda d: d.session == phone.session)
    assert (got.port, got.data, got.host_port) == (0, hello, phone.port)
    rig.engine.send_datagram(phone.session, 0, b"\x16answer", phone.host, phone.port)
    assert phone.socket.recv(100) == b"\x16answer"
    assert not [d for d in rig.seen if isinstance(d, codecs.Datagram)], "STUN is told to nobody"


def test_reports_tell_what_is_received_and_sent(rig: Rig) -> None:
    phone, other = Phone(rig, 700), Phone(rig, 1200)
    room(rig, [phone, other])
    while not (phone.reports and 200 in parts(phone.reports[-1]) and len(parts(phone.reports[-1]).get(201, b"")) > 8):
        converse([phone, other], 0.2)
    found = parts(phone.reports[-1])
    ssrc, ntp_s, ntp_f, _, packets, octets = struct.unpack_from("!IIIIII", found[200], 4)
    assert packets > 5 and octets == packets * 160
    block = struct.unpack_from("!IIIIII", found[201], 8)
    assert block[0] == phone.ssrc and b"test" in found[202]
    # Answer: what we report of it becomes its figures.
    middle = (ntp_s << 16 | ntp_f >> 16) & 0xFFFFFFFF
    report = struct.pack("!BBHI", 0x81, 201, 7, 9) + struct.pack("!IIIIII", ssrc, 64 << 24, 0, 160, middle, 0)
    phone.socket.sendto(report, phone.to)
    converse([phone, other], 0.1)
    stats = rig.engine.voice_stats(phone.voice)
    assert stats["peer_loss_ratio"] == 0.25 and stats["peer_jitter_ms"] == 20.0 and 0 < float(stats["rtt_ms"]) < 10_000


def test_rtcp_on_its_own_socket(rig: Rig) -> None:
    rtp, rtcp, here, here_rtcp = udp(), udp(), udp(), udp()
    session = rig.engine.open_rtp_session(rtp.detach(), rtcp_fd=rtcp.detach())
    rig.engine.arm_rtp_session(
        session, *here.getsockname(), rtcp_host="127.0.0.1", rtcp_port=here_rtcp.getsockname()[1]
    )
    voice = rig.engine.open_voice_session(session, send=[PCMA], receive=[PCMA], ssrc=5, cname="two")
    assert 200 in parts(here_rtcp.recv(2000))
    assert Packet.parse(here.recv(2000)).ssrc == 5
    rig.engine.close_voice(voice)
    found: dict[int, bytes] = {}
    while 203 not in found:
        found = parts(here_rtcp.recv(2000))
    assert found[203][4:8] == struct.pack("!I", 5)


def test_a_second_voice_takes_the_session_and_the_numbers_go_on(rig: Rig) -> None:
    phone, other = Phone(rig, 0, ssrc=42), Phone(rig, 1200)
    room(rig, [phone, other])
    converse([phone, other], 0.3)
    before = numbers(phone)[-1]
    second = rig.engine.open_voice_session(phone.session, send=[PCMU], receive=[PCMU], ssrc=42, cname="test")
    rig.settle()
    rig.engine.voice_stats(second)
    clear([phone])
    converse([phone], 0.2)
    after = numbers(phone)
    assert {p.pt for p in after[-5:]} == {0} and {p.ssrc for p in after} == {42}
    assert 0 < (after[0].seq - before.seq) & 0xFFFF < 20
    with pytest.raises(codecs.MediaError, match="no such voice"):
        rig.engine.voice_stats(phone.voice)


def test_the_end_of_a_session_ends_its_voice(rig: Rig) -> None:
    phone = Phone(rig, 700)
    converse([phone], 0.1)
    rig.engine.close_session(phone.session)
    with pytest.raises(codecs.MediaError, match="no such voice"):
        rig.engine.voice_stats(phone.voice)
    clear([phone])
    converse([phone], 0.1)
    assert not phone.packets
