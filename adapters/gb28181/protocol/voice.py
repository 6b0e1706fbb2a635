"""Voice towards a device: how it is asked, whose invitation answers, and the SDP both ways.

Two ways are in the standard: **broadcast** (GB/T 28181-2022 §9.12, all editions), where the device is told by a MESSAGE
and then invites us, and 2016's **s=Talk**, where we invite the device; 2022 has dropped that one. Sound is raw G.711 in
RTP, 20 ms a packet: wrapped into a program stream devices play it as noise.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from adapters.gb28181.protocol import ids
from adapters.gb28181.protocol.invite import routable
from gateway.base.errors import RemoteProtocolError
from gateway.wire.sdp import Media, Sdp

Mode = Literal["broadcast", "talk"]
Aim = Literal["output", "channel", "device"]
Carrier = Literal["", "tcp-passive", "udp"]
Start = Literal["", "ack", "connect", "answer"]
Codec = Literal["", "pcma", "pcmu"]

TALK_SINCE_DROPPED = "3.0"
"""X-GB-Ver of 2022, which has no s=Talk any more."""

_CODECS: Mapping[str, tuple[Codec, int]] = {"PCMA": ("pcma", 8), "PCMU": ("pcmu", 0)}
_PACKED = ("PS", "MP2P", "MPEG-PS")
_ID = re.compile(r"[0-9]{18,20}")
F_LINE = "f=v/////a/1/8/1"
"""No video; G.711, 64 kbit/s, 8 kHz. Annex G."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to have a device play sound. `aim`: what is named as TargetID, or invited. `media` is of s=Talk only: in
    a broadcast the device chooses. `start`: when sound begins; "" is at the ACK over UDP, when connected over TCP."""

    mode: Mode
    aim: Aim
    media: Carrier = ""
    start: Start = ""
    codec: Codec = ""

    def __str__(self) -> str:
        return ":".join((self.mode, self.aim, self.media, self.start, self.codec))

    @classmethod
    def read(cls, text: str) -> Way | None:
        """What `str` wrote; None for anything else."""
        parts = text.split(":")
        kinds = (Mode, Aim, Carrier, Start, Codec)
        if len(parts) != len(kinds) or any(part not in get_args(kind) for part, kind in zip(parts, kinds, strict=True)):
            return None
        return cls(*parts)  # type: ignore[arg-type]

    def other(self, *, tcp: bool) -> Way:
        """The one way to try after a device hung up at the first sound: the other transport where it is ours to choose,
        else another moment to start and, where the device offers both, the other law of G.711."""
        if self.mode == "talk":
            return replace(self, media="udp" if self.media == "tcp-passive" else "tcp-passive")
        start: Start = "answer" if not tcp and self.start != "answer" else "ack"
        return replace(self, start=start, codec="pcma" if self.codec == "pcmu" else "pcmu")


def ways(
    talk: str, version: str, targets: Mapping[Aim, str], *, start: Start = "", codec: Codec = "", remembered: str = ""
) -> list[Way]:
    """In the order to try: what worked before, broadcast at each target, then s=Talk for devices of before 2022.

    `talk` is the technician's word: auto, broadcast, talk. Targets of the same id are tried once.
    """
    aims: dict[str, Aim] = {}
    for aim, target in targets.items():
        if target:
            aims.setdefault(target, aim)
    found = [Way("broadcast", aim, "", start, codec) for aim in aims.values()] if talk != "talk" else []
    if talk == "talk" or (talk == "auto" and version.strip() != TALK_SINCE_DROPPED):
        at: Aim = "channel" if "channel" in aims.values() else next(iter(aims.values()), "device")
        found += [Way("talk", at, "tcp-passive", start, codec), Way("talk", at, "udp", start, codec)]
    first = Way.read(remembered)
    if first is not None and first.aim in aims.values() and first.mode in {way.mode for way in found}:
        found = [first, *(way for way in found if way != first)]
    return found


# — whose invitation is it? —


@dataclass(frozen=True, slots=True)
class Asked:
    """A broadcast that waits for the device's INVITE."""

    device: str
    target: str
    source: str


def ids_in(*texts: str) -> frozenset[str]:
    """All ids in what an INVITE says of itself: From, To, Request-URI, Subject, o=. Devices mix them up."""
    return frozenset(found for text in texts for found in _ID.findall(text[:512]))


def fit(asked: Asked, named: frozenset[str], *, here: bool, near: bool) -> int:
    """How well an INVITE that names these ids answers `asked`; 0: not at all.

    `here`: it came from exactly where the device is; `near`: over another connection from its host. MESSAGE and
    INVITE carry no password, so one from elsewhere is never it, and one from near only when it names the device.
    """
    own = 8 * (asked.target in named) + 4 * (asked.device in named)
    if not (here or (near and own)):
        return 0
    return own + 2 * (asked.source in named) + 1 * here


# — SDP —


