"""The floor by examples: each word of it, and what it does to keys that are held."""

from __future__ import annotations

from gateway.core.floor import Floor
from gateway.core.floor_parts import Rules, Talker
from gateway.model.voice import FloorAnswer, FloorState, GroupMode, Priority

G, Q, D, R, L = (
    FloorAnswer.GRANTED,
    FloorAnswer.QUEUED,
    FloorAnswer.DENIED,
    FloorAnswer.REVOKED,
    FloorAnswer.RELEASED,
)


def floor(*members: str, priorities: dict[str, Priority] | None = None, **rules: object) -> Floor:
    made = Floor(Rules(**{"talk_s": 30.0, "hang_s": 1.0, "queue": 3} | rules))  # type: ignore[arg-type]
    for member in members or ("a", "b", "c", "d", "e"):
        made.join(Talker(member, priority=(priorities or {}).get(member, Priority.NORMAL), emergency=True))
    made.poll()
    return made


def said(made: Floor) -> list[tuple[str, FloorAnswer, str]]:
    return [(word.member, word.answer, word.code) for word in made.poll().words]


def test_granted_taken_released_idle() -> None:
    f = floor()
    assert f.request("a", 0.0).answer is G and f.state is FloorState.TAKEN and f.is_heard("a")
    assert f.request("b", 1.0).answer is Q and not f.is_heard("b")
    f.release("a", 2.0)
    assert f.holder == "b" and said(f) == [("a", G, ""), ("b", Q, ""), ("a", L, ""), ("b", G, "")]
    f.release("b", 3.0)
    assert f.state is FloorState.HANG
    f.handle_timer(4.0)
    assert f.state is FloorState.IDLE and f.next_timer() is None


def test_a_key_that_is_held_says_nothing_twice() -> None:
    f = floor()
    for now in range(5):
        assert f.request("a", float(now), keep_s=3.0).answer is G
        assert f.request("b", float(now), keep_s=3.0).position == 1
    assert len(said(f)) == 2


def test_a_press_that_is_not_renewed_is_let_go() -> None:
    f = floor()
    f.request("a", 0.0, keep_s=3.0)
    f.request("b", 0.0, keep_s=3.0)
    f.request("b", 2.0, keep_s=3.0)
    f.handle_timer(3.0)
    assert f.holder == "b"
    (talked,) = f.poll().talked
    assert (talked.member, talked.ended_by, talked.ended) == ("a", "gone", 3.0)
    f.handle_timer(5.0)
    assert f.holder == ""


def test_the_talk_timer_ends_a_stuck_key_until_it_is_let_go() -> None:
    f = floor()
    f.request("a", 0.0)
    f.poll()
    assert f.next_timer() == 30.0
    f.handle_timer(30.0)
    assert said(f) == [("a", R, "talk-timer")] and f.holder == ""
    for now in range(31, 100):
        assert f.request("a", float(now)).answer is R, "still the same press"
    f.release("a", 100.0)
    assert f.request("a", 101.0).answer is G


def test_queue_is_by_priority_then_age() -> None:
    f = floor(priorities={"c": Priority.HIGH, "e": Priority.DISPATCHER})
    f.request("a", 0.0)
    assert [f.request(m, 1.0).position for m in ("b", "c", "d")] == [1, 1, 3]
    assert list(f.queue) == ["c", "b", "d"]
    # The queue is full: the last one gives way to a higher one, a further low one is refused.
    assert f.request("e", 2.0).position == 1 and list(f.queue) == ["e", "c", "b"]
    assert ("d", D, "queue-full") in said(f)
    f.join(Talker("late"))
    assert f.request("late", 3.0).code == "queue-full"


def test_without_a_queue_it_is_busy() -> None:
    f = floor(queue=0)
    f.request("a", 0.0)
    assert (f.request("b", 1.0).answer, f.request("b", 1.0).code) == (D, "floor-busy")


def test_waiting_has_an_end() -> None:
    f = floor(talk_s=0.0, queue_wait_s=10.0)
    f.request("a", 0.0)
    f.request("b", 1.0)
    f.poll()
    f.handle_timer(11.0)
    assert said(f) == [("b", D, "queue-timeout")] and list(f.queue) == []
    f.release("a", 12.0)
    assert f.holder == "", "b was told, and has to press again"


def test_a_higher_priority_takes_it_only_where_the_group_says_so() -> None:
    for preempt in (False, True):
        f = floor(priorities={"b": Priority.DISPATCHER}, preempt=preempt)
        f.request("a", 0.0)
        assert f.request("b", 1.0).answer is (G if preempt else Q)
        assert f.holder == ("b" if preempt else "a")
        assert (("a", R, "preempted") in said(f)) is preempt


def test_an_emergency_takes_it_at_once_and_stands_until_cleared() -> None:
    f = floor(priorities={"a": Priority.DISPATCHER})
    f.request("a", 0.0)
    f.poll()
    assert f.request("b", 1.0, emergency=True).answer is G and f.holder == "b"
    assert said(f) == [("a", R, "emergency"), ("b", G, "")] and f.emergency
    assert f.request("c", 2.0, emergency=True).answer is Q, "not from another one in an emergency"
    f.release("b", 3.0)
    assert f.holder == "c"
    f.release("c", 4.0)
    f.request("d", 6.0)
    assert f.request("b", 7.0).answer is G, "whoever declared it is in it until it is cleared"
    f.declare(False)
    f.release("b", 8.0)
    f.request("e", 10.0)
    assert not f.emergency and f.request("b", 11.0).answer is Q


