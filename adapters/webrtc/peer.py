"""One peer: its session in the media plane, its path (ICE), its handshake (DTLS), and the keys that come of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import string
import struct
from collections.abc import Callable, Sequence
from typing import Final

import aioice
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters

from adapters.webrtc.offer import Remote
from adapters.webrtc.ports import LocalPort
from adapters.webrtc.sdp import Candidate
from adapters.webrtc.seam import MAX_REMOTE_CANDIDATES, Certificate, IcePath, NativeConnection, NativeDtls
from gateway import codecs
from gateway.base.errors import LinkDown

log = logging.getLogger(__name__)

SETTLED_S = 10.0  # after this no flight of the handshake is sent again, and OpenSSL's 60 KB a session are let go
_ICE_CHARS: Final = string.ascii_letters + string.digits
# What aioice's STUN parser lets through on hostile bytes besides ValueError.
_HOSTILE: Final = (ValueError, KeyError, IndexError, AssertionError, struct.error, TypeError)

Lost = Callable[[str, str], None]
"""`lost(code, detail)`: the path or the handshake's end is gone. Called at most once, never by our own close."""


class NativePeer:
    """One peer: its session in the media plane, ICE, DTLS, keys. Made in the event loop; `close` always."""

    def __init__(self, engine: codecs.Engine, ports: Sequence[LocalPort], certificate: Certificate) -> None:
        self.ufrag = "".join(secrets.choice(_ICE_CHARS) for _ in range(12))
        self.pwd = "".join(secrets.choice(_ICE_CHARS) for _ in range(24))
        self.fingerprint = certificate.fingerprint
        self.ports = ports
        self._engine = engine
        self._certificate = certificate
        self.session = engine.open_session(self.ufrag, pwd=self.pwd)
        self._ice = NativeConnection(engine, self.session, ports, self.ufrag, self.pwd)
        self._dtls: NativeDtls | None = None
        self._armed = False
        self._lost: Lost | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._farewell = b""
        self.profile: str = ""
        self.hostile = 0

    def feed(self, event: codecs.Datagram) -> None:
        """STUN or DTLS from the engine. Bytes from outside: nothing but a count comes of bad ones."""
        try:
            self._ice.feed(event.port, event.data, (event.host, event.host_port))
        except _HOSTILE as exc:
            self.hostile += 1
            log.debug("dropped a datagram from %s: %r", event.host, exc)

    async def add_candidate(self, candidate: Candidate) -> None:
        # Never end-of-candidates: with every candidate stripped aioice would prune the only component.
        if len(self._ice.remote_candidates) < MAX_REMOTE_CANDIDATES:
            await self._ice.add_remote_candidate(
                aioice.Candidate(
                    candidate.foundation, 1, "udp", candidate.priority, candidate.host, candidate.port, candidate.type
                )
            )

    async def connect(
        self,
        remote: Remote,
        *,
        path_timeout_s: float,
        handshake_timeout_s: float,
        lost: Lost,
        heard: Callable[[], bool] | None = None,
    ) -> None:
        """Find a path, shake hands, arm the engine. Raises LinkDown (`ice-failed`, `dtls-failed`).

        `lost` is called once when the peer closes DTLS (`viewer-left`) or consent runs out (`viewer-silent`) later, but
        not while `heard` says that its media comes.
        """
        await self._ice.gather_candidates()
        for candidate in remote.candidates:
            await self.add_candidate(candidate)
        self._ice.remote_username = remote.ufrag
        self._ice.remote_password = remote.pwd
        self._ice.on_nominated = self._nominated
        self._ice.on_expired = self._expired
        self._ice.heard = heard
        self._lost = lost
        try:
            async with asyncio.timeout(path_timeout_s):
                await self._ice.connect()
        except TimeoutError as exc:
            raise LinkDown(f"no connectivity check succeeded in {path_timeout_s:g} s", code="ice-failed") from exc
        except ConnectionError as exc:
            raise LinkDown(f"ICE ended: {exc}", code="ice-failed") from exc
        dtls = self._dtls = NativeDtls(IcePath(self._ice), self._certificate, remote.role)
        known = [RTCDtlsFingerprint(algorithm, value) for algorithm, value in remote.fingerprints]
        try:
            async with asyncio.timeout(handshake_timeout_s):
                await dtls.start(RTCDtlsParameters(fingerprints=known, role="auto"))
        except TimeoutError as exc:
            raise LinkDown(f"the DTLS handshake did not end in {handshake_timeout_s:g} s", code="dtls-failed") from exc
        except ConnectionError as exc:
            raise LinkDown(f"the path went away during the DTLS handshake: {exc}", code="dtls-failed") from exc
        path = self._ice.path
        if dtls.keys is None or dtls.state != "connected" or path is None:
            raise LinkDown("the handshake failed, or the certificate is not the one of the offer", code="dtls-failed")
        profile, tx_key, tx_salt, rx_key, rx_salt = dtls.keys
        dtls.keys = None
        self._engine.arm_session(
            self.session,
            *path,
            profile=profile,
            tx_key=tx_key,
            tx_salt=tx_salt,
            rx_key=rx_key,
            rx_salt=rx_salt,
        )
        self._armed = True
        self.profile = profile
        dtls.on("statechange", self._dtls_changed)
        self._settling = asyncio.get_running_loop().call_later(SETTLED_S, self._settle)

    def _settle(self) -> None:
        """The handshake is long over. All that may still come is the peer's close_notify, which we can no longer read:
        any DTLS from its address makes us ask whether it is still there, so a forged one ends nothing."""
        if self._dtls is not None and self._dtls.state == "connected":
            self._farewell = self._dtls.settle()
            self._dtls = None
            self._ice.on_dtls = self._ask

    def _ask(self) -> None:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._still_there())

    async def _still_there(self) -> None:
        if not await self._ice.answers():
            self._say("viewer-left", "the peer closed the connection")
        self._asking = None

    @property
    def remote_address(self) -> str:
        """host:port of the nominated path; empty before."""
        path = self._ice.path
        return "" if path is None else f"{path[1]}:{path[2]}"

    def _nominated(self, port: int, host: str, host_port: int) -> None:
        if self._armed:
            log.debug("session %d moved to %s:%d", self.session, host, host_port)
            self._engine.move_session(self.session, port, host, host_port)

    def _expired(self) -> None:
        self._say("viewer-silent", "no answer to consent checks (RFC 7675)")

    def _dtls_changed(self) -> None:
        if self._dtls is not None and self._dtls.state in ("closed", "failed"):
            self._say("viewer-left", "the peer closed the connection")

    def _say(self, code: str, detail: str) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(code, detail)

    async def close(self) -> None:
        """End DTLS, ICE and the engine's session, in this order: close_notify still needs the session."""
        self._lost = None
        self._armed = False
        self._ice.on_expired = self._ice.on_nominated = self._ice.on_dtls = None
        if self._settling is not None:
            self._settling.cancel()
        try:
            if self._asking is not None:
                self._asking.cancel()
                await asyncio.gather(self._asking, return_exceptions=True)
            if self._farewell:
                with contextlib.suppress(ConnectionError):
                    await self._ice.send(self._farewell)
            if self._dtls is not None:
                await self._dtls.finish()
            await self._ice.close()
        finally:
            self._dtls = None
            self._engine.close_session(self.session)
