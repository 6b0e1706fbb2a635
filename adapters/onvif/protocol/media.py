"""The media services, profile S (ver10) and profile T (ver20): what a camera can send, and by which URL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import urlsplit

from adapters.onvif.protocol.soap import MEDIA, MEDIA2, SCHEMA, clean, number, tag
from gateway.base.errors import RemoteProtocolError
from gateway.wire.xml import XmlNode

MAX_PROFILES = 128
_NAME = re.compile(r"[A-Za-z0-9]{1,40}")
_KEPT = frozenset({"token", "GovLength", "Profile", "AnchorFrameDistance", "GuaranteedFrameRate", "ConstantBitRate"})
"""Attributes of an encoder's configuration."""
_CODECS = {"h264": "h264", "h265": "h265", "hevc": "h265", "jpeg": "mjpeg", "mjpeg": "mjpeg", "mpeg4": "mpeg4"}


@dataclass(frozen=True, slots=True)
class Profile:
    """One way a camera sends one of its lenses. `codec` as the media plane spells it; "" and 0 mean: not told.

    `rank` 0 is the largest picture of its lens (main), 1 the next (sub), and so on.
    """

    token: str
    name: str
    source: str = ""  # token of the video source: the lens
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate_bps: int = 0
    audio: str = ""
    ptz_node: str = ""
    can_pan: bool = False
    can_zoom: bool = False
    talk_back: bool = False
    encoder: str = ""  # token of its video encoder's configuration
    rank: int = 0


def get_profiles(space: str) -> str:
    if space == MEDIA2:
        return tag("GetProfiles", tag("Type", text="All"), ns=MEDIA2)
    return tag("GetProfiles", ns=MEDIA)


def get_stream_uri(space: str, token: str) -> str:
    """RTSP, whichever transport: the opener asks for the one it wants. Media2 §5.3.1; Media §5.13."""
    if space == MEDIA2:
        return tag("GetStreamUri", tag("Protocol", text="RTSP"), tag("ProfileToken", text=token), ns=MEDIA2)
    setup = tag(
        "StreamSetup",
        tag("Stream", ns=SCHEMA, text="RTP-Unicast"),
        tag("Transport", tag("Protocol", text="RTSP"), ns=SCHEMA),
    )
    return tag("GetStreamUri", setup, tag("ProfileToken", text=token), ns=MEDIA)


def get_snapshot_uri(space: str, token: str) -> str:
    return tag("GetSnapshotUri", tag("ProfileToken", text=token), ns=space)


def sync_point(space: str, token: str) -> str:
    """Ask for a key frame."""
    return tag("SetSynchronizationPoint", tag("ProfileToken", text=token), ns=space)


def get_encoder(space: str, token: str) -> str:
    """How a video encoder is set. Media2 §5.2.3; Media §5.5."""
    plural = "s" if space == MEDIA2 else ""
    return tag(f"GetVideoEncoderConfiguration{plural}", tag("ConfigurationToken", text=token), ns=space)


def read_encoder(node: XmlNode, token: str) -> XmlNode:
    """The configuration itself. Raises RemoteProtocolError where there is none, or its rate can not be set."""
    for found in (*node.all("Configurations"), *node.all("Configuration")):
        if found.attribute("token") == token and read_bitrate(found) > 0:
            return found
    raise RemoteProtocolError("the camera tells no rate of its encoder")


def read_bitrate(encoder: XmlNode) -> int:
    return _whole(encoder, "RateControl", "BitrateLimit") * 1000


