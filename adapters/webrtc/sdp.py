"""Read what a browser offers: the parts of an SDP offer that WHEP and WHIP need, and the fragments of trickle ICE.

Sans-IO. Everything here comes from outside: the only error is RemoteProtocolError (`bad-sdp`), and every list is
bounded. RFC 8866 (SDP), RFC 8829 (JSEP), RFC 8839 (ICE in SDP), RFC 8840 (trickle), RFC 9725 (WHIP).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.base.errors import RemoteProtocolError

MAX_SECTIONS = 16
MAX_FORMATS = 96
MAX_CANDIDATES = 32
MAX_LINES = 4000

_STATIC = {0: ("pcmu", 8000), 8: ("pcma", 8000), 9: ("g722", 8000)}  # RFC 3551 §6: need no rtpmap
_M_LINE = re.compile(r"(audio|video|application|text|message|image) (\d{1,5})(?:/\d+)? ([A-Za-z0-9/]{3,40}) (.+)")
_RTPMAP = re.compile(r"(\d{1,3}) ([A-Za-z0-9.+_-]{1,32})/(\d{1,7})(?:/(\d{1,3}))?")
_EXTMAP = re.compile(r"(\d{1,5})(?:/\w+)? (\S{1,255})(?: .*)?")
_ICE_WORD = re.compile(r"[A-Za-z0-9+/]{4,256}")
_TOKEN = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One usable remote candidate: UDP, component 1, a literal unicast address. RFC 8839 §5.1."""

    foundation: str
    priority: int
    host: str
    port: int
    type: str