def test_emergency_pressed_while_holding_or_waiting() -> None:
    f = floor()
    f.request("a", 0.0)
    f.request("b", 0.0)
    assert f.request("a", 1.0, emergency=True).answer is G and f.talk is not None and f.talk.emergency
    assert f.request("b", 1.0, emergency=True).answer is Q
    f.release("a", 2.0)
    assert f.holder == "b" and f.talk.priority is Priority.EMERGENCY


def test_without_the_right_an_emergency_is_asked_for_as_any_other() -> None:
    f = floor()
    f.join(Talker("guest"))
    f.request("a", 0.0)
    for now in (1.0, 2.0):
        assert f.request("guest", now, emergency=True).answer is Q
    assert not f.emergency and len([w for w in f.poll().words if w.member == "guest"]) == 1


def test_in_the_hang_time_the_others_come_first() -> None:
    f = floor(hang_s=2.0)
    f.request("a", 0.0)
    f.release("a", 1.0)
    assert f.request("a", 1.5).answer is Q
    assert f.request("b", 1.6).answer is G
    f.release("b", 2.0)
    assert f.holder == "a", "b has had its turn"
    f.release("a", 3.0)
    assert f.request("a", 3.5).answer is Q
    f.handle_timer(5.0)
    assert f.holder == "a", "nobody answered"


def test_barging_beside_the_holder() -> None:
    f = floor()
    f.request("a", 0.0)
    assert f.barge("b", True, 1.0).answer is G
    assert f.holder == "a" and f.is_heard("a") and f.is_heard("b") and not f.is_heard("c")
    f.poll()
    f.handle_timer(31.0)
    assert ("b", R, "talk-timer") in said(f) and not f.is_heard("b")
    f.barge("b", True, 40.0)
    f.barge("b", False, 45.0)
    (talked,) = f.poll().talked
    assert (talked.member, talked.began, talked.ended, talked.ended_by) == ("b", 40.0, 45.0, "release")


def test_forced_release_and_mute() -> None:
    f = floor()
    f.request("a", 0.0)
    f.request("b", 0.0)
    assert f.revoke(1.0, "floor-taken-back") == "a" and f.holder == "b"
    f.mute("b", True, 2.0)
    assert f.holder == "" and f.request("b", 2.0).code == "muted"
    f.release("b", 3.0)
    assert f.request("b", 3.0).code == "muted"
    f.release("b", 3.0)
    f.mute("b", False, 4.0)
    assert f.request("b", 5.0).answer is G
    assert f.revoke(6.0, "floor-taken-back") == "b" and f.revoke(6.0, "floor-taken-back") == ""


def test_who_may_only_listen() -> None:
    f = floor()
    f.join(Talker("ear", may_talk=False))
    assert (f.request("ear", 0.0).answer, f.request("ear", 0.0).code) == (D, "listen-only")
    assert f.barge("ear", True, 0.0).code == "listen-only" and f.seize("ear", 0.0).code == "listen-only"
    f.request("a", 0.0)
    f.rights(Talker("a", may_talk=False), 1.0)
    assert f.holder == ""


def test_leaving_frees_the_floor_and_the_queue() -> None:
    f = floor()
    for member in ("a", "b", "c"):
        f.request(member, 0.0)
    f.leave("b", 1.0)
    assert list(f.queue) == ["c"]
    f.leave("a", 2.0)
    assert f.holder == "c"
    orders = f.poll()
    assert [(t.member, t.ended_by) for t in orders.talked] == [("a", "gone")]
    assert f.request("a", 3.0).code == "not-found"


def test_a_call_to_all_takes_it_but_speaks_beside_an_emergency() -> None:
    f = floor()
    f.request("a", 0.0)
    assert f.seize("b", 1.0).answer is G and f.holder == "b"
    f.release("b", 2.0)
    f.release("a", 2.0)
    f.request("c", 4.0, emergency=True)
    assert f.seize("b", 5.0).answer is G and f.holder == "c" and f.is_heard("b") and f.is_heard("c")


def test_full_duplex_has_no_floor() -> None:
    f = floor(mode=GroupMode.FULL)
    assert f.state is FloorState.OPEN and f.is_heard("a") and f.is_heard("b")
    assert f.request("a", 0.0).answer is G and f.request("b", 0.0).answer is G and f.holder == ""
    f.mute("a", True, 1.0)
    assert not f.is_heard("a")


def test_new_rules_take_hold_at_once() -> None:
    f = floor()
    f.request("a", 0.0)
    f.request("b", 0.0)
    f.rule(Rules(talk_s=5.0), 1.0)
    assert f.holder == "a" and f.next_timer() == 5.0
    f.rule(Rules(mode=GroupMode.FULL), 2.0)
    assert f.holder == "" and list(f.queue) == [] and f.is_heard("a")
    f.rule(Rules(), 3.0)
    assert not f.is_heard("a") and f.request("a", 4.0).answer is G
