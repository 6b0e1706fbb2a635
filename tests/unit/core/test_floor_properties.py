"""The floor under any order of events: what must hold whatever people, radios and dispatchers do."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.core.floor import Floor
from gateway.core.floor_parts import RANK, Rules, Talked, Talker
from gateway.model.voice import FloorAnswer, FloorWord, Priority

NAMES = ("a", "b", "c", "d", "e", "f")
members = st.sampled_from(NAMES)
RULES = st.builds(
    Rules,
    talk_s=st.sampled_from((5.0, 20.0)),
    hang_s=st.sampled_from((0.0, 1.0)),
    queue=st.integers(0, 4),
    queue_wait_s=st.sampled_from((8.0, 30.0)),
    preempt=st.booleans(),
)


class Meeting(RuleBasedStateMachine):
    """`granted` is who believes to have the word, from the words alone."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.floor = Floor(Rules(talk_s=20.0, queue_wait_s=30.0))
        self.present: dict[str, Talker] = {}
        self.muted: set[str] = set()
        self.granted: set[str] = set()
        self.since: dict[str, float] = {}  # who waits, since when
        self.spent: set[str] = set()  # keys that were denied or revoked and are still held
        self.talked: list[Talked] = []
        self.barging: set[str] = set()

    def hear(self, *, bargers: frozenset[str] = frozenset()) -> list[FloorWord]:
        orders = self.floor.poll()
        self.talked += orders.talked
        for word in orders.words:
            match word.answer:
                case FloorAnswer.GRANTED if word.member not in bargers:
                    assert word.member not in self.spent, "a key that was refused gets nothing more while it is held"
                    self.granted.add(word.member)
                    self.since.pop(word.member, None)
                case FloorAnswer.QUEUED:
                    self.since.setdefault(word.member, self.now)
                case FloorAnswer.REVOKED if word.member in self.barging and word.member not in self.granted:
                    pass  # of its barging, not of its key
                case FloorAnswer.DENIED | FloorAnswer.REVOKED:
                    if word.member not in self.floor.barging and self.floor.pressed(word.member):
                        self.spent.add(word.member)
                    self.granted.discard(word.member)
                    self.since.pop(word.member, None)
                case FloorAnswer.RELEASED:
                    self.granted.discard(word.member)
                    self.since.pop(word.member, None)
        self.barging = set(self.floor.barging)
        return orders.words

    @initialize(priorities=st.lists(st.sampled_from(Priority), min_size=5, max_size=5))
    def some_are_there(self, priorities: list[Priority]) -> None:
        for member, priority in zip(NAMES, priorities, strict=False):
            self.joins(member, priority, True)

    @rule(member=members, priority=st.sampled_from(Priority), talks=st.booleans())
    def joins(self, member: str, priority: Priority, talks: bool) -> None:
        if member not in self.present:
            self.present[member] = Talker(member, talks, priority, emergency=True)
            self.floor.join(self.present[member])
            self.hear()

    @rule(member=members)
    def leaves(self, member: str) -> None:
        self.present.pop(member, None)
        for held in (self.granted, self.muted, self.spent):
            held.discard(member)
        self.since.pop(member, None)
        self.floor.leave(member, self.now)
        self.hear()

    @rule()
    def all_press(self) -> None:
        for member in NAMES:
            self.presses(member, None)

    @rule(member=members, keep=st.sampled_from((None, 3.0)))
    def presses(self, member: str, keep: float | None) -> None:
        if member in self.present:
            self.floor.request(member, self.now, keep_s=keep)
            self.hear()

    @rule(member=members)
    def presses_emergency(self, member: str) -> None:
        if member not in self.present:
            return
        held = self.floor.pressed(member)
        if not held:
            self.spent.discard(member)
        before, in_emergency = self.floor.holder, self.floor.talk and self.floor.talk.priority is Priority.EMERGENCY
        if held and member in self.spent:
            self.spent.discard(member)  # the emergency key beside the other one is a press of its own
        self.floor.request(member, self.now, emergency=True)
        self.hear()
        fresh = not held and self.present[member].may_talk and member not in self.muted
        if fresh and not in_emergency:
            assert self.floor.holder == member, "an emergency has the floor within one step"
        if fresh and in_emergency and before != member:
            assert self.floor.holder == before

    @rule(member=members)
    def releases(self, member: str) -> None:
        self.spent.discard(member)
        self.floor.release(member, self.now)
        self.granted.discard(member)
        self.since.pop(member, None)
        self.hear()

    @rule(member=members, on=st.booleans())
    def barges(self, member: str, on: bool) -> None:
        if member in self.present:
            self.floor.barge(member, on, self.now)
            self.hear(bargers=frozenset({member}) - self.granted)

    @rule(member=members, on=st.booleans())
    def mutes(self, member: str, on: bool) -> None:
        if member in self.present:
            (self.muted.add if on else self.muted.discard)(member)
            self.floor.mute(member, on, self.now)
            self.hear()

    @rule()
    def dispatcher_revokes(self) -> None:
        self.floor.revoke(self.now, "floor-taken-back")
        self.hear()

    @rule()
    def emergency_is_cleared(self) -> None:
        self.floor.declare(False)
        self.hear()

    @rule(rules=RULES)
    def rules_change(self, rules: Rules) -> None:
        self.floor.rule(rules, self.now)
        self.hear()
        self.time_passes(0.0)  # a shorter timer may be due already

    @rule(seconds=st.sampled_from((0.1, 1.0, 3.0, 10.0, 60.0)))
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        while (at := self.floor.next_timer()) is not None and at <= end:
            self.now = max(self.now, at)
            self.floor.handle_timer(self.now)
            self.hear()
            again = self.floor.next_timer()
            assert again is None or again > self.now, "a timer that is due has been handled"
        self.now = end
        # A key that was not renewed is let go without a word of its own.
        self.spent = {member for member in self.spent if self.floor.pressed(member)}

    @precondition(lambda self: self.floor.queue)
    @rule()
    def nobody_waits_for_ever(self) -> None:
        waiting = list(self.floor.queue)
        self.time_passes(self.floor.rules.queue_wait_s + 0.1)
        assert not set(waiting) & set(self.floor.queue)

    @invariant()
    def there_is_one_holder_at_most(self) -> None:
        assert self.granted - set(self.floor.barging) <= {self.floor.holder}
        heard = {name for name in NAMES if self.floor.is_heard(name)}
        assert heard <= {self.floor.holder, *self.floor.barging}

    @invariant()
    def who_speaks_and_waits_is_there_and_may(self) -> None:
        for name in (*([self.floor.holder] if self.floor.holder else []), *self.floor.queue, *self.floor.barging):
            assert self.present[name].may_talk and name not in self.muted
        assert self.floor.holder not in self.floor.queue

    @invariant()
    def the_queue_is_in_order_and_bounded(self) -> None:
        ranks = [(-RANK[waiting.priority], waiting.number) for waiting in self.floor._queue]
        assert ranks == sorted(ranks) and len(set(self.floor.queue)) == len(ranks) <= max(4, 8)

    @invariant()
    def no_talk_is_longer_than_the_timer(self) -> None:
        assert all(talked.ended - talked.began <= 20.0 + 1e-6 for talked in self.talked)
        talk = self.floor.talk
        assert talk is None or talk.until is None or talk.until > self.now

    @invariant()
    def a_free_floor_has_nobody_waiting_but_the_last_talker(self) -> None:
        if not self.floor.holder and self.floor.queue:
            assert len(self.floor.queue) == 1, "the last talker alone may wait, for the hang time"


Meeting.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
TestFloor = Meeting.TestCase
