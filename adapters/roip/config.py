"""What a technician may set for radio channels: `[adapter.roip.channels.<name>]`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.config.units import Duration, HostPort, Listen, is_slug

_PCM_DEVICE = re.compile(r"[A-Za-z0-9_:=,.+-]{1,120}")
_SERIAL = re.compile(r"/dev/[A-Za-z0-9_./:+-]{1,200}|rfc2217://[A-Za-z0-9_.\-\[\]:]{1,200}")


class Channel(BaseModel):
    """What every kind of channel has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field("", max_length=64, description="shown to people; empty: the channel's name")
    transmit_timeout: Duration = Field(
        60.0, ge=1, le=600, description="longest single transmission; then PTT is let go until the talker has let go"
    )
    transmit_rest: Duration = Field(3.0, ge=0, le=600, description="pause after a transmission that was cut by it")
    tail: Duration = Field(0.4, ge=0, le=5, description="PTT is let go this long after the last packet or word")
    settle: Duration = Field(
        0.2, ge=0, le=2, description="squelch is not believed this long after PTT: the channel's own tail"
    )
    squelch_inhibits: bool = Field(True, description="do not key while somebody is heard on the channel")
    gain_in_db: float = Field(0.0, ge=-60, le=30, description="of what is heard on the channel")
    gain_out_db: float = Field(0.0, ge=-60, le=30, description="of what is sent to it")


class UsrpChannel(Channel):
    """An AllStarLink node, or any program with a USRP channel driver."""

    kind: Literal["usrp"]
    listen: Listen = Field(HostPort("127.0.0.1", 34001), description="our UDP address")
    peer: Listen = Field(HostPort("127.0.0.1", 32001), description="the node's UDP address")


class RtpChannel(Channel):
    """A radio gateway that speaks plain RTP with G.711."""

    kind: Literal["rtp"]
    listen: Listen = Field(HostPort("0.0.0.0", 34010), description="our UDP address")  # noqa: S104
    peer: Listen = Field(description="the radio gateway's UDP address; packets of no other host are taken")
    codec: Literal["pcma", "pcmu"] = Field("pcma", description="G.711 A-law or µ-law")
    squelch: Literal["rtp", "vox"] = Field(
        "rtp", description="rtp: packets come only while somebody is heard; vox: they always come, speech decides"
    )
    vox_db: float = Field(-40.0, ge=-80, le=0, description="level over which it is speech, dBFS")
    vox_hang: Duration = Field(0.5, ge=0.1, le=5, description="silence that ends it")


class SerialChannel(Channel):
    """A radio keyed by a line of a serial port, its audio on a sound card."""

    kind: Literal["serial"]
    port: str = Field(description="serial port by a name that stays, as in /dev/serial/by-id/…, or rfc2217://host:port")
    ptt: Literal["rts", "dtr"] = Field("rts", description="the line that keys the transmitter")
    ptt_inverted: bool = Field(False, description="the line is low to transmit")
    squelch: Literal["cts", "dcd", "vox"] = Field("cts", description="the line that tells an open squelch, or speech")
    squelch_inverted: bool = Field(False, description="the line is low while squelch is open")
    vox_db: float = Field(-40.0, ge=-80, le=0, description="level over which it is speech, dBFS")
    vox_hang: Duration = Field(0.5, ge=0.1, le=5, description="silence that ends it")
    audio: str = Field("default", description="ALSA device for both ways, as in plughw:CARD=Device")
    rate_hz: Literal[8000, 16000, 48000] = Field(16000, description="sampling rate of the sound card")

    @field_validator("port")
    @classmethod
    def _port(cls, value: str) -> str:
        if _SERIAL.fullmatch(value) is None or ".." in value:
            raise ValueError("a path below /dev/, best of /dev/serial/by-id/, or rfc2217://host:port")
        return value

    @field_validator("audio")
    @classmethod
    def _audio(cls, value: str) -> str:
        # It becomes an argument of arecord and aplay: a name that begins with a dash would be read as an option.
        if _PCM_DEVICE.fullmatch(value) is None or value.startswith("-"):
            raise ValueError("the name of an ALSA device, as `arecord -L` lists them")
        return value


AnyChannel = Annotated[UsrpChannel | RtpChannel | SerialChannel, Field(discriminator="kind")]


class RoipConfig(BaseModel):
    """Radio channels. Each becomes a device of the directory and can sit in talk groups."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: dict[str, AnyChannel] = Field({}, description="radio channels by name; kind: usrp, rtp or serial")

    @field_validator("channels")
    @classmethod
    def _names(cls, value: dict[str, AnyChannel]) -> dict[str, AnyChannel]:
        for name in value:
            if not is_slug(name) or name == "talk":
                raise ValueError(f"{name!r}: use lower-case letters, digits, '.', '_' and '-', and not 'talk'")
        return value
