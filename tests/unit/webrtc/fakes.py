"""Fakes of what adapters/webrtc stands on: an engine with real UDP sockets and no media, and a small context."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aioice import stun

from gateway.base.errors import Busy, Denied, GatewayError, NotFound, RemoteProtocolError
from gateway.contract.http import HttpHandler, HttpRequest, HttpResponse
from gateway.contract.media import Needs, Offer, Suited
from gateway.contract.source import PushInfo
from gateway.contract.voice import SeatWish
from gateway.model.ids import DeviceId, StreamId, parse_ref
from gateway.model.media import StreamState, StreamStatus
from gateway.model.principal import Principal, Role
from gateway.model.voice import GroupId
from gateway.net.one_port import Lane

ALICE = Principal("alice", Role.OPERATOR, "s-1", address="127.0.0.1")
BOB = Principal("bob", Role.VIEWER, "s-2", address="127.0.0.1")


@dataclass
class Datagram:
    session: int
    port: int
    data: bytes
    host: str
    host_port: int


@dataclass
class SessionEvent:
    session: int
    state: str
    host: str = ""
    host_port: int = 0


@dataclass
class SubscriptionEvent:
    subscription: int
    stream: int
    state: str
    code: str = ""
    detail: str = ""


@dataclass
class VoiceEvent:
    voice: int
    state: str
    code: str = ""
    detail: str = ""
    address: str = ""


class FakeEngine:
    """The engine's WebRTC port in Python: STUN by ufrag, the rest by address; no media."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ports: dict[int, socket.socket] = {}
        self.sessions: dict[int, str] = {}
        self.by_address: dict[tuple[int, str, int], int] = {}
        self.transactions: dict[bytes, int] = {}
        self.handlers: dict[int, Callable[[Any], None]] = {}
        self.subscribed: dict[int, dict[str, Any]] = {}
        self.armed: dict[int, dict[str, Any]] = {}
        self.voices: dict[int, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.moves: list[tuple[Any, ...]] = []
        self.drop_dtls = False
        self._next = 100

    def _number(self) -> int:
        self._next += 1
        return self._next

    def open_port(self, fd: int) -> int:
        number, sock = self._number(), socket.socket(fileno=fd)
        sock.setblocking(False)
        self.ports[number] = sock
        self.loop.add_reader(sock, self._read, number, sock)
        return number

    def close_port(self, port: int) -> None:
        sock = self.ports.pop(port)
        self.loop.remove_reader(sock)
        sock.close()

    def _read(self, port: int, sock: socket.socket) -> None:
        while True:
            try:
                data, address = sock.recvfrom(2048)
            except OSError:
                return
            self.receive(port, data, (address[0], address[1]))

    def receive(self, port: int, data: bytes, address: tuple[str, int]) -> None:
        key = (port, *address)
        session = self.by_address.get(key)
        if data and data[0] < 4:
            session = self._stun(key, data)
        elif not data or not 20 <= data[0] < 64 or self.drop_dtls:
            return
        if session in self.sessions and session in self.handlers:
            self.handlers[session](Datagram(session, port, data, *address))

    def _stun(self, key: tuple[int, str, int], data: bytes) -> int | None:
        message = stun.parse_message(data)
        if message.message_class is not stun.Class.REQUEST:
            return self.by_address.get(key) or self.transactions.pop(message.transaction_id, None)
        ufrag = message.attributes["USERNAME"].partition(":")[0]
        session = next((number for number, name in self.sessions.items() if name == ufrag), None)
        if session is not None:
            self.by_address[key] = session
        return session

    def open_session(self, ufrag: str, *, pwd: str = "") -> int:
        number = self._number()
        self.sessions[number] = ufrag
        return number

    def send_datagram(self, session: int, port: int, data: bytes, host: str, host_port: int) -> None:
        assert session in self.sessions, "a datagram for a session that is closed"
        if data[0] < 4:
            self.transactions[data[8:20]] = session
        if port in self.ports:
            self.ports[port].sendto(data, (host, host_port))

    def arm_session(self, session: int, port: int, host: str, host_port: int, **keys: Any) -> None:
        self.armed[session] = {"port": port, "host": host, "host_port": host_port, **keys}

    def move_session(self, session: int, port: int, host: str, host_port: int) -> None:
        self.moves.append((session, port, host, host_port))

    def close_session(self, session: int) -> None:
        self.calls.append("close_session")
        del self.sessions[session]
        self.armed.pop(session, None)
        self.by_address = {key: one for key, one in self.by_address.items() if one != session}
        self.transactions = {key: one for key, one in self.transactions.items() if one != session}

    def subscribe_session(self, stream: int, session: int, **given: Any) -> int:
        assert session in self.sessions
        number = self._number()
        self.subscribed[number] = {"stream": stream, "session": session, **given}
        return number

    def move_subscription(self, subscription: int, stream: int) -> None:
        self.subscribed[subscription]["stream"] = stream

    def unsubscribe(self, subscription: int) -> None:
        del self.subscribed[subscription]

    def open_voice_session(self, session: int, **given: Any) -> int:
        assert session in self.armed, "a voice of a session without keys"
        number = self._number()
        self.voices[number] = {"session": session, **given}
        return number

    def set_voice(self, voice: int, **given: Any) -> None:
        self.voices[voice] |= given

    def close_voice(self, voice: int) -> None:
        assert self.voices[voice]["session"] in self.sessions, "the voice is closed before its session"
        del self.voices[voice]

    def send_media(self, session: int, data: bytes) -> None:
        """For tests: raw bytes to where the session is armed to."""
        armed = self.armed[session]
        self.ports[armed["port"]].sendto(data, (armed["host"], armed["host_port"]))


class FakeMedia:
    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.subscriptions: dict[int, Callable[[Any], None]] = {}

    def on_session(self, session: int, handler: Callable[[Any], None]) -> None:
        self.engine.handlers[session] = handler

    def forget_session(self, session: int) -> None:
        self.engine.handlers.pop(session, None)

    def on_subscription(self, subscription: int, handler: Callable[[Any], None]) -> None:
        self.subscriptions[subscription] = handler

    def forget_subscription(self, subscription: int) -> None:
        del self.subscriptions[subscription]


class FakeViewing:
    tracks: tuple[Any, ...] = ()

    def __init__(self, stream: StreamId, handle: int, status: StreamStatus) -> None:
        self.stream = stream
        self.handle = handle
        self.status = status
        self.asked: list[Needs] = []
        self.answer: Suited | GatewayError | None = None
        self.made = asyncio.Event()
        """Until it is set, what suits is being made."""
        self.made.set()
        self._changed = asyncio.Event()

    def set(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)
        self._changed.set()

    async def suited(self, needs: Needs) -> Suited:
        """What the test says of it; by itself the stream as it is."""
        self.asked.append(needs)
        await self.made.wait()
        if isinstance(self.answer, GatewayError):
            raise self.answer
        return self.answer or Suited(self.handle, tuple(self.status.tracks))

    async def changes(self) -> AsyncIterator[StreamStatus]:
        while True:
            yield self.status
            self._changed.clear()
            await self._changed.wait()


@dataclass
class FakePublication:
    stream: StreamId
    handle: int = 7
    legs: list[dict[str, Any]] = field(default_factory=list)
    leg_ended: asyncio.Event = field(default_factory=asyncio.Event)
    closed: int = 0

    def session(self, session: int, *, video: Sequence[Any], audio: Sequence[Any]) -> FakePublication:
        self.legs.append({"session": session, "video": video, "audio": audio})
        return self

    async def ended(self) -> str:
        await self.leg_ended.wait()
        return "media-stopped"

    def close(self) -> None:
        self.closed += 1


class FakeStreams:
    """Streams by id; `viewings` are those open now."""

    def __init__(self) -> None:
        self.known: dict[str, StreamStatus] = {}
        self.viewings: list[FakeViewing] = []
        self.publications: list[FakePublication] = []
        self.handle = 1

    def add(self, ident: str, state: StreamState = StreamState.LIVE, code: str = "") -> None:
        device = DeviceId(ident.rpartition("/")[0])
        self.known[ident] = StreamStatus(StreamId(ident), device, ident, state, code)

    def resolve(self, text: str) -> StreamId:
        if text not in self.known:
            raise NotFound(f"no stream {text}")
        return StreamId(text)

    def status(self, stream: StreamId) -> StreamStatus:
        return self.known[self.resolve(stream)]

    @asynccontextmanager
    async def view(self, stream: StreamId, who: Principal, kind: str) -> AsyncIterator[FakeViewing]:
        viewing = FakeViewing(stream, self.handle, self.known[stream])
        self.viewings.append(viewing)
        try:
            yield viewing
        finally:
            self.viewings.remove(viewing)

    async def publish(self, offer: Offer, who: Principal) -> None:
        self.add(offer.id)
        publication = FakePublication(offer.id)
        self.publications.append(publication)
        try:
            await offer.open(publication)  # type: ignore[arg-type]
        finally:
            del self.known[offer.id]


class FakePushPoints:
    """Names as the core's, one publisher each, and each stream as long as it is published."""

    def __init__(self, streams: FakeStreams) -> None:
        self._streams = streams
        self.infos: list[PushInfo] = []
        self.unread: set[str] = set()
        """Names of those who may read nothing."""

    def resolve(self, name: str, who: Principal) -> StreamId:
        ref = parse_ref(name, home="kit1")
        if ref.gateway != "kit1":
            raise RemoteProtocolError("another gateway's", code="bad-name")
        if f"{ref.device_id}/ch1" in self._streams.known:
            raise Denied("a device of its own", code="push-denied")
        return StreamId(f"{ref.device_id}/{ref.channel or 'main'}")

    def reading(self, name: str, who: Principal) -> StreamId:
        if who.name in self.unread:
            raise Denied(f"{who.name} may not watch {name}", code="read-denied")
        return self._streams.resolve(name)

    async def publish(self, stream: StreamId, who: Principal, info: PushInfo, open_: Any) -> None:
        if stream in self._streams.known:
            raise Busy(f"{stream} is published", code="push-taken")
        self.infos.append(info)
        await self._streams.publish(Offer(stream, DeviceId("kit1/x"), stream, open_), who)


class FakeSeat:
    """A place in a group; `handles` are the voices that it was given, in order."""

    def __init__(self, group: GroupId, wish: SeatWish) -> None:
        self.group = group
        self.wish = wish
        self.member = wish.id
        self.handles: list[int | None] = []
        self.listeners: list[Callable[[Any], None]] = []

    def voice(self, handle: int | None) -> None:
        self.handles.append(handle)

    def heard(self, listener: Callable[[Any], None]) -> None:
        self.listeners.append(listener)

    def tell(self, event: Any) -> None:
        for listener in self.listeners:
            listener(event)


class FakeTalk:
    """Groups by id, and channels that can be talked with; `seats` are those taken now."""

    def __init__(self) -> None:
        self.groups = {"kit1/talk/ops": "600"}
        self.channels = {"kit1/ball-1/ch1"}
        self.seats: list[FakeSeat] = []
        self.full = False

    def resolve(self, text: str) -> GroupId:
        for group, number in self.groups.items():
            if text in (group, group.removeprefix("kit1/talk/"), number):
                return GroupId(group)
        raise NotFound(f"no talk group {text}")

    @asynccontextmanager
    async def seat(self, group: GroupId, wish: SeatWish) -> AsyncIterator[FakeSeat]:
        if self.full:
            raise Busy(f"{group} is full", code="group-full")
        if wish.principal is not None and wish.principal.scope:
            raise Denied("out of scope", code="talk-denied")
        taken = FakeSeat(group, wish)
        self.seats.append(taken)
        try:
            yield taken
        finally:
            self.seats.remove(taken)

    @asynccontextmanager
    async def converse(self, target: str, wish: SeatWish) -> AsyncIterator[FakeSeat]:
        if target not in self.channels:
            raise NotFound(f"nothing called {target} can be talked with")
        async with self.seat(GroupId("kit1/talk/call-1"), wish) as taken:
            yield taken


class FakeHttp:
    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], tuple[HttpHandler, Role | None]] = {}
        self.also: dict[tuple[str, str], Sequence[Role]] = {}
        self.programs: dict[tuple[str, str], bool] = {}

    def route(
        self,
        method: str,
        path: str,
        handler: HttpHandler,
        *,
        role: Role | None = Role.VIEWER,
        also: Sequence[Role] = (),
        programs: bool = False,
        max_body: int = 65536,
    ) -> Callable[[], None]:
        self.routes[method, path] = (handler, role)
        self.also[method, path] = also
        self.programs[method, path] = programs
        return lambda: self.routes.pop((method, path), None) and None

    async def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        who: Principal = ALICE,
        query: dict[str, str] | None = None,
        **headers: str,
    ) -> HttpResponse:
        """Ask as the API would; `content_type="application/sdp"` becomes that header. GatewayErrors are raised."""
        first, _, rest = path.strip("/").partition("/")
        part = "{session}" if first.endswith("-session") else "{stream:path}"
        handler, _ = self.routes[method, f"/{first}/{part}"]
        named = {part.strip("{}").partition(":")[0]: rest}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await handler(HttpRequest(method, named, given, body, who, "https://kit:8443", query or {}))


