"""Calls on the real media plane and user agent: a kit with its call manager, and phones made of the same parts.

A phone plays a tone into its call and tells which tones it hears; what the core does (rooms, the list of calls) is done
by small stand-ins, so that these walks say something of the SIP side alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from adapters.sip.calls import CallManager
from adapters.sip.engine import NO_VIDEO, Leg, LegEnd, Referral, ReferralReply, VideoWish
from adapters.sip.native import NativeEngine
from adapters.sip.native_leg import NativeLeg
from adapters.sip.routing import MediaPolicy, Origin, Route, Target
from gateway import codecs
from gateway.base.errors import NotFound
from gateway.contract.media import Offer
from gateway.contract.voice import SeatWish
from gateway.core.mediaplane import MediaPlane
from gateway.model.principal import Principal, Role
from gateway.net.sip import IncomingCall, Listen, SipEndpoint
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Hop
from gateway.wire.sip.transaction import Timers
from tests.paths.media_ports import media_ports
from tests.paths.sip_sound import PATIENCE_S, RATE, Ear, strength, tone
from tests.unit.sip.fakes import FakeCalls, FakePublication, FakeSeat, FakeStreams, FakeTalk

WHO = Principal("test", Role.OPERATOR, "test")


# — the kit —


class RoomTalk(FakeTalk):
    """Every group is a room in which all talk and listen."""

    def __init__(self, plane: MediaPlane) -> None:
        super().__init__()
        self.plane = plane
        self.engine = plane.engine
        self.rooms: dict[str, int] = {}
        self.voiced = asyncio.Event()

    @asynccontextmanager
    async def _sit(self, group: str, wish: SeatWish) -> AsyncIterator[FakeSeat]:
        room = self.rooms.setdefault(group, self.engine.open_room(group))
        async with super()._sit(group, wish) as seat:
            given = seat.voice

            def voice(handle: int | None) -> None:
                if seat.now is not None and seat.now != handle:
                    self.engine.leave(room, seat.now)
                    self.plane.forget_voice(seat.now)
                given(handle)
                self.voiced.set()
                if handle is not None:
                    self.engine.route(room, handle, talk=True, listen=True)
                    self.plane.on_voice(handle, seat.hear)

            seat.voice = voice  # type: ignore[method-assign]
            yield seat


class EngineStreams(FakeStreams):
    """FakeStreams whose handles are the engine's."""

    def __init__(self, engine: codecs.Engine) -> None:
        super().__init__(cast(Any, engine))
        self._real = engine

    async def publish(self, offer: Offer, who: Principal) -> None:
        handle = self._real.open_stream(offer.id, near=offer.near)
        publication = EnginePublication(offer.id)
        publication.engine, publication.handle = self._real, handle
        self.published[offer.id] = publication
        self.offers.append(offer)
        self.published_now.set()
        try:
            await offer.open(cast(Any, publication))
        finally:
            del self.published[offer.id]
            self._real.close_stream(handle)

    published_now: asyncio.Event


class EnginePublication(FakePublication):
    engine: codecs.Engine
    handle: int

    def session(self, session: int, *, video: Sequence[Any], audio: Sequence[Any]) -> Any:
        leg = self.engine.open_session_in(self.handle, session, video=list(video), audio=list(audio))
        self.opened.set()
        return EngineIngest(self.engine, leg)


class EngineIngest:
    def __init__(self, engine: codecs.Engine, leg: int) -> None:
        self.engine, self.leg = engine, leg

    async def ended(self) -> str:
        await asyncio.Event().wait()
        return ""

    def close(self) -> None:
        self.engine.close_leg(self.leg)


class KitContext:
    gateway = "kit1"

    def __init__(self, plane: MediaPlane) -> None:
        self.media = plane
        self.streams = EngineStreams(plane.engine)
        self.streams.published_now = asyncio.Event()
        self.talk = RoomTalk(plane)
        self.calls = FakeCalls()


