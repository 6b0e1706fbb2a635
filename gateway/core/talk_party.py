"""Somebody or something with a voice, in one talk group or several: its audio leg, its key, what it is told.

A seat's context and an offered endpoint hold one of these; a group has a `Place` for each. Nothing here waits: a key
that goes down has set the routes of the mixer when `press` returns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from gateway import codecs
from gateway.contract.voice import KeyedBy, SeatWish
from gateway.core import cues
from gateway.core.mediaplane import MediaPlane
from gateway.model.ids import DeviceId
from gateway.model.voice import FloorAnswer, FloorWord, GroupId, MemberKind, MemberState, Priority

if TYPE_CHECKING:
    from gateway.core.talk_group import Group

log = logging.getLogger(__name__)

_T = TypeVar("_T")

ROOMS_EACH = 8
"""A voice may be in so many rooms of the media plane."""

_CUES = {
    FloorAnswer.GRANTED: cues.Cue.GRANTED,
    FloorAnswer.QUEUED: cues.Cue.QUEUED,
    FloorAnswer.DENIED: cues.Cue.BUSY,
    FloorAnswer.REVOKED: cues.Cue.REVOKED,
}
_CUED = frozenset({MemberKind.SIP, MemberKind.BROWSER, MemberKind.PHONE})
"""A cue to a radio would go on the air, one to a loudspeaker would be heard by everybody on site."""


@dataclass(eq=False, slots=True)
class Place:
    """One party's place in one group. `talks` and `listens` are what it may there."""

    group: Group
    party: Party
    talks: bool
    listens: bool
    since: float
    monitors: bool = False  # listens in for a dispatcher, and talks no more
    hears: bool = False  # somebody else is heard by it now
    spoke_at: float | None = None  # full duplex: since when it has been talking


