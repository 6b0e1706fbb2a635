"""What a technician may set for cellular modems: `[adapter.modem.modems.<name>]`."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from adapters.modem.config_calls import CallsConfig
from gateway.base.serial import check_address
from gateway.config.units import Duration, is_slug

_APN = re.compile(r"[A-Za-z0-9._@-]{0,100}")
_WORDS = re.compile(r"[\x21\x23-\x7e]{0,64}")


class OneModem(BaseModel):
    """One modem. Its name is its link's, and stays however its ports are numbered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: Literal["auto", "modemmanager", "at"] = Field(
        "auto",
        description="who drives it: modemmanager; at, our own engine on its serial port (docs/modems.md says how to "
        "keep ModemManager from it); auto: ModemManager where it shows the modem within half a minute, else at",
    )
    port: str = Field(
        description="its AT port by where it is plugged in: /dev/serial/by-path/…, usb:1-1.3:2 (socket, interface) or "
        "tcp://host:port"
    )
    baud: int = Field(115_200, ge=1200, le=4_000_000, description="speed of a real serial line; USB has none")
    chipset: str = Field(
        "auto", max_length=32, description="auto: by what it says of itself; else as the README has it"
    )
    apn: str = Field("", description="access point name; empty: what the network gives the card")
    user: str = Field("", description="for private networks that ask for it")
    password: SecretStr = Field(SecretStr(""), description="the same")
    pin: SecretStr = Field(
        SecretStr(""), description="of the SIM card; entered once, never when one try is left, never another one"
    )
    roaming: bool = Field(False, description="data in foreign networks, at their price")
    interface: str = Field(
        "", max_length=15, description="its network interface; empty: the one of the same USB device"
    )
    nr: bool = Field(True, description="shown as 5G before it has told its technology; no: as LTE")
    cost: int = Field(30, ge=0, le=100, description="price of its data, 0 to 100: dearer links are taken later")
    texts: bool = Field(True, description="offer it for short messages")
    texts_cost: int = Field(10, ge=0, le=100, description="price of its messages; dearer carriers are taken later")
    number: str = Field("", max_length=21, description="its own telephone number, where the card does not tell it")
    gnss: bool = Field(False, description="switch its satellite receiver on, and take the kit's place of it")
    power: bool = Field(True, description="switch its USB socket off and on as the last step back, where the hub can")
    poll: Duration = Field(5.0, ge=1, le=60, description="how often it is asked how it stands")
    patience: Duration = Field(
        180.0, ge=30, le=3600, description="without a network for so long, its radio is switched off and on"
    )
    calls: CallsConfig = Field(default_factory=CallsConfig, description="voice calls, their sound in talk groups")

    @field_validator("port")
    @classmethod
    def _port(cls, value: str) -> str:
        check_address(value)
        return value

    @field_validator("apn")
    @classmethod
    def _apn(cls, value: str) -> str:
        if _APN.fullmatch(value) is None:
            raise ValueError("letters, digits, dot, dash, underscore and @")
        return value

    @field_validator("user")
    @classmethod
    def _user(cls, value: str) -> str:
        if _WORDS.fullmatch(value) is None:
            raise ValueError("printable ASCII without quotes and spaces, 64 at most")
        return value

    @field_validator("password")
    @classmethod
    def _password(cls, value: SecretStr) -> SecretStr:
        if _WORDS.fullmatch(value.get_secret_value()) is None:
            raise ValueError("printable ASCII without quotes and spaces, 64 at most")
        return value

    @field_validator("pin")
    @classmethod
    def _pin(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and re.fullmatch(r"\d{4,8}", value.get_secret_value()) is None:
            raise ValueError("four to eight digits, in quotes")
        return value

    @field_validator("number")
    @classmethod
    def _number(cls, value: str) -> str:
        if value and re.fullmatch(r"\+?\d{3,20}", value) is None:
            raise ValueError("digits, with + before an international number")
        return value

    @field_validator("interface")
    @classmethod
    def _interface(cls, value: str) -> str:
        if value and re.fullmatch(r"[A-Za-z0-9_.:-]{1,15}", value) is None:
            raise ValueError("an interface's name, as `ip link` lists them")
        return value

    @model_validator(mode="after")
    def _sound(self) -> OneModem:
        if self.calls.way == "pcm" and self.backend != "at":
            raise ValueError(
                'calls.audio "pcm:…" needs backend = "at": the commands that put a call\'s sound on a port go by '
                "the AT port, which ModemManager holds and lends in its debug mode only; set it, or use the modem's "
                'sound card ("card")'
            )
        if self.calls.way == "pcm" and self.calls.place == self.port:
            raise ValueError("calls.audio is the AT port itself: the samples come on another one of the modem")
        return self


class ModemConfig(BaseModel):
    """Cellular modems of the kit. Each becomes a link and, if wanted, a carrier of short messages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modems: dict[str, OneModem] = Field({}, max_length=16, description="modems by name, as lte0")

    @field_validator("modems")
    @classmethod
    def _names(cls, value: dict[str, OneModem]) -> dict[str, OneModem]:
        for name in value:
            if not is_slug(name):
                raise ValueError(f"{name!r}: use lower-case letters, digits, '.', '_' and '-'")
        ports = [one.port for one in value.values()]
        if len(set(ports)) != len(ports):
            raise ValueError("two modems have one port")
        ports += [one.calls.place for one in value.values() if one.calls.way == "pcm"]
        if len(set(ports)) != len(ports):
            raise ValueError("a port of calls.audio is that of another modem")
        sounds = [one.calls.audio for one in value.values() if one.calls.way == "card" and one.calls.place]
        if len(set(sounds)) != len(sounds):
            raise ValueError("two modems have one sound card in calls.audio")
        return value


Config = ModemConfig
"""The name by which the core finds the model without importing the adapter."""
