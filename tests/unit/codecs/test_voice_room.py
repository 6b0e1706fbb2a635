"""Rooms over loopback sockets: who hears whom, by tones; what is told of it, and what a bug in one voice ends."""

from __future__ import annotations

import struct

import pytest

from gateway import codecs

from .rig import Packet, Rig
from .voice_rig import EVENT, PCMA, Phone, clear, converse, hears, room, tone, tone_db, voice_event

CN = codecs.RtpMap(13, "cn", 8000)


def settled(rig: Rig, phones: list[Phone], seconds: float = 0.5) -> None:
    """Half a second for what was asked and for what was under way, then `seconds` of listening."""
    converse(phones, 0.5)
    clear(phones)
    converse(phones, seconds)


def beep(hz: float, ms: int) -> bytes:
    samples = tone(hz, 8 * ms)
    return struct.pack(f"<{len(samples)}h", *samples)


def test_each_hears_the_others_and_not_itself(rig: Rig) -> None:
    phones = [Phone(rig, hz) for hz in (500, 800, 1100)]
    room(rig, phones)
    settled(rig, phones)
    for phone in phones:
        for other in phones:
            assert hears(phone.heard, other.hz) == (other is not phone), (phone.hz, other.hz)
    told = {rig.wait(codecs.VoiceEvent, lambda e: e.state == "media" and e.detail == "pcma").voice for _ in phones}
    assert told == {p.voice for p in phones}


def test_routes_say_who_talks_and_who_listens(rig: Rig) -> None:
    holder, listener, deaf = Phone(rig, 500), Phone(rig, 800), Phone(rig, 1100)
    made = rig.engine.open_room("half")
    rig.engine.route(made, holder.voice, talk=True, listen=True)
    rig.engine.route(made, listener.voice, talk=False, listen=True)
    rig.engine.route(made, deaf.voice, talk=False, listen=False)
    phones = [holder, listener, deaf]
    settled(rig, phones)
    assert hears(listener.heard, 500) and not hears(holder.heard, 800) and not hears(deaf.heard, 500)
    # The floor goes over.
    rig.engine.route(made, holder.voice, talk=False, listen=True)
    rig.engine.route(made, listener.voice, talk=True, listen=True, gain_db=-20)
    settled(rig, phones)
    assert not hears(listener.heard, 500)
    assert -40 < tone_db(holder.heard, 800) < -28
    rig.engine.leave(made, listener.voice)
    settled(rig, phones, 0.2)
    assert not hears(holder.heard, 800)
    rig.engine.close_room(made)
    settled(rig, phones, 0.2)
    assert holder.packets, "without a room it hears silence"


def test_one_voice_in_two_rooms_hears_both_and_the_rooms_stay_apart(rig: Rig) -> None:
    left, right, both = Phone(rig, 500), Phone(rig, 800), Phone(rig, 1100)
    room(rig, [left, both])
    room(rig, [right, both])
    settled(rig, [left, right, both])
    assert hears(both.heard, 500) and hears(both.heard, 800)
    assert hears(left.heard, 1100) and not hears(left.heard, 800)


def test_a_cue_over_what_is_heard_and_in_place_of_it(rig: Rig) -> None:
    phone, other = Phone(rig, 0), Phone(rig, 500)
    room(rig, [phone, other])
    converse([phone, other], 0.4)
    clear([phone, other])
    rig.engine.cue(phone.voice, beep(1500, 600))
    converse([phone, other], 0.5)
    assert hears(phone.heard[-2400:], 1500) and hears(phone.heard[-2400:], 500) and not hears(other.heard, 1500)
    converse([phone, other], 0.3)
    clear([phone])
    rig.engine.cue(phone.voice, beep(1500, 600), over=False)
    converse([phone, other], 0.5)
    assert hears(phone.heard[-2400:], 1500) and not hears(phone.heard[-2400:], 500)


def test_muted_turned_down_and_on_hold(rig: Rig) -> None:
    phone, other = Phone(rig, 500), Phone(rig, 800)
    room(rig, [phone, other])
    rig.engine.set_voice(phone.voice, mute_in=True)
    rig.engine.set_voice(other.voice, gain_in_db=-20)
    settled(rig, [phone, other])
    assert not hears(other.heard, 500) and -40 < tone_db(phone.heard, 800) < -28
    rig.engine.set_voice(phone.voice, transmit="never")
    rig.engine.set_voice(other.voice)
    settled(rig, [phone, other], 0.3)
    assert not phone.packets and hears(other.heard, 500)


