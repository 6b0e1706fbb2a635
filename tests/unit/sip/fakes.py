"""What a SIP call stands on, in memory: the media plane, streams, talk groups, the list of calls, the routing."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from adapters.sip.routing import MediaPolicy, Origin, Route, Target
from gateway import codecs
from gateway.base.errors import Denied, GatewayError, NotFound
from gateway.config.units import PortRange
from gateway.contract.media import Needs, Offer, Suited
from gateway.contract.voice import SeatWish
from gateway.core.mediaplane import MediaPlane
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import StreamState, StreamStatus
from gateway.model.principal import Principal, Role
from gateway.model.voice import CallState, CallStatus, GroupId
from tests.fakes.engine import FakeEngine

WHO = Principal("sip:8001", Role.OPERATOR, "sip:test")


class SwitchEngine(FakeEngine):
    """Sessions know their address, and DTLS sent to one reaches the session that is bound there."""

    def __init__(self) -> None:
        super().__init__()
        self.bound: dict[int, tuple[str, int]] = {}
        self.armed: dict[int, dict[str, Any]] = {}
        self.sent: list[bytes] = []
        self.drop = 0  # so many datagrams are lost from here on

    def open_rtp_session(self, rtp_fd: int, *, rtcp_fd: int | None = None, stream: int | None = None) -> int:
        with socket.socket(fileno=rtp_fd) as sock:
            address = sock.getsockname()
            session = super().open_rtp_session(sock.detach(), rtcp_fd=rtcp_fd, stream=stream)
        self.bound[session] = (str(address[0]), int(address[1]))
        return session

    def close_session(self, session: int) -> None:
        self.bound.pop(session, None)
        self.armed.pop(session, None)
        super().close_session(session)

    def arm_rtp_session(self, session: int, host: str, host_port: int, **given: Any) -> None:
        self.armed[session] = {"host": host, "port": host_port, **given}
        super().arm_rtp_session(session, host, host_port, **given)

    def send_datagram(self, session: int, port: int, data: bytes, host: str, host_port: int) -> None:
        self.sent.append(data)
        if self.drop:
            self.drop -= 1
            return
        to = next((one for one, bound in self.bound.items() if bound == (host, host_port)), None)
        if to is not None:
            source = self.bound[session]
            self.tell(codecs.Datagram(session=to, port=0, data=data, host=source[0], host_port=source[1]))


@contextmanager
def media_plane() -> Iterator[tuple[SwitchEngine, MediaPlane]]:
    engine = SwitchEngine()
    plane = MediaPlane(cast(codecs.Engine, engine), lambda: PortRange(42000, 43998))
    plane.start()
    try:
        yield engine, plane
    finally:
        plane.stop()


class FakeSeat:
    def __init__(self, group: str, wish: SeatWish) -> None:
        self.group = GroupId(group)
        self.wish = wish
        self.member = wish.id
        self.voices: list[int | None] = []
        self.said: list[tuple[str, str]] = []
        self.presses: list[str] = []
        self.listeners: list[Callable[[Any], None]] = []
        self.left = False
        self.taken_away = False  # by the core

    @property
    def now(self) -> int | None:
        return self.voices[-1] if self.voices else None

    def voice(self, handle: int | None) -> None:
        self.voices.append(handle)

    def heard(self, listener: Callable[[Any], None]) -> None:
        self.listeners.append(listener)

    def tell(self, state: str, code: str = "", detail: str = "") -> None:
        self.hear(codecs.VoiceEvent(voice=self.now or 0, state=state, code=code, detail=detail, address=""))  # type: ignore[arg-type]

    def hear(self, event: codecs.VoiceEvent) -> None:
        for listener in self.listeners:
            listener(event)

    def say(self, code: str, detail: str = "", *, held: bool = False) -> None:
        self.said.append((code, detail))

    def press(self, *, emergency: bool = False) -> None:
        self.presses.append("emergency" if emergency else "press")

    def release(self) -> None:
        self.presses.append("release")

    def tx_inhibit(self, code: str, detail: str = "") -> None: ...


class FakeTalk:
    def __init__(self) -> None:
        self.seats: list[FakeSeat] = []
        self.ever: list[FakeSeat] = []
        self.groups = {"kit1/talk/ops"}
        self.denied = False
        self._next = itertools.count(1)
        self.sat = asyncio.Event()

    def resolve(self, text: str) -> GroupId:
        if text not in self.groups:
            raise NotFound(f"no group {text}")
        return GroupId(text)

    @asynccontextmanager
    async def _sit(self, group: str, wish: SeatWish) -> AsyncIterator[FakeSeat]:
        if self.denied:
            raise Denied("not yours", code="talk-denied")
        seat = FakeSeat(group, wish)
        self.seats.append(seat)
        self.ever.append(seat)
        self.sat.set()
        try:
            yield seat
        finally:
            self.seats.remove(seat)
            seat.left = True

    def seat(self, group: str, wish: SeatWish) -> Any:
        return self._sit(self.resolve(group), wish)

    def converse(self, target: str, wish: SeatWish) -> Any:
        return self._sit(f"kit1/talk/with-{target.rpartition('/')[2]}", wish)

    def waiting_room(self, wish: SeatWish, title: str) -> Any:
        group = f"kit1/talk/call-room-{next(self._next)}"
        self.groups.add(group)
        return self._sit(group, wish)


@dataclass
class FakeHold:
    id: str
    status: CallStatus
    handler: Any
    states: list[CallState] = field(default_factory=list)
    ended: tuple[str, str] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def change(self, state: CallState | None = None, **fields: Any) -> None:
        if state is not None:
            fields["state"] = state
            if not self.states or self.states[-1] is not state:
                self.states.append(state)
        self.status = replace(self.status, **fields)
        self.moved.set()

    def end(self, code: str, detail: str = "") -> None:
        if self.ended is None:
            self.ended = (code, detail)
            self.change(CallState.ENDED, code=code, detail=detail)
            self.over.set()

    def stands(self, state: CallState) -> bool:
        return self.status.state is state

    async def had(self, state: CallState) -> None:
        """Wait for a state that may be over before anybody looks."""
        async with asyncio.timeout(60):
            while state not in self.states:
                self.moved.clear()
                await self.moved.wait()

    async def until(self, state: CallState) -> None:
        async with asyncio.timeout(60):
            while self.status.state is not state:
                self.moved.clear()
                await self.moved.wait()


class FakeCalls:
    def __init__(self) -> None:
        self.all: list[FakeHold] = []
        self.dial: Any = None
        self.opened = asyncio.Event()

    def open(self, status: CallStatus, handler: Any) -> FakeHold:
        ident = status.id or f"call-{len(self.all) + 1}"
        hold = FakeHold(ident, replace(status, id=ident), handler)
        self.all.append(hold)
        self.opened.set()
        return hold

    async def number(self, index: int) -> FakeHold:
        """The call of that index, awaited."""
        async with asyncio.timeout(60):
            while len(self.all) <= index:
                self.opened.clear()
                await self.opened.wait()
        return self.all[index]

    def dialer(self, scheme: str, dial: Any) -> Callable[[], None]:
        self.dial = dial

        def stop() -> None:
            self.dial = None

        return stop


@dataclass
class FakePublication:
    stream: StreamId
    legs: list[FakeIngest] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ask: Any = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def session(self, session: int, *, video: Sequence[Any], audio: Sequence[Any]) -> FakeIngest:
        leg = FakeIngest(session, [str(one) for one in video])
        self.legs.append(leg)
        self.opened.set()
        return leg

    def say(self, code: str, detail: str = "") -> None:
        self.said.append(code)
        self.opened.set()

    def remark(self, code: str, detail: str = "") -> None:
        pass

    def on_key_frame_wanted(self, ask: Any) -> None:
        self.ask = ask


@dataclass
class FakeIngest:
    session: int
    video: list[str]
    closed: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def ended(self) -> str:
        await self.over.wait()
        return "media-stopped"

    def close(self) -> None:
        self.closed = True


class FakeViewing:
    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.tracks: tuple[Any, ...] = ()
        self.status = StreamStatus(StreamId("kit1/ball-1/ch1"), DeviceId("kit1/ball-1"), "ball", StreamState.LIVE)
        self.changed = asyncio.Event()
        self.answer: Suited | GatewayError | None = None

    def set(self, tracks: tuple[Any, ...], answer: Suited | GatewayError) -> None:
        """Its source's tracks are these, and that suits whoever asks."""
        self.tracks, self.answer = tracks, answer
        self.status = replace(self.status, tracks=tracks)
        self.changed.set()

    async def changes(self) -> AsyncIterator[StreamStatus]:
        while True:
            yield self.status
            self.changed.clear()
            await self.changed.wait()

    async def suited(self, needs: Needs) -> Suited:
        if isinstance(self.answer, GatewayError):
            raise self.answer
        return self.answer or Suited(self.handle, self.tracks)