class NumberRouting:
    """Who calls `numbers` gets there; who is dialled is found at `phones`."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.numbers: dict[str, Target] = {"600": Target("group", "kit1/talk/ops")}
        self.phones: dict[str, Phone] = {}
        self.policy = MediaPolicy()
        self.credentials: DigestClient | None = None
        self.trunk = ""  # of calls that come in
        self.taken = self.given_back = 0
        self.called: list[Callable[[], None]] = []
        self.lost: list[Callable[[str, str], None]] = []

    def _back(self) -> None:
        self.given_back += 1

    async def incoming(self, call: IncomingCall) -> Origin | None:
        number = call.request.target.user
        target = self.numbers.get(number)
        if target is None:
            call.reject(404)
            return None
        self.taken += 1
        caller = call.request.from_
        return Origin(
            name="phone",
            trunk=self.trunk,
            principal=WHO,
            number=caller.uri.partition(":")[2].partition("@")[0],
            display=caller.display or "",
            policy=self.policy,
            dialled=number,
            target=target,
            ended=self._back,
        )

    def outgoing(self, who: Principal, number: str, on_behalf: str = "") -> Sequence[Route]:
        phone = self.phones.get(number)
        if phone is None:
            raise NotFound(f"no way to {number}", code="no-route")
        self.taken += 1
        return [
            Route(
                endpoint=self.kit.endpoint,
                hop=phone.hop_from(self.kit),
                uri=f"sip:{number}@{phone.host}:{phone.port}",
                from_uri=f"sip:kit@{self.kit.host}",
                from_display="Kit 1",
                contact_user="kit",
                headers=(),
                policy=self.policy,
                name=number,
                trunk="center",
                credentials=self.credentials,
                ended=self._back,
            )
        ]

    def lookup(self, who: Principal, number: str) -> Target:
        if number in self.phones:
            return Target("number", number)
        if number not in self.numbers:
            raise NotFound(f"no way to {number}", code="no-route")
        return self.numbers[number]

    def refer_to(self, who: Principal, number: str, trunk: str = "") -> str:
        self.lookup(who, number)
        return f"sip:{number}"

    def moved(self, called: Callable[[], None]) -> None:
        self.called.append(called)

    def trunk_lost(self, called: Callable[[str, str], None]) -> None:
        self.lost.append(called)


class Kit:
    """A call manager on a media plane of its own. `async with kit() as it`."""

    endpoint: SipEndpoint
    manager: CallManager
    host = "127.0.0.1"

    def __init__(self, plane: MediaPlane) -> None:
        self.plane = plane
        self.engine = plane.engine
        self.context = KitContext(plane)
        self.routing = NumberRouting(self)

    @property
    def port(self) -> int:
        return self.endpoint.bound[0].port

    async def seated(self, count: int = 1) -> None:
        """Wait until so many seats have a voice."""
        talk = self.context.talk
        async with asyncio.timeout(PATIENCE_S):
            while sum(seat.now is not None for seat in talk.seats) < count:
                talk.voiced.clear()
                await talk.voiced.wait()


@asynccontextmanager
async def a_plane() -> AsyncIterator[MediaPlane]:
    with media_ports() as ports:
        plane = MediaPlane(codecs.Engine(threads=1), lambda: ports)
        plane.start()
        try:
            yield plane
        finally:
            plane.stop()


@asynccontextmanager
async def kit(listen: str = "127.0.0.1", timing: Timers | None = None) -> AsyncIterator[Kit]:
    """Running; on the way out nothing may be left in it."""
    async with a_plane() as plane:
        made = Kit(plane)
        async with SipEndpoint([Listen("udp", listen, 0), Listen("tcp", listen, 0)], timing=timing) as made.endpoint:
            async with CallManager(cast(Any, made.context), made.routing) as made.manager:
                made.endpoint.on_call(made.manager.handler(made.endpoint))
                yield made
            assert made.routing.taken == made.routing.given_back
            assert not made.context.talk.seats and not made.context.streams.viewings
            await asyncio.to_thread(nothing_left, made.engine)


def nothing_left(engine: codecs.Engine) -> None:
    stats = engine.engine_stats()
    assert (stats["sessions"], stats["subscriptions"], engine.voice_clock()["voices"]) == (0, 0, 0), stats


# — phones —


class Phone:
    """A user agent with a mouth and an ear."""

    endpoint: SipEndpoint
    host = "127.0.0.1"

    def __init__(self, plane: MediaPlane, number: str, policy: MediaPolicy) -> None:
        self.plane = plane
        self.engine = plane.engine
        self.number = number
        self.policy = policy
        self.native = NativeEngine(cast(Any, plane))
        self.leg: NativeLeg | None = None
        self.rings = asyncio.Event()
        self.over: asyncio.Future[LegEnd] = asyncio.get_running_loop().create_future()
        self.digits: list[str] = []
        self.told = asyncio.Event()
        self.auto_answer = True
        self.video = NO_VIDEO
        self.ear: Ear | None = None
        self.picture_wanted = asyncio.Event()

    @property
    def port(self) -> int:
        return self.endpoint.bound[0].port

    def hop_from(self, other: Kit | Phone) -> Hop:
        return Hop("udp", (other.host, other.port), (self.host, self.port))

    async def call(
        self, where: Kit, number: str, video: VideoWish = NO_VIDEO, *, hop: Hop | None = None, **headers: str
    ) -> NativeLeg:
        """Place a call; answered when this returns."""
        way = hop or Hop("udp", (self.host, self.port), (where.host, where.port))
        return await self._place(way, f"{number}@{where.host}:{where.port}", video, headers=tuple(headers.items()))

    async def call_as(self, password: str, port: int, number: str) -> NativeLeg:
        """The same on a port of this machine where it is asked who it is."""
        way = Hop("udp", (self.host, self.port), (self.host, port))
        secret = DigestClient(self.number, password)
        return await self._place(way, f"{number}@{self.host}:{port}", NO_VIDEO, credentials=secret)

    async def _place(
        self,
        hop: Hop,
        whom: str,
        video: VideoWish,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        credentials: DigestClient | None = None,
    ) -> NativeLeg:
        route = Route(
            endpoint=self.endpoint,
            hop=hop,
            uri=f"sip:{whom}",
            from_uri=f"sip:{self.number}@{self.host}",
            from_display=f"Phone {self.number}",
            contact_user=self.number,
            headers=headers,
            policy=self.policy,
            name="kit",
            trunk="",
            credentials=credentials,
        )
        self.over = asyncio.get_running_loop().create_future()
        self.leg = await self.native.place(route, self, video)
        async with asyncio.timeout(PATIENCE_S):
            await self.leg.answered()
        return self.leg

    async def on_call(self, call: IncomingCall) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self.leg = self.native.take(self.endpoint, call, self, self.policy, self.video)
        self.leg.ring()
        self.rings.set()
        if self.auto_answer:
            await self.leg.accept()

    async def ended(self) -> LegEnd:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.shield(self.over)

    def say(self, hz: float) -> None:
        """Play a tone of ten seconds into the call."""
        assert self.leg is not None and self.leg.media.voice is not None
        self.engine.cue(self.leg.media.voice, tone(hz), rate_hz=RATE)

    def listen(self) -> Ear:
        assert self.leg is not None and self.leg.media.voice is not None
        self.ear = Ear(self.engine, self.leg.media.voice)
        return self.ear

    async def media(self, fits: Callable[[Any], bool]) -> Any:
        """Wait until the leg's media are so."""
        async with asyncio.timeout(PATIENCE_S):
            while self.leg is None or not fits(self.leg.media):
                self.told.clear()
                await self.told.wait()
        return self.leg.media

    # — LegOwner —

    def leg_ringing(self, leg: Leg) -> None:
        self.rings.set()

    def leg_media(self, leg: Leg) -> None:
        self.told.set()
        if self.ear is not None and leg.media.voice is not None:
            self.ear.follow(leg.media.voice)

    def leg_up(self, leg: Leg) -> None:
        self.told.set()

    def leg_digit(self, leg: Leg, digit: str) -> None:
        self.digits.append(digit)
        self.told.set()

    def leg_moving(self, leg: Leg, moving: bool) -> None: ...

    def leg_picture_wanted(self, leg: Leg) -> None:
        self.picture_wanted.set()

    def leg_referred(self, leg: Leg, referral: Referral, reply: ReferralReply) -> bool:
        return False

    def leg_trouble(self, leg: Leg, code: str, detail: str) -> None: ...

    def leg_ended(self, leg: Leg, end: LegEnd) -> None:
        if not self.over.done():
            self.over.set_result(end)


