"""Rooms over loopback sockets: who hears whom, by tones."""

from __future__ import annotations

from gateway import codecs

from .rig import Rig
from .voice_rig import Phone, clear, converse, hears, room


def test_each_hears_the_others_and_not_itself(rig: Rig) -> None:
    phones = [Phone(rig, hz) for hz in (500, 800, 1100)]
    room(rig, phones)
    converse(phones, 0.6)
    clear(phones)
    converse(phones, 0.6)
    for phone in phones:
        for other in phones:
            assert hears(phone.heard, other.hz) == (other is not phone), (phone.hz, other.hz)
    seen = {rig.wait(codecs.VoiceEvent, lambda e: e.state == "media").voice for _ in phones}
    assert seen == {p.voice for p in phones}
