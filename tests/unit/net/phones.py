"""Two user agents with media sessions on the loopback, and what goes between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.net.sip import CallOptions, IncomingCall, InviteCall, Listen, SipEndpoint
from gateway.wire.sdp import LocalMedia, Negotiation, Sdp, audio_codecs
from gateway.wire.sip import Hop, SipRequest, new_request, peer_uri
from gateway.wire.sip.transaction import Timers

FAST = Timers(t1=0.02, t2=0.08, t4=0.1, d=0.2)
TAGS = ("100rel", "timer", "replaces", "norefersub")
WAIT = 60.0


def phone(host: str = "127.0.0.1", transport: str = "udp", **more: Any) -> SipEndpoint:
    return SipEndpoint([Listen(transport, host, 0)], timing=FAST, supported=TAGS, **more)  # type: ignore[arg-type]


def media(port: int = 4000, host: str = "127.0.0.1") -> LocalMedia:
    return LocalMedia("audio", host, port, audio_codecs(("pcma", "pcmu")))


@dataclass
class Session:
    """A Negotiation that keeps what it was asked."""

    n: Negotiation = field(default_factory=lambda: Negotiation([media()]))
    asked: list[str] = field(default_factory=list)

    def offer(self) -> bytes:
        self.asked.append("offer")
        return self.n.offer()

    def answer(self, offer: bytes) -> bytes:
        self.asked.append("answer")
        return self.n.answer(offer)

    def answered(self, answer: bytes) -> object:
        self.asked.append("answered")
        return self.n.answered(answer)

    def rolled_back(self) -> None:
        self.asked.append("rolled back")
        self.n.rolled_back()

    @property
    def port(self) -> int:
        """The peer's, 0 before anything is agreed."""
        line = None if self.n.agreement is None else self.n.agreement.of("audio")
        return 0 if line is None else line.port

    @property
    def direction(self) -> str:
        line = None if self.n.agreement is None else self.n.agreement.of("audio")
        return "none" if line is None else line.direction


def session(port: int = 4000) -> Session:
    return Session(Negotiation([media(port)]))


def invite(hop: Hop, user: str = "center") -> SipRequest:
    return new_request("INVITE", peer_uri("kit", hop), from_=f"sip:{user}@{hop.local[0]}", hop=hop, contact_user=user)


async def way(a: SipEndpoint, b: SipEndpoint) -> Hop:
    return await a.hop_to(b.bound[0].transport, (b.bound[0].host, b.bound[0].port))


class Callee:
    """Takes each call by `how`, keeps it and its session."""

    def __init__(self, sip: SipEndpoint, how: Callable[[IncomingCall], Any] | None = None, **options: Any) -> None:
        self.calls: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self.sessions: list[Session] = []
        self.options = options
        self.how = how or (lambda call: call.accept())
        sip.on_call(self._take)

    async def _take(self, call: IncomingCall) -> None:
        mine = session(5000)
        self.sessions.append(mine)
        call.use(CallOptions(session=mine, **self.options))
        self.calls.put_nowait(call)
        result = self.how(call)
        if result is not None:
            await result

    async def next(self) -> IncomingCall:
        return await asyncio.wait_for(self.calls.get(), WAIT)


@dataclass
class Pair:
    a: SipEndpoint
    b: SipEndpoint
    hop: Hop
    ours: InviteCall
    theirs: IncomingCall
    mine: Session
    other: Session
    sent: list[str]  # first lines of what `a` got


def overheard(sip: SipEndpoint) -> list[str]:
    """The first lines that reach an endpoint, from now on."""
    lines: list[str] = []
    receive = sip._engine.core.receive_datagram

    def listen(data: bytes, hop: Hop, now: float) -> None:
        lines.append(data.split(b"\r\n", 1)[0].decode("utf-8", "replace"))
        receive(data, hop, now)

    sip._engine.core.receive_datagram = listen  # type: ignore[method-assign]
    return lines


@asynccontextmanager
async def talking(
    how: Callable[[IncomingCall], Any] | None = None, callee: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Pair]:
    """`a` calls `b`, who takes it."""
    async with phone() as a, phone() as b:
        taker = Callee(b, how, **(callee or {}))
        heard = overheard(a)
        hop, mine = await way(a, b), session(4000)
        ours = await a.invite(invite(hop), hop, options=CallOptions(session=mine, **options))
        await ours.answered(WAIT)
        theirs = await taker.next()
        await theirs.acked(WAIT)
        yield Pair(a, b, hop, ours, theirs, mine, taker.sessions[0], heard)


def ports_of(body: bytes) -> list[int]:
    return [m.port for m in Sdp.parse(body).media]


async def eventually(what: Callable[[], bool]) -> None:
    """Turn the loop until it is so; WAIT at most."""
    async with asyncio.timeout(WAIT):
        while not what():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.001)
