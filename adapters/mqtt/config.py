"""What a technician may set for MQTT: `[adapter.mqtt]`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.mqtt.address import Broker, parse_broker
from adapters.mqtt.protocol.topics import may_be_gateway
from gateway.config.units import ByteSize, Duration, HostPort, Listen, OwnAddress

EMBEDDED = "embedded"


class MqttConfig(BaseModel):
    """Kits and centers by a broker. `role` of [gateway] says which of the two this is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    brokers: list[str] = Field(
        [],
        max_length=32,
        description="tried in turn: mqtts://host:8883, mqtt://host:1883, mqtt+unix:///path, uplink:center/mqtt; "
        'empty: at a kit port 8883 of its centers; at a center "embedded", a broker in a process of its own',
    )
    listen: Listen = Field(HostPort("0.0.0.0", 8883), description="TLS address of the embedded broker")  # noqa: S104
    hostnames: list[str] = Field([], max_length=32, description="other names by which kits reach the embedded broker")
    max_clients: int = Field(512, ge=1, le=5000, description="most connections of the embedded broker")
    max_message: ByteSize = Field(600_000, ge=65_536, le=16_000_000, description="largest message it takes")
    centers: list[str] = Field(
        [],
        max_length=16,
        description="at a kit: gateway ids of the centers that must have every event, where they are not paired; at a "
        "center: other centers that use the same broker",
    )
    center_role: Literal["viewer", "operator", "technician"] = Field(
        "operator",
        description="at a kit: the most that somebody of a center in `centers` may do; paired ones have theirs",
    )
    ca: Path | None = Field(None, description="PEM of the authority that signed the brokers' certificates")
    certificate: Path | None = Field(None, description="client certificate, PEM, with this gateway's id as its name")
    key: Path | None = Field(None, description="its key, PEM; empty, all three: what pairing brought")
    user: str = Field("", description="user name for brokers that ask for one")
    password: str = Field("", repr=False, description="its password")
    sealed: bool = Field(
        True,
        description="what paired gateways send each other carries a seal that no broker can make; false: it does not",
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field("auto", description="auto: MQTT 5 where the broker has it")
    spread: bool = Field(True, description="kits begin at different places of the list; false: at its first broker")
    interface: str = Field("", max_length=15, description="connect through this network interface only, as wwan0")
    bind_address: OwnAddress = Field("", description="connect from this own address only")
    answer: Duration = Field(4.0, ge=0.5, le=60, description="wait for a broker's answer, then try the next one")
    keep_alive: Duration = Field(20.0, ge=5, le=600, description="a broker that says nothing for so long is asked")
    telemetry: Duration = Field(10.0, ge=1, le=600, description="a sign of life this often; three missed are a death")
    window: int = Field(64, ge=1, le=1000, description="events under way to a center at a time")
    piece: ByteSize = Field(16_384, ge=1024, le=262_144, description="size of the pieces of files")
    max_kits: int = Field(5000, ge=1, le=100_000, description="at a center: most kits")

    @field_validator("brokers")
    @classmethod
    def _brokers(cls, value: list[str]) -> list[str]:
        if EMBEDDED in value and value != [EMBEDDED]:
            raise ValueError('"embedded" stands alone: several brokers are a cluster of its own')
        for text in value:
            if text != EMBEDDED:
                parse_broker(text)
        return value

    @field_validator("centers")
    @classmethod
    def _centers(cls, value: list[str]) -> list[str]:
        for text in value:
            if not may_be_gateway(text):
                raise ValueError(f"{text!r} is no gateway id for MQTT: lower-case letters, digits, '_' and '-', no dot")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: set both or none")
        if self.password and not self.user:
            raise ValueError("a password without a user: set user, or neither")
        return self

    def parsed(self) -> list[Broker]:
        return [parse_broker(text) for text in self.brokers if text != EMBEDDED]
