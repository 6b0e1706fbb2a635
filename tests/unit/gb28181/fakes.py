"""The core's side as small fakes: what the adapter told it is kept in lists, what it waits for is a queue."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.base.errors import LinkDown
from gateway.contract.device import Admitted, ChannelReport, DeviceHandler
from gateway.contract.media import Offer
from gateway.model.alarm import Alarm
from gateway.model.device import DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import StreamState, StreamStatus
from gateway.model.position import Position
from tests.unit.gb28181.voice_fakes import FakeTalk, FakeVoices

LOCAL = "127.0.0.1"


class FakeAttached:
    def __init__(self, device: DeviceId, handler: DeviceHandler) -> None:
        self._id = device
        self.handler = handler
        self.states: list[tuple[DeviceState, str]] = []
        self.detail = ""
        self.described: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.reports: dict[str, ChannelReport] = {}
        self.complete: list[bool] = []
        self.online: dict[str, bool] = {}
        self.remembered = ""
        self.addresses: list[str] = []
        self.detached = False
        self.changed = asyncio.Event()

    @property
    def id(self) -> DeviceId:
        return self._id

    def _tell(self) -> None:
        self.changed.set()

    def state(self, state: DeviceState, code: str = "", detail: str = "", *, address: str = "") -> None:
        self.states.append((state, code))
        self.detail = detail
        self._tell()

    def describe(self, **said: str) -> None:
        self.described.update({k: v for k, v in said.items() if v})
        self._tell()

    def channels(self, reports: Sequence[ChannelReport], *, complete: bool = True) -> dict[str, str]:
        if complete:
            self.reports = {}
        for report in reports:
            self.keys.setdefault(report.external_id, f"ch{len(self.keys) + 1}")
            self.reports[report.external_id] = report
        self.complete.append(complete)
        self._tell()
        return {external: self.keys[external] for external in self.reports}

    def channel_online(self, external_id: str, online: bool) -> None:
        self.online[external_id] = online
        self._tell()

    def seen(self, address: str = "") -> None:
        self.addresses.append(address)
        self._tell()

    def remember(self, text: str) -> None:
        self.remembered = text
        self._tell()

    def detach(self) -> None:
        self.detached = True
        self._tell()

    async def until(self, true: Callable[[FakeAttached], object], timeout: float = 60.0) -> None:
        async with asyncio.timeout(timeout):
            while not true(self):
                self.changed.clear()
                await self.changed.wait()


class FakeDevices:
    def __init__(self) -> None:
        self.known: dict[str, Admitted] = {}
        self.attached: dict[DeviceId, FakeAttached] = {}
        self.knocks: list[tuple[str, str]] = []
        self.knocked = asyncio.Event()
        self._called: Callable[[str, Admitted | None], None] | None = None

    def admit(self, external_id: str, slug: str = "ball-1", password: str = "secret", remembered: str = "") -> None:
        self.known[external_id] = Admitted(DeviceId(f"kit1/{slug}"), external_id, slug, password, remembered)
        if self._called is not None:
            self._called(external_id, self.known[external_id])

    def forget(self, external_id: str) -> None:
        del self.known[external_id]
        if self._called is not None:
            self._called(external_id, None)

    def admitted(self, scheme: str, external_id: str) -> Admitted | None:
        return self.known.get(external_id)

    def all_admitted(self, scheme: str) -> Sequence[Admitted]:
        return list(self.known.values())

    def knock(self, scheme: str, external_id: str, address: str, code: str, detail: str = "") -> None:
        self.knocks.append((external_id, code))
        self.knocked.set()

    def attach(self, device: DeviceId, handler: DeviceHandler) -> FakeAttached:
        self.attached[device] = FakeAttached(device, handler)
        return self.attached[device]

    def on_admitted(self, scheme: str, called: Callable[[str, Admitted | None], None]) -> None:
        self._called = called


class FakeStreams:
    def __init__(self) -> None:
        self.offers: dict[StreamId, Offer] = {}
        self.history: list[Offer] = []
        self.withdrawn: list[StreamId] = []
        self.online: list[tuple[DeviceId, bool, str]] = []
        self.viewers = 0
        self.changed = asyncio.Event()

    def offer(self, offer: Offer) -> None:
        self.offers[offer.id] = offer
        self.history.append(offer)
        self.changed.set()

    def withdraw(self, stream: StreamId) -> None:
        self.offers.pop(stream, None)
        self.withdrawn.append(stream)
        self.changed.set()

    def device_online(self, device: DeviceId, online: bool, code: str = "") -> None:
        self.online.append((device, online, code))
        self.changed.set()

    def status(self, stream: StreamId) -> StreamStatus:
        offer = self.offers[stream]
        return StreamStatus(stream, offer.device, offer.title, StreamState.LIVE, viewers=self.viewers)

    async def offered(self, stream: str, timeout: float = 60.0) -> Offer:
        async with asyncio.timeout(timeout):
            while StreamId(stream) not in self.offers:
                self.changed.clear()
                await self.changed.wait()
        return self.offers[StreamId(stream)]


class FakeMessages:
    def __init__(self) -> None:
        self.alarms: asyncio.Queue[Alarm] = asyncio.Queue()
        self.positions: asyncio.Queue[Position] = asyncio.Queue()
        self.refuse: Exception | None = None
        self.stored = asyncio.Event()
        self.stored.set()

    async def alarm(self, alarm: Alarm) -> None:
        self.alarms.put_nowait(alarm)
        await self.stored.wait()
        if self.refuse is not None:
            raise self.refuse

    def position(self, position: Position) -> None:
        self.positions.put_nowait(position)


class FakeLeg:
    """Media comes when a datagram or a TCP connection with bytes does: the real sockets are watched."""

    def __init__(self, udp: socket.socket | None) -> None:
        self._udp = udp
        self._came: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.closed = False
        self.tcp: list[socket.socket] = []
        self.attached = asyncio.Event()
        if udp is not None:
            asyncio.get_running_loop().add_reader(udp, self._read)

    @property
    def handle(self) -> int:
        return id(self)

    def _read(self) -> None:
        assert self._udp is not None
        if self._udp.recv(65536):
            self._media()

    def _media(self) -> None:
        if not self._came.done():
            self._came.set_result("ps")

    def attach_tcp(self, connection: socket.socket, initial: bytes = b"") -> None:
        # As the media plane does: the descriptor is taken out of the caller's hands.
        self.tcp.append(socket.socket(fileno=connection.detach()))
        self.attached.set()
        self._media()

    async def first_media(self, timeout_s: float) -> str:
        try:
            return await asyncio.wait_for(asyncio.shield(self._came), timeout_s)
        except TimeoutError as exc:
            raise LinkDown("no packet", code="no-media") from exc

    async def ended(self) -> str:
        return await asyncio.shield(self.over)

    def close(self) -> None:
        self.closed = True
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        for connection in self.tcp:
            connection.close()
        self.tcp.clear()


class FakePublication:
    def __init__(self, stream: str) -> None:
        self._stream = StreamId(stream)
        self.said: list[str] = []
        self.legs: list[FakeLeg] = []
        self.ssrcs: list[int | None] = []
        self.ask: Callable[[], Awaitable[None]] | None = None
        self.live = asyncio.Event()

    @property
    def stream(self) -> StreamId:
        return self._stream

    @property
    def handle(self) -> int:
        return 1

    def say(self, code: str, detail: str = "") -> None:
        self.said.append(code)

    def rtp(self, udp: socket.socket | None, *, ssrc: int | None = None, **_: Any) -> FakeLeg:
        self.legs.append(FakeLeg(udp))
        self.ssrcs.append(ssrc)
        return self.legs[-1]

    def session(self, session: int, **_: Any) -> FakeLeg:
        raise NotImplementedError

    def remark(self, code: str, detail: str = "") -> None:
        raise NotImplementedError

    def on_key_frame_wanted(self, ask: Callable[[], Awaitable[None]]) -> None:
        self.ask = ask
        self.live.set()


class FakeEngine(FakeVoices):
    """Its legs count `flow` packets more with every look."""

    def __init__(self) -> None:
        super().__init__()
        self.flow = 0
        self._packets = 0

    def leg_stats(self, leg: int) -> dict[str, int]:
        self._packets += self.flow
        return {"packets": self._packets}


class FakeMedia:
    def __init__(self) -> None:
        self.bound = 0
        self.rtp_host = ""
        self.engine = FakeEngine()

    def bind_rtp_pair(self, host: str) -> tuple[socket.socket, socket.socket]:
        self.bound += 1
        host = self.rtp_host or host
        for _ in range(50):
            tcp = socket.socket()
            tcp.bind((host, 0))
            udp = socket.socket(type=socket.SOCK_DGRAM)
            try:
                udp.bind((host, tcp.getsockname()[1]))
            except OSError:
                tcp.close()
                udp.close()
                continue
            tcp.listen()
            for sock in (udp, tcp):
                sock.setblocking(False)
            return udp, tcp
        raise AssertionError("no free pair of ports")


class FakeContext:
    def __init__(self, state_dir: Path) -> None:
        self.gateway = "kit1"
        self.state_dir = state_dir
        self.media = FakeMedia()
        self.streams = FakeStreams()
        self.devices = FakeDevices()
        self.messages = FakeMessages()
        self.http = None
        self.talk = FakeTalk()
        self.is_ready = asyncio.Event()

    def addresses(self) -> Sequence[str]:
        return [LOCAL]

    def kit_tls(self) -> None:
        return None

    def ready(self) -> None:
        self.is_ready.set()
