"""Who may speak: the floor of one talk group, sans-IO, time given by whoever calls (monotonic seconds).

The words are those of 3GPP MCPTT (TS 24.380): a member **requests**; the floor answers **granted**, **queued** (with a
position) or **denied** (with a reason); to the others it is **taken**, later **idle**; it is **released** by its holder
or **revoked**.

    IDLE ──request──► TAKEN ──release, timer, revoke──► next in the queue ──none──► HANG ──► IDLE

- A press lasts until `release`, or until its `keep_s` has passed without another `request`: the same one again means
  "still pressed" and changes nothing. A press that was denied or revoked gets nothing more until it was released,
  so a stuck key or a radio that keys for ever is heard for one talk timer and no longer.
- Higher priorities stand before lower ones in the queue, older requests before younger. An emergency takes the floor
  at once from whoever is in none; other priorities do only where `Rules.preempt` says so.
- Nobody waits for ever: a talk is ended by its timer, a wait by `queue_wait_s`.
- In the hang time after a talk the others come first: its talker is queued until it is over.
- Whoever barges speaks beside the holder, bounded by the talk timer as well.

What follows from a call is read by `poll`: words to single members, talks that ended, whether the group's status
changed. `GroupMode.FULL` has no floor: everybody who may talk is granted, and nothing is queued.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.core.floor_parts import RANK, Holding, Orders, Press, Rules, Talked, Talker, Waiting
from gateway.model.voice import FloorAnswer, FloorState, FloorWord, GroupMode, Priority


class Floor:
    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._members: dict[str, Talker] = {}
        self._muted: set[str] = set()
        self._presses: dict[str, Press] = {}
        self._talk: Holding | None = None
        self._barging: dict[str, Holding] = {}
        self._queue: list[Waiting] = []
        self._hang: tuple[str, float] | None = None  # who talked last, until when the others come first
        self._in_emergency: set[str] = set()
        self._emergency = False
        self._number = 0
        self._orders = Orders()

    # — what is asked —

    @property
    def state(self) -> FloorState:
        if self.rules.mode is GroupMode.FULL:
            return FloorState.OPEN
        if self._talk is not None:
            return FloorState.TAKEN
        return FloorState.HANG if self._hang is not None else FloorState.IDLE

    @property
    def holder(self) -> str:
        return self._talk.member if self._talk is not None else ""

    @property
    def talk(self) -> Holding | None:
        """Member, priority, emergency, since and until of the talk under way."""
        return self._talk

    @property
    def queue(self) -> Sequence[str]:
        return [waiting.member for waiting in self._queue]

    @property
    def barging(self) -> Sequence[str]:
        return list(self._barging)

    @property
    def emergency(self) -> bool:
        """The group's: stands until it is cleared by order."""
        return self._emergency

    def is_muted(self, member: str) -> bool:
        return member in self._muted

    def is_heard(self, member: str) -> bool:
        """By the rules of the floor, now."""
        talker = self._members.get(member)
        if talker is None or member in self._muted or not talker.may_talk:
            return False
        return self.rules.mode is GroupMode.FULL or member == self.holder or member in self._barging

    def pressed(self, member: str) -> bool:
        return member in self._presses

    def next_timer(self) -> float | None:
        times = [press.expires for press in self._presses.values() if press.expires is not None]
        times += [talk.until for talk in (*self._barging.values(), self._talk) if talk and talk.until is not None]
        if self._hang is not None:
            times.append(self._hang[1])
        times += [waiting.since + self.rules.queue_wait_s for waiting in self._queue]
        return min(times, default=None)

    def poll(self) -> Orders:
        orders, self._orders = self._orders, Orders()
        return orders

    # — members —

    def join(self, talker: Talker) -> None:
        """A member more, or the rights of one anew."""
        self._members[talker.id] = talker
        self._orders.changed = True

    def rights(self, talker: Talker, now: float) -> None:
        """Changed while it is seated: whoever may talk no longer loses the floor."""
        self.join(talker)
        if not talker.may_talk:
            self._silence(talker.id, now, "listen-only")

    def leave(self, member: str, now: float) -> None:
        self._presses.pop(member, None)
        self._unqueue(member)
        self._end_barge(member, now, "gone")
        if self.holder == member:
            self._end_talk(now, "gone")
            self._next(now)
        self._members.pop(member, None)
        self._muted.discard(member)
        self._in_emergency.discard(member)
        self._orders.changed = True

    def rule(self, rules: Rules, now: float) -> None:
        """The configuration changed: a talk under way goes on, with the new timer."""
        before, self.rules = self.rules, rules
        if rules.mode is not before.mode:
            for waiting in list(self._queue):
                self._deny(waiting.member, "floor-reset")
            self._queue.clear()
            self._end_talk(now, "revoked")
            for member in list(self._barging):
                self._end_barge(member, now, "revoked")
            self._presses.clear()
            self._hang = None
        elif self._talk is not None:
            self._talk.until = self._until(self._talk.since)
        self._orders.changed = True

    # — requests —

    def request(self, member: str, now: float, *, emergency: bool = False, keep_s: float | None = None) -> FloorWord:
        """A key is pressed, or still pressed. With `keep_s` it must be pressed again within that."""
        expires = None if keep_s is None else now + keep_s
        press = self._presses.get(member)
        if press is not None and not (emergency and not press.emergency):
            press.expires = expires
            if press.word.answer is FloorAnswer.QUEUED:
                press.word = replace(press.word, position=self._position(member))
            return press.word
        talker = self._members.get(member)
        if talker is None:
            return FloorWord(member, FloorAnswer.DENIED, "not-found")
        # Without the right to call an emergency it is asked as any other: better than nothing.
        word = self._decide(talker, now, emergency and talker.emergency)
        self._presses[member] = Press(word, emergency, expires)
        return self._say(word)

    def release(self, member: str, now: float, *, by: str = "release") -> FloorWord:
        """The key is let go. `by`: release, or gone where its time was up without it."""
        press = self._presses.pop(member, None)
        word = FloorWord(member, FloorAnswer.RELEASED)
        if member == self.holder:
            self._end_talk(now, by)
            self._say(word)
            self._next(now)
        elif self._unqueue(member) or (press is not None and press.word.answer is FloorAnswer.GRANTED):
            self._say(word)
        return word

    def revoke(self, now: float, code: str) -> str:
        """Take it from whoever holds it; returns who did. The next in the queue gets it."""
        if (holder := self.holder) != "":
            self._revoke_talk(now, code)
            self._next(now)
        return holder

    # — a dispatcher's means —

    def seize(self, member: str, now: float) -> FloorWord:
        """A call to all: takes the floor from whoever is in no emergency, and speaks beside one who is."""
        talker = self._members.get(member)
        if talker is None:
            return FloorWord(member, FloorAnswer.DENIED, "not-found")
        if code := self._refusal(talker):
            return self._say(FloorWord(member, FloorAnswer.DENIED, code))
        talk = self._talk
        if talk is not None and talk.member != member:
            if talk.priority is Priority.EMERGENCY:
                return self.barge(member, True, now)
            self._revoke_talk(now, "preempted")
        word = FloorWord(member, FloorAnswer.GRANTED)
        self._presses[member] = Press(word, emergency=False)
        if self._talk is None and self.rules.mode is GroupMode.HALF:
            self._unqueue(member)
            self._begin(member, talker.priority, False, now)
        return self._say(word)

    def barge(self, member: str, on: bool, now: float) -> FloorWord:
        """Speak beside the holder."""
        talker = self._members.get(member)
        if not on:
            self._end_barge(member, now, "release")
            return FloorWord(member, FloorAnswer.RELEASED)
        if talker is None:
            return FloorWord(member, FloorAnswer.DENIED, "not-found")
        if code := self._refusal(talker):
            return self._say(FloorWord(member, FloorAnswer.DENIED, code))
        if member not in self._barging and self.rules.mode is GroupMode.HALF:
            self._barging[member] = Holding(member, talker.priority, False, now, self._until(now))
            self._orders.changed = True
        return self._say(FloorWord(member, FloorAnswer.GRANTED))

    def mute(self, member: str, on: bool, now: float) -> None:
        if member not in self._members:
            return
        if on:
            self._muted.add(member)
            self._silence(member, now, "muted")
        else:
            self._muted.discard(member)
        self._orders.changed = True

    def declare(self, on: bool, member: str = "") -> None:
        """The group's emergency begins or is cleared. Whoever declares it asks with its priority until then."""
        self._emergency = on
        if on and member:
            self._in_emergency.add(member)
        if not on:
            self._in_emergency.clear()
        self._orders.changed = True

    # — time —

    def handle_timer(self, now: float) -> None:
        for member, press in list(self._presses.items()):
            if press.expires is not None and now >= press.expires:
                self.release(member, now, by="gone")
        if self._talk is not None and self._talk.until is not None and now >= self._talk.until:
            self._revoke_talk(now, "talk-timer", by="timer")
            self._next(now)
        for member, talk in list(self._barging.items()):
            if talk.until is not None and now >= talk.until:
                self._end_barge(member, now, "timer")
                self._say(FloorWord(member, FloorAnswer.REVOKED, "talk-timer"))
        for waiting in list(self._queue):
            if now >= waiting.since + self.rules.queue_wait_s:
                self._unqueue(waiting.member)
                self._deny(waiting.member, "queue-timeout")
        if self._hang is not None and now >= self._hang[1]:
            self._hang = None
            self._orders.changed = True
            self._next(now)

    # — within —

    def _decide(self, talker: Talker, now: float, emergency: bool) -> FloorWord:
        member = talker.id
        if code := self._refusal(talker):
            return FloorWord(member, FloorAnswer.DENIED, code)
        if emergency:
            self.declare(True, member)
        if member in self._in_emergency:
            priority = Priority.EMERGENCY
        else:
            priority = min(talker.priority, Priority.DISPATCHER, key=RANK.__getitem__)
        if self.rules.mode is GroupMode.FULL:
            return FloorWord(member, FloorAnswer.GRANTED)
        talk = self._talk
        if talk is not None and talk.member == member:
            talk.priority, talk.emergency = priority, talk.emergency or emergency
            self._orders.changed = True
            return FloorWord(member, FloorAnswer.GRANTED)
        self._unqueue(member)
        if talk is None:
            last = self._hang is not None and self._hang[0] == member and now < self._hang[1]
            if last and talker.hangs and self.rules.queue and priority is not Priority.EMERGENCY:
                return self._enqueue(member, priority, emergency, now)
        elif not self._outranks(priority, talk.priority):
            return self._enqueue(member, priority, emergency, now)
        else:
            self._revoke_talk(now, "emergency" if priority is Priority.EMERGENCY else "preempted")
        self._begin(member, priority, emergency, now)
        return FloorWord(member, FloorAnswer.GRANTED)

    def _refusal(self, talker: Talker) -> str:
        if not talker.may_talk:
            return "listen-only"
        return "muted" if talker.id in self._muted else ""

    def _outranks(self, asked: Priority, held: Priority) -> bool:
        if RANK[asked] <= RANK[held]:
            return False
        return asked is Priority.EMERGENCY or self.rules.preempt

    def _enqueue(self, member: str, priority: Priority, emergency: bool, now: float) -> FloorWord:
        if not self.rules.queue and priority is not Priority.EMERGENCY:
            return FloorWord(member, FloorAnswer.DENIED, "floor-busy")
        if len(self._queue) >= max(self.rules.queue, 1):
            last = self._queue[-1]
            if RANK[priority] <= RANK[last.priority]:
                return FloorWord(member, FloorAnswer.DENIED, "queue-full")
            self._unqueue(last.member)
            self._deny(last.member, "queue-full")
        self._number += 1
        self._queue.append(Waiting(member, priority, emergency, now, self._number))
        self._queue.sort(key=lambda waiting: (-RANK[waiting.priority], waiting.number))
        self._orders.changed = True
        return FloorWord(member, FloorAnswer.QUEUED, position=self._position(member))

    def _position(self, member: str) -> int:
        return next((at for at, waiting in enumerate(self._queue, 1) if waiting.member == member), 0)

    def _unqueue(self, member: str) -> bool:
        kept = [waiting for waiting in self._queue if waiting.member != member]
        left, self._queue = len(kept) < len(self._queue), kept
        self._orders.changed |= left
        return left

    def _until(self, since: float) -> float | None:
        return since + self.rules.talk_s if self.rules.talk_s > 0 else None

    def _begin(self, member: str, priority: Priority, emergency: bool, now: float) -> None:
        self._end_barge(member, now, "release")
        self._hang = None
        self._talk = Holding(member, priority, emergency, now, self._until(now))
        self._orders.changed = True

    def _next(self, now: float) -> None:
        """The floor is free: to whoever is first in the queue."""
        if self._talk is not None or not self._queue or self.rules.mode is GroupMode.FULL:
            return
        # In the hang time whoever has just talked waits for the others.
        last = self._hang[0] if self._hang is not None else ""
        chosen = next((w for w in self._queue if w.member != last), None)
        if chosen is None:
            return
        self._unqueue(chosen.member)
        self._begin(chosen.member, chosen.priority, chosen.emergency, now)
        self._answer(FloorWord(chosen.member, FloorAnswer.GRANTED))

    def _end_talk(self, now: float, by: str) -> None:
        if (talk := self._talk) is None:
            return
        self._talk = None
        self._talked(talk, now, by)
        if self.rules.hang_s > 0 and self.rules.mode is GroupMode.HALF:
            self._hang = (talk.member, now + self.rules.hang_s)

    def _end_barge(self, member: str, now: float, by: str) -> None:
        if (talk := self._barging.pop(member, None)) is not None:
            self._talked(talk, now, by)

    def _talked(self, talk: Holding, now: float, by: str) -> None:
        self._orders.talked.append(Talked(talk.member, talk.priority, talk.emergency, talk.since, now, by))
        self._orders.changed = True

    def _revoke_talk(self, now: float, code: str, *, by: str = "revoked") -> None:
        holder = self.holder
        self._end_talk(now, by)
        self._answer(FloorWord(holder, FloorAnswer.REVOKED, code))

    def _silence(self, member: str, now: float, code: str) -> None:
        """It may not talk from now on."""
        self._end_barge(member, now, "revoked")
        if self.holder == member:
            self._revoke_talk(now, code)
            self._next(now)
        elif self._unqueue(member):
            self._deny(member, code)

    def _deny(self, member: str, code: str) -> None:
        self._answer(FloorWord(member, FloorAnswer.DENIED, code))

    def _answer(self, word: FloorWord) -> None:
        """What becomes of a key that is held, later than its request."""
        if (press := self._presses.get(word.member)) is not None:
            press.word = word
        self._say(word)

    def _say(self, word: FloorWord) -> FloorWord:
        self._orders.words.append(word)
        return word