@asynccontextmanager
async def phone(number: str, policy: MediaPolicy | None = None) -> AsyncIterator[Phone]:
    async with a_plane() as plane:
        made = Phone(plane, number, policy or MediaPolicy())
        async with SipEndpoint([Listen("udp", "127.0.0.1", 0), Listen("tcp", "127.0.0.1", 0)]) as made.endpoint:
            made.endpoint.on_call(made.on_call)
            try:
                yield made
            finally:
                if made.leg is not None:
                    await made.leg.hang_up()
                if made.ear is not None:
                    made.ear.close()


@asynccontextmanager
async def site(
    *numbers: str, policy: MediaPolicy | None = None, listen: str = "127.0.0.1", timing: Timers | None = None
) -> AsyncIterator[tuple[Kit, list[Phone]]]:
    """A kit and phones that it can reach."""
    async with AsyncExitStack() as stack:
        it = await stack.enter_async_context(kit(listen=listen, timing=timing))
        if policy is not None:
            it.routing.policy = policy
        phones = []
        for number in numbers:
            made = await stack.enter_async_context(phone(number, policy))
            it.routing.phones[number] = made
            phones.append(made)
        yield it, phones


__all__ = ["PATIENCE_S", "WHO", "Ear", "Kit", "Phone", "a_plane", "kit", "phone", "site", "strength", "tone"]
