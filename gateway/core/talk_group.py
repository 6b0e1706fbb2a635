"""One talk group or conversation: its places, its floor, its room, and what is told of it.

Whatever happens is one turn: the floor decides, the routes of the room follow at once, then members hear their words
and everybody else the group's status. Several changes of one turn of the loop are told as one status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from gateway.base.clock import Clock
from gateway.base.errors import Busy
from gateway.contract.voice import KeyedBy
from gateway.core.cues import Cue
from gateway.core.floor import Floor
from gateway.core.floor_parts import Rules, Talked, Talker
from gateway.core.followed import Followed
from gateway.core.mediaplane import MediaPlane
from gateway.core.messages import Bus
from gateway.core.talk_party import ROOMS_EACH, Party, Place
from gateway.core.talk_routes import Rooms, Route
from gateway.core.talk_status import shown
from gateway.core.ulid import ulid
from gateway.model.voice import (
    FloorAnswer,
    FloorWord,
    GroupId,
    GroupMode,
    GroupStatus,
    Member,
    Spurt,
)

SHORTEST_S = 0.3
"""In full duplex, voice detection makes spurts; shorter ones are a cough."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a group is: from the configuration, or made for a conversation."""

    name: str
    number: str = ""
    rules: Rules = field(default_factory=Rules)
    members: tuple[str, ...] = ()
    talks: tuple[str, ...] = ()  # of the members: channels whose microphone is heard in half duplex
    viewers: bool = True  # who may only look may listen
    most: int = 32
    adhoc: bool = False
    needs_two: bool = False  # a call's: over when one person is left of two


