"""Playlists of others (RFC 8216), read with bounds. Sans-IO; whatever comes in, only RemoteProtocolError comes out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from gateway.base.errors import RemoteProtocolError

MOST_BYTES = 1_000_000
MOST_LINES = 20_000
MOST_URI = 4096
MOST_DURATION_S = 3600.0
_ATTRIBUTE = re.compile(r'\s*([A-Z0-9-]{1,64})=("[^"\r\n]*"|[^",\s]*)\s*(?:,|$)')
_RANGE = re.compile(r"(\d{1,18})(?:@(\d{1,18}))?")


@dataclass(frozen=True, slots=True)
class ByteRange:
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Map:
    """EXT-X-MAP: what fragmented MP4 begins with."""

    uri: str
    range: ByteRange | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """EXT-X-KEY with METHOD=AES-128. `iv` None: the segment's number."""

    uri: str
    iv: bytes | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    number: int  # media sequence number
    duration_s: float
    uri: str
    range: ByteRange | None = None
    map: Map | None = None
    key: Key | None = None
    discontinuity: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    target_s: float
    segments: tuple[Segment, ...]
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """One EXT-X-STREAM-INF. `apart`: its sound stands in a playlist of its own."""

    uri: str
    bandwidth: int = 0
    width: int = 0
    height: int = 0
    codecs: str = ""
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Multivariant:
    variants: tuple[Variant, ...]


def _wrong(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"the playlist can not be used: {why}", code="hls-playlist")