@dataclass(frozen=True, slots=True)
class VoiceSide:
    """The device's side of the sound, from its INVITE or its answer. `port` 0: it did not say any."""

    host: str
    port: int
    tcp: bool
    setup: str
    codecs: tuple[tuple[Codec, int], ...]  # with payload types, the device's first choice first
    y: str
    oddities: tuple[str, ...] = ()

    def choose(self, wish: Codec = "") -> tuple[Codec, int] | None:
        """The wished one if the device has it, else its own first choice."""
        return next((c for c in self.codecs if c[0] == wish), self.codecs[0] if self.codecs else None)

    @property
    def we_dial(self) -> bool:
        """Over TCP: the device listens (a=setup speaks of the SDP's sender). Annex D: else it is the one that dials."""
        return self.tcp and self.setup == "passive"

    def where(self, signalling_host: str, wish: str = "") -> str:
        """The host to send to. An address that can not be had from here (no address, or a private one said by a device
        that signals from a public one: NAT) is replaced by where it signals from. `wish`: "sdp" or "signal"."""
        if wish == "signal" or not routable(self.host):
            return signalling_host
        return self.host if wish == "sdp" or not _behind_nat(self.host, signalling_host) else signalling_host


def _behind_nat(said: str, signalling: str) -> bool:
    return said != signalling and _private(said) and not _private(signalling)


def _private(host: str) -> bool:
    """A private, shared or link-local address; what is no address counts as one."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return True


def read_side(body: bytes) -> VoiceSide:
    """Raises RemoteProtocolError where there is no m=audio that could be used."""
    sdp = Sdp.parse(body)
    audio = next((m for m in sdp.media if m.kind == "audio"), None)
    if audio is None:
        raise RemoteProtocolError("its SDP has no m=audio")
    odd: list[str] = []
    if audio.port == 0 and not audio.tcp:
        odd.append("port 0")
    host = (sdp.address_of(audio) or "").split("/")[0]
    if not routable(host):
        odd.append(f"address {host[:64] or 'missing'}")
    if audio.direction == "sendonly":
        odd.append("a listener that says sendonly")
    found = _codecs(audio)
    if not found and _any_g711(audio):
        odd.append("no G.711 among its codecs")
        found = (("pcma", 8),)
    return VoiceSide(host, audio.port, audio.tcp, audio.setup or "", found, sdp.y or "", tuple(odd))


def _codecs(audio: Media) -> tuple[tuple[Codec, int], ...]:
    named = [(m, _CODECS.get(m.encoding)) for m in audio.rtpmaps if m.clock_hz == 8000]
    return tuple((known[0], m.pt) for m, known in named if known is not None)


def _any_g711(audio: Media) -> bool:
    """Devices that list the program stream alone, or numbers without a name, play G.711 all the same."""
    return all(m.encoding in _PACKED for m in audio.rtpmaps)


def chosen_y(side: VoiceSide, ours: str) -> tuple[str, int]:
    """The y= to answer with and its SSRC: the device's own where it can be read, else ours."""
    value = ids.ssrc_value(side.y)
    if side.y and value is not None:
        return f"{value:010d}", value
    return ours, ids.ssrc_value(ours) or 0


@dataclass(frozen=True, slots=True)
class OurSide:
    """What we say of ourselves, in the answer to a broadcast's INVITE (`name` Play) or in an offer of s=Talk."""

    platform: str
    host: str
    port: int
    y: str
    codec: Codec = "pcma"
    pt: int = 8
    tcp: bool = False
    setup: Literal["active", "passive"] = "passive"
    name: Literal["Play", "Talk"] = "Play"

    def sdp(self) -> bytes:
        """Order of lines v o s c t m a y f (annex G)."""
        family = "IP6" if ":" in self.host else "IP4"
        lines = [
            "v=0",
            f"o={self.platform} 0 0 IN {family} {self.host}",
            f"s={self.name}",
            f"c=IN {family} {self.host}",
            "t=0 0",
            f"m=audio {self.port} {'TCP/RTP/AVP' if self.tcp else 'RTP/AVP'} {self.pt}",
            "a=sendrecv" if self.name == "Talk" else "a=sendonly",
            f"a=rtpmap:{self.pt} {self.codec.upper()}/8000",
        ]
        if self.tcp:
            lines += [f"a=setup:{self.setup}", "a=connection:new"]
        lines += [f"y={self.y}", F_LINE]
        return ("\r\n".join(lines) + "\r\n").encode("ascii")


def answer_to(side: VoiceSide, chosen: tuple[Codec, int], *, platform: str, host: str, port: int, y: str) -> OurSide:
    """Our answer: the device's transport, the other end of its a=setup, its payload type."""
    codec, pt = chosen
    return OurSide(platform, host, port, y, codec, pt, side.tcp, "active" if side.we_dial else "passive")


def dial_hosts(side: VoiceSide, signalling_host: str) -> Sequence[tuple[str, int]]:
    """Where to connect, best first."""
    if not 0 < side.port < 65536:
        return ()
    hosts = [side.host] if routable(side.host) else []
    return [(host, side.port) for host in dict.fromkeys((*hosts, signalling_host))]
