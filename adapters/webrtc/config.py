"""What a technician may set for WebRTC: `[adapter.webrtc]`."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from gateway.config.units import Duration

_ICE_URL = re.compile(r"(stuns?:[^\s\"<>,;?]{1,200}|turns?:[^\s\"<>,;?]{1,200}(\?transport=(udp|tcp))?)")

CodecName = Literal["h264", "h265", "opus", "pcma", "pcmu", "g722"]


class IceServer(BaseModel):
    """A STUN or TURN server that viewers are told to use (RFC 9725 §4.6)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="stun:host:port, turn:host:port?transport=udp or turns:host:port")
    username: str = Field("", max_length=200, description="of a TURN server")
    credential: SecretStr = Field(SecretStr(""), description="of a TURN server")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if _ICE_URL.fullmatch(value) is None:
            raise ValueError("written like stun:host:3478 or turn:host:3478?transport=udp")
        return value

    @field_validator("username")
    @classmethod
    def _plain(cls, value: str) -> str:
        if re.search(r'[\x00-\x1f"\\]', value):
            raise ValueError("no quotes, backslashes or control characters")
        return value


class WebRtcConfig(BaseModel):
    """Viewers and publishers over WebRTC (WHEP and WHIP), all on one UDP port."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int = Field(
        8189,
        ge=0,
        le=65535,
        description="UDP port of all viewers, for the firewall; at a center the kits' port unless set; 0: a free one",
    )
    addresses: list[str] = Field(
        default_factory=list, max_length=16, description="own IP addresses to use; empty: all, refreshed as they change"
    )
    public_address: str = Field("", description="address that a 1:1 NAT in front of this machine shows outside")
    stun_server: str = Field(
        "", description="host:port of a STUN server that tells this machine its own outer address; empty: none"
    )
    ice_servers: list[IceServer] = Field(
        default_factory=list, max_length=8, description="STUN and TURN servers that viewers are told to use"
    )
    max_sessions: int = Field(256, ge=1, le=10_000, description="viewers and publishers at one time")
    max_sessions_per_user: int = Field(64, ge=1, le=10_000, description="of one account at one time")
    codecs: list[CodecName] = Field(
        default=["h264", "h265", "opus", "pcma", "pcmu", "g722"],
        min_length=1,
        description="what may be sent and received, the preferred first",
    )
    connect_timeout: Duration = Field(15.0, gt=0, le=120, description="for ICE to find a path")
    handshake_timeout: Duration = Field(10.0, gt=0, le=120, description="for DTLS once there is a path")
    remember: Duration = Field(60.0, ge=0, le=3600, description="how long an ended session still tells why it ended")

    @field_validator("addresses")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        return [str(ipaddress.ip_address(one)) for one in value]

    @field_validator("public_address")
    @classmethod
    def _public(cls, value: str) -> str:
        return str(ipaddress.ip_address(value)) if value else ""

    @field_validator("stun_server")
    @classmethod
    def _stun(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (re.fullmatch(r"[A-Za-z0-9.-]{1,253}", host) and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError("written host:port, as stun.example.org:3478")
        return value

    @field_validator("codecs")
    @classmethod
    def _once(cls, value: list[CodecName]) -> list[CodecName]:
        if len(set(value)) != len(value):
            raise ValueError("name each codec once")
        return value


Config = WebRtcConfig  # the name under which the core looks for an adapter's settings
