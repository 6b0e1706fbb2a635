"""Voice as adapters see it: seats in talk groups, endpoints that can be talked to, calls that people see.

Three ways in:
- an adapter that has somebody on the line (a SIP call, a browser) takes a **seat** in a group (`Talk.seat`), or in a
  conversation made for it with a channel (`Talk.converse`);
- an adapter that can reach something (a radio channel, a ball's loudspeaker, a phone number) **offers** it
  (`Talk.offer`), and the core runs its `open` while a group needs it, as it does for streams;
- calls tell people of themselves by `Calls`, and are answered, hung up and transferred through it.

The samples never come here: a seat gets the handle of a voice of the media plane, and the core routes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway import codecs
from gateway.model.ids import DeviceId
from gateway.model.principal import Principal
from gateway.model.voice import CallState, CallStatus, FloorWord, GroupId, GroupStatus, MemberKind, Priority, VoiceId


class KeyedBy(StrEnum):
    """How a member asks for the floor."""

    ORDER = "order"  # its own key: Seat.press and Seat.release (browser, radio's squelch)
    VOICE = "voice"  # speaks: the media plane's voice detection
    DIGIT = "digit"  # presses * to talk and # to end (RFC 4733 or INFO)


@dataclass(frozen=True, slots=True)
class SeatWish:
    """Who sits down. `id` unique in the group: a second seat of the same id ends the first."""

    id: str
    kind: MemberKind
    name: str
    keyed_by: KeyedBy = KeyedBy.ORDER
    may_talk: bool = True
    may_listen: bool = True
    priority: Priority = Priority.NORMAL
    emergency: bool = False
    principal: Principal | None = None
    on_word: Callable[[FloorWord], None] | None = None  # what the floor says to this member; cues are played beside it
    on_transmit: Callable[[bool], None] | None = None  # somebody else is heard by it from now on, or no longer: key PTT
    on_end: Callable[[str, str], None] | None = None  # the core ends the seat: (code, detail)


class Seat(Protocol):
    """A place in one group. Every method returns at once."""

    @property
    def group(self) -> GroupId: ...

    @property
    def member(self) -> str: ...

    def voice(self, handle: int | None) -> None:
        """The leg through which it talks and hears; None while there is none (hold, re-INVITE). The core sets routes
        and cues on it and hears its events (`Media.on_voice` is the core's while seated; use `heard`)."""

    def heard(self, listener: Callable[[codecs.VoiceEvent], None]) -> None:
        """Be told the voice's events as well."""

    def say(self, code: str, detail: str = "", *, held: bool = False) -> None:
        """Why it is not up, for people."""

    def press(self, *, emergency: bool = False) -> None:
        """Ask for the floor. Again while pressed: still pressed (see `press_timeout` of the configuration)."""

    def release(self) -> None: ...

    def tx_inhibit(self, code: str, detail: str = "") -> None:
        """It can not transmit now (its channel is busy): others are told. "" ends it."""


class VoiceLine(Seat, Protocol):
    """The seat of an offered endpoint while its `open` runs. It may sit in several groups: the core sees to that."""

    def on_transmit(self, called: Callable[[bool], None]) -> None:
        """`called(True)` when somebody else is heard by it from now on: key PTT; `called(False)` when nobody is, or
        when the talker's packets stopped (`stopped` of his voice)."""

    def on_word(self, called: Callable[[FloorWord], None]) -> None:
        """What the floor says to this member."""


VoiceOpen = Callable[[VoiceLine], Awaitable[None]]
"""Runs while the endpoint is wanted; hands over its voice by `line.voice(handle)` and returns or raises when it has
ended. Cancelled when no group needs it. A return or GatewayError is retried with backoff while wanted; the error's
code is what people read meanwhile."""


@dataclass(frozen=True, slots=True)
class VoiceOffer:
    """Something that can be talked to. Offering an id again replaces the offer."""

    id: VoiceId
    device: DeviceId
    title: str
    kind: MemberKind
    open: VoiceOpen
    on_demand: bool = True  # False: opened at once and kept open (a radio channel that must be heard)
    talks: bool = True  # it can be heard (a loudspeaker alone can't)
    listens: bool = True
    keyed_by: KeyedBy = KeyedBy.ORDER
    idle_close_s: float = 30.0  # after the last word
    labels: dict[str, str] = field(default_factory=dict)


class Talk(Protocol):
    def offer(self, offer: VoiceOffer) -> None: ...

    def withdraw(self, voice: VoiceId) -> None: ...

    def endpoint_online(self, device: DeviceId, online: bool, code: str = "") -> None: ...

    def seat(self, group: GroupId, wish: SeatWish) -> AbstractAsyncContextManager[Seat]:
        """Sit in a group while the context lasts. Raises NotFound, Denied (`talk-denied`), Busy (`group-full`)."""

    def converse(self, target: str, wish: SeatWish) -> AbstractAsyncContextManager[Seat]:
        """A conversation of its own with a device's channel: its sound is heard, its loudspeaker is talked to (where it
        has one and the wish may talk). Raises NotFound, Denied, Busy."""

    def waiting_room(self, wish: SeatWish, title: str) -> AbstractAsyncContextManager[Seat]:
        """A full-duplex conversation that a person has yet to join (a call that rings in the console)."""

    def resolve(self, text: str) -> GroupId:
        """A group's id, with or without the gateway part, or its number. Raises NotFound."""

    def status(self, group: GroupId) -> GroupStatus: ...

    def changes(self, group: GroupId) -> AsyncIterator[GroupStatus]:
        """Every change, latest wins when the reader is slow. Starts with the present one; ends with the group."""


class CallHandler(Protocol):
    """What people may do with a call; the adapter that has it does it. Raise Unsupported, PeerError, LinkDown."""

    async def answer(self, who: Principal) -> GroupId:
        """Take a call that rings in; returns the conversation to join."""

    async def hang_up(self, who: Principal) -> None: ...
    async def hold(self, who: Principal, held: bool) -> None: ...
    async def transfer(self, who: Principal, target: str, *, attended_with: str = "") -> None:
        """To a number, blind; or to the far end of another call (its id), attended (RFC 3891)."""

    async def digits(self, who: Principal, digits: str) -> None: ...


class CallHold(Protocol):
    """The adapter's hold on one listed call."""

    @property
    def id(self) -> str: ...

    def change(self, state: CallState | None = None, **fields: str | float) -> None:
        """Fields of CallStatus by name."""

    def end(self, code: str, detail: str = "") -> None:
        """It is over. Safe to call twice."""


Dial = Callable[[Principal, str, str | None, bool], Awaitable[str]]
"""(who, number, where, video) → id of the call. `where` is the full id of a group, in which the answered call is
seated, or of a channel, with which it converses (with `video` its picture goes out); without, the call gets a
conversation of its own that `who` may join."""


class Calls(Protocol):
    def open(self, status: CallStatus, handler: CallHandler) -> CallHold:
        """List a call; `status.id` "" gets one. Raises Busy (`too-many-calls`)."""

    def dialer(self, scheme: str, dial: Dial) -> Callable[[], None]:
        """Who places calls of a scheme ("sip"), until the returned function is called."""