def set_encoder(space: str, encoder: XmlNode, bps: int) -> str:
    """The same configuration with another rate, which the camera does not keep over its restarts where it has that."""
    kept = None if space == MEDIA2 else tag("ForcePersistence", text="false")
    said = "".join(_again(child, max(1, bps // 1000)) for child in encoder.children)
    attributes = {key: value for key, value in encoder.attributes if key in _KEPT}
    configuration = tag("Configuration", said, **attributes)
    return tag("SetVideoEncoderConfiguration", configuration, *([kept] if kept else []), ns=space)


def _again(node: XmlNode, kbps: int) -> str:
    """An element of a camera's as it was read, in the name space that they all have there."""
    if node.tag == "Extension" or not _NAME.fullmatch(node.tag):
        return ""
    if node.tag == "BitrateLimit":
        return tag(node.tag, ns=SCHEMA, text=kbps)
    attributes = {key: value for key, value in node.attributes if key in _KEPT}
    return tag(node.tag, *(_again(child, kbps) for child in node.children), ns=SCHEMA, text=node.text, **attributes)


def read_profiles(node: XmlNode) -> list[Profile]:
    """Those that send a picture, ranked within their lens. Both services' answers are read alike."""
    found: dict[str, Profile] = {}
    for told in node.all("Profiles")[:MAX_PROFILES]:
        profile = _profile(told)
        if profile is not None:
            found.setdefault(profile.token, profile)
    return ranked(found.values())


def ranked(profiles: Iterable[Profile]) -> list[Profile]:
    """The largest picture of each lens first; the camera's own order where it tells no size."""
    lenses: dict[str, list[Profile]] = {}
    for profile in profiles:
        lenses.setdefault(profile.source, []).append(profile)
    out = []
    for lens in lenses.values():
        lens.sort(key=lambda p: -(p.width * p.height))
        out += [replace(p, rank=rank) for rank, p in enumerate(lens)]
    return out


def _profile(node: XmlNode) -> Profile | None:
    token = node.attribute("token") or ""
    # Media2 nests what it has in <Configurations>; media1 says it directly.
    told = node.child("Configurations") or node
    video = _first(told, "VideoEncoder", "VideoEncoderConfiguration")
    source = _first(told, "VideoSource", "VideoSourceConfiguration")
    if not token or len(token) > 64 or not token.isprintable() or (video is None and source is None):
        return None
    encoding = video.field("Encoding") if video is not None else ""
    audio = _first(told, "AudioEncoder", "AudioEncoderConfiguration")
    ptz = _first(told, "PTZ", "PTZConfiguration")
    extension = node.child("Extension")
    outputs = [_first(where, "AudioOutput", "AudioOutputConfiguration") for where in (told, extension) if where]
    decoders = [_first(where, "AudioDecoder", "AudioDecoderConfiguration") for where in (told, extension) if where]
    pan, zoom = _spaces(ptz)
    return Profile(
        token=token,
        name=clean(node.field("Name"), 100),
        source=clean(source.field("SourceToken"), 64) if source is not None else "",
        codec=_CODECS.get(encoding.lower().rpartition("/")[2], clean(encoding.lower(), 16)),
        width=_whole(video, "Resolution", "Width"),
        height=_whole(video, "Resolution", "Height"),
        fps=_number(video, "RateControl", "FrameRateLimit"),
        bitrate_bps=_whole(video, "RateControl", "BitrateLimit") * 1000,
        audio=clean(audio.field("Encoding").lower(), 16) if audio is not None else "",
        ptz_node=clean(ptz.field("NodeToken"), 64) if ptz is not None else "",
        can_pan=pan,
        can_zoom=zoom,
        talk_back=any(found is not None for found in (*outputs, *decoders)),
        encoder=clean((video.attribute("token") or ""), 64) if video is not None else "",
    )


def _spaces(ptz: XmlNode | None) -> tuple[bool, bool]:
    """Whether it turns and zooms. A configuration that names no space at all is taken to do both."""
    if ptz is None:
        return False, False
    names = [child.tag for child in ptz.children]
    pan = any(n.startswith("Default") and "PanTilt" in n for n in names) or "PanTiltLimits" in names
    zoom = any(n.startswith("Default") and "Zoom" in n for n in names) or "ZoomLimits" in names
    return (pan, zoom) if pan or zoom else (True, True)


def read_uri(node: XmlNode) -> str:
    """The URL in an answer to GetStreamUri or GetSnapshotUri. Raises RemoteProtocolError where there is none."""
    text = node.field("MediaUri", "Uri") or node.field("Uri")
    if "&amp;" in text:  # escaped twice by some firmware
        text = unescape(text)
    text = text.strip().replace(" ", "%20")
    if not text or len(text) > 2048 or not text.isprintable():
        raise RemoteProtocolError("the camera tells no usable URL of its stream")
    return text


def at_host(uri: str, host: str, port: int = 0) -> str:
    """The same URL at the host we reach the camera at, whatever it says (NAT, 0.0.0.0, an address it had once), without
    a user in it. `port`: another one than it tells, 0 leaves it. Raises RemoteProtocolError."""
    try:
        parts = urlsplit(uri)
        told = parts.port
    except ValueError as exc:
        raise RemoteProtocolError(f"the camera tells a wrong URL: {clean(uri, 80)}") from exc
    if parts.scheme not in ("rtsp", "rtsps", "http", "https"):
        raise RemoteProtocolError(f"the camera tells a URL that is not RTSP: {clean(uri, 80)}")
    place = f"[{host}]" if ":" in host else host
    number_ = port or told
    return parts._replace(netloc=f"{place}:{number_}" if number_ else place, fragment="").geturl()


def _first(node: XmlNode, *names: str) -> XmlNode | None:
    return next((found for name in names if (found := node.child(name)) is not None), None)


def _number(node: XmlNode | None, *path: str) -> float:
    return (number(node.field(*path)) or 0.0) if node is not None else 0.0


def _whole(node: XmlNode | None, *path: str) -> int:
    return max(0, int(_number(node, *path)))


def best(profiles: Sequence[Profile], most: int) -> list[Profile]:
    """At most `most`, mains before subs: a recorder with many lenses shows each before it shows one twice."""
    return sorted(profiles, key=lambda p: p.rank)[:most] if len(profiles) > most else list(profiles)