class FakeContext:
    gateway = "kit1"
    state_dir = Path("/nonexistent")
    devices: Any = None
    messages: Any = None

    def __init__(self, engine: Any, media: Any = None, streams: Any = None) -> None:
        self.media = media or FakeMedia(engine)
        self.streams = streams or FakeStreams()
        self.push_points: Any = FakePushPoints(self.streams)
        self.talk: Any = FakeTalk()
        self.calls: Any = None
        self.http = FakeHttp()
        self.is_ready = asyncio.Event()
        self.own: list[str] = []

    def addresses(self) -> Sequence[str]:
        return self.own

    def kit_tls(self) -> None:
        return None

    def shared_udp(self, lane: Lane, port: int) -> socket.socket | None:
        return None

    def ready(self) -> None:
        self.is_ready.set()

    async def started(self) -> None:
        pass


async def until(condition: Callable[[], Any], what: str, timeout_s: float = 60.0) -> None:
    """Wait for `condition`, looking at it each time the loop comes round; for states that have no event."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert condition(), what


async def started(run: Awaitable[None], context: FakeContext) -> asyncio.Task[None]:
    task = asyncio.ensure_future(run)
    waiter = asyncio.ensure_future(context.is_ready.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED, timeout=10)
    waiter.cancel()
    if task.done():
        task.result()
    return task  # type: ignore[return-value]
