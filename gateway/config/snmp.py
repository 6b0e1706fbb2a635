"""How an SNMP agent is asked: the part of an adapter's section that says so."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from gateway.config.section import Section
from gateway.config.sources import Password
from gateway.config.units import Duration


class SnmpAgent(Section):
    """v1 and v2c need the community, v3 a user and its passwords (and the extra `fieldgate[snmp]`)."""

    host: str = Field(min_length=1, max_length=253, description="name or address of the agent")
    port: int = Field(161, ge=1, le=65535, description="its UDP port")
    version: Literal["1", "2c", "3"] = Field("2c", description="of SNMP; 3 needs the extra fieldgate[snmp]")
    community: Password = Field(SecretStr("public"), description="of v1 and v2c")
    user: str = Field("", max_length=64, description="of v3")
    auth: Literal["sha256", "sha1", "md5"] = Field("sha256", description="how v3 proves who asks")
    auth_password: Password = Field(SecretStr(""), description="of v3, 8 characters or more")
    privacy: Literal["aes128", "aes256", "des"] = Field("aes128", description="v3's cipher")
    privacy_password: Password = Field(SecretStr(""), description="of v3; empty: not ciphered")
    timeout: Duration = Field(1.0, ge=0.1, le=30, description="patience with one question")
    retries: int = Field(1, ge=0, le=5, description="how often it is asked again")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.version == "3":
            if not self.user or len(self.auth_password.get_secret_value()) < 8:
                raise ValueError("SNMP v3 needs user and an auth_password of 8 characters or more")
            if 0 < len(self.privacy_password.get_secret_value()) < 8:
                raise ValueError("a privacy_password has 8 characters or more")
        return self
