"""A phone's profile: what it is asked by AT and how its answers are read. A TOML file; see profiles/."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.base.errors import ConfigError
from gateway.model.link import Signal

FOLDER = Path(__file__).parents[1] / "profiles"
MAX_FILE = 64 * 1024
_COMMAND = re.compile(r"AT[\x20-\x7e]{0,120}")


class SignalQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    ask: str = "AT+CSQ"
    prefix: str = "+CSQ"
    pattern: str = Field(r"\+CSQ:\s*(?P<value>\d+)", max_length=200)
    unknown: list[int] = [99]
    dbm: list[float] = Field([2.0, -113.0], min_length=2, max_length=2, description="value × first + second; [] none")
    most: int = Field(31, ge=1, description="the value at full bars")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        if "value" not in re.compile(value).groupindex:
            raise ValueError("the pattern names a group (?P<value>…)")
        return value


class Profile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(max_length=80)
    verified: bool = Field(False, description="tried on a real phone")
    init: list[str] = Field([], max_length=16)
    identity: list[str] = Field(["AT+CGMI", "AT+CGMM"], max_length=6)
    signal: SignalQuery = SignalQuery()
    registration: str = "AT+CREG?"
    registration_prefix: str = "+CREG"
    registered: list[int] = [1, 5]
    searching: list[int] = [2]
    sms: bool = True
    dial: str = "ATD{number};"
    hangup: str = "ATH"
    position: str = Field("", description="a query whose answer holds latitude and longitude")
    position_prefix: str = ""
    position_pattern: str = r"(?P<latitude>-?\d+\.\d+),\s*(?P<longitude>-?\d+\.\d+)"
    aim: dict[str, float] = Field({}, description="where the satellite is seen: its longitude, for the aim aid")

    @field_validator("init", "identity")
    @classmethod
    def _commands(cls, value: list[str]) -> list[str]:
        if wrong := [one for one in value if _COMMAND.fullmatch(one) is None]:
            raise ValueError(f"{wrong[0]!r} is no AT command")
        return value

    def read_signal(self, line: str) -> Signal | None:
        """None: the phone knows none, or said something else."""
        found = re.search(self.signal.pattern, line[:400])
        if found is None or not found.group("value").lstrip("-").isdigit():
            return None
        value = int(found.group("value"))
        if value in self.signal.unknown:
            return None
        factor, offset = self.signal.dbm
        bars = min(5, max(0, round(5 * value / self.signal.most)))
        return Signal(technology="satphone", rssi_dbm=value * factor + offset, bars=bars)

    def read_position(self, line: str) -> tuple[float, float] | None:
        """Longitude and latitude in degrees."""
        found = re.search(self.position_pattern, line[:400])
        if found is None:
            return None
        latitude, longitude = float(found.group("latitude")), float(found.group("longitude"))
        if abs(latitude) > 90 or abs(longitude) > 180 or latitude == longitude == 0.0:
            return None
        return longitude, latitude


def load(name: str) -> Profile:
    """One of ours by name, or a file. Blocks. Raises ConfigError."""
    path = Path(name) if "/" in name else FOLDER / f"{name}.toml"
    try:
        with path.open("rb") as file:
            return Profile.model_validate(tomllib.loads(file.read(MAX_FILE).decode()))
    except (OSError, ValidationError, ValueError, re.error) as exc:
        raise ConfigError("adapter.satphone.phones", f"profile {path}: {exc}") from exc