class FakeStreams:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.known = {"kit1/ball-1/ch1": engine.open_stream("kit1/ball-1/ch1")}
        self.viewings: list[FakeViewing] = []
        self.published: dict[str, FakePublication] = {}
        self.offers: list[Offer] = []
        self.denied = False

    def resolve(self, text: str) -> StreamId:
        if text not in self.known:
            raise NotFound(f"no stream {text}")
        return StreamId(text)

    @asynccontextmanager
    async def view(self, stream: str, who: Principal, kind: str) -> AsyncIterator[FakeViewing]:
        if self.denied:
            raise Denied("not yours")
        viewing = FakeViewing(self.known[stream])
        self.viewings.append(viewing)
        try:
            yield viewing
        finally:
            self.viewings.remove(viewing)

    async def publish(self, offer: Offer, who: Principal) -> None:
        publication = FakePublication(offer.id)
        self.offers.append(offer)
        self.published[offer.id] = publication
        try:
            await offer.open(cast(Any, publication))
        finally:
            del self.published[offer.id]


class FakeContext:
    gateway = "kit1"

    def __init__(self, engine: SwitchEngine, plane: MediaPlane) -> None:
        self.media = plane
        self.engine = engine
        self.streams = FakeStreams(engine)
        self.talk = FakeTalk()
        self.calls = FakeCalls()


