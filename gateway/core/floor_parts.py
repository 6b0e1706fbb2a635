"""What the floor of a talk group is made of: its rules, its members, keys that are held, talks and waits."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.model.voice import FloorWord, GroupMode, Priority

RANK = {Priority.NORMAL: 0, Priority.HIGH: 1, Priority.DISPATCHER: 2, Priority.EMERGENCY: 3}


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one group; seconds. `talk_s` 0: no talk timer. `queue` 0: who comes while it is taken is denied."""

    mode: GroupMode = GroupMode.HALF
    talk_s: float = 60.0
    hang_s: float = 0.0
    queue: int = 8
    queue_wait_s: float = 60.0
    preempt: bool = False


@dataclass(frozen=True, slots=True)
class Talker:
    """A member as the floor sees it. `priority` is the most it may ask for, emergencies apart."""

    id: str
    may_talk: bool = True
    priority: Priority = Priority.NORMAL
    emergency: bool = False  # may call one
    hangs: bool = True  # waits in the hang time after its own talk; not who is keyed by its voice, which has pauses


@dataclass(frozen=True, slots=True)
class Talked:
    """A talk that ended. `ended_by`: release, timer, revoked, gone."""

    member: str
    priority: Priority
    emergency: bool
    began: float
    ended: float
    ended_by: str


@dataclass(slots=True)
class Orders:
    words: list[FloorWord] = field(default_factory=list)
    talked: list[Talked] = field(default_factory=list)
    changed: bool = False


@dataclass(slots=True)
class Press:
    """A key that is held. `word` is the last answer to it."""

    word: FloorWord
    emergency: bool
    expires: float | None = None


@dataclass(slots=True)
class Holding:
    member: str
    priority: Priority
    emergency: bool
    since: float
    until: float | None


@dataclass(slots=True)
class Waiting:
    member: str
    priority: Priority
    emergency: bool
    since: float
    number: int
