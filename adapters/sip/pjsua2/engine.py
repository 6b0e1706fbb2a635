"""PJSIP as a `SipEngine`: outgoing calls in worker processes of at most four, their sound as PCM in the media plane.

For sites that want PJSIP's stack towards a trunk. Sound only, over UDP and TCP: pictures, TLS and DTLS-SRTP are the
native engine's. A worker that dies ends its own calls (`sip-worker-died`) and nothing else; the next call starts
another one.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from adapters.sip.ends import refused
from adapters.sip.engine import NO_VIDEO, Leg, LegEnd, LegMedia, LegOwner, LegState, VideoWish, voice_of_pcm
from adapters.sip.pjsua2.pcm_rate import RATE_HZ
from adapters.sip.pjsua2.process import WorkerProcess
from adapters.sip.pjsua2.records import MAX_CALLS
from adapters.sip.routing import Route
from gateway import codecs
from gateway.base.errors import Busy, GatewayError, LinkDown, PeerError, Unsupported

log = logging.getLogger(__name__)

MAX_WORKERS = 8
IDLE_S = 60.0
RTP_FIRST = 30600
RTP_EACH = 100
"""Workers must not share ports: PJSIP would try each in turn, noisily."""
KNOWN_CODECS = ("pcma", "pcmu", "g722")
END_S = 5.0


class PjsuaEngine:
    """Implements `SipEngine`."""

    name = "pjsua2"

    def __init__(self, media: codecs.Engine, *, max_workers: int = MAX_WORKERS, rtp_first: int = RTP_FIRST) -> None:
        self._media = media
        self._max_workers = max_workers
        self._rtp_first = rtp_first
        self._crews: list[_Crew] = []
        self._starting = asyncio.Lock()
        self._next = 0
        self.deaths = 0

    async def place(self, route: Route, owner: LegOwner, video: VideoWish = NO_VIDEO, *, replaces: str = "") -> Leg:
        """Raises Unsupported (TLS, DTLS required), Busy (`too-many-calls`), LinkDown (`sip-worker-died`)."""
        if route.hop.transport == "tls" or route.policy.srtp == "dtls":
            raise Unsupported("the pjsua2 engine has no TLS and no DTLS-SRTP: use the native one", code="unsupported")
        if ":" in route.hop.remote[0]:  # its wheel is built without: it would abort
            raise Unsupported("the pjsua2 engine has no IPv6: use the native one", code="unsupported")
        crew = await self._crew()
        self._next += 1
        leg = PjsuaLeg(self._next, route, owner, crew, self._media)
        crew.legs[leg.number] = leg
        try:
            leg.start(replaces)
        except BaseException:
            del crew.legs[leg.number]
            raise
        return leg

    def standing(self) -> int:
        return sum(len(crew.legs) for crew in self._crews)

    async def close(self) -> None:
        for crew in list(self._crews):
            await crew.end()
        self._crews.clear()

    async def _crew(self) -> _Crew:
        """A worker with room; the lock keeps two calls from starting two for one place."""
        async with self._starting:
            for crew in self._crews:
                if len(crew.legs) < MAX_CALLS:
                    return crew
            if len(self._crews) >= self._max_workers:
                raise Busy(f"{self._max_workers * MAX_CALLS} calls of the pjsua2 engine are up", code="too-many-calls")
            used = {crew.slot for crew in self._crews}
            slot = next(slot for slot in range(self._max_workers) if slot not in used)
            crew = _Crew(slot, self._died, self._gone)
            await crew.start(self._rtp_first + slot * RTP_EACH)
            self._crews.append(crew)
            return crew

    def _died(self, crew: _Crew, words: str) -> None:
        self.deaths += 1
        self._gone(crew)
        for leg in list(crew.legs.values()):
            leg.over(LegEnd("sip-worker-died", words))

    def _gone(self, crew: _Crew) -> None:
        if crew in self._crews:
            self._crews.remove(crew)


class _Crew:
    """One worker and the legs that live in it."""

    def __init__(self, slot: int, died: Callable[[_Crew, str], None], gone: Callable[[_Crew], None]) -> None:
        self.slot = slot
        self.legs: dict[int, PjsuaLeg] = {}
        self._died = died
        self._gone = gone
        self._accounts = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self.process: WorkerProcess

    async def start(self, rtp_port: int) -> None:
        self.process = WorkerProcess(self._event, lambda words: self._died(self, words), rtp_port=rtp_port)
        await self.process.__aenter__()

    async def end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        for leg in list(self.legs.values()):
            await leg.hang_up("stopping")
        await self.process.__aexit__(None, None, None)

    def account(self) -> int:
        self._accounts += 1
        return self._accounts

    def left(self, leg: PjsuaLeg) -> None:
        self.legs.pop(leg.number, None)
        if not self.legs and self._ending is None:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._rest)

    def _rest(self) -> None:
        if not self.legs:
            self._gone(self)  # no new call comes here
            self._ending = asyncio.create_task(self.process.__aexit__(None, None, None), name="pjsua2 idle")

    def _event(self, record: dict[str, Any]) -> None:
        leg = self.legs.get(record.get("call") or 0)
        if leg is not None:
            leg.event(record)


class PjsuaLeg:
    """Implements `Leg` for one outgoing call."""

    def __init__(self, number: int, route: Route, owner: LegOwner, crew: _Crew, media: codecs.Engine) -> None:
        self.number = number
        self._route = route
        self._owner = owner
        self._crew = crew
        self._engine = media
        self._state = LegState.NEW
        self._media = LegMedia(no_video="the pjsua2 engine carries sound only")
        self._voice: int | None = None
        self._end: LegEnd | None = None
        self._ours: LegEnd | None = None
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._referral: asyncio.Future[tuple[int, str]] | None = None

    # — Leg —

    incoming = False
    offers_video = False
    dialog = ("", "", "")

    @property
    def state(self) -> LegState:
        return self._state

    @property
    def media(self) -> LegMedia:
        return self._media

    @property
    def end(self) -> LegEnd | None:
        return self._end

    def start(self, replaces: str) -> None:
        route, order = self._route, self._crew.process.order
        account = self._crew.account()
        host, port = route.hop.remote[:2]
        proxy = f"<sip:{f'[{host}]' if ':' in host else host}:{port};transport={route.hop.transport};lr>"
        display = route.from_display.replace('"', "").replace("\\", "")
        settings: dict[str, Any] = {
            "do": "account",
            "account": account,
            "uri": f'"{display}" <{route.from_uri}>' if display else f"<{route.from_uri}>",
            "proxy": proxy,
            "srtp": route.policy.srtp,
        }
        if route.credentials is not None:
            settings |= {"user": route.credentials.username, "password": route.credentials.password}
        headers = [list(one) for one in route.headers if one[0].lower() != "route"]
        if replaces:
            headers.append(["Replaces", replaces])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            self._voice = voice_of_pcm(self._engine, ours, RATE_HZ)
            try:
                order({"do": "codecs", "codecs": [c for c in route.policy.audio if c in KNOWN_CODECS]})
                order(settings)
                call = {"do": "call", "call": self.number, "account": account, "uri": route.uri, "headers": headers}
                order(call, theirs)
            except BaseException:
                self._free()
                raise

    def ring(self, *, early: bool = False) -> None:
        raise Unsupported("the pjsua2 engine takes no calls in")

    async def accept(self, video: VideoWish = NO_VIDEO) -> None:
        raise Unsupported("the pjsua2 engine takes no calls in")

    def reject(self, status: int, words: str = "") -> None:
        raise Unsupported("the pjsua2 engine takes no calls in")

    async def answered(self) -> None:
        await asyncio.shield(self._answer)

    async def hang_up(self, code: str = "hung-up", detail: str = "") -> None:
        if self._end is not None:
            return
        self._ours = LegEnd(code, detail)
        try:
            self._order("hang-up")
            async with asyncio.timeout(END_S):
                await self._over.wait()
        except (TimeoutError, GatewayError):
            self.over(self._ours)

    async def hold(self, held: bool) -> None:
        self._order("hold", held=held)

    async def change_video(self, video: VideoWish) -> None:
        if video:
            raise Unsupported("the pjsua2 engine carries sound only")

    async def digits(self, digits: str) -> None:
        self._order("digits", digits=digits)

    async def transfer(self, uri: str, *, replaces: Leg | None = None, by: str = "") -> None:
        if replaces is not None:
            raise Unsupported("the pjsua2 engine transfers to a number only")
        self._referral = asyncio.get_running_loop().create_future()
        self._order("refer", uri=uri)
        try:
            async with asyncio.timeout(self._route.policy.max_ring_s):
                status, words = await self._referral
        except TimeoutError:
            raise LinkDown("the peer does not say what became of the transfer", code="no-answer") from None
        finally:
            self._referral = None
        if status >= 300:
            raise PeerError(f"the transfer was refused: {status} {words}", status=status)

    async def want_picture(self) -> None:
        raise Unsupported("the pjsua2 engine carries sound only")

    async def move(self) -> None:
        """PJSIP's contact follows its own transport."""

    # — what the worker says —

    def event(self, record: dict[str, Any]) -> None:
        match record.get("ev"):
            case "state":
                self._changed(str(record.get("state")), int(record.get("status") or 0), str(record.get("words", "")))
            case "media":
                held = record.get("held_by", "")
                voice = self._voice if record.get("active") else None
                self._media = LegMedia(
                    voice=voice,
                    audio=str(record.get("codec", "")),
                    secure="sdes" if self._route.policy.srtp in ("sdes", "required") else "",
                    held=held == "us",
                    held_by_peer=held == "peer",
                    early=self._state is not LegState.UP,
                    no_video=self._media.no_video,
                )
                self._owner.leg_media(self)
            case "digit":
                self._owner.leg_digit(self, str(record.get("digit", ""))[:1])
            case "referred":
                status = int(record.get("status") or 0)
                if self._referral is not None and status >= 200 and not self._referral.done():
                    self._referral.set_result((status, str(record.get("words", ""))))
            case "failed":
                self._owner.leg_trouble(self, "peer-failed", f"pjsua2, {record.get('do')}: {record.get('words')}")
                if record.get("do") == "call":
                    self.over(LegEnd("peer-failed", str(record.get("words", ""))))

    def over(self, end: LegEnd) -> None:
        """Everything is freed; told once."""
        if self._end is not None:
            return
        self._end, self._state = end, LegState.ENDED
        self._free()
        self._crew.left(self)
        if not self._answer.done():
            error = PeerError(end.detail, status=end.status) if end.status else LinkDown(end.detail, code=end.code)
            self._answer.set_exception(error)
            self._answer.exception()  # nobody may be waiting
        self._over.set()
        self._owner.leg_ended(self, end)

    def _changed(self, state: str, status: int, words: str) -> None:
        if state == "ringing" and self._state is LegState.NEW:
            self._state = LegState.RINGING
            self._owner.leg_ringing(self)
        elif state == "up" and self._state in (LegState.NEW, LegState.RINGING):
            self._state = LegState.UP
            if not self._answer.done():
                self._answer.set_result(None)
            self._owner.leg_up(self)
        elif state == "ended":
            if self._ours is not None:
                self.over(self._ours)
            elif self._state is LegState.UP:
                self.over(LegEnd("peer-hung-up", f"{status} {words}".strip()))
            else:
                self.over(refused(status or 503, words))

    def _order(self, what: str, **values: Any) -> None:
        if self._end is not None:
            raise LinkDown("the call is over", code="call-link-lost")
        self._crew.process.order({"do": what, "call": self.number, **values})

    def _free(self) -> None:
        if self._voice is not None:
            self._engine.close_voice(self._voice)
            self._voice = None
        self._media = LegMedia(no_video=self._media.no_video)
