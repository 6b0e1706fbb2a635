"""Whether a kit is there: late wills, wills that never come, silence, and two of one name."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.protocol.messages import Birth
from adapters.mqtt.protocol.presence import Came, Presence, There, Twice, Went

BIRTH = Birth(True, 3, 1, "a", "Kit", host="one", period_s=10.0)


def will(of: Birth) -> Birth:
    return Birth(False, of.boot, of.session, of.instance)


def test_birth_and_death() -> None:
    kit = Presence()
    assert kit.receive_state(BIRTH, 0.0) == [Came(BIRTH)] and kit.there is There.PRESENT
    assert kit.receive_state(BIRTH, 1.0) == [], "said again"
    assert kit.receive_state(will(BIRTH), 2.0) == [Went("kit-offline")] and kit.there is There.ABSENT
    assert kit.receive_state(will(BIRTH), 3.0) == []
    again = replace(BIRTH, session=2)
    assert kit.receive_state(again, 4.0) == [Came(again)]


def test_a_will_of_an_older_session_or_boot_is_nothing() -> None:
    kit = Presence()
    now = replace(BIRTH, session=2)
    kit.receive_state(now, 0.0)
    restarted = replace(BIRTH, boot=4, instance="b")
    assert kit.receive_state(will(BIRTH), 1.0) == []
    assert kit.receive_state(restarted, 2.0) == [Came(restarted)]
    assert kit.receive_state(will(now), 3.0) == [] and kit.there is There.PRESENT


def test_a_will_of_before_is_nothing_though_the_birth_after_it_was_missed() -> None:
    kit = Presence()
    kit.receive_state(BIRTH, 0.0)
    assert kit.receive_sign(1.0, "a", 2) == [], "its figures name the session in which it is"
    assert kit.receive_state(will(BIRTH), 2.0) == [] and kit.there is There.PRESENT
    again = replace(BIRTH, session=2)
    assert kit.receive_state(will(again), 3.0) == [Went("kit-offline")]
    assert kit.receive_sign(4.0, "a", 3) == [Came(replace(BIRTH, session=3))]


def test_a_death_of_a_life_that_was_missed_counts() -> None:
    kit = Presence()
    kit.receive_state(BIRTH, 0.0)
    assert kit.receive_state(Birth(False, 5, 1, "c"), 1.0) == [Went("kit-offline")]
    fresh = Presence()
    assert fresh.receive_state(will(BIRTH), 0.0) == [Went("kit-offline")] and fresh.there is There.ABSENT
    came = fresh.receive_sign(1.0, "a")
    assert came == [Came(replace(will(BIRTH), online=True))], "the will was late: it speaks"


def test_the_centers_own_timer_when_no_will_comes() -> None:
    kit = Presence()
    kit.receive_state(BIRTH, 100.0)
    kit.receive_sign(110.0, "a")
    assert kit.next_timer() == 140.0 and kit.handle_timer(139.9) == []
    (went,) = kit.handle_timer(140.0)
    assert isinstance(went, Went) and went.code == "kit-silent" and kit.there is There.SILENT
    assert kit.handle_timer(500.0) == [] and kit.next_timer() is None
    assert kit.receive_sign(600.0, "a") == [Came(BIRTH)]


def test_a_kit_says_itself_why_it_goes() -> None:
    kit = Presence()
    kit.receive_state(BIRTH, 0.0)
    assert kit.receive_state(replace(will(BIRTH), code="kit-stopped"), 1.0) == [Went("kit-stopped")]


def test_two_machines_with_one_id_are_named_and_a_restart_is_not() -> None:
    kit = Presence()
    other = replace(BIRTH, instance="b", host="two", session=1)
    kit.receive_state(BIRTH, 0.0)
    assert kit.receive_state(other, 1.0) == [Came(other)], "it may have been started anew"
    back = replace(BIRTH, session=2)
    told = kit.receive_state(back, 2.0)
    assert told == [Twice(other, back), Came(back)]
    assert kit.receive_sign(3.0, "b") == [Twice(back, other)]
    for boot in range(4, 30):
        told = kit.receive_state(Birth(True, boot, 1, f"i{boot}"), float(boot))
        assert not any(isinstance(one, Twice) for one in told)
    assert kit.receive_sign(99.0, "never seen") == []


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.integers(1, 3), st.sampled_from("ab")), max_size=20))
def test_it_is_never_absent_after_its_newest_birth(steps: list[tuple[bool, int, int, str]]) -> None:
    kit = Presence()
    for number, (online, boot, session, instance) in enumerate(steps):
        kit.receive_state(Birth(online, boot, session, instance), float(number))
    newest = Birth(True, 9, 1, "z")
    kit.receive_state(newest, 50.0)
    for number, (_, boot, session, instance) in enumerate(steps):
        assert kit.receive_state(Birth(False, boot, session, instance), 51.0 + number) == []
    assert kit.there is There.PRESENT
