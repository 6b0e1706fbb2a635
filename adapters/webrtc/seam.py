"""ICE by aioice and DTLS by aiortc on sockets of the media plane. The one module that touches their private names.

aioice believes that it speaks through asyncio transports; ours hand every datagram to the engine, and the engine
hands STUN and DTLS of a session up (told apart by ufrag, then by address). Once DTLS is done the keys go to the
engine: from then on it alone reads and writes the session's SRTP and SRTCP, and no RTP ever meets Python.

Of aiortc only RTCDtlsTransport is used, of aioice only Connection and StunProtocol: no peer connection, no senders,
no timers but aioice's consent checks (RFC 7675, about every 5 s a viewer). PRIVATE_NAMES says what is leaned on; the
versions are pinned in pyproject.toml, and tests/unit/webrtc/test_seam_contract.py fails when a new version moves one.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import aioice
import aioice.ice
import aioice.stun
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    RTCDtlsTransport,
    State,
)
from OpenSSL import SSL

from adapters.webrtc.ports import LocalPort
from gateway import codecs

log = logging.getLogger(__name__)
# Each connectivity check is an INFO line of aioice: nothing that an operator would tell a colleague.
logging.getLogger("aioice").setLevel(logging.WARNING)

VERSIONS: Final = {"aiortc": "1.16.0", "aioice": "0.13.0"}
PRIVATE_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "aioice.ice.Connection": (
        "_check_list",
        "_closing",
        "_local_candidates",
        "_local_candidates_end",
        "_local_candidates_start",
        "_nominated",
        "_protocols",
        "_queue",
        "_remote_candidates",
        "build_request",
        "check_complete",
        "check_incoming",
        "data_received",
        "get_component_candidates",
        "gather_candidates",
        "query_consent",
        "_query_consent_task",
    ),
    "aioice.ice.StunProtocol": ("connection_lost", "connection_made", "datagram_received", "local_candidate"),
    "aiortc.rtcdtlstransport.RTCDtlsTransport": (
        "_role",
        "_rx_srtp",
        "_set_role",
        "_set_state",
        "_setup_srtp",
        "_srtp_profiles",
        "_ssl",
        "_task",
    ),
    "aiortc.rtcdtlstransport.RTCCertificate": ("_create_ssl_context",),
}

# The fastest first: as DTLS server we choose (RFC 5764 §4.1.2). 256-bit GCM is left out on purpose.
PROFILES: Final = [SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80]
_ENGINE_PROFILE: Final[dict[bytes, codecs.SrtpProfile]] = {
    b"SRTP_AEAD_AES_128_GCM": "AEAD_AES_128_GCM",
    b"SRTP_AES128_CM_SHA1_80": "AES_CM_128_HMAC_SHA1_80",
}
_EXPORTER: Final = b"EXTRACTOR-dtls_srtp"  # RFC 5764 §4.2

MAX_WAITING_DATAGRAMS = 64  # of one session, before its DTLS reads them
MAX_REMOTE_CANDIDATES = 64  # told and learned; a viewer that roams more than that joins anew
CERTIFICATE_LIFE_S = 7 * 86400.0  # aiortc's certificates hold 30 days; a daemon runs longer


class Certificate(RTCCertificate):
    """Our DTLS identity, shared by all sessions, with one TLS context for all: a context each would cost 100 KB."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: Any) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            self._context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 10 KB less a session
            # Nobody resumes: with one context for all, OpenSSL would keep 20,000 ended sessions.
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return self._context

    @property
    def fingerprint(self) -> str:
        found = next(one for one in self.getFingerprints() if one.algorithm == "sha-256")
        return f"{found.algorithm} {found.value}"

    @property
    def is_old(self) -> bool:
        left = self.expires - datetime.datetime.now(tz=datetime.UTC)
        return left.total_seconds() < 30 * 86400.0 - CERTIFICATE_LIFE_S


