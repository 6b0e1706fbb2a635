"""`[talk]` and its groups, `[talk.group.<name>]`."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from gateway.config.section import Section
from gateway.config.units import Duration, is_slug

KINDS = ("sip", "browser", "radio", "loudspeaker", "phone", "device")
_NUMBER = re.compile(r"[0-9*#+]{1,32}")
_DIALLED = re.compile(r"sip:[A-Za-z0-9*#+_.-]{1,64}|tel:\+?[0-9]{3,15}")
GROUPS = 64


class TalkGroup(Section):
    name: str = Field("", max_length=100, description="shown to people; empty: the group's own short name")
    number: str = Field("", description="what a SIP phone dials to join; empty: nobody dials it")
    mode: Literal["half", "full"] = Field(
        "half", description="half: one speaks, the others listen; full: all speak at once, a conference"
    )
    talk_timer: Duration = Field(60.0, ge=0, le=3600, description='longest talk; "0s" for none')
    hang: Duration = Field(0.0, ge=0, le=60, description="after a talk all others come first for so long")
    queue: int = Field(8, ge=0, le=64, description="requests that wait while somebody speaks; 0: they are refused")
    queue_wait: Duration = Field(60.0, ge=1, le=600, description="longest wait in the queue")
    preempt: bool = Field(
        False, description="a higher priority takes the floor from a lower one; an emergency always does"
    )
    members: list[str] = Field(
        [],
        max_length=64,
        description='"ball-1/ch1" (a channel), "sip:8001" (dialled when used), "tel:139…" (by a modem), "kind:radio"',
    )
    talks: list[str] = Field(
        [], max_length=16, description="of the members, the channels whose microphone is heard in mode half"
    )
    viewers: bool = Field(True, description="accounts that may only watch may listen")
    max_members: int = Field(32, ge=2, le=256, description="most members at a time")

    @field_validator("number")
    @classmethod
    def _dialled(cls, value: str) -> str:
        if value and not _NUMBER.fullmatch(value):
            raise ValueError("use digits, '*', '#' and '+', at most 32")
        return value

    @field_validator("members")
    @classmethod
    def _words(cls, value: list[str]) -> list[str]:
        for word in value:
            if word.startswith("kind:"):
                if word.removeprefix("kind:") not in KINDS:
                    raise ValueError(f"{word!r}: kinds are {', '.join(KINDS)}")
            elif word.startswith(("sip:", "tel:")):
                if not _DIALLED.fullmatch(word):
                    raise ValueError(f"{word!r}: write a number, as in sip:8001 or tel:+8613900001111")
            elif not _is_channel(word):
                raise ValueError(
                    f'{word!r}: write a channel as "ball-1/ch1", a number as "sip:8001" or "tel:139…", or "kind:radio"'
                )
        return value

    @field_validator("talks")
    @classmethod
    def _channels(cls, value: list[str]) -> list[str]:
        for word in value:
            if not _is_channel(word):
                raise ValueError(f'{word!r}: write a channel, as "ball-1/ch1"')
        return value


def _is_channel(word: str) -> bool:
    parts = word.split("/")
    return len(parts) in (2, 3) and all(is_slug(part) for part in parts)


def _groups() -> dict[str, TalkGroup]:
    return {"ops": TalkGroup(name="Operations", number="600", members=["kind:radio"])}


class Talk(Section):
    press_timeout: Duration = Field(3.0, ge=1.5, le=30, description="a browser's key not renewed within this is let go")
    max_conversations: int = Field(64, ge=1, le=1024, description="conversations beside the groups at a time")
    max_calls: int = Field(64, ge=1, le=1024, description="calls at a time")
    dialled_idle: Duration = Field(
        60.0, ge=1, le=3600, description="a number dialled for a group is hung up this long after the last word"
    )
    group: dict[str, TalkGroup] = Field(
        default_factory=_groups, max_length=GROUPS, description="talk groups by their short names"
    )

    @model_validator(mode="after")
    def _apart(self) -> Talk:
        numbers: dict[str, str] = {}
        for name, group in self.group.items():
            if not is_slug(name):
                raise ValueError(f"{name!r} is not a good name for a group: lower-case letters, digits and '-'")
            if group.number and (other := numbers.setdefault(group.number, name)) != name:
                raise ValueError(f"group {name} has the number of group {other}, {group.number}: give it another one")
        return self
