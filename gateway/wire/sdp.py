"""SDP (RFC 8866) with GB/T 28181's y= and f= lines; read with tolerance, written strictly.

Media sections keep their index through offer and answer (RFC 3264 §6: a refused one has port 0, none is left out).
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_SDP_BYTES = 64 * 1024
MAX_SDP_LINES = 2048

Attributes = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class RtpMap:
    """a=rtpmap: `encoding` in upper case ("PS", "H264", "PCMA")."""

    pt: int
    encoding: str
    clock_hz: int
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Media:
    """One m= section. `connection` is the address of its own c= line, None when it has none; `lines` what we have no
    name for (i=, b=, k=, unknown), as `(letter, value)`."""

    kind: str
    port: int
    proto: str = "RTP/AVP"
    formats: tuple[str, ...] = ()
    attributes: Attributes = ()
    connection: str | None = None
    port_count: int = 1
    lines: tuple[tuple[str, str], ...] = ()

    def attribute(self, name: str) -> str | None:
        """The first value of a=name; "" for a flag; None when it is not there."""
        raise NotImplementedError

    def attributes_of(self, name: str) -> list[str]:
        raise NotImplementedError

    @property
    def rtpmaps(self) -> tuple[RtpMap, ...]:
        """Malformed ones are left out; static payload types without a line are filled in (RFC 3551: 0, 8, 9, 4, 18)."""
        raise NotImplementedError

    @property
    def direction(self) -> str:
        """sendrecv, sendonly, recvonly, inactive ("sendrecv" when not said)."""
        raise NotImplementedError

    @property
    def setup(self) -> str | None:
        """a=setup of RFC 4145: active, passive, actpass, holdconn."""
        raise NotImplementedError

    @property
    def tcp(self) -> bool:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Sdp:
    """A session description. `time` is the first t= line (start, stop); `y` and `f` are GB/T 28181's, as text, wherever
    they stood; `lines` what we have no name for."""

    origin_user: str = "-"
    origin_id: str = "0"
    origin_version: str = "0"
    origin_address: str = "0.0.0.0"  # noqa: S104 - "no address", nothing binds to it
    name: str = "-"
    uri: str | None = None  # u=: in GB/T 28181 `<id>:<type>` of a playback
    connection: str | None = None
    time: tuple[int, int] = (0, 0)
    attributes: Attributes = ()
    media: tuple[Media, ...] = ()
    y: str | None = None
    f: str | None = None
    lines: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, data: bytes | str) -> Sdp:
        """Raises RemoteProtocolError: too large, no line at all, an m= line that can not be read. Order, blanks and a
        missing last line end are forgiven."""
        raise NotImplementedError

    def __bytes__(self) -> bytes:
        """v o s u c t a, m sections, y, f; lines end in CRLF. Raises LocalProtocolError on a line end in a value."""
        raise NotImplementedError

    def attribute(self, name: str) -> str | None:
        raise NotImplementedError

    def address_of(self, media: Media) -> str | None:
        """The media's c= address, else the session's."""
        raise NotImplementedError

    @property
    def ssrc(self) -> int | None:
        """y= as the 32-bit SSRC it stands for (10 decimal digits, GB/T 28181-2022 Annex G); None when absent or not
        1 to 10 digits in range."""
        raise NotImplementedError
