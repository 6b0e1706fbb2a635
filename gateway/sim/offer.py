"""The platform's SDP offer as the device reads it, and the device's answer. GB/T 28181-2022 annex G and §9.2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_UNROUTABLE = "192.0.2.2"


class Carrier(StrEnum):
    """How media travels, named from the device's side."""

    UDP = "udp"
    DIAL = "tcp active"  # the device connects
    LISTEN = "tcp passive"  # the device listens


@dataclass(frozen=True, slots=True)
class Offer:
    """What the platform asks for. `ssrc` is `None` when it gave no y=."""

    host: str
    port: int
    carrier: Carrier
    ssrc: int | None
    ssrc_text: str
    kind: str  # s=: Play, Playback, Download, Talk


def read_offer(text: str) -> Offer | None:
    """`None` when it is no offer this device can serve (488)."""
    lines = [line.strip() for line in text.splitlines()]

    def first(pattern: str) -> re.Match[str] | None:
        return next((m for line in lines if (m := re.match(pattern, line, re.I))), None)

    media = first(r"m=video\s+(\d+)\s+(\S+)")
    where = first(r"c=IN IP[46]\s+(\S+)")
    if media is None or where is None or not 0 < int(media.group(1)) < 65536:
        return None
    carrier = Carrier.UDP
    if media.group(2).upper().startswith("TCP/"):
        setup = first(r"a=setup:\s*(\w+)")
        carrier = Carrier.LISTEN if setup is not None and setup.group(1).lower() == "active" else Carrier.DIAL
    asked = first(r"y=\s*(\d{1,10})$")
    text_of = asked.group(1) if asked else ""
    kind = first(r"s=\s*(\S+)")
    return Offer(
        where.group(1), int(media.group(1)), carrier, int(text_of) if asked else None, text_of,
        kind.group(1) if kind else "Play",
    )  # fmt: skip


def write_answer(
    device_id: str,
    host: str,
    port: int,
    carrier: Carrier,
    *,
    ssrc_text: str,
    video: str,
    audio: bool,
    port_zero: bool = False,
    unroutable: bool = False,
) -> str:
    """The answer. `video` is the f= video half's codec number; an empty `ssrc_text` leaves y= out."""
    address = _UNROUTABLE if unroutable else host
    protocol = "RTP/AVP" if carrier is Carrier.UDP else "TCP/RTP/AVP"
    lines = [
        "v=0",
        f"o={device_id} 0 0 IN IP4 {address}",
        "s=Play",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=video {0 if port_zero else port} {protocol} 96",
        "a=sendonly",
        "a=rtpmap:96 PS/90000",
    ]
    if carrier is not Carrier.UDP:
        lines += [f"a=setup:{'active' if carrier is Carrier.DIAL else 'passive'}", "a=connection:new"]
    if ssrc_text:
        lines.append(f"y={ssrc_text}")
    lines.append(f"f=v/{video}////a/{'1/8/1' if audio else '//'}")
    return "".join(line + "\r\n" for line in lines)


@dataclass(frozen=True, slots=True)
class VoiceOffer:
    """The platform's side of sound: in its answer to our INVITE, or in its offer of s=Talk."""

    host: str
    port: int
    carrier: Carrier
    codec: str
    ssrc: int | None
    ssrc_text: str
    kind: str


def read_voice(text: str) -> VoiceOffer | None:
    """`None` where there is no m=audio with G.711."""
    lines = [line.strip() for line in text.splitlines()]

    def first(pattern: str) -> re.Match[str] | None:
        return next((m for line in lines if (m := re.match(pattern, line, re.I))), None)

    media, where = first(r"m=audio\s+(\d+)\s+(\S+)\s+(\d+)"), first(r"c=IN IP[46]\s+(\S+)")
    if media is None or where is None or media.group(3) not in ("0", "8"):
        return None
    carrier = Carrier.UDP
    if media.group(2).upper().startswith("TCP/"):
        setup = first(r"a=setup:\s*(\w+)")
        carrier = Carrier.LISTEN if setup is not None and setup.group(1).lower() == "active" else Carrier.DIAL
    asked = first(r"y=\s*(\d{1,10})$")
    kind = first(r"s=\s*(\S+)")
    return VoiceOffer(
        where.group(1), int(media.group(1)), carrier, "pcma" if media.group(3) == "8" else "pcmu",
        int(asked.group(1)) if asked else None, asked.group(1) if asked else "", kind.group(1) if kind else "Play",
    )  # fmt: skip


def write_voice(
    device_id: str, host: str, port: int, carrier: Carrier, codec: str, *, ssrc_text: str, kind: str = "Play"
) -> str:
    """What the ball says of itself for sound: its INVITE after a Broadcast (recvonly), or its answer to s=Talk."""
    number = 8 if codec == "pcma" else 0
    lines = [
        "v=0",
        f"o={device_id} 0 0 IN IP4 {host}",
        f"s={kind}",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} {'RTP/AVP' if carrier is Carrier.UDP else 'TCP/RTP/AVP'} {number}",
        "a=sendrecv" if kind == "Talk" else "a=recvonly",
        f"a=rtpmap:{number} {codec.upper()}/8000",
    ]
    if carrier is not Carrier.UDP:
        lines += [f"a=setup:{'active' if carrier is Carrier.DIAL else 'passive'}", "a=connection:new"]
    if ssrc_text:
        lines.append(f"y={ssrc_text}")
    lines.append("f=v/////a/1/8/1")
    return "".join(line + "\r\n" for line in lines)
