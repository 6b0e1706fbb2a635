"""The media plane in memory: the face of gateway/codecs.pyi, without sockets, threads and packets.

Orders are written down in `orders`; a test tells events with `tell`, or the handy `media`, `track`, `stall` …, and
they come out of `drain` after the eventfd became readable, as the real plane's do.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from gateway import codecs
from tests.fakes.bundle import FakeBundles
from tests.fakes.voice import FakeVoices

_ByHandle = dict[int, dict[str, int | float | str]]


@dataclass
class FakeStream:
    name: str
    legs: list[int] = field(default_factory=list)
    subscriptions: list[int] = field(default_factory=list)


class FakeEngine(FakeVoices, FakeBundles):
    """Hand it to whoever takes a `codecs.Engine` (`cast`)."""

    def __init__(self, *, threads: int = 1, event_capacity: int = 16384) -> None:
        FakeVoices.__init__(self)
        FakeBundles.__init__(self)
        self.event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.orders: list[tuple[str, dict[str, Any]]] = []
        self.streams: dict[int, FakeStream] = {}
        self.legs: dict[int, int] = {}  # leg → stream
        self.sessions: dict[int, str] = {}
        self.subscriptions: dict[int, int] = {}  # subscription → stream
        self.ports: dict[int, int] = {}
        self.stream_counters: dict[int, dict[str, int | float | str]] = {}
        self.leg_counters: dict[int, dict[str, int | float | str]] = {}
        self.subscription_counters: dict[int, dict[str, int | float | str]] = {}
        self.answers = True
        self.closed = False
        self._events: deque[Any] = deque()
        self._waiting = threading.Lock()
        self._next = 100

    # — what a test does —

    def tell(self, event: Any) -> None:
        """In any thread, as the real plane's do: what comes while `drain` finds nothing more rings once more."""
        with self._waiting:
            self._events.append(event)
            os.eventfd_write(self.event_fd, 1)

    def newest_leg(self, name: str = "") -> int:
        """Of the stream called `name`, or of any."""
        legs = [leg for leg, stream in self.legs.items() if not name or self.streams[stream].name == name]
        return legs[-1]

    def leg_event(self, leg: int, state: str, code: str = "", detail: str = "", address: str = "") -> None:
        event = codecs.LegEvent(
            leg=leg,
            stream=self.legs[leg],
            state=state,  # type: ignore[arg-type]
            code=code,
            detail=detail,
            address=address,
        )
        self.tell(event)

    def media(self, leg: int, payload: str = "ps") -> None:
        self.leg_event(leg, "media", detail=payload, address="192.0.2.9:15060")

    def track(self, stream: int, codec: str = "h264", *, generation: int = 1, b_frames: bool = False) -> None:
        video = codec in ("h264", "h265")
        self.tell(
            codecs.TrackEvent(
                stream=stream,
                kind="video" if video else "audio",
                codec=codec,  # type: ignore[arg-type]
                clock_hz=90000 if video else 8000,
                generation=generation,
                width=1920 if video else 0,
                height=1080 if video else 0,
                profile="main" if video else "",
                b_frames=b_frames,
                channels=1,
                sprop="Z0LAH9oBQBbo,aM4PyA==" if codec == "h264" else "",
            )
        )

    def key_frame_wanted(self, stream: int, cause: str = "join") -> None:
        self.tell(codecs.KeyFrameWanted(stream=stream, cause=cause))  # type: ignore[arg-type]

    def panic(self, stream: int) -> None:
        for leg in self.streams.pop(stream).legs:
            self.legs.pop(leg, None)
        self.tell(codecs.StreamPanic(stream=stream, detail="a bug"))

    def did(self, order: str) -> list[dict[str, Any]]:
        return [given for name, given in self.orders if name == order]

    # — the face —

    def drain(self, limit: int = 512) -> list[Any]:
        with self._waiting:
            out = [self._events.popleft() for _ in range(min(limit, len(self._events)))]
            if not self._events:
                try:
                    os.eventfd_read(self.event_fd)
                except BlockingIOError:
                    pass
            return out

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self.event_fd)

    def open_stream(
        self, name: str, *, gop_bytes: int = 8_000_000, near: int | None = None, beside: int | None = None
    ) -> int:
        if near is not None and near not in self.sessions:
            raise codecs.MediaError(f"no session {near}")
        if beside is not None and beside not in self.streams:
            raise codecs.MediaError(f"no stream {beside}")
        handle = self._handle("open_stream", name=name, gop_bytes=gop_bytes, near=near)
        self.streams[handle] = FakeStream(name)
        return handle

    def close_stream(self, stream: int) -> None:
        self._note("close_stream", stream=stream)
        gone = self.streams.pop(stream, None)
        for leg in gone.legs if gone else ():
            self.legs.pop(leg, None)
        self.subscriptions = {s: of for s, of in self.subscriptions.items() if of != stream}

    def open_rtp(self, stream: int, *, udp_fd: int | None = None, rtcp_fd: int | None = None, **given: Any) -> int:
        for fd in (udp_fd, rtcp_fd):
            if fd is not None:
                os.close(fd)
        return self._leg("open_rtp", stream, given)

    def attach_tcp(self, leg: int, fd: int, framing: str, *, initial: bytes = b"") -> None:
        os.close(fd)
        self._note("attach_tcp", leg=leg, framing=framing, initial=initial)

    def open_frames_in(self, stream: int, fd: int, *, stall_ms: int = 3000, made_of: int | None = None) -> int:
        os.close(fd)
        return self._leg("open_frames_in", stream, {"stall_ms": stall_ms})

    def open_session_in(self, stream: int, session: int, **given: Any) -> int:
        return self._leg("open_session_in", stream, {"session": session, **given})

    def close_leg(self, leg: int) -> None:
        self._note("close_leg", leg=leg)
        stream = self.legs.pop(leg, None)
        if stream in self.streams:
            self.streams[stream].legs.remove(leg)

    def open_port(self, fd: int) -> int:
        handle = self._handle("open_port")
        self.ports[handle] = fd
        return handle

    def close_port(self, port: int) -> None:
        self._note("close_port", port=port)
        os.close(self.ports.pop(port))

    def open_session(self, ufrag: str, *, pwd: str = "") -> int:
        if ufrag in self.sessions.values():
            raise codecs.MediaError(f"ufrag {ufrag} is taken")
        handle = self._handle("open_session", ufrag=ufrag)
        self.sessions[handle] = ufrag
        return handle

    def send_datagram(self, session: int, port: int, data: bytes, host: str, host_port: int) -> None:
        self._note("send_datagram", session=session, port=port, data=data, host=host, host_port=host_port)

    def arm_session(self, session: int, port: int, host: str, host_port: int, **keys: Any) -> None:
        self._note("arm_session", session=session, port=port, host=host, host_port=host_port, profile=keys["profile"])

    def move_session(self, session: int, port: int, host: str, host_port: int) -> None:
        self._note("move_session", session=session, port=port, host=host, host_port=host_port)

    def close_session(self, session: int) -> None:
        self._note("close_session", session=session)
        self.sessions.pop(session, None)

    def subscribe_session(self, stream: int, session: int, **given: Any) -> int:
        return self._subscription("subscribe_session", stream, {"session": session, **given})

    def subscribe_rtp(self, stream: int, fd: int, host: str, host_port: int, **given: Any) -> int:
        os.close(fd)
        return self._subscription("subscribe_rtp", stream, {"host": host, "host_port": host_port, **given})

    def open_frames_out(self, stream: int, fd: int, *, key_frames_only: bool = False) -> int:
        os.close(fd)
        return self._subscription("open_frames_out", stream, {"key_frames_only": key_frames_only})

    def move_subscription(self, subscription: int, stream: int) -> None:
        if stream not in self.streams:
            raise codecs.MediaError(f"no stream {stream}")
        self._note("move_subscription", subscription=subscription, stream=stream)
        if subscription in self.subscriptions:
            self.subscriptions[subscription] = stream

    def unsubscribe(self, subscription: int) -> None:
        self._note("unsubscribe", subscription=subscription)
        self.subscriptions.pop(subscription, None)

    def stream_stats(self, stream: int) -> dict[str, int | float | str]:
        self._answering()
        return self.stream_counters.get(stream, {})

    def all_stream_stats(self) -> dict[int, dict[str, int | float | str]]:
        self._answering()
        return {stream: self.stream_counters.get(stream, {}) for stream in self.streams}

    def leg_stats(self, leg: int) -> dict[str, int | float | str]:
        self._answering()
        if leg not in self.legs:
            raise codecs.MediaError(f"no leg {leg}")
        return self.leg_counters.get(leg, {})

    def subscription_stats(self, subscription: int) -> dict[str, int | float | str]:
        self._answering()
        if subscription not in self.subscriptions:
            raise codecs.MediaError(f"no subscription {subscription}")
        return self.subscription_counters.get(subscription, {})

    def engine_stats(self) -> dict[str, int | float]:
        self._answering()
        return {"threads": 1, "streams": len(self.streams), "legs": len(self.legs), "sessions": len(self.sessions)}

    def all_stats(self) -> tuple[dict[str, int | float], _ByHandle, _ByHandle, dict[str, int | float]]:
        legs = {leg: self.leg_counters.get(leg, {}) for leg in self.legs}
        return self.engine_stats(), self.all_stream_stats(), legs, self.voice_clock()

    # — within —

    def _answering(self) -> None:
        if not self.answers:
            raise codecs.MediaError("the engine thread did not answer within 200 ms")

    def _note(self, order: str, **given: Any) -> None:
        self.orders.append((order, given))

    def _handle(self, order: str, **given: Any) -> int:
        self._next += 1
        self._note(order, handle=self._next, **given)
        return self._next

    def _leg(self, order: str, stream: int, given: dict[str, Any]) -> int:
        handle = self._handle(order, stream=stream, **given)
        self.legs[handle] = stream
        self.streams[stream].legs.append(handle)
        return handle

    def _subscription(self, order: str, stream: int, given: dict[str, Any]) -> int:
        handle = self._handle(order, stream=stream, **given)
        self.subscriptions[handle] = stream
        self.streams[stream].subscriptions.append(handle)
        return handle
