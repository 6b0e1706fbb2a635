"""What an offer and its answer came to, m-line by m-line: the output of `Negotiation`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gateway.wire.sdp.capability import Codec, Direction, Fingerprint

SdesKeys = tuple[str, bytes, bytes, bytes, bytes]
"""(profile, tx_key, tx_salt, rx_key, rx_salt): `keys` of `codecs.Engine.arm_rtp_session`; the profile's name is the
crypto suite's of RFC 4568 and RFC 7714."""


@dataclass(frozen=True, slots=True)
class PayloadType:
    pt: int
    codec: Codec


@dataclass(frozen=True, slots=True)
class DtlsPeer:
    """`role` is ours: "client" (active) sends the ClientHello. The certificate must match one of `fingerprints`."""

    role: Literal["client", "server"]
    fingerprints: tuple[Fingerprint, ...]


@dataclass(frozen=True, slots=True)
class Agreed:
    """One m-line. `active` False: refused or gone (port 0), the rest means nothing then.

    `host` and `port` are the peer's (host "" or "0.0.0.0", port 0: nothing may be sent). `send` holds the peer's
    payload types, the preferred first, its own fmtp in their codecs; `receive` ours. The codec to send with is
    `send[0]`. Telephone-event and cn stand in both behind the codecs. `direction` is ours.
    """

    index: int
    kind: str
    active: bool
    host: str = ""
    port: int = 0
    rtcp_host: str = ""
    rtcp_port: int = 0  # 0: muxed with `rtcp_mux`, else port + 1
    rtcp_mux: bool = False
    direction: Direction = "inactive"
    held_by_peer: bool = False  # it asked for sendonly, inactive or c=0.0.0.0
    profile: str = "RTP/AVP"
    send: tuple[PayloadType, ...] = ()
    receive: tuple[PayloadType, ...] = ()
    secure: Literal["", "sdes", "dtls"] = ""
    keys: SdesKeys | None = field(default=None, repr=False)
    dtls: DtlsPeer | None = None
    ptime_ms: int = 20
    feedback: frozenset[str] = frozenset()  # what the peer understands of the codec sent with
    ssrcs: tuple[int, ...] = ()  # said by a=ssrc of the peer
    bandwidth_kbps: int = 0  # b=AS or b=TIAS of the peer; 0: not said

    def sent(self, name: str) -> PayloadType | None:
        """The peer's payload type of a codec name; for telephone-event the one of the codec's clock, if any."""
        clock = self.send[0].codec.clock_hz if self.send else 0
        found = [p for p in self.send if p.codec.name == name]
        return next((p for p in found if p.codec.clock_hz == clock), found[0] if found else None)


@dataclass(frozen=True, slots=True)
class Agreement:
    lines: tuple[Agreed, ...]

    def of(self, kind: str) -> Agreed | None:
        """The active line of a kind."""
        return next((line for line in self.lines if line.kind == kind and line.active), None)
