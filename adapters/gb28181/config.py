"""What a technician may set for GB/T 28181 access: `[adapter.gb28181]`."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.gb28181.protocol.ids import is_platform_id
from gateway.config.units import ByteSize, Duration, HostPort, Listen

MediaTransport = Literal["tcp-passive", "udp", "tcp-active"]


def _address(value: str) -> str:
    if value:
        ipaddress.ip_address(value)
    return value


class DeviceOverride(BaseModel):
    """What differs for one device; empty means: find out by yourself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date_header: bool | None = Field(None, description="send the Date header that sets the device's clock")
    charset: Literal["", "gb18030", "utf-8"] = Field("", description="charset of what we send; empty: what it sends")
    sdp_ip: str = Field("", description="IP address written into our SDP; empty: the address the device reached us at")
    media: MediaTransport | Literal[""] = Field("", description="media transport to try first; empty: what worked last")
    sdp_line: str = Field(
        "", max_length=80, description="one more line in the SDP to choose the stream, e.g. a=streamnumber:0"
    )
    more_codecs: bool = Field(False, description="offer MPEG4, H.264 and H.265 beside PS")
    key_frame: Literal["", "IFameCmd", "IFrameCmd"] = Field("", description="spelling of the key-frame order")
    subscribe: bool = Field(True, description="subscribe to catalogue, alarms and positions")
    talk: Literal["auto", "broadcast", "talk", "off"] = Field(
        "auto",
        description="how it is made to play sound: voice broadcast, s=Talk of 2016; auto: where it has an output",
    )
    talk_target: Literal["", "output", "channel", "device"] = Field("", description="whose id a broadcast names")
    talk_start: Literal["", "ack", "connect", "answer"] = Field("", description="when sound begins to be sent")
    talk_codec: Literal["", "pcma", "pcmu"] = Field("", description="law of G.711; empty: what it asks for first")
    talk_send: Literal["always", "heard"] = Field("always", description="send silence too, or only what is said")
    talk_address: Literal["", "sdp", "signal"] = Field(
        "", description="where sound over UDP goes: the address in its SDP, or the one it signals from (NAT)"
    )

    @field_validator("sdp_ip")
    @classmethod
    def _ip(cls, value: str) -> str:
        return _address(value)

    @field_validator("sdp_line")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if value and (re.fullmatch(r"[a-z]=[\x20-\x7e]+", value) is None):
            raise ValueError("one SDP line such as a=streamnumber:0")
        return value


class Gb28181Config(BaseModel):
    """GB/T 28181 access: the gateway is the platform that devices register at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Listen = Field(HostPort("0.0.0.0", 5060), description="IP address and port for SIP, UDP and TCP")  # noqa: S104
    id: str = Field("34020000002000000001", description="our platform id, 20 digits: typed into every device")
    domain: str = Field("3402000000", description="our SIP domain, 10 digits; also the realm of the password")
    user_agent: str = Field("Fieldgate", max_length=64, description="User-Agent header we send")
    sdp_ip: str = Field("", description="IP address written into our SDP for every device; empty: as each reached us")

    register_expires_max: Duration = Field(86400.0, ge=60, description="longest registration we grant")
    keepalive_interval: Duration = Field(60.0, ge=1, le=3600, description="interval of the devices' keepalives")
    keepalive_misses: int = Field(3, ge=1, le=20, description="so many intervals of silence make a device offline")
    digest: tuple[Literal["MD5", "SHA-256"], ...] = Field(
        ("MD5",),
        min_length=1,
        description="password hashes offered, preferred first; old devices know MD5 only",
    )
    date_header: bool = Field(True, description="send the Date header (Beijing time) that sets the devices' clocks")
    refuse_status: Literal[401, 403, 404] = Field(403, description="SIP status that an unknown device gets")

    media_ladder: tuple[MediaTransport, ...] = Field(
        ("tcp-passive", "udp", "tcp-active"),
        min_length=1,
        description="media transports tried in turn until packets arrive; what worked is remembered per device",
    )
    first_media: Duration = Field(4.0, gt=0, le=60, description="wait for the first packet before the next transport")
    invite_timeout: Duration = Field(8.0, gt=0, le=60, description="wait for the answer to an invitation")
    query_timeout: Duration = Field(5.0, gt=0, le=60, description="wait for the answer to a query")
    catalog_quiet: Duration = Field(5.0, gt=0, le=60, description="pause after which a catalogue is taken as whole")

    live_offer_hold: Duration = Field(
        120.0, gt=0, le=86400, description="a one-key report is kept open so long without a viewer, then on demand"
    )

    subscribe_catalog: bool = Field(True, description="be told of changes of the devices' catalogues")
    subscribe_alarm: bool = Field(True, description="subscribe to alarms")
    subscribe_position: bool = Field(True, description="subscribe to positions")
    position_interval: Duration = Field(5.0, ge=1, le=3600, description="interval of positions asked for")
    subscribe_expires: Duration = Field(600.0, ge=60, le=86400, description="life of a subscription; refreshed before")

    max_devices: int = Field(1000, ge=1, description="devices attached at once; further ones are refused")
    max_channels: int = Field(4096, ge=1, description="channels taken from one device's catalogue")
    max_pending: int = Field(64, ge=1, description="queries waiting for one device's answer")
    max_body: ByteSize = Field(1_048_576, ge=4096, description="one message body; longer ones are refused")

    devices: dict[str, DeviceOverride] = Field(
        default_factory=dict, description="what differs for single devices, by their 20-digit id"
    )

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        if not is_platform_id(value):
            raise ValueError("20 digits, e.g. 34020000002000000001")
        return value

    @field_validator("domain")
    @classmethod
    def _domain(cls, value: str) -> str:
        if not (8 <= len(value) <= 20 and value.isascii() and value.isdigit()):
            raise ValueError("10 digits, normally the first ten of the id")
        return value

    @field_validator("sdp_ip")
    @classmethod
    def _ip(cls, value: str) -> str:
        return _address(value)

    @property
    def offline_after_s(self) -> float:
        """Silence that makes a device offline. GB/T 28181-2022 §9.6: three intervals of 60 s by default."""
        return self.keepalive_interval * self.keepalive_misses


Config = Gb28181Config
"""The name by which the core finds the model without importing the adapter."""
