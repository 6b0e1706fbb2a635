"""What we do with an offer: which sections and codecs are taken, or why none, and the answer in words of SDP.

Sans-IO. WHEP (we send), WHIP (we receive) and talk (sound both ways) differ only in direction and in a few
parameters. The source need not be known: every codec that both sides can is answered, and the media plane picks the
payload type by the track when the stream comes. RFC 8829 §5.3 (answers), RFC 9143 (BUNDLE), RFC 6184 §8.2 (H.264),
RFC 7798 §7 (H.265), RFC 9725.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.webrtc.sdp import Candidate, Format, Offer, Section, valid_ice_word
from gateway.base.errors import RemoteProtocolError, Unsupported

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

CLOCKS = {"h264": 90000, "h265": 90000, "opus": 48000, "pcma": 8000, "pcmu": 8000, "g722": 8000}
VIDEO = ("h264", "h265")
MAX_PAYLOADS = 6  # of one section; browsers offer H.264 in up to eight flavours

_LEVEL_ID = re.compile(r"[0-9a-fA-F]{6}")

Way = Literal["send", "receive", "talk"]
_DIRECTIONS: dict[Way, tuple[str, ...]] = {
    "send": ("recvonly", "sendrecv"),
    "receive": ("sendonly", "sendrecv"),
    "talk": ("sendrecv", "sendonly", "recvonly"),
}
_FEEDBACK: dict[Way, tuple[str, ...]] = {
    "send": ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"),
    "receive": ("nack", "nack pli", "ccm fir"),
    "talk": (),  # sound that is late is concealed, not sent again
}
_INVERSE = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly"}


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload type that both sides take. `rtx_pt` 0: no retransmission in a stream of its own."""

    pt: int
    codec: str
    clock_hz: int
    channels: int
    rtx_pt: int
    fmtp: str
    feedback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A section that is taken."""

    index: int
    mid: str
    payloads: tuple[Payload, ...]
    extensions: tuple[tuple[str, int], ...]
    direction: str  # ours, for the answer

    @property
    def sends(self) -> bool:
        """We send to the peer."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        """We take what the peer sends."""
        return self.direction in ("sendrecv", "recvonly")

    def extension(self, uri: str) -> int:
        """The negotiated id of a header extension; 0 when there is none."""
        return next((number for name, number in self.extensions if name == uri), 0)


@dataclass(frozen=True, slots=True)
class Remote:
    """The peer's end of ICE and DTLS. `role` is ours: "server" unless the peer insists on it."""

    ufrag: str
    pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    role: Literal["server", "client"]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    way: Way
    offer: Offer
    video: Chosen | None
    audio: Chosen | None
    remote: Remote

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """In the order of the offer, as BUNDLE wants it."""
        both = [one for one in (self.video, self.audio) if one is not None]
        return tuple(sorted(both, key=lambda one: one.index))


@dataclass(frozen=True, slots=True)
class Sources:
    """What we name our own sources, when we send."""

    cname: str
    stream: str
    video_ssrc: int
    video_rtx_ssrc: int
    audio_ssrc: int


@dataclass(frozen=True, slots=True)
class LocalCandidate:
    """One of our addresses as told to the peer. `related` is the inner address of a mapped one."""

    host: str
    port: int
    priority: int
    related: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Local:
    """Our end of ICE and DTLS."""

    ufrag: str
    pwd: str
    fingerprint: str  # "sha-256 AB:CD:…"
    candidates: tuple[LocalCandidate, ...]


def _fits(form: Format, codec: str, way: Way) -> str | None:
    """None when we can do this format, else why not."""
    if form.clock_hz != CLOCKS[codec]:
        return f"a clock of {form.clock_hz} Hz"
    parameters = form.parameters
    # A camera's slices do not fit single NAL unit packets: mode 1 (FU-A) is needed to send, RFC 6184 §6.2.
    if codec == "h264" and way == "send" and parameters.get("packetization-mode", "0") != "1":
        return "packetization-mode 0"
    if codec == "h265" and parameters.get("tx-mode", "SRST").upper() != "SRST":
        return "a tx-mode other than SRST"
    return None


def _fmtp(form: Format, codec: str, way: Way) -> str:
    """The fmtp of the answer. The peer's own, but for the H.264 level that we take when receiving."""
    level_id = form.parameters.get("profile-level-id", "")
    if codec != "h264" or way == "send" or _LEVEL_ID.fullmatch(level_id) is None:
        return form.fmtp
    if form.parameters.get("level-asymmetry-allowed") != "1":
        return form.fmtp  # RFC 6184 §8.2.2: without it both sides keep one level
    return form.fmtp.replace(level_id, level_id[:4] + "34")  # level 5.2: a publisher may send what it can