def read(data: bytes) -> Media | Multivariant:
    """Raises RemoteProtocolError: `hls-playlist`, or `hls-cipher` for media that only licensed players open."""
    if len(data) > MOST_BYTES:
        raise _wrong(f"it has more than {MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # names in titles are nothing to us
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    if not lines or lines[0] != "#EXTM3U":
        raise _wrong("it does not begin with #EXTM3U")
    if len(lines) > MOST_LINES:
        raise _wrong(f"it has more than {MOST_LINES} lines")
    reader = _Reader()
    for line in lines[1:]:
        if line:
            reader.line(line)
    return reader.made()


@dataclass
class _Reader:
    """One pass over the lines."""

    number: int = 0
    target_s: float = 0.0
    ended: bool = False
    segments: list[Segment] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    apart: set[str] = field(default_factory=set)
    map: Map | None = None
    key: Key | None = None
    duration_s: float | None = None
    range: tuple[int, int | None] | None = None
    after: tuple[str, int] = ("", 0)  # where the last byte range ended, of which file
    discontinuity: bool = False
    variant: dict[str, str] | None = None

    def line(self, line: str) -> None:
        if not line.startswith("#"):
            self._uri(line)
            return
        tag, _, value = line.partition(":")
        match tag:
            case "#EXTINF":
                self.duration_s = _seconds(value.partition(",")[0])
            case "#EXT-X-TARGETDURATION":
                self.target_s = _seconds(value)
            case "#EXT-X-MEDIA-SEQUENCE":
                if not self.segments:  # §4.3.3.2: before the first segment, else it would number some of them twice
                    self.number = _whole(value)
            case "#EXT-X-BYTERANGE":
                self.range = _range(value)
            case "#EXT-X-DISCONTINUITY":
                self.discontinuity = True
            case "#EXT-X-ENDLIST":
                self.ended = True
            case "#EXT-X-MAP":
                told = attributes(value)
                length, offset = _range(told["BYTERANGE"]) if "BYTERANGE" in told else (0, None)
                self.map = Map(_checked(told.get("URI", "")), ByteRange(offset or 0, length) if length else None)
            case "#EXT-X-KEY":
                self.key = _key(attributes(value))
            case "#EXT-X-STREAM-INF":
                self.variant = attributes(value)
            case "#EXT-X-MEDIA":
                told = attributes(value)
                if told.get("TYPE") == "AUDIO" and told.get("URI"):
                    self.apart.add(told.get("GROUP-ID", ""))

    def _uri(self, uri: str) -> None:
        uri = _checked(uri)
        if self.variant is not None:
            told, self.variant = self.variant, None
            width, _, height = told.get("RESOLUTION", "").partition("x")
            self.variants.append(
                Variant(
                    uri,
                    _number_or_0(told.get("BANDWIDTH", "")),
                    _number_or_0(width),
                    _number_or_0(height),
                    told.get("CODECS", ""),
                    told.get("AUDIO", "") in self.apart if "AUDIO" in told else False,
                )
            )
        elif self.duration_s is not None:
            number = self.number + len(self.segments)
            span = self._span(uri)
            made = Segment(number, self.duration_s, uri, span, self.map, self.key, self.discontinuity)
            self.segments.append(made)
            self.duration_s, self.range, self.discontinuity = None, None, False

    def _span(self, uri: str) -> ByteRange | None:
        if self.range is None:
            return None
        length, offset = self.range
        if offset is None:  # RFC 8216 §4.3.2.2: it goes on where the one before ended, in the same file
            if self.after[0] != uri:
                raise _wrong("a byte range does not say where it begins")
            offset = self.after[1]
        self.after = (uri, offset + length)
        return ByteRange(offset, length)

    def made(self) -> Media | Multivariant:
        if self.variants:
            return Multivariant(tuple(self.variants))
        if not self.segments and not self.target_s:
            raise _wrong("it names neither segments nor variants")
        longest = max((one.duration_s for one in self.segments), default=1.0)
        return Media(min(max(self.target_s or longest, 0.5), 60.0), tuple(self.segments), self.ended)


def attributes(text: str) -> dict[str, str]:
    """An attribute list (§4.2); what is not well-formed is left out."""
    found: dict[str, str] = {}
    at = 0
    while (one := _ATTRIBUTE.match(text, at)) is not None and one.end() > at:
        found.setdefault(one[1], one[2].strip('"'))
        at = one.end()
    return found


def choose(playlist: Multivariant, *, height: int = 0, bandwidth: int = 0) -> Variant:
    """The best that is not over `height` lines and `bandwidth` bit/s (0: no limit); else the smallest. One with sound
    of its own comes before a better one whose sound stands apart."""

    def fits(one: Variant) -> bool:
        return not (height and one.height > height) and not (bandwidth and one.bandwidth > bandwidth)

    seen = [one for one in playlist.variants if _has_picture(one)] or list(playlist.variants)
    fitting = [one for one in seen if fits(one)]
    if not fitting:
        return min(seen, key=lambda one: (one.height, one.bandwidth))
    return max(fitting, key=lambda one: (not one.apart, one.height, one.bandwidth))


def _has_picture(one: Variant) -> bool:
    return not one.codecs or one.height > 0 or bool(re.search(r"avc|hvc|hev", one.codecs))


def _key(told: dict[str, str]) -> Key | None:
    method = told.get("METHOD", "")
    if method == "NONE":
        return None
    if method != "AES-128" or told.get("KEYFORMAT", "identity") != "identity":
        raise RemoteProtocolError(f"the media is ciphered by {method[:40]}", code="hls-cipher")
    iv = None
    if "IV" in told:
        text = told["IV"]
        if not re.fullmatch(r"0[xX][0-9A-Fa-f]{1,32}", text):
            raise _wrong("an IV is no number")
        iv = int(text, 16).to_bytes(16, "big")
    return Key(_checked(told.get("URI", "")), iv)


def _checked(uri: str) -> str:
    if not uri or len(uri) > MOST_URI or not uri.isprintable() or " " in uri:
        raise _wrong("a URI is missing, too long or has control characters")
    return uri


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _wrong("a duration is no number") from None
    if not (math.isfinite(value) and 0 <= value <= MOST_DURATION_S):
        raise _wrong("a duration is out of bounds")
    return value


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise _wrong("a media sequence number is none")
    return int(text)


def _number_or_0(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else 0


def _range(text: str) -> tuple[int, int | None]:
    found = _RANGE.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise _wrong("a byte range is none")
    return int(found[1]), int(found[2]) if found[2] is not None else None