class PortTransport(asyncio.DatagramTransport):
    """What aioice takes for a socket: one of the media plane's ports, for one session."""

    def __init__(self, engine: codecs.Engine, session: int, port: LocalPort) -> None:
        super().__init__()
        self._engine = engine
        self._session = session
        self.port = port
        self._protocol: asyncio.DatagramProtocol | None = None

    def attach(self, protocol: asyncio.DatagramProtocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def sendto(self, data: Any, addr: Any = None) -> None:
        if self._protocol is not None:
            self._engine.send_datagram(self._session, self.port.handle, bytes(data), addr[0], addr[1])

    def is_closing(self) -> bool:
        return self._protocol is None

    def close(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(None)

    abort = close

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.port.host, self.port.port) if name == "sockname" else default


class NativeConnection(aioice.Connection):
    """An ICE agent (controlled, as an answerer is) whose host candidates are the media plane's ports."""

    def __init__(self, engine: codecs.Engine, session: int, ports: Sequence[LocalPort], ufrag: str, pwd: str) -> None:
        super().__init__(ice_controlling=False, local_username=ufrag, local_password=pwd)
        self._engine = engine
        self._session = session
        self._ports = ports
        self._by_port: dict[int, aioice.ice.StunProtocol] = {}
        self.on_nominated: Callable[[int, str, int], None] | None = None
        self.on_expired: Callable[[], None] | None = None
        self.heard: Callable[[], bool] | None = None  # whether the peer sends media now
        self.on_dtls: Callable[[], None] | None = None  # set once nobody reads DTLS any more

    async def gather_candidates(self) -> None:
        # Not the base's: it would list the machine's interfaces for every viewer.
        self._local_candidates_start = True
        self._local_candidates = await self.get_component_candidates(1, [])
        self._local_candidates_end = True

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Any]:
        made = []
        for number, port in enumerate(self._ports):
            protocol = aioice.ice.StunProtocol(self)
            protocol.local_candidate = aioice.Candidate(
                str(number + 1), component, "udp", port.priority, port.host, port.port, "host"
            )
            PortTransport(self._engine, self._session, port).attach(protocol)
            self._protocols.append(protocol)
            self._by_port[port.handle] = protocol
            made.append(protocol.local_candidate)
        return made

    def feed(self, port: int, data: bytes, address: tuple[str, int]) -> None:
        """STUN or DTLS that came in on `port`."""
        protocol = self._by_port.get(port)
        if protocol is not None and not self._closing:
            protocol.datagram_received(data, address)

    def data_received(self, data: bytes, component: int) -> None:
        if self.on_dtls is not None:
            self.on_dtls()
        elif self._queue.qsize() < MAX_WAITING_DATAGRAMS:  # full: dropped, as UDP does; DTLS sends again
            super().data_received(data, component)

    def check_incoming(self, message: Any, addr: tuple[str, int], protocol: Any) -> None:
        if len(self._remote_candidates) < MAX_REMOTE_CANDIDATES:
            super().check_incoming(message, addr, protocol)

    def check_complete(self, pair: Any) -> None:
        before = self._nominated.get(1)
        super().check_complete(pair)
        after = self._nominated.get(1)
        if after is not None and after is not before and self.on_nominated is not None:
            self.on_nominated(*self._path(after))

    @property
    def path(self) -> tuple[int, str, int] | None:
        """Port handle and remote address of the nominated pair."""
        pair = self._nominated.get(1)
        return None if pair is None else self._path(pair)

    async def answers(self) -> bool:
        """Ask for consent now (RFC 7675 §5.1), three times in 3.5 s."""
        pair = self._nominated.get(1)
        if pair is None or self.remote_password is None:
            return False
        request, key = self.build_request(pair, nominate=False), self.remote_password.encode()
        try:
            await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=2)
        except aioice.stun.TransactionError:
            return False
        return True

    @staticmethod
    def _path(pair: Any) -> tuple[int, str, int]:
        return (pair.protocol.transport.port.handle, pair.remote_addr[0], pair.remote_addr[1])

    async def close(self) -> None:
        # Ours sets on_expired to None first: with it still set it is aioice that gives up, after lost consent.
        expired, self.on_expired = self.on_expired, None
        if expired is not None and self.heard is not None and self.heard():
            # FFmpeg 8 answers no checks while it publishes: who is heard is there. RFC 7675 §5.1 asks for consent to
            # send, and to a publisher goes nothing but RTCP.
            self.on_expired = expired
            self._query_consent_task = asyncio.create_task(self.query_consent())
            return
        await super().close()
        self._by_port.clear()
        if expired is not None:
            expired()


class IcePath:
    """The little of RTCIceTransport that RTCDtlsTransport uses."""

    role = "controlled"

    def __init__(self, connection: NativeConnection) -> None:
        self._recv = connection.recv
        self._send = connection.send


class NativeDtls(RTCDtlsTransport):
    """DTLS without SRTP sessions: the keys are handed out instead."""

    def __init__(self, path: IcePath, certificate: Certificate, role: Literal["server", "client"]) -> None:
        super().__init__(path, [certificate])  # type: ignore[arg-type]
        self._srtp_profiles = PROFILES
        self._set_role(role)
        self.keys: tuple[codecs.SrtpProfile, bytes, bytes, bytes, bytes] | None = None

    def _setup_srtp(self) -> None:
        """Called by `start` when the handshake is done and the peer's certificate fits its fingerprint."""
        assert self._ssl is not None  # noqa: S101  (set by start before this)
        name = self._ssl.get_selected_srtp_profile()
        profile = next((one for one in PROFILES if one.openssl_profile == name), None)
        if profile is None:
            self._set_state(State.FAILED)
            return
        both = self._ssl.export_keying_material(_EXPORTER, 2 * (profile.key_length + profile.salt_length))
        halves = [profile.get_key_and_salt(both, index) for index in (0, 1)]  # client's, server's
        tx, rx = (halves[1], halves[0]) if self._role == "server" else (halves[0], halves[1])
        key = profile.key_length
        self.keys = (_ENGINE_PROFILE[name], tx[:key], tx[key:], rx[:key], rx[key:])

    def settle(self) -> bytes:
        """Stop reading and let go of OpenSSL's memory; returns the close_notify to be sent one day."""
        self.remove_all_listeners()
        farewell = b""
        if self._ssl is not None and self._task is not None:
            with contextlib.suppress(SSL.Error):
                self._ssl.shutdown()
                farewell = self._ssl.bio_read(1500)
            self._task.cancel()
        self._task = self._ssl = None
        return farewell

    async def finish(self) -> None:
        """Say close_notify, stop reading, and let go of OpenSSL's memory."""
        reader = self._task
        await self.stop()
        if reader is not None:
            await asyncio.gather(reader, return_exceptions=True)
        self.remove_all_listeners()
        self._ssl = None