@dataclass(frozen=True, slots=True)
class Format:
    """One payload type of a section. `name` is in lower case; `apt` is what an RTX format repeats (RFC 4588)."""

    pt: int
    name: str
    clock_hz: int
    channels: int = 1
    fmtp: str = ""
    feedback: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The fmtp taken apart; names in lower case."""
        pairs = (part.strip().partition("=") for part in self.fmtp.split(";") if part.strip())
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    @property
    def apt(self) -> int | None:
        text = self.parameters.get("apt", "")
        return int(text) if text.isdecimal() and len(text) <= 3 else None


@dataclass(frozen=True, slots=True)
class Section:
    """One m-section. Empty `ufrag`, `pwd`, `setup` or `fingerprints` mean that the offer has none, at any level."""

    kind: str
    protocol: str
    formats: tuple[Format, ...]
    formats_text: str  # as in the m-line, for a rejecting answer
    port: int = 9  # 0: refused or taken back
    mid: str = ""
    direction: str = "sendrecv"
    extensions: Mapping[str, int] = field(default_factory=dict)
    ufrag: str = ""
    pwd: str = ""
    setup: str = ""
    fingerprints: tuple[tuple[str, str], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    rtcp_mux: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    sections: tuple[Section, ...]
    bundle: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fragment:
    """A trickle fragment (RFC 8840 §9): candidates for the session whose remote ufrag is `ufrag` ("": not told)."""

    ufrag: str
    pwd: str
    candidates: tuple[Candidate, ...]


def _bad(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(text, code="bad-sdp")


def _lines(body: bytes) -> list[str]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise _bad("the SDP is not UTF-8") from exc
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    if len(lines) > MAX_LINES:
        raise _bad(f"the SDP has more than {MAX_LINES} lines")
    return lines


def parse_candidate(value: str) -> Candidate | None:
    """A candidate-attribute's value; None when it is none that we can use.

    Names ending in `.local` (mDNS) are left out on purpose: resolving them blocks for a second, and the browser's own
    checks tell us its address anyway (peer-reflexive, RFC 8445 §7.3.1.3).
    """
    parts = value.removeprefix("candidate:").split()
    if len(parts) < 8 or parts[6] != "typ" or parts[2].lower() != "udp" or parts[1] != "1":
        return None
    if not (parts[3].isdecimal() and parts[5].isdecimal() and _TOKEN.fullmatch(parts[0])):
        return None
    priority, port = int(parts[3][:20]), int(parts[5][:9])
    try:
        address = ipaddress.ip_address(parts[4])
    except ValueError:
        return None
    usable = not (address.is_multicast or address.is_unspecified or "%" in parts[4])
    if not usable or not 0 < port < 65536 or not 0 < priority < 1 << 32 or parts[7] not in ("host", "srflx", "relay"):
        return None
    return Candidate(parts[0], priority, str(address), port, parts[7])


def _fingerprint(value: str) -> tuple[str, str]:
    algorithm, _, digest = value.partition(" ")
    return algorithm.lower(), digest.strip().upper()


class _Attributes:
    """The a-lines of one level, collected."""

    def __init__(self, parent: _Attributes | None = None) -> None:
        self.one: dict[str, str] = dict(parent.one) if parent else {}
        self.fingerprints: list[tuple[str, str]] = []
        self.parent = parent
        self.flags: set[str] = set()
        self.rtpmap: dict[int, tuple[str, int, int]] = {}
        self.fmtp: dict[int, str] = {}
        self.feedback: dict[int, list[str]] = {}
        self.feedback_all: list[str] = []
        self.extensions: dict[str, int] = {}
        self.candidates: list[Candidate] = []
        self.direction: str = parent.direction if parent else ""

    def add(self, line: str) -> None:
        name, _, value = line.partition(":")
        match name:
            case "ice-ufrag" | "ice-pwd" | "setup" | "mid":
                self.one[name] = value.strip()
            case "fingerprint":
                self.fingerprints.append(_fingerprint(value))
            case "sendrecv" | "sendonly" | "recvonly" | "inactive":
                self.direction = name
            case "rtcp-mux" | "bundle-only":
                self.flags.add(name)
            case "rtpmap":
                self._rtpmap(value)
            case "fmtp":
                pt, _, text = value.partition(" ")
                if pt.isdecimal() and len(pt) <= 3:
                    self.fmtp[int(pt)] = text.strip()[:1000]
            case "rtcp-fb":
                pt, _, text = value.partition(" ")
                if pt == "*":
                    self.feedback_all.append(text.strip())
                elif pt.isdecimal() and len(pt) <= 3:
                    self.feedback.setdefault(int(pt), []).append(text.strip())
            case "extmap":
                if found := _EXTMAP.fullmatch(value):
                    self.extensions.setdefault(found[2], int(found[1]))
            case "candidate":
                candidate = parse_candidate(value)
                if candidate is not None and len(self.candidates) < MAX_CANDIDATES:
                    self.candidates.append(candidate)
            case _:
                pass  # RFC 8866 §5.13: what is not understood is ignored

    def _rtpmap(self, value: str) -> None:
        found = _RTPMAP.fullmatch(value.strip())
        if found is None:
            raise _bad(f"a=rtpmap:{value[:80]} is not an rtpmap")
        self.rtpmap[int(found[1])] = (found[2].lower(), int(found[3]), int(found[4] or 1))


def _section(head: str, attributes: _Attributes) -> Section:
    found = _M_LINE.fullmatch(head)
    if found is None:
        raise _bad(f"m={head[:80]} is not a media line")
    formats: list[Format] = []
    numbers = found[4].split()
    if len(numbers) > MAX_FORMATS:
        raise _bad(f"more than {MAX_FORMATS} formats in one section")
    if found[1] in ("audio", "video"):
        for text in numbers:
            if not text.isdecimal() or len(text) > 3 or not 0 <= int(text) <= 127:
                raise _bad(f"{text[:20]} is not a payload type")
            pt = int(text)
            name, clock_hz, channels = attributes.rtpmap.get(pt) or (*_STATIC.get(pt, ("", 0)), 1)
            feedback = tuple(attributes.feedback.get(pt, [])[:16] + attributes.feedback_all[:16])
            formats.append(Format(pt, name, clock_hz, channels, attributes.fmtp.get(pt, ""), feedback))
    parent = attributes.parent
    port = int(found[2])
    if port == 0 and "bundle-only" in attributes.flags:
        port = 9  # no refusal: it is offered with the others or not at all (RFC 9143 §6)
    mid = attributes.one.get("mid", "")
    if mid and _TOKEN.fullmatch(mid) is None:
        raise _bad("a=mid is not a token")
    return Section(
        kind=found[1],
        protocol=found[3],
        formats=tuple(formats),
        formats_text=" ".join(numbers),
        port=port,
        mid=mid,
        direction=attributes.direction or "sendrecv",
        extensions=attributes.extensions,
        ufrag=attributes.one.get("ice-ufrag", ""),
        pwd=attributes.one.get("ice-pwd", ""),
        setup=attributes.one.get("setup", ""),
        fingerprints=tuple(attributes.fingerprints or (parent.fingerprints if parent else ())),
        candidates=tuple(attributes.candidates),
        rtcp_mux="rtcp-mux" in attributes.flags,
    )


def parse_offer(body: bytes) -> Offer:
    """Take an offer apart. Raises RemoteProtocolError (`bad-sdp`); never anything else, whatever the bytes."""
    lines = _lines(body)
    if not lines or not lines[0].startswith("v=0"):
        raise _bad("the body does not begin with v=0")
    session = _Attributes()
    bundle: tuple[str, ...] = ()
    sections: list[tuple[str, _Attributes]] = []
    for line in lines:
        if line.startswith("m="):
            if len(sections) == MAX_SECTIONS:
                raise _bad(f"more than {MAX_SECTIONS} media sections")
            sections.append((line[2:], _Attributes(session)))
        elif line.startswith("a="):
            if not sections and line.startswith("a=group:BUNDLE") and not bundle:
                bundle = tuple(line.split()[1:])
            (sections[-1][1] if sections else session).add(line[2:])
    if not sections:
        raise _bad("the offer has no media section")
    return Offer(tuple(_section(head, attributes) for head, attributes in sections), bundle)


def parse_fragment(body: bytes) -> Fragment:
    """Take a trickle fragment apart (`application/trickle-ice-sdpfrag`). Raises RemoteProtocolError (`bad-sdp`)."""
    ufrag = pwd = ""
    candidates: list[Candidate] = []
    for line in _lines(body):
        name, _, value = line.removeprefix("a=").partition(":")
        if name == "ice-ufrag":
            ufrag = value.strip()
        elif name == "ice-pwd":
            pwd = value.strip()
        elif name == "candidate":
            candidate = parse_candidate(value)
            if candidate is not None and len(candidates) < MAX_CANDIDATES:
                candidates.append(candidate)
    for word in (ufrag, pwd):
        if word and _ICE_WORD.fullmatch(word) is None:
            raise _bad("ice-ufrag or ice-pwd is not well formed")
    return Fragment(ufrag, pwd, tuple(candidates))


def valid_ice_word(text: str) -> bool:
    """RFC 8839 §5.4: 4 to 256 ice-chars."""
    return _ICE_WORD.fullmatch(text) is not None
