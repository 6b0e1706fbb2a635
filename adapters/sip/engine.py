"""What a SIP engine is to a call: it makes legs, and a leg is rung, answered, held, moved, transferred and ended.

Two engines fulfil this: `native` (our own user agent on `SipEndpoint`, media in the media plane) and `pjsua2` (PJSIP
in worker processes, its sound handed over as PCM). A call (`call.py`) sees nothing else of SIP and SDP: it hears of the
leg through `LegOwner`, and gets the sound as a voice of the media plane and the picture as one of its sessions.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

from adapters.sip.routing import Route
from gateway import codecs
from gateway.model.media import Track
from gateway.wire.sdp import PayloadType


@dataclass(frozen=True, slots=True)
class VideoWish:
    """`send`: our picture may go out; `receive`: the peer's may come in. `near` is the media plane's stream that is to
    go out: the video line's session is put on its thread. `tracks` says what is known of it when an offer or answer is
    written."""

    send: bool = False
    receive: bool = False
    near: int | None = None
    tracks: Callable[[], Sequence[Track]] = field(default=tuple, compare=False)

    def __bool__(self) -> bool:
        return self.send or self.receive


NO_VIDEO = VideoWish()


class LegState(StrEnum):
    """Where a leg stands in its signalling. Holding is a matter of its media, not of this."""

    NEW = "new"  # came in, not answered; or not yet sent
    RINGING = "ringing"  # 180 or 183 went the one way or the other
    UP = "up"  # 2xx
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class PictureLine:
    """The video line as agreed: `send` what the peer takes from us now (empty: nothing may go), `receive` what it may
    send now. `session` is the media plane's."""

    session: int
    send: tuple[PayloadType, ...] = ()
    receive: tuple[PayloadType, ...] = ()
    codec: str = ""


@dataclass(frozen=True, slots=True)
class LegMedia:
    """What flows, or may flow, by the last offer and answer.

    `voice` is None while there is no sound to route (held, not answered).
    `no_video` says in words why there is no picture.
    """

    voice: int | None = None
    audio: str = ""
    video: PictureLine | None = None
    secure: str = ""  # "", "sdes", "dtls"; of the less protected line
    held: bool = False  # by us
    held_by_peer: bool = False
    early: bool = False
    no_video: str = ""

    def with_voice(self, voice: int | None) -> LegMedia:
        return replace(self, voice=voice)


@dataclass(frozen=True, slots=True)
class LegEnd:
    """How a leg ended: a reason code, words, and the SIP status where a final answer ended it (0: none)."""

    code: str
    detail: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True)
class Referral:
    """The peer asks us to call somebody in its place (REFER). `replaces` is the Replaces value of an attended one."""

    number: str
    uri: str
    replaces: str = ""
    by: str = ""  # Referred-By


class ReferralReply(Protocol):
    """How the referrer is kept informed (NOTIFY with message/sipfrag, RFC 3515)."""

    def tell(self, status: int, reason: str = "") -> None:
        """100, 180 and so on; 200 and above ends the report. Returns at once."""


class LegOwner(Protocol):
    """Who hears of a leg. Called on the event loop; none may raise."""

    def leg_ringing(self, leg: Leg) -> None: ...
    def leg_media(self, leg: Leg) -> None:
        """`leg.media` changed: also early media, hold and resume, a new codec, a new session."""

    def leg_up(self, leg: Leg) -> None: ...
    def leg_digit(self, leg: Leg, digit: str) -> None:
        """A digit by INFO (those of RFC 4733 come as events of the voice)."""

    def leg_moving(self, leg: Leg, moving: bool) -> None: ...
    def leg_picture_wanted(self, leg: Leg) -> None:
        """The peer asks for a key frame by INFO (RFC 5168); PLI and FIR are the media plane's."""

    def leg_referred(self, leg: Leg, referral: Referral, reply: ReferralReply) -> bool:
        """False: refused (603)."""

    def leg_trouble(self, leg: Leg, code: str, detail: str) -> None:
        """Something people should read; "" ends it."""

    def leg_ended(self, leg: Leg, end: LegEnd) -> None:
        """Once. Its media are freed already."""


class Leg(Protocol):
    """One call's signalling and media. Orders raise LinkDown (no answer, call over), PeerError (the peer refused; its
    status in it), Unsupported (`codec-unsupported`, `srtp-required`, …)."""

    @property
    def incoming(self) -> bool: ...
    @property
    def state(self) -> LegState: ...
    @property
    def media(self) -> LegMedia: ...
    @property
    def end(self) -> LegEnd | None: ...
    @property
    def dialog(self) -> tuple[str, str, str]:
        """Call-ID, our tag, the peer's tag: what Replaces names (RFC 3891). Empty strings while unknown."""

    def ring(self, *, early: bool = False) -> None:
        """180 to an incoming call; 183 with media when `early`: what its voice hears, the caller hears."""

    async def accept(self) -> None:
        """Answer an incoming call; returns when the peer has acknowledged."""

    def reject(self, status: int, words: str = "") -> None: ...
    async def answered(self) -> None:
        """Outgoing: wait for the 2xx; PeerError(status) when refused, LinkDown when nobody answered."""

    async def hang_up(self, code: str = "hung-up", detail: str = "") -> None:
        """CANCEL or BYE or a refusal, as it stands; never raises. `code` is what `end` will say."""

    async def hold(self, held: bool) -> None: ...
    async def change_video(self, video: VideoWish) -> None:
        """Add, take away or turn the video line (re-INVITE)."""

    async def digits(self, digits: str) -> None:
        """RFC 4733 where the peer took telephone-event, else INFO, one at a time."""

    async def transfer(self, uri: str, *, replaces: Leg | None = None, by: str = "") -> None:
        """REFER; returns when the peer reports that it has reached the target. PeerError with its status when not.
        A `uri` without a host ("sip:8002") is a number at our own address. `by` is a Referred-By value."""

    async def want_picture(self) -> None:
        """Ask the peer for a key frame by INFO picture_fast_update (RFC 5168)."""

    async def move(self) -> None:
        """Our address changed: new Contact and media addresses, by re-INVITE, or UPDATE before the answer."""


@runtime_checkable
class Probing(Protocol):
    """A leg that can ask its peer whether it is still there."""

    async def probe(self, why: str = "", patience_s: float | None = None) -> None:
        """Ends the leg (`call-link-lost`, with `why`) when nobody answers for `patience_s` (the transaction's 32 s);
        never raises."""


@runtime_checkable
class Closing(Protocol):
    """An engine with something of its own to end (worker processes)."""

    async def close(self) -> None:
        """After the calls; safe to call twice."""


class SipEngine(Protocol):
    """What makes outgoing legs. Calls that come in to our own endpoints are always the native engine's."""

    @property
    def name(self) -> str: ...
    async def place(self, route: Route, owner: LegOwner, video: VideoWish = NO_VIDEO, *, replaces: str = "") -> Leg:
        """Send the INVITE; returns once it is under way. Raises LinkDown, Busy (`ports-exhausted`)."""

    def standing(self) -> int:
        """Legs that are not ended: for the figures."""


def voice_of_pcm(engine: codecs.Engine, pcm: socket.socket, rate_hz: int) -> int:
    """A voice for an engine whose sound is PCM: `pcm` is our end of an AF_UNIX SOCK_SEQPACKET pair, and goes to the
    media plane. Records are 20 ms of signed 16-bit little-endian mono at `rate_hz` (8000, 16000, 48000)."""
    return engine.open_voice_pcm(pcm.detach(), rate_hz=rate_hz)
