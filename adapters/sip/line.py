"""The transport of one m-line: its sockets, its session in the media plane, and how that is ciphered.

A line is opened with two UDP ports (RTP even, RTCP the next), is armed as often as offer and answer say, and is closed
once, whatever became of it. DTLS of the peer that comes before its SDP does (the 200 may be late) waits, bounded.
"""

from __future__ import annotations

import ipaddress
import logging
import secrets
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, cast

from gateway import codecs
from gateway.base.errors import Busy
from gateway.contract.media import Media
from gateway.wire.sdp import Agreed, PayloadType

if TYPE_CHECKING:
    from adapters.sip.dtls import Address, Handshake, Identity, Keys

log = logging.getLogger(__name__)

Latch = Literal["strict", "host", "first", "auto"]
MAX_EARLY = 8  # DTLS datagrams kept before the peer's SDP is known
_TRIES = 8  # pairs whose odd port another program has


class Line:
    """`changed` is called when the line became ciphered by DTLS; `failed(code, words)` when that can not be."""

    def __init__(
        self,
        media: Media,
        host: str,
        *,
        latch: Latch,
        identity: Callable[[], Identity] | None,
        changed: Callable[[], None],
        failed: Callable[[str, str], None],
        near: int | None = None,
        peer: str = "",
    ) -> None:
        """Opens the sockets. `peer` is where its signalling comes from. Raises Busy (`ports-exhausted`), ConfigError
        when `host` is not ours."""
        self._media = media
        self._peer = peer
        self._latch: Latch = latch
        self._identity = identity
        self._changed = changed
        self._failed = failed
        self._agreed: Agreed | None = None
        self._handshake: Handshake | None = None
        self._early: deque[tuple[bytes, Address]] = deque(maxlen=MAX_EARLY)
        self._closed = False
        rtp, rtcp = bind_rtp_rtcp(media, host)
        self.host, self.port = str(rtp.getsockname()[0]), int(rtp.getsockname()[1])
        self.ssrc = secrets.randbelow(2**32 - 1) + 1
        self.armed = False
        self.session = media.engine.open_rtp_session(rtp.detach(), rtcp_fd=rtcp.detach(), stream=near)
        media.on_session(self.session, self._event)

    @property
    def secure(self) -> str:
        return self._agreed.secure if self._agreed is not None else ""

    def apply(self, agreed: Agreed) -> None:
        """What offer and answer came to. Media flows at once, or when DTLS has its keys."""
        self._agreed = agreed
        if agreed.dtls is not None:
            self._shake(agreed)
        else:
            self._drop_handshake()
            self._arm(agreed.host, agreed.port, cast("Keys | None", agreed.keys))

    def close(self) -> None:
        """Free the session and its sockets. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._drop_handshake()
        self._media.forget_session(self.session)
        self._media.engine.close_session(self.session)

    def _arm(self, host: str, port: int, keys: Keys | None) -> None:
        agreed = self._agreed
        if agreed is None or self._closed:
            return
        muxed = agreed.rtcp_mux
        self._media.engine.arm_rtp_session(
            self.session,
            host or unspecified(self.host),
            port if host else 0,
            # Muxed although we hold two sockets: to the same port (RFC 5761).
            rtcp_host=host if muxed else agreed.rtcp_host,
            rtcp_port=port if muxed else agreed.rtcp_port,
            latch=self._latched(host),
            keys=keys,
        )
        self.armed = True

    def _latched(self, host: str) -> Literal["strict", "host", "first"]:
        """`auto`: a peer that names the address its signalling comes from is behind no NAT, and nobody else is heard
        in its place; one that names another (or a name) can be found by its first packet only."""
        if self._latch != "auto":
            return self._latch
        return "host" if not host or _same(host, self._peer) else "first"

    # — DTLS —

    def _shake(self, agreed: Agreed) -> None:
        from adapters.sip.dtls import Handshake

        peer = agreed.dtls
        if peer is None or self._identity is None:
            return
        current = self._handshake
        # RFC 8842 §5: the association stays while role and fingerprints do.
        if current is not None and current.role == peer.role and current.fingerprints == peer.fingerprints:
            if current.keys is not None and self._where is not None:
                self._arm(*self._where, current.keys)
            return
        self._drop_handshake()
        engine = self._media.engine
        session = self.session

        def send(data: bytes, address: Address) -> None:
            engine.send_datagram(session, 0, data, *address)

        self._handshake = Handshake(
            self._identity(), peer.role, peer.fingerprints, send, self._shaken, lambda words: self._broken(words)
        )
        self._handshake.start((agreed.host, agreed.port))
        while self._early and self._handshake is not None:
            self._handshake.feed(*self._early.popleft())

    _where: Address | None = None

    def _shaken(self, keys: Keys, address: Address) -> None:
        # Where its handshake came from: behind NAT that is not what its SDP says, and it is proved.
        self._where = address
        self._arm(*address, keys)
        self._changed()

    def _broken(self, words: str) -> None:
        self._failed("dtls-failed", words)

    def _drop_handshake(self) -> None:
        if self._handshake is not None:
            self._handshake.close()
            self._handshake = None
        self._where = None

    def _event(self, event: codecs.Datagram | codecs.SessionEvent) -> None:
        if isinstance(event, codecs.Datagram):
            if self._handshake is not None:
                self._handshake.feed(event.data, (event.host, event.host_port))
            elif self._agreed is None:
                self._early.append((event.data, (event.host, event.host_port)))
        elif event.state == "address":
            log.debug("session %d: media from %s:%d", self.session, event.host, event.host_port)


def rtp_maps(payloads: tuple[PayloadType, ...]) -> list[codecs.RtpMap]:
    return [codecs.RtpMap(one.pt, one.codec.name, one.codec.clock_hz, fmtp=one.codec.fmtp) for one in payloads]


def unspecified(host: str) -> str:
    """What `arm_rtp_session` takes for "not known": the wildcard of that family."""
    return "::" if ":" in host else "0.0.0.0"  # noqa: S104 - nothing binds to it


def bind_rtp_rtcp(media: Media, host: str) -> tuple[socket.socket, socket.socket]:
    """An even UDP port and the one above it (RFC 3550 §11). Raises Busy (`ports-exhausted`)."""
    for _ in range(_TRIES):
        rtp, tcp = media.bind_rtp_pair(host)
        tcp.close()  # SIP media is UDP
        rtcp = socket.socket(rtp.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        with suppress(OSError):
            rtcp.bind((rtp.getsockname()[0], rtp.getsockname()[1] + 1))
            return rtp, rtcp
        rtcp.close()
        rtp.close()
    raise Busy(f"no pair of media ports is free at {host}", code="ports-exhausted")


def _same(host: str, other: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]) == ipaddress.ip_address(other.partition("%")[0])
    except ValueError:
        return False
