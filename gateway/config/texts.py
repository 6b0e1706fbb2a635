"""`[texts]` and `[last_resort]`: short messages, and what a kit says by them when nothing else is left."""

from __future__ import annotations

from pydantic import Field, field_validator

from gateway.base.textaddress import address
from gateway.config.section import Section
from gateway.config.units import Duration, is_slug


class Texts(Section):
    waiting: int = Field(
        2000, ge=10, le=100_000, description="most short messages that wait to be sent; beyond, the least important go"
    )
    max_age: Duration = Field(86400.0, ge=60, description="a message that is older than this is not sent any more")
    keep: Duration = Field(365 * 86400.0, ge=86400, description="messages are kept this long")
    most: int = Field(100_000, ge=100, le=10_000_000, description="and at most so many of those that came")
    parts_wait: Duration = Field(
        3600.0, ge=60, description="a long message is shown with a gap when no part of it came for so long"
    )


class LastResort(Section):
    center: list[str] = Field(
        [],
        max_length=4,
        description="where a kit's record of 48 bytes goes by short message when no link is left, in this order: "
        "telephone numbers, bd: and a BeiDou card, sbd: (Iridium)",
    )
    centers: dict[str, list[str]] = Field(
        {},
        max_length=8,
        description="of a kit that has several centers: each one's own addresses, by its id; each gets its own record. "
        "The addresses in `center` are those of the one that was paired first of those not named here",
    )
    after: Duration = Field(300.0, ge=10, description="when no center holds this kit for so long")
    every: Duration = Field(900.0, ge=60, description="and then so often")
    on_alarm: bool = Field(True, description="at once when an alarm is raised while no center holds this kit")
    most_a_day: int = Field(96, ge=1, le=2000, description="most records in 24 hours; each costs a short message")

    @field_validator("center")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        return _checked(value)

    @field_validator("centers")
    @classmethod
    def _each(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        if wrong := [name for name in value if not is_slug(name)]:
            raise ValueError(f"{wrong[0][:40]!r} is no center's id")
        if wrong := [name for name, told in value.items() if not 1 <= len(told) <= 4]:
            raise ValueError(f"{wrong[0]}: 1 to 4 addresses")
        return {name: _checked(told) for name, told in value.items()}


def _checked(value: list[str]) -> list[str]:
    made = []
    for one in value:
        told = address(one)
        if told is None:
            raise ValueError(f"{one[:40]!r} is no telephone number, bd:… or sbd:")
        made.append(told)
    return made