@dataclass(eq=False)
class Party:
    """Fulfils `contract.voice.Seat` and `VoiceLine`. `person`: a seat that an adapter took, no endpoint or microphone
    of the core's own; a conversation is over when too few of them are left."""

    plane: MediaPlane
    wish: SeatWish
    person: bool = True
    device: DeviceId | None = None
    state: MemberState = MemberState.CONNECTING
    code: str = ""
    detail: str = ""
    places: dict[GroupId, Place] = field(default_factory=dict)
    handle: int | None = None
    talking: bool = False  # by the media plane's voice detection
    stopped: bool = False  # its packets have stopped coming
    codec: str = ""
    held: bool = False
    own_microphone: Party | None = None  # of this loudspeaker: what it says must not come out of it
    ended: bool = False

    def __post_init__(self) -> None:
        self._listeners: list[Callable[[codecs.VoiceEvent], None]] = []
        self._transmit = self.wish.on_transmit
        self._words = self.wish.on_word
        self._transmits = False
        self.watchers: list[Callable[[], None]] = []
        """Its leg came or went, or its owner says something: for whoever supervises it."""

    # — the contract —

    @property
    def id(self) -> str:
        return self.wish.id

    @property
    def group(self) -> GroupId:
        return next(iter(self.places), GroupId(""))

    @property
    def member(self) -> str:
        return self.wish.id

    def voice(self, handle: int | None) -> None:
        if self.ended or handle == self.handle:
            return
        if self.handle is not None:
            self.plane.forget_voice(self.handle)
            for place in self.places.values():
                place.group.unroute(self.handle)
            if self.wish.keyed_by is KeyedBy.VOICE:
                self.release()  # nobody would tell that it fell silent
        self.handle = handle
        self.talking = self.stopped = False
        self.codec = ""
        if handle is not None:
            self.plane.on_voice(handle, self.event)
            self.say("")
        else:
            self._tell()

    def heard(self, listener: Callable[[codecs.VoiceEvent], None]) -> None:
        self._listeners.append(listener)

    def say(self, code: str, detail: str = "", *, held: bool = False) -> None:
        self.code, self.detail, self.held = code, detail[:200], held
        self._tell()

    def press(self, *, emergency: bool = False) -> None:
        for place in list(self.places.values()):
            place.group.press(place, emergency=emergency)

    def release(self) -> None:
        for place in list(self.places.values()):
            place.group.release(place)

    def tx_inhibit(self, code: str, detail: str = "") -> None:
        self.code, self.detail = code, detail[:200]
        self._tell()

    def on_transmit(self, called: Callable[[bool], None]) -> None:
        self._transmit = called
        if self._transmits:
            self._call(called, True)

    def on_word(self, called: Callable[[FloorWord], None]) -> None:
        self._words = called

    def calm(self) -> None:
        """An endpoint's attempt is over: its owner hears nothing more."""
        self._transmit, self._words = None, None
        self._listeners.clear()

    # — what the group asks —

    @property
    def shown_state(self) -> MemberState:
        if self.held:
            return MemberState.HELD
        if self.handle is not None:
            return MemberState.UP
        return self.state

    @property
    def is_sounding(self) -> bool:
        """What it says can be heard, as far as we know."""
        return self.handle is not None and not self.held and not self.stopped

    @property
    def priority(self) -> Priority:
        return self.wish.priority

    def told(self, word: FloorWord) -> None:
        """A word of the floor: to its owner, and as a tone into what it hears."""
        if (cue := _CUES.get(word.answer)) is not None:
            self.cue(cue)
        if self._words is not None:
            self._call(self._words, word)

    def cue(self, cue: cues.Cue) -> None:
        if self.handle is not None and self.wish.kind in _CUED:
            self.plane.engine.cue(self.handle, cues.samples(cue), rate_hz=cues.RATE_HZ)

    def transmit(self) -> None:
        """Somebody else is heard by it, in one of its groups, or no longer: it is told when that changes."""
        hears = any(place.hears for place in self.places.values())
        if hears != self._transmits:
            self._transmits = hears
            if self._transmit is not None:
                self._call(self._transmit, hears)

    def end(self, code: str, detail: str = "", *, tell: bool = True) -> None:
        """Out of every group. `tell`: its owner hears why."""
        if self.ended:
            return
        self.ended = True
        for place in list(self.places.values()):
            place.group.remove(place)
        self.transmit()
        if self.handle is not None:
            self.plane.forget_voice(self.handle)
            self.handle = None
        if tell and self.wish.on_end is not None:
            try:
                self.wish.on_end(code, detail)
            except Exception:
                log.exception("%s: its owner failed to hear that its seat ended", self.id)

    # — events of its voice —

    def event(self, event: codecs.VoiceEvent) -> None:
        match event.state:
            case "media":
                self.stopped, self.codec = False, event.detail or self.codec
                self._tell()
            case "stopped":
                self.stopped = True
                self._quiet()
                self._tell()
            case "talking":
                self.talking = True
                if self.wish.keyed_by is KeyedBy.VOICE:
                    self.press()
                self._tell(status=False)
            case "quiet":
                self._quiet()
                self._tell(status=False)
            case "dtmf" if self.wish.keyed_by is KeyedBy.DIGIT and event.detail in ("*", "#"):
                if event.detail == "*":
                    self.press()
                else:
                    self.release()
            case "problem":
                self.say(event.code, event.detail, held=self.held)
            case "closed":
                self.stopped = True
                self.release()
                self.say(event.code or "link-down", event.detail, held=self.held)
        for listener in list(self._listeners):
            self._call(listener, event)

    def _quiet(self) -> None:
        self.talking = False
        if self.wish.keyed_by is KeyedBy.VOICE:
            self.release()

    # — within —

    def _tell(self, *, status: bool = True) -> None:
        for place in list(self.places.values()):
            place.group.changed(place, status=status)
        for watcher in self.watchers:
            watcher()

    def _call(self, called: Callable[[_T], None], value: _T) -> None:
        """The owner's mistake is its own, and is no reason for the group to stop."""
        try:
            called(value)
        except Exception:
            log.exception("%s: its owner failed to take %r", self.id, value)
