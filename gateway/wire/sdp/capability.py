"""What we can do on one m-line: codecs, where we hear, how it may be ciphered. The input of `Negotiation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
SrtpPolicy = Literal["off", "optional", "sdes", "dtls", "required"]
"""`off`: plain RTP only. `optional`: offers plain RTP, takes what the peer offers. `sdes`, `dtls`: that one only.
`required`: takes either, offers SDES, refuses plain."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload format. `name` is in lower case: opus, g722, pcma, pcmu, l16, telephone-event, cn, h264, h265.

    `clock_hz` is the RTP clock (8000 for g722, RFC 3551 §4.5.2). `pt` is the payload type we would like (None: the
    static one, else the next free dynamic one). `fmtp` is what we can receive; in an agreed `send` entry, what the
    peer can. `feedback` are a=rtcp-fb values ("nack pli", "ccm fir").
    """

    name: str
    clock_hz: int
    channels: int = 1
    fmtp: str = ""
    pt: int | None = None
    feedback: tuple[str, ...] = ()

    @property
    def auxiliary(self) -> bool:
        """Rides beside a codec and is none (RFC 4733, RFC 3389)."""
        return self.name in ("telephone-event", "cn")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """a=fingerprint: `algorithm` in lower case ("sha-256"), `value` in upper-case hex with colons (RFC 8122)."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """One kind of media as we can do it now. `host` and `port` are where we hear; `rtcp_port` 0 means `port` + 1.

    `rtcp_mux` offers it and takes it when offered (RFC 5761). `ssrc` 0 says none. `direction` is what we want; hold is
    `Negotiation.hold`.
    """

    kind: Literal["audio", "video"]
    host: str
    port: int
    codecs: tuple[Codec, ...]
    rtcp_port: int = 0
    rtcp_mux: bool = True
    direction: Direction = "sendrecv"
    ptime_ms: int = 20
    maxptime_ms: int = 0
    ssrc: int = 0
    cname: str = ""
    bandwidth_kbps: int = 0


_AUDIO = {
    "opus": Codec("opus", 48000, 2, "useinbandfec=1;minptime=10", 96),
    "g722": Codec("g722", 8000, pt=9),
    "pcma": Codec("pcma", 8000, pt=8),
    "pcmu": Codec("pcmu", 8000, pt=0),
    "l16": Codec("l16", 16000),
}
_DIGITS = "0-16"
_FEEDBACK = ("nack pli", "ccm fir")


def audio_codecs(names: Sequence[str], *, dtmf: bool = True, cn: bool = True) -> tuple[Codec, ...]:
    """The codecs of those names in that order, with telephone-event for each clock in use (RFC 4733 §2.1) and comfort
    noise at 8 kHz (RFC 3389). Unknown names raise KeyError."""
    found = [_AUDIO[name] for name in names]
    clocks = list(dict.fromkeys(c.clock_hz for c in found))
    if cn and 8000 in clocks:
        found.append(Codec("cn", 8000, pt=13))
    if dtmf:
        wanted = {8000: 101, 48000: 102}
        found += [Codec("telephone-event", hz, fmtp=_DIGITS, pt=wanted.get(hz)) for hz in clocks]
    return tuple(found)


def video_codecs(
    names: Sequence[str],
    *,
    h264_profile: str = "42e01f",
    h264_sprop: str = "",
    h264_modes: Sequence[int] = (1, 0),
    h265_fmtp: str = "",
) -> tuple[Codec, ...]:
    """h264 once per packetization-mode (RFC 6184 §8.2.2: another mode is another format) and h265 (RFC 7798).

    `h264_profile` is profile-level-id: the stream's own where it is known, so that the peer knows what will come;
    `h264_sprop` is sprop-parameter-sets (base64, comma); `h265_fmtp` as written (profile-id, level-id, sprop-vps …).
    """
    found: list[Codec] = []
    for name in names:
        if name == "h264":
            for mode in h264_modes:
                fmtp = f"profile-level-id={h264_profile};packetization-mode={mode};level-asymmetry-allowed=1"
                fmtp += f";sprop-parameter-sets={h264_sprop}" if h264_sprop else ""
                found.append(Codec("h264", 90000, fmtp=fmtp, feedback=_FEEDBACK))
        elif name == "h265":
            found.append(Codec("h265", 90000, fmtp=h265_fmtp, feedback=_FEEDBACK))
        else:
            raise KeyError(name)
    return tuple(found)
