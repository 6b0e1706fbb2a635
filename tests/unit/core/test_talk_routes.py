"""Rooms of the media plane: only changes are ordered, silence before sound, loudspeakers apart from microphones."""

from __future__ import annotations

from typing import cast

from gateway import codecs
from gateway.core.cues import RATE_HZ, Cue, samples
from gateway.core.talk_routes import ASIDE, Rooms, Route
from tests.fakes.engine import FakeEngine

TALK, LISTEN = Route(True, True), Route(False, True)


def rooms() -> tuple[FakeEngine, Rooms]:
    engine = FakeEngine()
    return engine, Rooms(cast(codecs.Engine, engine), "ops")


def test_only_changes_are_ordered_and_silence_comes_first() -> None:
    engine, made = rooms()
    a, b, c = (engine.a_voice() for _ in range(3))
    made.apply({a: TALK, b: LISTEN, c: LISTEN}, {}, ())
    engine.orders.clear()
    made.apply({a: TALK, b: LISTEN, c: LISTEN}, {}, ())
    assert engine.orders == []
    made.apply({a: LISTEN, b: TALK}, {}, ())
    assert [(name, given["voice"]) for name, given in engine.orders] == [("leave", c), ("route", a), ("route", b)]
    made.apply({}, {}, ())
    assert engine.rooms == {}
    engine.close()


def test_a_loudspeaker_never_hears_its_own_microphone() -> None:
    engine, made = rooms()
    person, speaker, microphone = (engine.a_voice() for _ in range(3))
    routes = {person: TALK, speaker: LISTEN, microphone: Route(True, False)}
    made.apply(routes, {speaker: microphone}, ())
    assert engine.hears(speaker) == {person} and engine.hears(person) == {microphone}
    made.forget(speaker)
    engine.close_voice(speaker)
    made.apply({person: TALK, microphone: Route(True, False)}, {}, ())
    assert len(engine.rooms) == 1
    made.close()
    assert engine.rooms == {}
    engine.close()


def test_many_loudspeakers_stay_within_the_rooms_of_a_voice() -> None:
    engine, made = rooms()
    person = engine.a_voice()
    pairs = {engine.a_voice(): engine.a_voice() for _ in range(ASIDE + 4)}
    wanted = {person: TALK} | dict.fromkeys(pairs, LISTEN) | dict.fromkeys(pairs.values(), Route(True, False))
    made.apply(wanted, pairs, ())
    assert len(engine.rooms) == ASIDE + 1
    for loudspeaker, microphone in pairs.items():
        assert microphone not in engine.hears(loudspeaker)
    made.apply(wanted, pairs, set(pairs))
    for loudspeaker in pairs:
        assert person in engine.hears(loudspeaker)
    engine.close()


def test_a_voice_the_plane_refuses_leaves_the_others_as_they_are() -> None:
    engine, made = rooms()
    a, b = engine.a_voice(), engine.a_voice()
    for _ in range(8):
        engine.route(engine.open_room("elsewhere"), a, talk=False, listen=True)
    made.apply({a: TALK, b: LISTEN}, {}, ())
    assert engine.hears(b) == set()
    engine.close()


def test_cues_are_audible_short_and_different() -> None:
    made = {cue: samples(cue) for cue in Cue}
    assert len(set(made.values())) == len(Cue)
    for cue, pcm in made.items():
        values = memoryview(pcm).cast("h")
        assert 0.05 <= len(values) / RATE_HZ <= 1.5, cue
        assert 2000 < max(values) < 8000 and values[0] == values[-1] == 0, cue
