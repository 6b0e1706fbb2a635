"""One peer's stay: from its offer to the words that say why it ended.

    NEW ──answered──► CONNECTING ──armed──► CONNECTED ──► CLOSED   (asked for, left, fell silent, stream removed)
     └───────────────────┴──► FAILED                              (no path, no handshake, a fault of ours)

A session is one task. Whatever ends it, its `finally` frees everything: subscription or publication, DTLS, ICE, the
engine's session. The source going away ends nothing: the viewer stays and reads the stream's reason meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from adapters.webrtc.config import WebRtcConfig
from adapters.webrtc.offer import Local, Plan
from adapters.webrtc.ports import LocalPort, local_candidates
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.adapter import Context
from gateway.model.principal import Principal
from gateway.model.reason import reason

if TYPE_CHECKING:
    from adapters.webrtc.peer import NativePeer
    from adapters.webrtc.seam import Certificate

log = logging.getLogger(__name__)


class SessionState(StrEnum):
    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSED = "closed"


ENDED = (SessionState.FAILED, SessionState.CLOSED)


@dataclass(frozen=True, slots=True)
class Words:
    """Why a session is as it is; `code` is empty while all is well."""

    code: str = ""
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"code": self.code, "detail": self.detail}
        if self.code:
            words = reason(self.code)
            told["cause"] = {"en": words.cause_en, "zh": words.cause_zh}
            told["cure"] = {"en": words.cure_en, "zh": words.cure_zh}
        return told


@dataclass(frozen=True, slots=True)
class Ground:
    """What every session stands on."""

    config: WebRtcConfig
    context: Context
    ports: Callable[[str], tuple[LocalPort, ...]]  # those worth telling a peer at that address
    certificate: Callable[[], Certificate]
    mapped: Callable[[], Mapping[int, tuple[str, int]]]  # outer addresses by port handle

    @property
    def engine(self) -> codecs.Engine:
        return self.context.media.engine


class Session(ABC):
    kind: str = ""

    def __init__(self, ground: Ground, ident: str, stream: str, who: Principal, plan: Plan) -> None:
        self.ground = ground
        self.id = ident
        self.stream = stream
        self.who = who
        self.remote = plan.remote
        self.plan: Plan | None = plan  # until answered
        self.state = SessionState.NEW
        self.words = Words()
        self.since = time.time()
        self.ended_at: float | None = None  # monotonic
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.peer: NativePeer | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending = False
        self._log = logging.LoggerAdapter(log, {"session": ident[:8], "stream": stream})

    @abstractmethod
    async def hold(self) -> None:
        """Do the session's work until it ends: open the peer, set `answer`, connect, wait."""

    @abstractmethod
    def stream_json(self) -> dict[str, Any]:
        """What there is to say of the stream, for the status."""

    @property
    def etag(self) -> str:
        """The entity tag of the ICE session (RFC 9725 §4.3): there is one, for ICE never restarts here."""
        return f'"{self.id[:16]}"'

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    async def answered(self) -> str:
        """The answer, once. Raises what the session failed with. Offer and answer are not kept: a viewer stays long."""
        text = await self.answer
        self.plan = None
        self.answer = asyncio.get_running_loop().create_future()
        self.answer.set_result("")
        return text

    # — life —

    async def run(self) -> None:
        """The session's task. Ends normally however the session ends, but for the adapter's own cancellation."""
        self._task = asyncio.current_task()
        try:
            await self.hold()
            self._settle(SessionState.CLOSED, Words("source-ended"))
        except asyncio.CancelledError:
            if not self._ending:
                self._settle(SessionState.CLOSED, Words("stopping"))
                raise
            if self._task is not None:
                self._task.uncancel()
        except GatewayError as exc:
            if self.answer.done():
                self._settle(SessionState.FAILED, Words(exc.code, str(exc)))
            else:
                self._settle(SessionState.FAILED, Words(exc.code, str(exc)))
                self.answer.set_exception(exc)
        except Exception as exc:
            log.exception("session %s of %s failed", self.id[:8], self.stream)
            self._settle(SessionState.FAILED, Words("internal", type(exc).__name__))
        finally:
            self._task = None
            if not self.answer.done():
                self.answer.set_exception(LinkDown(f"the session ended: {self.words.code}", code=self.words.code))
            self.answer.exception()  # read: nobody may be waiting any more

    def end(self, code: str, detail: str = "") -> None:
        """Ask the session to end; `code` is why. Idempotent."""
        if self._ending or self.ended:
            return
        self._ending = True
        self._settle(SessionState.CLOSED, Words(code, detail))
        if self._task is not None:
            self._task.cancel()

    async def ended_fully(self) -> None:
        """Wait until everything of this session is freed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _settle(self, state: SessionState, words: Words) -> None:
        if self.ended:
            return
        self.state, self.words, self.ended_at = state, words, time.monotonic()
        path = self.peer.remote_address if self.peer is not None else ""
        level = logging.INFO if state is SessionState.CLOSED else logging.WARNING
        self._log.log(
            level,
            "%s of %s by %s (%s) ended: %s %s",
            self.kind,
            self.stream,
            self.who.name,
            path,
            words.code,
            words.detail,
        )

    # — the peer —

    @asynccontextmanager
    async def open_peer(self) -> AsyncIterator[NativePeer]:
        """A peer with its engine session, its events coming here; closed on the way out."""
        from adapters.webrtc.peer import NativePeer

        media = self.ground.context.media
        peer = NativePeer(self.ground.engine, self.ground.ports(self.who.address), self.ground.certificate())
        self.peer = peer
        media.on_session(peer.session, self._on_session)
        try:
            yield peer
        finally:
            try:
                await peer.close()
            finally:
                media.forget_session(peer.session)
                self.peer = None

    def local(self, peer: NativePeer) -> Local:
        """Our end, for the answer."""
        candidates = local_candidates(peer.ports, self.ground.config.public_address, self.ground.mapped())
        return Local(peer.ufrag, peer.pwd, peer.fingerprint, candidates)

    def heard(self) -> bool:
        """Whether its media comes, or is waited for: then lost consent does not end it."""
        return False

    async def connect(self, peer: NativePeer) -> None:
        config = self.ground.config
        self.state = SessionState.CONNECTING
        await peer.connect(
            self.remote,
            path_timeout_s=config.connect_timeout,
            handshake_timeout_s=config.handshake_timeout,
            lost=self.end,
            heard=self.heard,
        )
        self.state = SessionState.CONNECTED
        self._log.info(
            "%s of %s by %s connected from %s, %s",
            self.kind,
            self.stream,
            self.who.name,
            peer.remote_address,
            peer.profile,
        )

    def _on_session(self, event: codecs.Datagram | codecs.SessionEvent) -> None:
        if isinstance(event, codecs.SessionEvent):
            if event.state == "bye":
                self.end("viewer-left", "RTCP BYE")
            elif event.state == "silent":
                self.end("viewer-silent", "nothing heard for 15 s")
            # `address` needs nothing: media follows the pair that ICE nominates, not what packets claim.
        elif self.peer is not None:
            self.peer.feed(event)

    # — words —

    def status(self) -> dict[str, Any]:
        """The session as JSON: state, and the reason in words where the picture is not there."""
        return {
            "id": self.id,
            "kind": self.kind,
            "stream": self.stream,
            "state": self.state,
            "since": self.since,
            "path": self.peer.remote_address if self.peer is not None else "",
            **self.current_words().as_json(),
            **self.stream_json(),
        }

    def current_words(self) -> Words:
        return self.words
