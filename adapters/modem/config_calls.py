"""What a technician may set for voice calls by a modem: `[adapter.modem.modems.<name>.calls]`."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.base.serial import check_address
from gateway.base.textaddress import address
from gateway.config.units import Duration, is_slug

_PCM_DEVICE = re.compile(r"[A-Za-z0-9_:=,.+-]{1,120}")
_CARD_PLACE = re.compile(r"usb:\d{1,3}-\d{1,3}(?:\.\d{1,3}){0,6}|/dev/snd/by-(?:path|id)/[A-Za-z0-9_.:+-]{1,200}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}\*?")
SHORT = 6
"""Numbers of so many digits (110, 10086) are the network's own: the same with and without the country."""


class CallsConfig(BaseModel):
    """Calls of the modem with their sound, as members of talk groups (`tel:13900001111`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audio: str = Field(
        "",
        description='where the calls\' sound is: "card" (the modem\'s own USB sound card), "card:NAME" (ALSA\'s name), '
        '"card:usb:1-1.3", "card:/dev/snd/by-path/…", or "pcm:PORT" (raw samples on a serial port of the modem, '
        'written as `port` is; needs backend = "at"); empty: no calls',
    )
    to: list[str] = Field([], max_length=200, description='numbers that may be dialled; "0571*": all that begin so')
    callers: list[str] = Field(
        [], max_length=200, description="numbers whose calls are taken, as in `to`; all others are refused"
    )
    ring: str = Field(
        "console", description='where a call that is taken goes: "console" (a person answers), or a talk group\'s name'
    )
    emergency: list[str] = Field(
        [], max_length=16, description='numbers that may be dialled whatever the budget says, as "120"'
    )
    day_budget: Duration = Field(
        0.0, ge=0, le=86400, description='most time of calls out within 24 hours; "0s": no limit; none is cut off'
    )
    max_ring: Duration = Field(60.0, ge=5, le=300, description="a call that nobody answers is given up after this")
    silent_after: Duration = Field(
        5.0, ge=1, le=120, description="without any sound of the modem for so long it is said"
    )
    country: str = Field("86", pattern=r"^[1-9][0-9]{0,2}$", description="national numbers are those of this country")
    gain_in_db: float = Field(0.0, ge=-60, le=30, description="of what the far side says")
    gain_out_db: float = Field(0.0, ge=-60, le=30, description="of what it is told")

    @property
    def way(self) -> str:
        """ "card", "pcm" or ""."""
        return self.audio.partition(":")[0]

    @property
    def place(self) -> str:
        """What stands behind the colon."""
        return self.audio.partition(":")[2]

    @field_validator("audio")
    @classmethod
    def _audio(cls, value: str) -> str:
        way, _, place = value.partition(":")
        if way == "pcm":
            check_address(place)
            return value
        if way not in ("", "card") or (value and value[-1] == ":"):
            raise ValueError('"card", "card:NAME", or "pcm:" and a serial port')
        if place and ".." not in place and _CARD_PLACE.fullmatch(place):
            return value
        # It becomes an argument of arecord and aplay: a name that begins with a dash would be read as an option.
        if place and (_PCM_DEVICE.fullmatch(place) is None or place.startswith("-")):
            raise ValueError("the name of an ALSA device as `arecord -L` lists them, usb:1-1.3, or /dev/snd/by-path/…")
        return value

    @field_validator("to", "callers", "emergency")
    @classmethod
    def _numbers(cls, value: list[str]) -> list[str]:
        for one in value:
            if _NUMBER.fullmatch(one) is None:
                raise ValueError(f"{one!r}: digits, with + before an international number, and * at the end for all")
        return value

    @field_validator("ring")
    @classmethod
    def _ring(cls, value: str) -> str:
        if not is_slug(value):
            raise ValueError('"console", or the short name of a talk group')
        return value

    @model_validator(mode="after")
    def _whole(self) -> CallsConfig:
        if not self.audio and (self.to or self.callers or self.emergency):
            raise ValueError("calls need their sound: set audio")
        return self

    # — numbers —

    def canonical(self, number: str) -> str:
        """As numbers are compared: international, but for short ones; "" for what is none."""
        told = address(number) or ""
        if not told or told.startswith("+") or not told.isdigit() or len(told) <= SHORT:
            return told
        return f"+{self.country}{told.lstrip('0')}"

    def may_dial(self, number: str) -> bool:
        return self._among(number, (*self.to, *self.emergency))

    def is_emergency(self, number: str) -> bool:
        return self._among(number, self.emergency)

    def may_call(self, number: str) -> bool:
        return self._among(number, self.callers)

    def _among(self, number: str, allowed: tuple[str, ...] | list[str]) -> bool:
        plain = self.canonical(number)
        return bool(plain) and any(self._fits(one, plain) for one in allowed)

    def _fits(self, allowed: str, plain: str) -> bool:
        if not allowed.endswith("*"):
            return self.canonical(allowed) == plain
        head = allowed[:-1]
        if head.startswith("00"):
            head = f"+{head[2:]}"
        if not head.startswith("+"):
            head = f"+{self.country}{head.lstrip('0')}"
        return plain.startswith(head)