class Group:
    """On the event loop. `told` hears every spurt; `used` is called after each turn."""

    def __init__(
        self,
        id_: GroupId,
        spec: Spec,
        plane: MediaPlane,
        bus: Bus,
        clock: Clock,
        *,
        spurt: Callable[[Spurt], None] = lambda _spurt: None,
        used: Callable[[Group], None] = lambda _group: None,
        emergency: Callable[[Group, str], None] = lambda _group, _who: None,
    ) -> None:
        self.id = id_
        self.spec = spec
        self.floor = Floor(spec.rules)
        self.places: dict[str, Place] = {}
        self.vacant: dict[str, Member] = {}
        """Members that are to be dialled, as they stand while they have no seat."""
        self.gone = False
        self._bus = bus
        self._clock = clock
        self._spurt = spurt
        self._used = used
        self._emergency = emergency
        self._loop = asyncio.get_running_loop()
        self._rooms = Rooms(plane.engine, id_)
        self.since = clock.wall()
        self._timer: asyncio.TimerHandle | None = None
        self._publishing: asyncio.Handle | None = None
        self._followed = Followed(lambda: self.status, lambda _status: self.gone)
        self._left: Place | None = None
        """Who is just leaving: its last talk has yet to be written down."""

    # — what is asked —

    @property
    def full_duplex(self) -> bool:
        return self.spec.rules.mode is GroupMode.FULL

    @property
    def persons(self) -> int:
        return sum(place.party.person for place in self.places.values())

    def spoken_in_beside(self, member: str) -> bool:
        """Somebody else speaks, or is about to: an endpoint is worth opening."""
        if self.full_duplex:
            return any(p.party.person and p.party.id != member for p in self.places.values())
        speaking = {self.floor.holder, *self.floor.queue, *self.floor.barging} - {"", member}
        return bool(speaking)

    @property
    def status(self) -> GroupStatus:
        return shown(self)

    def changes(self) -> AsyncGenerator[GroupStatus, None]:
        """The present status, then every change; a slow reader gets the latest only. Ends with the group."""
        return self._followed.changes()

    # — places —

    def add(self, party: Party, *, talks: bool, listens: bool) -> Place:
        """Raises Busy (`group-full`, `too-many`). Whoever has the same id gives way."""
        if (before := self.places.get(party.id)) is not None:
            if not (before.party.person and party.person):
                raise Busy(f"{self.id} has a member {party.id} already", code="busy")
            before.party.end("session-replaced")
        if len(self.places) >= self.spec.most:
            raise Busy(f"{self.id} has {self.spec.most} members already", code="group-full")
        if len(party.places) >= ROOMS_EACH:
            raise Busy(f"{party.id} is in {ROOMS_EACH} groups already", code="too-many")
        place = Place(self, party, talks, listens, self._clock.wall())
        self.places[party.id] = party.places[self.id] = place
        self.floor.join(self._talker(place))
        self._turn()
        return place

    def remove(self, place: Place) -> None:
        if self.places.get(place.party.id) is not place:
            return
        del self.places[place.party.id]
        del place.party.places[self.id]
        self._quiet(place, "gone")
        place.hears = False
        if place.party.handle is not None:
            self._rooms.forget(place.party.handle)
        self.floor.leave(place.party.id, self._loop.time())
        self._left = place
        self._turn(tell=True)
        self._left = None
        place.party.transmit()

    def unroute(self, voice: int) -> None:
        """A member's voice is about to be closed or changed."""
        self._rooms.forget(voice)

    def rights(self, place: Place, *, talks: bool, listens: bool) -> None:
        place.talks, place.listens = talks, listens
        self.floor.rights(self._talker(place), self._loop.time())
        self._turn(tell=True)

    def changed(self, place: Place, *, status: bool = True) -> None:
        """Its voice came, went, speaks or is quiet."""
        if self.full_duplex:
            if place.party.talking and self._is_heard(place):
                if place.spoke_at is None:
                    place.spoke_at = self._loop.time()
                    status = True
            elif self._quiet(place, "release"):
                status = True
        self._turn(tell=status)

    # — the floor —

    def press(self, place: Place, *, emergency: bool = False, keep_s: float | None = None) -> FloorWord:
        was = self.floor.emergency
        word = self.floor.request(place.party.id, self._loop.time(), emergency=emergency, keep_s=keep_s)
        self._turn()
        if self.floor.emergency and not was:
            self._alert(place)
        return word

    def release(self, place: Place) -> FloorWord:
        word = self.floor.release(place.party.id, self._loop.time())
        self._turn()
        return word

    def revoke(self, code: str) -> str:
        holder = self.floor.revoke(self._loop.time(), code)
        self._turn()
        return holder

    def seize(self, place: Place) -> FloorWord:
        word = self.floor.seize(place.party.id, self._loop.time())
        self._turn()
        return word

    def barge(self, place: Place, on: bool) -> FloorWord:
        word = self.floor.barge(place.party.id, on, self._loop.time())
        self._turn()
        return word

    def mute(self, place: Place, on: bool) -> None:
        self.floor.mute(place.party.id, on, self._loop.time())
        self._turn(tell=True)

    def declare(self, on: bool, by: Place | None = None) -> None:
        was = self.floor.emergency
        self.floor.declare(on, by.party.id if by is not None else "")
        self._turn(tell=True)
        if on and not was:
            self._alert(by)

    def monitor(self, place: Place, on: bool) -> None:
        """`place` listens in and talks no more; the others hear a cue."""
        if place.monitors == on:
            return
        place.monitors = on
        self.floor.rights(self._talker(place), self._loop.time())
        self._turn(tell=True)
        if on:
            for other in self.places.values():
                if other is not place:
                    other.party.cue(Cue.MONITORED)

    def told(self) -> None:
        """Its status changed: everybody hears of it once in this turn of the loop."""
        if not self.gone and self._publishing is None:
            self._publishing = self._loop.call_soon(self.publish)

    # — the configuration, the end —

    def set(self, spec: Spec) -> None:
        """It goes on with its members under other rules."""
        self.spec = spec
        self.floor.rule(spec.rules, self._loop.time())
        for place in list(self.places.values()):
            self._quiet(place, "release")
        self._turn(tell=True)

    def close(self, code: str, detail: str = "") -> None:
        """Every member is told why; nothing of it is left."""
        if self.gone:
            return
        self.gone = True
        for place in list(self.places.values()):
            if place.party.person:
                place.party.end(code, detail)
            else:
                self.remove(place)
        self._rooms.close()
        for handle in (self._timer, self._publishing):
            if handle is not None:
                handle.cancel()
        self._timer = self._publishing = None
        self.publish()

    # — within —

    def _turn(self, *, tell: bool = False) -> None:
        """Routes first, then words, then who has to know."""
        orders = self.floor.poll()
        self._route()
        for talked in orders.talked:
            self._record(talked)
        for word in orders.words:
            if (place := self.places.get(word.member)) is not None:
                self._deliver(place, word)
        self._arm()
        if orders.changed or tell:
            self.told()
        self._used(self)

    def _route(self) -> None:
        wanted: dict[int, Route] = {}
        own: dict[int, int] = {}
        spoken_to: set[int] = set()
        sounding = [place for place in self.places.values() if self.sounds(place)]
        for place in self.places.values():
            party = place.party
            listens = place.listens and not party.held
            place.hears = listens and any(p is not place and p.party is not party.own_microphone for p in sounding)
            if party.handle is None:
                continue
            wanted[party.handle] = Route(talk=self._is_heard(place), listen=listens)
            if place.hears:
                spoken_to.add(party.handle)
            microphone = party.own_microphone
            if microphone is not None and microphone.handle is not None and microphone.id in self.places:
                own[party.handle] = microphone.handle
        self._rooms.apply(wanted, own, spoken_to)
        for place in list(self.places.values()):
            place.party.transmit()

    def _is_heard(self, place: Place) -> bool:
        return self.floor.is_heard(place.party.id) and not place.party.held

    def sounds(self, place: Place) -> bool:
        """Is heard by the others, as far as we know: with the floor at once, in full duplex by voice detection."""
        return self._is_heard(place) and place.party.is_sounding and (not self.full_duplex or place.party.talking)

    def _talker(self, place: Place) -> Talker:
        wish = place.party.wish
        hangs = wish.keyed_by is not KeyedBy.VOICE
        return Talker(wish.id, place.talks and not place.monitors, wish.priority, wish.emergency, hangs)

    def _deliver(self, place: Place, word: FloorWord) -> None:
        if not self.full_duplex or word.answer in (FloorAnswer.DENIED, FloorAnswer.REVOKED):
            place.party.told(word)
        if (principal := place.party.wish.principal) is not None:
            self._bus.publish("floor", self.id, word, only=principal.name, transient=True)

    def _alert(self, by: Place | None) -> None:
        for place in self.places.values():
            if place is not by:
                place.party.cue(Cue.EMERGENCY)
        self._emergency(self, by.party.wish.name if by is not None else "")

    def _quiet(self, place: Place, by: str) -> bool:
        """In full duplex: a spurt of voice detection is over."""
        began, place.spoke_at = place.spoke_at, None
        if began is None:
            return False
        if (now := self._loop.time()) - began >= SHORTEST_S:
            self._record(Talked(place.party.id, place.party.priority, self.floor.emergency, began, now, by), place)
        return True

    def _record(self, talked: Talked, place: Place | None = None) -> None:
        place = place or self.places.get(talked.member) or self._left
        if place is None or place.party.id != talked.member:
            return
        wish = place.party.wish
        self._spurt(
            Spurt(
                id=ulid(self._clock.wall()),
                group=self.id,
                member=talked.member,
                kind=wish.kind,
                name=wish.name,
                priority=talked.priority,
                emergency=talked.emergency,
                began=self.wall(talked.began),
                ended=self.wall(talked.ended),
                ended_by=talked.ended_by,
            )
        )

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.gone and (at := self.floor.next_timer()) is not None:
            self._timer = self._loop.call_at(at, self._timed)

    def _timed(self) -> None:
        self._timer = None
        # A timer may run up to its resolution early.
        self.floor.handle_timer(max(self._loop.time(), self.floor.next_timer() or 0.0))
        self._turn()

    def publish(self) -> None:
        self._publishing = None
        self._followed.wake()
        self._bus.publish("talk", self.id, self.status, gone=self.gone)

    def wall(self, at: float) -> float:
        """Unix seconds of a time of the loop's."""
        return self._clock.wall() + at - self._loop.time()
