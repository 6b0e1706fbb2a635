"""What a technician may set for ONVIF cameras: `[adapter.onvif]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from gateway.config.units import Duration, is_slug

_HOST = re.compile(r"(\[[0-9A-Fa-f:.%a-z]{2,60}\]|[A-Za-z0-9][A-Za-z0-9.\-]{0,252})(?::(\d{1,5}))?")


def read_address(text: str) -> tuple[str, int]:
    """`"192.168.1.64"`, `"192.168.1.64:8080"`, `"[fd00::1]:80"` or a name; port 80 where none is said. ValueError."""
    found = _HOST.fullmatch(text.strip())
    port = int(found.group(2) or 80) if found else 0
    if found is None or not 1 <= port <= 65535:
        raise ValueError("an address or name with an optional port, as 192.168.1.64:80")
    return found.group(1).strip("[]"), port


def address_text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class CameraConfig(BaseModel):
    """One camera of the configuration; others are admitted by discovery or by hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field(description="address of its ONVIF service with an optional port, as 192.168.1.64:80")
    title: str = Field("", max_length=64, description="shown to people; empty: what the camera calls itself")
    user: str = Field("", max_length=64, description="an ONVIF user of the camera; empty: the adapter's `user`")
    password: SecretStr | None = Field(None, description="better: password_file; without both, the kit's password")
    password_file: Path | None = Field(None, description="file whose first line is the password")
    tls: bool = Field(False, description="speak HTTPS to it; its own certificate is taken as it is")
    rtsp_port: int = Field(0, ge=0, le=65535, description="port of its RTSP as reached from here; 0: as it says (NAT)")
    events: bool = Field(True, description="take its events as alarms")
    set_clock: bool | None = Field(None, description="set its clock when it is wrong; empty: as the adapter's")

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file: set one of them")
        return self

    def secret(self) -> str:
        """ "" where none is set. Raises OSError when the file can not be read."""
        if self.password_file is not None:
            return self.password_file.read_text(encoding="utf-8").splitlines()[0].strip()
        return self.password.get_secret_value() if self.password is not None else ""

    @field_validator("address")
    @classmethod
    def _address(cls, value: str) -> str:
        return address_text(*read_address(value))


class OnvifConfig(BaseModel):
    """ONVIF cameras, profiles S and T: picture, movement, alarms and clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field("admin", max_length=64, description="user name for cameras that are admitted without one")
    set_clock: bool = Field(True, description="set the clocks of cameras that are wrong by more than `clock_error`")
    clock_error: Duration = Field(5.0, ge=2, le=86400, description="a clock wrong by more is set, or told of")
    timeout: Duration = Field(5.0, ge=0.5, le=60, description="wait for an answer")
    check_every: Duration = Field(30.0, ge=2, le=3600, description="how often a camera is asked for a sign of life")
    retry_first: Duration = Field(2.0, ge=0.2, le=60, description="wait before the second attempt; doubles each time")
    retry_most: Duration = Field(60.0, ge=1, le=3600, description="longest wait between attempts")
    retry_password: Duration = Field(
        300.0, ge=10, le=86400, description="wait after a refused password: cameras lock users who try on"
    )
    move_timeout: Duration = Field(
        2.0, ge=1, le=60, description="the camera is told to stop by itself after this; we stop it sooner"
    )
    events: bool = Field(True, description="take the cameras' events as alarms")
    profiles: int = Field(32, ge=1, le=128, description="most profiles of one camera that become channels")
    listen_hello: bool = Field(True, description="hear cameras that announce themselves (WS-Discovery, UDP 3702)")
    follow: Literal["subnet", "anywhere", "never"] = Field(
        "subnet",
        description="where a camera that announces itself at another address is followed: announcements are unsigned, "
        "and whoever is followed gets a sign-in by digest; `subnet`: the same /24 (IPv4) or /64 (IPv6)",
    )
    max_devices: int = Field(256, ge=1, le=4096, description="cameras attached at once; further ones are left out")
    devices: dict[str, CameraConfig] = Field({}, description="cameras by name, as [adapter.onvif.devices.gate]")

    @field_validator("devices")
    @classmethod
    def _names(cls, value: dict[str, CameraConfig]) -> dict[str, CameraConfig]:
        for name in value:
            if not is_slug(name) or name == "talk":
                raise ValueError(f"{name!r}: use lower-case letters, digits, '.', '_' and '-', and not 'talk'")
        return value


Config = OnvifConfig
"""The name by which the core finds the model without importing the adapter."""
