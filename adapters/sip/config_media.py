"""What calls may carry, as the configuration says it; `MediaPolicy` is the same for the calls."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.sip.routing import MediaPolicy, Srtp
from gateway.config.units import Duration

Audio = Literal["opus", "g722", "pcma", "pcmu", "l16"]
Video = Literal["h264", "h265"]


class MediaConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    srtp: Srtp = Field("optional", description="off, optional, sdes, dtls or required (refuses plain RTP)")
    audio: list[Audio] = Field(["opus", "g722", "pcma", "pcmu"], min_length=1, description="codecs, preferred first")
    video: list[Video] = Field(["h264", "h265"], description="codecs, preferred first; empty: no video")
    latch: Literal["auto", "strict", "host", "first"] = Field(
        "auto",
        description="media from: strict the address of the SDP, host its host, first the first packet (NAT); "
        "auto: host for trunks and for phones whose SDP names where they signal from, else first",
    )
    no_media: Duration = Field(
        0.0, ge=0, le=3600, description="hang up after so long without any packet; 0s: never (push-to-talk)"
    )
    keyed_by: Literal["voice", "digit"] = Field(
        "voice", description="how a phone takes the floor: by speaking, or by * and #"
    )
    session_expires: Duration = Field(1800.0, ge=90, le=86400, description="session timer (RFC 4028)")
    reliable: bool = Field(True, description="offer 100rel (PRACK)")
    ring: Duration = Field(60.0, ge=5, le=180, description="longest ringing")

    def policy(self, *, trunk: bool = False) -> MediaPolicy:
        return MediaPolicy(
            srtp=self.srtp,
            audio=tuple(self.audio),
            video=tuple(self.video),
            latch="host" if trunk and self.latch == "auto" else self.latch,
            no_media_s=self.no_media,
            keyed_by=self.keyed_by,
            session_expires_s=int(self.session_expires),
            reliable=self.reliable,
            max_ring_s=self.ring,
        )