def origin(kind: str = "group", ref: str = "kit1/talk/ops", **given: Any) -> Origin:
    policy = given.pop("policy", MediaPolicy())
    may_talk = given.pop("may_talk", True)
    return Origin(
        name="8001",
        trunk=given.pop("trunk", ""),
        principal=WHO,
        number=given.pop("number", "8001"),
        display=given.pop("display", "Wang"),
        policy=policy,
        dialled="600",
        target=Target(kind, ref, may_talk),  # type: ignore[arg-type]
        **given,
    )


class FakeRouting:
    """Hands out what a test put in; counts the places that were taken and given back."""

    def __init__(self) -> None:
        self.origin: Origin | None = origin()
        self.routes: list[Route] = []
        self.error: Exception | None = None
        self.targets: dict[str, Target] = {}  # numbers that are no phones
        self.asked: list[str] = []
        self.behalf: list[str] = []
        self.taken = 0
        self.given_back = 0
        self.called: list[Callable[[], None]] = []
        self.lost: list[Callable[[str, str], None]] = []

    def _back(self) -> None:
        self.given_back += 1

    async def incoming(self, call: Any) -> Origin | None:
        if self.origin is None:
            call.reject(403)
            return None
        self.taken += 1
        return replace(self.origin, ended=self._back)

    def outgoing(self, who: Principal, number: str, on_behalf: str = "") -> Sequence[Route]:
        self.asked.append(number)
        self.behalf.append(on_behalf)
        if self.error is not None:
            raise self.error
        self.taken += len(self.routes)
        return [replace(route, ended=self._back) for route in self.routes]

    def lookup(self, who: Principal, number: str) -> Target:
        if self.error is not None:
            raise self.error
        return self.targets.get(number, Target("number", number))

    def refer_to(self, who: Principal, number: str, trunk: str = "") -> str:
        self.lookup(who, number)
        return f"sip:{number}@{trunk}.example" if trunk else f"sip:{number}"

    def moved(self, called: Callable[[], None]) -> None:
        self.called.append(called)

    def trunk_lost(self, called: Callable[[str, str], None]) -> None:
        self.lost.append(called)


def route(name: str = "first", **given: Any) -> Route:
    return Route(
        endpoint=cast(Any, None),
        hop=cast(Any, None),
        uri="sip:8002@127.0.0.1",
        from_uri="sip:kit@127.0.0.1",
        from_display="",
        contact_user="kit",
        headers=(),
        policy=given.pop("policy", MediaPolicy()),
        name=name,
        trunk="center",
        **given,
    )
