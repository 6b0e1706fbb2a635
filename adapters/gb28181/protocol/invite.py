"""The live INVITE: what we offer, what is believed of the answer, and which media transport is tried next.

Of an answer only three things count: whether the device agreed, the SSRC it says it will use, and, where we are to
dial it, a port. Addresses, directions and payload numbers in answers are wrong so often (port 0, the address of
another network card, our own port echoed, `recvonly` from a sender) that media is taken from wherever it comes, and
told by its content.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.gb28181.config import MediaTransport
from adapters.gb28181.protocol import ids

_ALL: tuple[MediaTransport, ...] = ("tcp-passive", "udp", "tcp-active")
_SETUP: dict[MediaTransport, str] = {"tcp-passive": "passive", "tcp-active": "active"}
MAX_LINES = 200
MAX_PAYLOADS = 32


@dataclass(frozen=True, slots=True)
class LiveOffer:
    """One offer. `host` and `port` are where both our sockets listen, whatever the transport says."""

    platform: str
    host: str
    port: int
    media: MediaTransport
    y: str
    sdp_line: str = ""
    more_codecs: bool = False

    def sdp(self) -> bytes:
        """GB/T 28181-2022 annex G, order of lines v o s c t m a y f. Codecs are told by their rtpmap, not number."""
        proto = "RTP/AVP" if self.media == "udp" else "TCP/RTP/AVP"
        family = "IP6" if ":" in self.host else "IP4"
        payloads = "96 98 97 99" if self.more_codecs else "96"
        lines = [
            "v=0",
            f"o={self.platform} 0 0 IN {family} {self.host}",
            "s=Play",
            f"c=IN {family} {self.host}",
            "t=0 0",
            f"m=video {self.port} {proto} {payloads}",
            "a=recvonly",
            "a=rtpmap:96 PS/90000",
        ]
        if self.more_codecs:
            lines += ["a=rtpmap:98 H264/90000", "a=rtpmap:97 MPEG4/90000", "a=rtpmap:99 H265/90000"]
        if self.media != "udp":
            # "setup" speaks of the sender of the SDP: passive, we listen (annex D).
            lines += [f"a=setup:{_SETUP[self.media]}", "a=connection:new"]
        if self.sdp_line:
            lines.append(self.sdp_line)
        # No device is known to follow f=; 2016 wants it all the same, and empty halves keep their slashes.
        lines += [f"y={self.y}", "f=v/////a///"]
        return ("\r\n".join(lines) + "\r\n").encode("ascii")


def subject(channel: str, y: str, platform: str) -> str:
    """`sender:its stream,receiver:its stream`: the same sender stream means the same picture. §9.2, annex L."""
    return f"{channel}:{y},{platform}:0"


@dataclass(frozen=True, slots=True)
class RtpMapping:
    pt: int
    codec: str
    clock_hz: int


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """What an answer says, for as much as it is worth. `ssrc` None: missing or unreadable, so latch the first one."""

    ssrc: int | None
    host: str
    port: int
    setup: str
    payloads: tuple[RtpMapping, ...]
    oddities: tuple[str, ...]

    def dial(self, signalling_host: str) -> list[tuple[str, int]]:
        """Where to connect for TCP active, best first: what it says if that can be reached, then where it signals."""
        if not 0 < self.port < 65536:
            return []
        hosts = [self.host] if routable(self.host) else []
        if signalling_host not in hosts:
            hosts.append(signalling_host)
        return [(host, self.port) for host in hosts]


def routable(host: str) -> bool:
    """False for no address, 0.0.0.0, multicast and the documentation ranges (192.0.2.0/24 has been seen)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    documentation = any(
        address.version == net.version and address in net
        for net in map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
    )
    return not (address.is_unspecified or address.is_multicast or documentation)


def read_answer(body: bytes, *, offered: LiveOffer) -> LiveAnswer:
    """Read the answer. Never raises: what is missing is said in `oddities`."""
    host, setup, y = "", "", ""
    port, seen_media = -1, False
    payloads: list[RtpMapping] = []
    odd: list[str] = []
    text = body.decode("utf-8", "replace").replace("\0", "")
    for raw in text.replace("\r", "\n").split("\n")[: MAX_LINES * 2]:
        line = raw.strip()
        kind, _, value = line.partition("=")
        value = value.strip()
        match kind.strip().lower():
            case "c" if value:
                host = value.split()[-1].split("/")[0]
            case "m" if not seen_media:
                seen_media = True
                parts = value.split()
                port = int(parts[1].split("/")[0]) if len(parts) > 1 and _is_number(parts[1].split("/")[0]) else -1
            case "y":
                y = value
            case "a" if value.lower().startswith("setup:"):
                setup = value[6:].strip().lower()
            case "a" if value.lower().startswith("rtpmap:") and len(payloads) < MAX_PAYLOADS:
                mapping = _rtpmap(value[7:])
                if mapping is not None:
                    payloads.append(mapping)
            case "a" if value.lower() == "recvonly":
                odd.append("a sender that says recvonly")
    ssrc = _answered_ssrc(y, offered, odd)
    if not seen_media:
        odd.append("no m= line")
    elif port <= 0:
        odd.append("port 0")
    elif port == offered.port and host == offered.host:
        odd.append("our own port echoed")
    if not routable(host):
        odd.append(f"address {host[:64] or 'missing'}")
    return LiveAnswer(ssrc, host, max(port, 0), setup, tuple(payloads), tuple(odd))


def _answered_ssrc(y: str, offered: LiveOffer, odd: list[str]) -> int | None:
    """No y: ours stands. Another: the device's counts (annex G, the lower domain makes it). Unreadable: any."""
    if not y:
        return ids.ssrc_value(offered.y)
    value = ids.ssrc_value(y)
    if value is None:
        odd.append(f"y={y[:24]}")
    return value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _rtpmap(text: str) -> RtpMapping | None:
    number, _, codec = text.strip().partition(" ")
    name, _, rate = codec.strip().partition("/")
    rate = rate.split("/")[0]
    if not (_is_number(number) and int(number) < 128 and name):
        return None
    return RtpMapping(int(number), name.upper()[:16], int(rate) if rate.isdigit() and len(rate) < 7 else 90_000)


class Ladder:
    """The media transports in the order to try for one device: what worked before comes first."""

    def __init__(self, rungs: Sequence[MediaTransport], first: str = "") -> None:
        ordered = list(dict.fromkeys(rungs))
        chosen = [rung for rung in _ALL if rung == first]
        self.rungs: tuple[MediaTransport, ...] = (*chosen, *(rung for rung in ordered if rung != first))