def _payloads(section: Section, preferences: Sequence[str], way: Way) -> tuple[list[Payload], list[str]]:
    """What is taken of a section in order of preference, and the reasons for what is not."""
    rtx = {form.apt: form for form in section.formats if form.name == "rtx" and form.apt is not None}
    wanted_feedback = _FEEDBACK[way]
    taken: list[Payload] = []
    refused: list[str] = []
    for form in section.formats:
        if form.name not in CLOCKS or form.name not in preferences:
            continue
        why_not = _fits(form, form.name, way)
        if why_not is not None:
            refused.append(f"{form.name.upper()} with {why_not}")
            continue
        repeat = rtx.get(form.pt)
        taken.append(
            Payload(
                pt=form.pt,
                codec=form.name,
                clock_hz=form.clock_hz,
                channels=form.channels,
                rtx_pt=repeat.pt if repeat is not None and repeat.clock_hz == form.clock_hz else 0,
                fmtp=_fmtp(form, form.name, way),
                feedback=tuple(one for one in wanted_feedback if one in form.feedback),
            )
        )
    taken.sort(key=lambda one: preferences.index(one.codec))  # stable: within a codec the peer's order stands
    return taken[:MAX_PAYLOADS], refused


def _extensions(section: Section, way: Way) -> tuple[tuple[str, int], ...]:
    # Transport-wide feedback is asked of the one who receives; as a receiver we give none, so we do not offer it.
    wanted = (MID, ABS_SEND_TIME, TRANSPORT_CC) if way == "send" else (MID,)
    # One-byte header extensions only (RFC 8285 §4.2): ids 1 to 14.
    return tuple((uri, section.extensions[uri]) for uri in wanted if 1 <= section.extensions.get(uri, 0) <= 14)


def _remote(section: Section) -> Remote:
    if not valid_ice_word(section.ufrag) or not valid_ice_word(section.pwd) or len(section.pwd) < 22:
        raise RemoteProtocolError("the offer has no usable ice-ufrag and ice-pwd", code="bad-sdp")
    if not any(name in ("sha-256", "sha-384", "sha-512") for name, _ in section.fingerprints):
        raise RemoteProtocolError("the offer has no fingerprint of SHA-256 or better", code="bad-sdp")
    if section.setup not in ("actpass", "active", "passive"):
        raise RemoteProtocolError("the offer has no a=setup", code="bad-sdp")
    return Remote(
        ufrag=section.ufrag,
        pwd=section.pwd,
        fingerprints=section.fingerprints,
        # Passive wherever we may: the DTLS server picks the SRTP profile, and we know which one is fast.
        role="client" if section.setup == "passive" else "server",
        candidates=section.candidates,
    )


def _usable(offer: Offer, section: Section, way: Way) -> bool:
    kinds = ("audio",) if way == "talk" else ("audio", "video")
    if section.kind not in kinds or section.direction not in _DIRECTIONS[way] or section.port == 0:
        return False
    if "SAVPF" not in section.protocol or not section.rtcp_mux:
        return False
    # All media share one transport: what the peer would not bundle is refused (RFC 9143 §7.3.3).
    alone = sum(one.kind in ("audio", "video") for one in offer.sections) == 1
    return alone or section.mid in offer.bundle


def _direction(section: Section, way: Way) -> str:
    return _INVERSE[section.direction] if way == "talk" else "sendonly" if way == "send" else "recvonly"


def make_plan(offer: Offer, preferences: Sequence[str], way: Way) -> Plan:
    """Decide what to take of `offer`. Of a talk one sound is taken, both ways as far as the peer wants.

    Raises RemoteProtocolError (`bad-sdp`) when ICE or DTLS parameters are missing, and Unsupported
    (`codec-unsupported`), with what was offered in words, when nothing is left to send or receive.
    """
    chosen: dict[str, Chosen] = {}
    refused: list[str] = []
    names: list[str] = []
    for index, section in enumerate(offer.sections):
        names += [form.name.upper() for form in section.formats if form.name not in ("rtx", "red", "ulpfec", "")]
        if section.kind in chosen or not _usable(offer, section, way):
            continue
        payloads, why_not = _payloads(section, preferences, way)
        refused += why_not
        if payloads:
            extensions, direction = _extensions(section, way), _direction(section, way)
            chosen[section.kind] = Chosen(index, section.mid, tuple(payloads), extensions, direction)
    if not chosen:
        nothing = "no sound to talk by" if way == "talk" else f"no audio or video that we could {way}"
        told = ", ".join(dict.fromkeys(refused or names)) or nothing
        ours = ", ".join(name.upper() for name in preferences)
        raise Unsupported(f"the peer offers {told[:300]}; this gateway takes {ours}", code="codec-unsupported")
    first = min(chosen.values(), key=lambda one: one.index)
    return Plan(way, offer, chosen.get("video"), chosen.get("audio"), _remote(offer.sections[first.index]))