def test_heard_sends_only_while_somebody_talks(rig: Rig) -> None:
    radio, talker = Phone(rig, 0), Phone(rig, 500)
    room(rig, [radio, talker])
    rig.engine.set_voice(radio.voice, transmit="heard")
    rig.engine.set_voice(talker.voice, vox_hang_ms=100)
    converse([radio, talker], 0.3, speak=False)
    assert not radio.packets
    converse([radio, talker], 0.4)
    assert hears(radio.heard[-800:], 500)
    first = Packet.parse(radio.packets[0])
    assert first.marker, "a talk spurt begins with the marker"
    voice_event(rig, talker.voice, "talking")
    converse([radio, talker], 0.8, speak=False)
    clear([radio])
    converse([radio, talker], 0.3, speak=False)
    assert not radio.packets
    voice_event(rig, talker.voice, "quiet")
    voice_event(rig, talker.voice, "stopped")
    converse([radio, talker], 0.2)
    voice_event(rig, talker.voice, "media")


def test_comfort_noise_on_the_wire_where_agreed_and_made_here_where_not(rig: Rig) -> None:
    agreed = Phone(rig, 0, send=[PCMA, CN, EVENT])
    filled = Phone(rig, 0)
    for phone in (agreed, filled):
        rig.engine.set_voice(phone.voice, comfort_noise=True)
    settled(rig, [agreed, filled], 0.9)
    kinds = [Packet.parse(p).pt for p in agreed.packets]
    assert set(kinds) == {13} and 1 <= len(kinds) <= 4
    level = max(abs(s) for s in filled.heard)
    assert 0 < level < 400 and len(set(filled.heard)) > 4


def test_an_echo_guard_turns_the_microphone_down_while_the_loudspeaker_plays(rig: Rig) -> None:
    ball, listener, talker = Phone(rig, 500), Phone(rig, 0), Phone(rig, 0)
    room(rig, [ball, listener, talker])
    rig.engine.guard_echo(ball.voice, ball.voice)
    phones = [ball, listener, talker]
    settled(rig, phones)
    assert hears(listener.heard, 500)
    talker.hz = 1500
    settled(rig, phones)
    assert not hears(listener.heard, 500) and hears(listener.heard, 1500) and hears(ball.heard, 1500)
    rig.engine.guard_echo(ball.voice, None)
    settled(rig, phones)
    assert hears(listener.heard, 500)


def test_levels_and_figures(rig: Rig) -> None:
    phone, other = Phone(rig, 500), Phone(rig, 0)
    room(rig, [phone, other])
    settled(rig, [phone, other])
    levels = rig.engine.levels([phone.voice, other.voice, 12345])
    assert set(levels) == {phone.voice, other.voice}
    said, heard = levels[phone.voice]
    assert -18 < said < -12 and heard == -127 and -18 < levels[other.voice][1] < -12
    stats = rig.engine.voice_stats(phone.voice)
    assert (stats["codec_in"], stats["codec_out"], stats["lost"]) == ("pcma", "pcma", 0)
    assert int(stats["packets"]) >= 45 and int(stats["sent_packets"]) >= 45 and float(stats["mos"]) > 4
    assert stats["address"] == f"127.0.0.1:{phone.port}"
    clock = rig.engine.voice_clock()
    assert int(clock["ticks"]) >= 45 and (clock["voices"], clock["rooms"]) == (2, 1)
    assert clock["late_p50_ms"] <= clock["late_p99_ms"] <= clock["late_max_ms"]


def test_a_bug_in_one_voice_ends_that_voice_only(rig: Rig) -> None:
    phones = [Phone(rig, hz) for hz in (500, 800, 1100)]
    room(rig, phones)
    converse(phones, 0.3)
    rig.engine._panic_voice(phones[0].voice)  # type: ignore[attr-defined]
    settled(rig, phones)
    assert voice_event(rig, phones[0].voice, "closed").code == "internal"
    assert not phones[0].packets
    assert hears(phones[1].heard, 1100) and not hears(phones[1].heard, 500)
    with pytest.raises(codecs.MediaError, match="no such voice"):
        rig.engine.voice_stats(phones[0].voice)


def test_an_unknown_payload_is_told_in_words(rig: Rig) -> None:
    phone = Phone(rig, 500)
    converse([phone], 0.1)
    phone.send(phone.packet(bytes(20), pt=97))
    assert voice_event(rig, phone.voice, "problem", code="codec-unsupported").detail == "payload type 97"
