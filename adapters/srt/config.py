"""What a technician may set for SRT: `[adapter.srt]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, SecretStr, model_validator

from gateway.config.units import Duration, HostPort, Listen


def _passphrase(value: SecretStr) -> SecretStr:
    if value.get_secret_value() and not 10 <= len(value.get_secret_value().encode()) <= 79:
        raise ValueError("an SRT passphrase has 10 to 79 characters")
    return value


Passphrase = Annotated[
    SecretStr,
    AfterValidator(_passphrase),
    PlainSerializer(lambda secret: "********" if secret.get_secret_value() else ""),
]


class SrtConfig(BaseModel):
    """One listener for all who publish and read by stream id, and what connections of ours take as default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Listen = Field(HostPort("0.0.0.0", 8890), description="our UDP address for callers")  # noqa: S104
    latency_min: Duration = Field(
        0.12, ge=0.02, le=8, description="least time that lost packets have to be sent again; also the first guess"
    )
    latency_max: Duration = Field(
        2.0, ge=0.02, le=30, description="most that is chosen by itself; three round trips of the link are aimed at"
    )
    passphrase: Passphrase = Field(
        SecretStr(""), description="every caller must know it; empty: callers come without encryption"
    )
    passphrases: dict[str, Passphrase] = Field(
        {},
        max_length=256,
        description="passphrases of programs by name; one that knows its own needs no password in its stream id",
    )
    max_callers: int = Field(100, ge=1, le=2000, description="callers at a time")
    patience: Duration = Field(3.0, ge=0.5, le=60, description="how long a connection of ours may take to come about")

    @model_validator(mode="after")
    def _ordered(self) -> SrtConfig:
        if self.latency_min > self.latency_max:
            raise ValueError("latency_min is over latency_max")
        return self
