"""What a technician may set for lamps and voice: `[adapter.panel]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.panel.lamp import parse_lamp
from gateway.config.units import Duration

_SOUND = re.compile(r"[A-Za-z0-9_:=,.-]{1,80}")
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class PanelConfig(BaseModel):
    """The field team's word by lamps and voice. Nothing is lit and nothing is said unless it is asked for here."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    lamps: list[str] = Field(
        [],
        max_length=8,
        description='as "gpio:/dev/gpiochip0:17", "gpio:/dev/gpiochip0:27:low=technician", "led:kit:status=ready"',
    )
    speak: bool = Field(False, description="say the word when it changes")
    languages: list[Literal["zh", "en"]] = Field(
        ["zh", "en"], min_length=1, max_length=2, description="one after the other"
    )
    sound: str = Field("default", description='ALSA device that speaks, as "plughw:CARD=Speaker"')
    recordings: Path | None = Field(
        None, description="folder of ready.zh.wav, degraded.en.wav, …: taken where they are, else espeak-ng speaks"
    )
    quiet: str = Field("", description='nothing is said in these hours of the local time, as "22:00-06:00"')
    pause: Duration = Field(
        20.0, ge=5, le=3600, description="least time between two sayings; of what comes sooner the newest"
    )
    most_an_hour: int = Field(
        12, ge=1, le=120, description="sayings an hour; a link at its edge must not become a nuisance"
    )
    repeat: Duration = Field(
        300.0, ge=0, le=86400, description="call the technician is said again after this; 0s: once"
    )

    @field_validator("lamps")
    @classmethod
    def _lamps(cls, value: list[str]) -> list[str]:
        for one in value:
            parse_lamp(one)
        return value

    @field_validator("sound")
    @classmethod
    def _sound(cls, value: str) -> str:
        if _SOUND.fullmatch(value) is None or value.startswith("-"):
            raise ValueError("an ALSA device is written default, or plughw:CARD=Speaker,DEV=0")
        return value

    @field_validator("quiet")
    @classmethod
    def _quiet(cls, value: str) -> str:
        if value and _QUIET.fullmatch(value) is None:
            raise ValueError('write hours as "22:00-06:00"')
        return value

    def quiet_minutes(self) -> tuple[int, int] | None:
        """Minutes after midnight, from and to."""
        found = _QUIET.fullmatch(self.quiet)
        if found is None:
            return None
        hours = [int(part) for part in found.groups()]
        return hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]


Config = PanelConfig
