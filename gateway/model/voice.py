"""Talk groups, their floor, calls: what the API, the console and the record say of voice.

The words of the floor are those of 3GPP MCPTT (TS 24.380): request, granted, denied, queued, taken, idle, released,
revoked. A talk group has one home gateway, and its id carries it: `{gateway}/talk/{slug}`; so does a conversation
that a call makes for itself (`kit1/talk/call-17`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

GroupId = NewType("GroupId", str)  # "{gateway}/talk/{slug}"
VoiceId = NewType("VoiceId", str)  # what can be talked to: "{gateway}/{device}/{channel}", as for streams

TALK = "talk"
"""The device part that all talk groups have; no device may be called so."""


class GroupMode(StrEnum):
    HALF = "half"  # one holds the floor, the others listen
    FULL = "full"  # all talk at once: a conference, or a call of two


class MemberKind(StrEnum):
    SIP = "sip"
    BROWSER = "browser"
    RADIO = "radio"
    LOUDSPEAKER = "loudspeaker"  # a ball's or a camera's: heard, and heard through its own microphone
    PHONE = "phone"  # a telephone in a mobile or satellite network, by a modem's call
    DEVICE = "device"  # the sound of a stream: talks only


class MemberState(StrEnum):
    """Where a member stands. Only `UP` talks and hears."""

    IDLE = "idle"  # opened when somebody talks, or when the group is used
    CONNECTING = "connecting"
    UP = "up"
    HELD = "held"  # the peer put us on hold
    WAITING = "waiting"  # failed; the next attempt is timed
    OFFLINE = "offline"


class Priority(StrEnum):
    """Of a request for the floor, ascending: a higher one takes it from a lower one where the group says so."""

    NORMAL = "normal"
    HIGH = "high"
    DISPATCHER = "dispatcher"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Member:
    """One seat of a group. `code` says why it is not up (model.reason)."""

    id: str  # unique in the group while seated, e.g. "sip:8001", "kit1/ball-1/ch1", "browser:7f3a"
    kind: MemberKind
    name: str
    state: MemberState
    code: str = ""
    detail: str = ""
    may_talk: bool = True
    may_listen: bool = True
    priority: Priority = Priority.NORMAL  # the most that it may ask for
    emergency: bool = False  # may call an emergency
    talking: bool = False  # is heard now
    level_in_db: float | None = None
    since: float = 0.0
    codec: str = ""
    muted: bool = False  # by a dispatcher
    monitored: bool = False  # a dispatcher listens in; the member was told by a cue
    principal: str = ""  # account name of a browser's member


class FloorState(StrEnum):
    IDLE = "idle"
    TAKEN = "taken"
    HANG = "hang"  # released a moment ago: the last talker's answerers come first
    OPEN = "open"  # full duplex: there is no floor to take


@dataclass(frozen=True, slots=True)
class Floor:
    """Who has the word. `barging` speak beside the holder by a dispatcher's right."""

    state: FloorState
    holder: str = ""  # member id
    holder_name: str = ""
    priority: Priority = Priority.NORMAL
    emergency: bool = False
    since: float = 0.0
    until: float = 0.0  # unix seconds: when the talk timer takes it back; 0 for none
    queue: tuple[str, ...] = ()  # member ids, the next one first
    barging: tuple[str, ...] = ()


class FloorAnswer(StrEnum):
    GRANTED = "granted"
    QUEUED = "queued"
    DENIED = "denied"
    REVOKED = "revoked"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class FloorWord:
    """What the floor says to one member. `code` is a reason of model.reason for denied and revoked."""

    member: str
    answer: FloorAnswer
    code: str = ""
    detail: str = ""
    position: int = 0  # in the queue, the next one is 1


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A talk group as it stands: data of the event `talk`."""

    id: GroupId
    name: str
    mode: GroupMode
    floor: Floor
    members: tuple[Member, ...] = ()
    number: str = ""  # what a SIP phone dials
    adhoc: bool = False  # made by a call or a dispatcher; ends with its last member
    emergency: bool = False
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Spurt:
    """Who spoke when: one line of the record. Times are unix seconds; `ended_by` is release, timer, revoked, gone."""

    id: str  # ULID
    group: GroupId
    member: str
    kind: MemberKind
    name: str
    priority: Priority
    emergency: bool
    began: float
    ended: float
    ended_by: str


class CallState(StrEnum):
    RINGING_IN = "ringing-in"  # somebody calls, nobody has answered
    CALLING = "calling"  # INVITE sent
    RINGING = "ringing"  # the far side rings
    UP = "up"
    HELD = "held"  # by us
    HELD_BY_PEER = "held-by-peer"
    MOVING = "moving"  # our address changed; the peer is being told
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CallStatus:
    """One call as the console lists it: data of the event `call`. `code` says how it ended, or what is wrong."""

    id: str
    scheme: str  # "sip"; "tel": by a modem
    incoming: bool
    state: CallState
    peer: str  # number or URI, as it may be shown
    peer_name: str = ""
    target: str = ""  # what it is connected to: a group id or channel id
    trunk: str = ""  # or the modem; "" for a softphone of the kit's own network
    code: str = ""
    detail: str = ""
    started: float = 0.0
    answered: float = 0.0
    ended: float = 0.0
    audio: str = ""  # codec, e.g. "pcma", "opus"
    video: str = ""
    secure: str = ""  # "", "sdes", "dtls"
    engine: str = "native"
