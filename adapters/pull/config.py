"""What a technician may set for pictures out of clouds: `[adapter.pull]`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from gateway.base.errors import RemoteProtocolError
from gateway.base.url import parse_url
from gateway.config.units import ByteSize, Duration


class Renew(BaseModel):
    """Whom to ask for a source's present address: `#renew=<name>&arg=<camera>` at the source's URL."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr = Field(description="http or https; {arg} becomes the source's arg")
    method: Literal["GET", "POST"] = Field("GET", description="how")
    headers: dict[str, SecretStr] = Field({}, max_length=16, description="as Authorization = 'Bearer …'")
    body: SecretStr = Field(SecretStr(""), max_length=8192, description="of a POST; {arg} becomes the source's arg")
    pointer: str = Field("/url", max_length=256, description="where the address stands in the answer's JSON (RFC 6901)")
    ends_pointer: str = Field(
        "", max_length=256, description="where it says until when, unix seconds; empty: it does not"
    )
    every: Duration = Field(10.0, ge=1, le=3600, description="it is not asked more often for one source")
    inside: bool = Field(False, description="the addresses it gives may lie in private networks")

    @field_validator("url")
    @classmethod
    def _http(cls, value: SecretStr) -> SecretStr:
        try:
            scheme = parse_url(value.get_secret_value().replace("{arg}", "x")).scheme
        except RemoteProtocolError as exc:
            raise ValueError(str(exc)) from None
        if scheme not in ("http", "https"):
            raise ValueError("begins with http:// or https://")
        return value

    @field_validator("pointer", "ends_pointer")
    @classmethod
    def _pointer(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError("a JSON pointer begins with /, as /data/url")
        return value

    @field_validator("headers")
    @classmethod
    def _plain(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            if not name.replace("-", "").isalnum() or not secret.get_secret_value().isprintable():
                raise ValueError(f"{name[:40]!r} is no header")
        return value


class PullConfig(BaseModel):
    """HLS and HTTP-FLV as sources: https://….m3u8, https://….flv."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment_bytes: ByteSize = Field(64_000_000, ge=1_000_000, description="most that one segment has")
    verify: bool = Field(True, description="false: certificates of sources are not checked")
    renew: dict[str, Renew] = Field({}, max_length=64, description="where addresses that expire are asked for")


Config = PullConfig
