"""A call's media: offer and answer on the one side, sockets and voices of the media plane on the other.

`CallMedia` is the `SdpSession` of a native leg: it is asked for offers and answers in their order, opens what they
name, and arms it when they are agreed. A held leg's voice is withdrawn from its owner and never sends. A codec that
changes in a re-INVITE makes a new voice on the same session; a changed address makes new lines, which take over when
the peer has agreed to them.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from adapters.sip.engine import NO_VIDEO, LegMedia, PictureLine, VideoWish
from adapters.sip.line import Line, rtp_maps
from adapters.sip.media_formats import picture_codecs
from adapters.sip.routing import MediaPolicy
from gateway.base.errors import Busy, RemoteProtocolError
from gateway.contract.media import Media
from gateway.wire.sdp import Agreed, Codec, Direction, LocalMedia, Negotiation, PayloadType, Sdp, audio_codecs

if TYPE_CHECKING:
    from adapters.sip.dtls import Identity

log = logging.getLogger(__name__)

Kind = Literal["audio", "video"]
_Spoken = tuple[Line, tuple[PayloadType, ...], tuple[PayloadType, ...], int]


class CallMedia:
    """`changed` is called after each exchange, and when DTLS has its keys; `trouble(code, words)` when media fail."""

    def __init__(
        self,
        media: Media,
        policy: MediaPolicy,
        host: str,
        *,
        identity: Callable[[], Identity] | None,
        changed: Callable[[], None],
        trouble: Callable[[str, str], None],
        video: VideoWish = NO_VIDEO,
        latent: bool = False,
        mute: bool = False,
        peer: str = "",
    ) -> None:
        """`host` is our address towards the peer, `peer` the one its signalling comes from. `identity` None: no DTLS. A
        `latent` picture has no line before the peer offers one: a phone without a screen is never bothered with it.
        With `mute` nothing is sent before `speak`: a phone that hears RTP while it waits stops its own ringing tone.
        Raises Busy (`ports-exhausted`)."""
        self._media = media
        self._policy = policy
        self._host = host
        self._peer = peer
        self._identity = identity
        self._on_change = changed
        self._trouble = trouble
        self._cname = secrets.token_hex(8)
        self._wish = NO_VIDEO
        self._lines: dict[Kind, Line] = {}  # as we can do it now: named in the next offer or answer
        self._named: dict[Kind, Line] = {}  # as the last offer or answer of ours named it
        self._live: dict[Kind, Line] = {}  # as agreed
        self._voice: int | None = None
        self._spoken: _Spoken | None = None
        self._mute = mute
        self._quiet = False  # the voice was told never to send
        self._held = False
        self._closed = False
        self._no_video = ""
        self.media = LegMedia()
        self._lines["audio"] = self._open("audio", None)
        self._negotiation = Negotiation(
            [self._local("audio", self._lines["audio"])],
            srtp=policy.srtp,
            fingerprint=None if identity is None else identity().fingerprint,
        )
        self._latent = video if latent else NO_VIDEO
        try:
            self.want_video(NO_VIDEO if latent else video)
        except BaseException:
            self.close()
            raise

    # — what the leg asks —

    @property
    def host(self) -> str:
        """Our address that the lines are bound to."""
        return self._host

    def send_digit(self, voice: int, digit: str) -> None:
        """RFC 4733, where `takes_digits`."""
        self._media.engine.send_dtmf(voice, digit)

    @property
    def wish(self) -> VideoWish:
        return self._wish

    def want_video(self, wish: VideoWish) -> None:
        """From the next offer or answer on. Without a free port there is no picture, in words, and the call goes on."""
        self._wish = wish
        if not wish or not self._policy.video:
            self._no_video = "" if not wish else "pictures are not allowed on this trunk"
            if "video" in self._lines:
                self._negotiation.change("video", None)
                self._retire("video")
            return
        try:
            line = self._lines.get("video") or self._open("video", wish.near)
        except Busy as exc:
            self._no_video = str(exc)
            return
        self._lines["video"] = line
        self._negotiation.change("video", self._local("video", line))

    def speak(self) -> None:
        """The peer is told our answer now."""
        self._mute = False
        if self._live:
            self._apply()

    def hold(self, held: bool) -> None:
        """From the next offer on."""
        self._held = held
        self._negotiation.hold(held)

    def move(self, host: str) -> None:
        """Lines at another address of ours, named from the next offer on; those of before live until it is answered."""
        self._host = host
        for kind in list(self._lines):
            line = self._open(kind, self._wish.near if kind == "video" else None)
            self._retire(kind)
            self._lines[kind] = line
            self._negotiation.change(kind, self._local(kind, line))

    @property
    def takes_digits(self) -> bool:
        """The peer took telephone-event."""
        agreed = self._agreed("audio")
        return agreed is not None and agreed.sent("telephone-event") is not None

    def close(self) -> None:
        """Free every socket, session and voice. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._voice is not None:
            self._media.engine.close_voice(self._voice)
            self._voice = None
        for line in {*self._lines.values(), *self._named.values(), *self._live.values()}:
            line.close()
        self.media = LegMedia()

    # — SdpSession —

    def offer(self) -> bytes:
        self._describe()
        body = self._negotiation.offer()
        self._named = dict(self._lines)
        return body

    def answer(self, offer: bytes) -> bytes:
        self._follow(offers_video(offer))
        self._describe()
        body = self._negotiation.answer(offer)
        self._named = dict(self._lines)
        self._apply()
        return body

    def answered(self, answer: bytes) -> object:
        agreement = self._negotiation.answered(answer)
        self._apply()
        return agreement

    def rolled_back(self) -> None:
        self._negotiation.rolled_back()
        self._named = dict(self._live) or self._named

    def _follow(self, pictured: bool) -> None:
        """A peer that takes its picture away is not offered one again by us (its camera would go on), until it does."""
        if pictured and self._latent:
            latent, self._latent = self._latent, NO_VIDEO
            self.want_video(latent)
        elif not pictured and self._agreed("video") is not None:
            self._latent = self._wish
            self.want_video(NO_VIDEO)

    # — what was agreed —

    def _agreed(self, kind: Kind) -> Agreed | None:
        agreement = self._negotiation.agreement
        return None if agreement is None else agreement.of(kind)

    def _apply(self) -> None:
        if self._closed:
            return
        before = self._live
        self._live = dict(self._named)
        audio, video = self._agreed("audio"), self._agreed("video")
        if audio is not None:
            self._live["audio"].apply(audio)
            self._speak(self._live["audio"], audio)
        if video is not None and "video" in self._live:
            self._live["video"].apply(video)
        held_by_peer = audio is not None and audio.held_by_peer
        silent = audio is None or self._held or held_by_peer or self._mute
        if self._voice is not None and silent != self._quiet:
            if self.media.voice is not None:
                # The owner lets go first: the voice's settings are its until then.
                self.media = self.media.with_voice(None)
                self._on_change()
            self._quiet = silent
            self._media.engine.set_voice(self._voice, transmit="never" if silent else "always", comfort_noise=True)
        self.media = LegMedia(
            voice=None if silent else self._voice,
            audio=audio.send[0].codec.name if audio is not None and audio.send else "",
            video=self._picture(video),
            secure=_least([line.secure for kind, line in self._live.items() if self._agreed(kind) is not None]),
            held=self._held,
            held_by_peer=held_by_peer,
            no_video="" if video is not None else self._why_no_video(),
        )
        self._on_change()
        for line in set(before.values()) - set(self._live.values()) - set(self._lines.values()):
            line.close()

    def _speak(self, line: Line, agreed: Agreed) -> None:
        ptime = 20 if agreed.ptime_ms < 40 else 40 if agreed.ptime_ms < 60 else 60
        spoken = (line, agreed.send, agreed.receive, ptime)
        if spoken == self._spoken or not agreed.send:
            return
        former = self._voice
        self._spoken = spoken
        self._quiet = False
        self._voice = self._media.engine.open_voice_session(
            line.session,
            send=rtp_maps(agreed.send),
            receive=rtp_maps(agreed.receive),
            ssrc=line.ssrc,
            cname=self._cname,
            ptime_ms=ptime,
        )
        # A phone on which nothing at all is heard sounds like a dead line.
        self._media.engine.set_voice(self._voice, comfort_noise=True)
        if former is not None:
            # On the same session it is replaced already, on another one it still speaks: the owner lets go first.
            self.media = self.media.with_voice(None)
            self._on_change()
            self._media.engine.close_voice(former)

    def _picture(self, agreed: Agreed | None) -> PictureLine | None:
        line = self._live.get("video")
        if agreed is None or line is None:
            return None
        ours = agreed.direction
        send = agreed.send if ours in ("sendrecv", "sendonly") and self._wish.send else ()
        receive = _described(agreed) if ours in ("sendrecv", "recvonly") and self._wish.receive else ()
        payloads = agreed.send or agreed.receive
        return PictureLine(line.session, send, receive, payloads[0].codec.name if payloads else "")

    def _why_no_video(self) -> str:
        if self._no_video or not self._wish:
            return self._no_video
        return "the peer takes no picture that this gateway could send or receive (H.264 or H.265)"

    # — lines —

    def _open(self, kind: Kind, near: int | None) -> Line:
        return Line(
            self._media,
            self._host,
            latch=self._policy.latch,
            identity=self._identity,
            changed=self._on_change,
            failed=lambda code, words: self._trouble(code, f"{kind}: {words}"),
            near=near,
            peer=self._peer,
        )

    def _retire(self, kind: Kind) -> None:
        """Named no more; closed now where nothing was agreed on it, else with the exchange that replaces it."""
        line = self._lines.pop(kind)
        if line is not self._live.get(kind) and line is not self._named.get(kind):
            line.close()

    def _local(self, kind: Kind, line: Line) -> LocalMedia:
        return LocalMedia(
            kind,
            line.host,
            line.port,
            audio_codecs(self._policy.audio) if kind == "audio" else self._picture_codecs(),
            direction="sendrecv" if kind == "audio" else self._direction(),
            # The picture's source changes with each subscription: none is promised.
            ssrc=line.ssrc if kind == "audio" else 0,
            cname=self._cname,
        )

    def _describe(self) -> None:
        """The stream that goes out may be known by now."""
        line = self._lines.get("video")
        if line is not None and self._wish.send:
            self._negotiation.change("video", self._local("video", line))

    def _picture_codecs(self) -> tuple[Codec, ...]:
        # An agreed format keeps its number and profile over re-offers: a second one of its kind would take its number.
        return picture_codecs(self._policy.video, self._wish.tracks(), fallback=self._agreed("video") is None)

    def _direction(self) -> Direction:
        if self._wish.send and self._wish.receive:
            return "sendrecv"
        return "sendonly" if self._wish.send else "recvonly" if self._wish.receive else "inactive"


def offers_video(offer: bytes) -> bool:
    """It has a video line that is alive. False for what can not be read: that is refused elsewhere."""
    try:
        return any(one.kind == "video" and one.port for one in Sdp.parse(offer).media)
    except RemoteProtocolError:
        return False


def _described(agreed: Agreed) -> tuple[PayloadType, ...]:
    """Our payload types with the peer's parameters: its sprop sets may stand in the SDP alone (RFC 6184 §8.2.1)."""
    theirs = {one.codec.name: one.codec.fmtp for one in reversed(agreed.send)}
    # Ours tells of the stream that goes out: its sets are not those of the one that comes.
    return tuple(PayloadType(one.pt, replace(one.codec, fmtp=theirs.get(one.codec.name, ""))) for one in agreed.receive)


def _least(secured: list[str]) -> str:
    """Of the less protected line."""
    return "" if not secured or "" in secured else secured[0]
