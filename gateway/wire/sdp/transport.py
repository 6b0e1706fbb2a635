"""How an m-line is carried: addresses, direction, and its cipher (RFC 3264, 3605, 5761, 5763, 8122, 8643)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.wire.sdp.capability import Direction, Fingerprint, SrtpPolicy
from gateway.wire.sdp.crypto import CryptoLine, parse_crypto
from gateway.wire.sdp.text import Media, Sdp

Role = Literal["client", "server"]

PLAIN, SECURE, DTLS = ("RTP/AVP", "RTP/AVPF"), ("RTP/SAVP", "RTP/SAVPF"), ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
_ZERO = ("0.0.0.0", "::", "0:0:0:0:0:0:0:0")  # noqa: S104 - read, not bound
_FINGERPRINT = re.compile(
    r"(sha-1|sha-224|sha-256|sha-384|sha-512)\s+([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){19,63})\Z", re.I
)
MAX_FINGERPRINTS = 8
MAX_SSRCS = 16


@dataclass(frozen=True, slots=True)
class PeerLine:
    """What a peer's m-line says of its transport. `zero`: the address of hold as RFC 2543 had it."""

    host: str
    port: int
    rtcp_host: str
    rtcp_port: int
    rtcp_mux: bool
    direction: Direction
    proto: str
    crypto: tuple[CryptoLine, ...]
    fingerprints: tuple[Fingerprint, ...]
    setup: str
    ssrcs: tuple[int, ...]
    ptime_ms: int
    bandwidth_kbps: int

    @property
    def zero(self) -> bool:
        return self.host in _ZERO or not self.host

    @property
    def receives(self) -> bool:
        return self.direction in ("sendrecv", "recvonly") and not self.zero

    @property
    def sends(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")

    @classmethod
    def of(cls, sdp: Sdp, media: Media) -> PeerLine:
        host = (sdp.address_of(media) or "").partition("/")[0]
        rtcp_host, rtcp_port = _rtcp(media, host)
        prints = [*media.attributes_of("fingerprint"), *(v or "" for k, v in sdp.attributes if k == "fingerprint")]
        return cls(
            host,
            media.port,
            rtcp_host,
            rtcp_port,
            media.attribute("rtcp-mux") is not None,
            _direction(sdp, media),
            media.proto.upper(),
            tuple(parse_crypto(media.attributes_of("crypto"))),
            tuple(f for value in prints[:MAX_FINGERPRINTS] if (f := parse_fingerprint(value)) is not None),
            (media.setup or sdp.attribute("setup") or "").strip().lower(),
            _ssrcs(media),
            _ptime(media),
            _bandwidth(media),
        )


def parse_fingerprint(value: str) -> Fingerprint | None:
    found = _FINGERPRINT.match(value.strip())
    return None if found is None else Fingerprint(found[1].lower(), found[2].upper())


def mirrored(wanted: Direction, peer: PeerLine) -> Direction:
    """Our direction: what we want, as far as the peer takes part (RFC 3264 §6.1)."""
    return direction(
        wanted in ("sendrecv", "sendonly") and peer.receives, wanted in ("sendrecv", "recvonly") and peer.sends
    )


def direction(sends: bool, receives: bool) -> Direction:
    if sends:
        return "sendrecv" if receives else "sendonly"
    return "recvonly" if receives else "inactive"


def cipher_for(peer: PeerLine, policy: SrtpPolicy, suites: Sequence[str], dtls: bool) -> tuple[str, str]:
    """`("" | "sdes" | "dtls", "")` for an offered line, or `("", why not)`.

    Keys under RTP/AVP are taken too (opportunistic, RFC 8643). Where both ciphers stand, DTLS is taken.
    """
    if peer.proto not in PLAIN + SECURE + DTLS:
        return "", f"{peer.proto[:24]} is not spoken here"
    can_sdes = any(line.suite in suites for line in peer.crypto) and peer.proto not in DTLS
    can_dtls = dtls and bool(peer.fingerprints)
    if policy in ("optional", "dtls", "required") and can_dtls:
        return "dtls", ""
    if policy in ("optional", "sdes", "required") and can_sdes:
        return "sdes", ""
    if peer.proto in PLAIN:
        return ("", "") if policy in ("off", "optional") else ("", f"SRTP is required here ({policy})")
    if policy == "off":
        return "", "SRTP is off here"
    if peer.proto in SECURE and policy != "dtls" and not peer.fingerprints:
        return "", f"no common crypto suite (here {', '.join(suites)})"
    return "", f"no common SRTP keying (policy {policy}{'' if dtls else ', no certificate for DTLS'})"


def answer_role(setup: str, before: Role | None) -> Role | None:
    """Our DTLS role as the answerer (RFC 5763 §5); the role of before stays where the peer leaves it open."""
    if setup in ("actpass", ""):
        return before or "client"
    return {"active": "server", "passive": "client"}.get(setup)  # type: ignore[return-value]


def _rtcp(media: Media, host: str) -> tuple[str, int]:
    """a=rtcp:port [IN IP4 host] (RFC 3605); port 0: not said."""
    parts = (media.attribute("rtcp") or "").split()
    if not parts or not parts[0].isascii() or not parts[0].isdigit() or len(parts[0]) > 5 or int(parts[0]) > 65535:
        return host, 0
    return (parts[3] if len(parts) >= 4 else host), int(parts[0])


def _direction(sdp: Sdp, media: Media) -> Direction:
    for attributes in (media.attributes, sdp.attributes):
        for key, _ in attributes:
            low = key.lower()
            if low in ("sendrecv", "sendonly", "recvonly", "inactive"):
                return low  # type: ignore[return-value]
    return "sendrecv"


def _ssrcs(media: Media) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for value in media.attributes_of("ssrc")[:256]:
        number = value.split(" ", 1)[0]
        if number.isascii() and number.isdigit() and len(number) <= 10 and int(number) < 2**32:
            found[int(number)] = None
    return tuple(found)[:MAX_SSRCS]


def _ptime(media: Media) -> int:
    """What the peer wants to get, as 20, 40 or 60 ms (a media plane's clock knows no other)."""
    wanted, most = _ms(media.attribute("ptime")) or 20, _ms(media.attribute("maxptime")) or 60
    return max(p for p in (20, 40, 60) if p == 20 or (p <= wanted and p <= most))


def _ms(text: str | None) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0


def _bandwidth(media: Media) -> int:
    for name, unit in (("TIAS", 1000), ("AS", 1)):
        for letter, value in media.lines:
            kind, _, number = value.partition(":")
            if letter == "b" and kind.upper() == name and number.isascii() and number.isdigit() and len(number) <= 10:
                return int(number) // unit
    return 0