def _candidate_lines(candidates: Sequence[LocalCandidate]) -> list[str]:
    lines = []
    for number, one in enumerate(candidates, start=1):
        line = f"a=candidate:{number} 1 udp {one.priority} {one.host} {one.port} typ "
        line += f"srflx raddr {one.related[0]} rport {one.related[1]}" if one.related else "host"
        lines.append(line)
    return [*lines, "a=end-of-candidates"]


def _source_lines(kind: str, chosen: Chosen, sources: Sources) -> list[str]:
    ssrc = sources.video_ssrc if kind == "video" else sources.audio_ssrc
    lines = [f"a=msid:{sources.stream} {sources.stream}-{kind}"]
    if kind == "video" and any(one.rtx_pt for one in chosen.payloads):
        lines.append(f"a=ssrc-group:FID {ssrc} {sources.video_rtx_ssrc}")
        lines.append(f"a=ssrc:{ssrc} cname:{sources.cname}")
        lines.append(f"a=ssrc:{sources.video_rtx_ssrc} cname:{sources.cname}")
    else:
        lines.append(f"a=ssrc:{ssrc} cname:{sources.cname}")
    return lines


def _payload_lines(chosen: Chosen) -> list[str]:
    lines = []
    for one in chosen.payloads:
        name = {"opus": "opus"}.get(one.codec, one.codec.upper())
        channels = f"/{one.channels}" if one.channels > 1 else ""
        lines.append(f"a=rtpmap:{one.pt} {name}/{one.clock_hz}{channels}")
        lines += [f"a=rtcp-fb:{one.pt} {feedback}" for feedback in one.feedback]
        if one.fmtp:
            lines.append(f"a=fmtp:{one.pt} {one.fmtp}")
        if one.rtx_pt:
            lines += [f"a=rtpmap:{one.rtx_pt} rtx/{one.clock_hz}", f"a=fmtp:{one.rtx_pt} apt={one.pt}"]
    return lines


def make_answer(plan: Plan, local: Local, *, session: int, sources: Sources | None = None) -> str:
    """The SDP answer. `session` is the number of the o-line; `sources` are given when we send."""
    chosen = {one.index: one for one in plan.chosen}
    setup = "passive" if plan.remote.role == "server" else "active"
    transport = [
        "a=rtcp-mux",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:{local.fingerprint}",
        f"a=setup:{setup}",
    ]
    lines = ["v=0", f"o=- {session} 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if plan.offer.bundle:
        lines.append(f"a=group:BUNDLE {' '.join(one.mid for one in plan.chosen)}")
    lines += ["a=ice-options:trickle", "a=msid-semantic: WMS *"]
    for index, section in enumerate(plan.offer.sections):
        one = chosen.get(index)
        if one is None:
            lines += [f"m={section.kind} 0 {section.protocol} {section.formats_text}", "c=IN IP4 0.0.0.0", "a=inactive"]
            lines += [f"a=mid:{section.mid}"] if section.mid else []
            lines += transport  # some readers want them in every section, also in refused ones
            continue
        # Payload type 0 is PCMU; an `rtx_pt` of 0 is none.
        numbers = [str(pt) for payload in one.payloads for pt in (payload.pt, payload.rtx_pt or None) if pt is not None]
        lines += [f"m={section.kind} 9 {section.protocol} {' '.join(numbers)}", "c=IN IP4 0.0.0.0"]
        lines += [f"a=mid:{one.mid}"] if one.mid else []
        lines.append(f"a={one.direction}")
        lines += [f"a=extmap:{number} {uri}" for uri, number in one.extensions]
        lines += _payload_lines(one)
        if one.sends and sources is not None:
            lines += _source_lines(section.kind, one, sources)
        lines += transport
        if index == plan.chosen[0].index:  # candidates belong to the section that carries the bundle
            lines += _candidate_lines(local.candidates)
    return "\r\n".join(lines) + "\r\n"
