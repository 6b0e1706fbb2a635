"""Short messages: what waits to be sent, what came, and who carries them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class CarrierKind(StrEnum):
    """A network of short messages; who is reached by it is written differently in each."""

    SMS = "sms"  # "+8613800000000", "17400000000"
    BEIDOU = "bd"  # "bd:0412345", the number of the far card
    SBD = "sbd"  # "sbd:", Iridium: whom the unit's account names


class TextPriority(IntEnum):
    """What goes first; lower ones give way where there is no room."""

    ALARM = 0
    TELEMETRY = 1
    PERSON = 2
    BULK = 3


class TextState(StrEnum):
    """Where a message that goes out stands. The last four are its end."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"  # the network took it
    DELIVERED = "delivered"  # the far side has it
    FAILED = "failed"  # `code` says why
    EXPIRED = "expired"  # too old to be of use
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self not in (TextState.WAITING, TextState.SENDING)


@dataclass(frozen=True, slots=True)
class TextOut:
    """A message of ours. `number` counts them and grows; `reference` is the same in each attempt, so that the far side
    knows the parts of a repeated one. `parts_done` of `parts` are with the network, sent by `carrier`; `unsure` is how
    often an attempt ended without its answer: the far side may have it more than once."""

    id: str
    to: str
    body: str
    priority: TextPriority = TextPriority.PERSON
    kind: CarrierKind = CarrierKind.SMS
    state: TextState = TextState.WAITING
    code: str = ""
    detail: str = ""
    by: str = ""  # who wrote it
    wanted: str = ""  # the one carrier that shall send it; "" any of its kind
    carrier: str = ""
    number: int = 0
    parts: int = 0  # 0: not known yet
    parts_done: int = 0
    attempts: int = 0
    unsure: int = 0
    made_at: float = 0.0  # unix seconds
    max_age_s: float = 0.0
    done_at: float | None = None

    @property
    def reference(self) -> int:
        """0 … 65535, as 3GPP TS 23.040 §9.2.3.24.8 has it."""
        return self.number % 65536

    def __repr__(self) -> str:
        return f"TextOut({self.id}, {self.state})"  # neither whom it goes to nor what it says


WIDE = 0x10000
"""Added to references of 16 bits: a sender's 8 bit ones are other messages."""
MIXED = "text-mixed"
"""A long message that came together with another one of the same sender and reference: their parts may be exchanged."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message as a carrier got it, or one part of a long one.

    `mark` is what the network says of it that stays the same when it is delivered twice (the service centre's time
    stamp, an Iridium MTMSN); "" where there is none. Parts of one message have `reference` (of 16 bits: `WIDE` and
    above), `part` (from 1) and `parts`. `again_s`: its sender sends it again, so long after an attempt of which it does
    not know whether it came.
    """

    sender: str
    body: str
    mark: str = ""
    reference: int = 0
    part: int = 1
    parts: int = 1
    sent_at: float | None = None  # unix seconds, by the network's clock
    again_s: float = 0.0

    def __repr__(self) -> str:
        return f"Arrived(part {self.part} of {self.parts})"


@dataclass(frozen=True, slots=True)
class Report:
    """What the network says became of a part that was sent, `reference` being its own."""

    reference: str
    delivered: bool
    final: bool = True  # False: it still tries
    status: int = 0  # 3GPP TS 23.040 §9.2.3.15


@dataclass(frozen=True, slots=True)
class Stored:
    """A message or report that lies in a modem or phone. `place` is how it is deleted."""

    place: str
    what: Arrived | Report | None = field(repr=False)  # None: it can not be read


@dataclass(frozen=True, slots=True)
class TextIn:
    """A whole message that came. `missing`: so many parts of it never did. `code`: what became of it, where that is
    not for people to read ("text-telemetry", or why a record was refused); or `MIXED`."""

    id: str
    sender: str
    body: str
    carrier: str
    received_at: float  # unix seconds
    sent_at: float | None = None
    missing: int = 0
    seen_by: str = ""
    seen_at: float | None = None
    code: str = ""
    detail: str = ""
    number: int = 0

    def __repr__(self) -> str:
        return f"TextIn({self.id})"


@dataclass(frozen=True, slots=True)
class CarrierState:
    """Somebody who carries short messages, as people see it. `again_at`: it may send again then (a card's limit)."""

    name: str
    kind: CarrierKind
    ready: bool
    code: str = ""
    detail: str = ""
    cost: int = 0  # 0: as good as any; higher ones are used when no lower one is ready
    again_at: float | None = None
    sent: int = 0
    received: int = 0
    waiting: int = 0
    since: float = 0.0


def kind_of(to: str) -> CarrierKind:
    """By how the far side is written."""
    head, colon, _ = to.partition(":")
    if colon and head in (CarrierKind.BEIDOU, CarrierKind.SBD):
        return CarrierKind(head)
    return CarrierKind.SMS
