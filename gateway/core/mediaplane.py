"""The media plane's side in Python: the engine, its eventfd on the loop, and events handed to whom they concern.

Events are rare (a viewer came, a track is known), so one turn handles at most `TURN` of them and the loop stays free.
A handler that raises is our bug: it is logged, and the others still hear.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeAlias, TypeVar

from gateway import codecs
from gateway.base.errors import Busy, ConfigError
from gateway.config.units import PortRange
from gateway.core.wires import Wires

log = logging.getLogger(__name__)

TURN = 512
RCVBUF = 4 * 1024 * 1024
"""A 400 KB key frame must fit several times while the media thread is busy elsewhere."""
_SO_RCVBUFFORCE = 33

SPEECH_DB = -40.0
"""A voice that says more than this is taken to speak, where its events were lost."""

E = TypeVar("E")
VoiceState = Literal["media", "stopped", "talking", "quiet", "closed"]
StreamEvent: TypeAlias = "codecs.TrackEvent | codecs.KeyFrameWanted | codecs.StreamPanic | codecs.DataEvent"
_DATA_EVENT: Any = getattr(codecs, "DataEvent", ())
"""() with a media plane that has none yet."""


class MediaPlane:
    """Fulfils `contract.media.Media`; on the event loop only."""

    def __init__(
        self, engine: codecs.Engine, ports: Callable[[], PortRange], host: Callable[[], str] = lambda: ""
    ) -> None:
        """`ports` and `host` are `media.rtp_ports` and `media.rtp_host` as they stand now."""
        self._engine = engine
        self._ports = ports
        self._host = host
        self._next_port = 0
        self._streams: dict[int, Callable[[StreamEvent], None]] = {}
        self._legs: dict[int, Callable[[codecs.LegEvent], None]] = {}
        self._sessions: dict[int, Callable[[codecs.Datagram | codecs.SessionEvent], None]] = {}
        self._subscriptions: dict[int, Callable[[codecs.SubscriptionEvent], None]] = {}
        self._voices: dict[int, Callable[[codecs.VoiceEvent], None]] = {}
        self._bundles: dict[int, Callable[[codecs.BundleEvent], None]] = {}
        self._doors: dict[int, Callable[[codecs.BundleEvent], None]] = {}
        self._wires = Wires(_failed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_lost: Callable[[int], None] = lambda _count: None
        """Events were lost: `core.recheck` asks for the states again."""

    @property
    def engine(self) -> codecs.Engine:
        return self._engine

    @property
    def busy(self) -> bool:
        """Something is open that has counters."""
        return bool(self._streams or self._legs or self._sessions or self._subscriptions or self._voices)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._engine.event_fd, self._readable)

    def stop(self) -> None:
        """No event is handed out any more; the engine's sockets are closed. Blocks well under a second."""
        if self._loop is not None:
            self._loop.remove_reader(self._engine.event_fd)
            self._loop = None
        self._engine.close()

    async def alive(self) -> bool:
        """The media threads answer."""
        return await asyncio.to_thread(self.answers)

    def answers(self) -> bool:
        """The same, in a thread of the caller's."""
        try:
            self._engine.engine_stats()
        except codecs.MediaError:
            return False
        return True

    # — owners —

    def on_stream(self, stream: int, handler: Callable[[StreamEvent], None]) -> None:
        self._streams[stream] = handler

    def forget_stream(self, stream: int) -> None:
        self._streams.pop(stream, None)

    def on_leg(self, leg: int, handler: Callable[[codecs.LegEvent], None]) -> None:
        self._legs[leg] = handler

    def forget_leg(self, leg: int) -> None:
        self._legs.pop(leg, None)

    def on_session(self, session: int, handler: Callable[[codecs.Datagram | codecs.SessionEvent], None]) -> None:
        self._sessions[session] = handler

    def forget_session(self, session: int) -> None:
        self._sessions.pop(session, None)

    def on_subscription(self, subscription: int, handler: Callable[[codecs.SubscriptionEvent], None]) -> None:
        self._subscriptions[subscription] = handler

    def forget_subscription(self, subscription: int) -> None:
        self._subscriptions.pop(subscription, None)

    def on_voice(self, voice: int, handler: Callable[[codecs.VoiceEvent], None]) -> None:
        self._voices[voice] = handler

    def forget_voice(self, voice: int) -> None:
        self._voices.pop(voice, None)

    def on_wire(self, wire: int, handler: Callable[[codecs.WireEvent], None]) -> None:
        """What came for the wire before is handed over in the loop's next turn, in its order."""
        self._wires.own(wire, handler)

    def forget_wire(self, wire: int) -> None:
        self._wires.forget(wire)

    def on_bundle(self, bundle: int, handler: Callable[[codecs.BundleEvent], None]) -> None:
        self._bundles[bundle] = handler

    def forget_bundle(self, bundle: int) -> None:
        self._bundles.pop(bundle, None)

    def on_door(self, door: int, handler: Callable[[codecs.BundleEvent], None]) -> None:
        self._doors[door] = handler

    def forget_door(self, door: int) -> None:
        self._doors.pop(door, None)

    @property
    def voices(self) -> Sequence[int]:
        """Those with an owner."""
        return list(self._voices)

    def found_voice(self, voice: int, counters: Mapping[str, int | float | str] | None, *, stopped: bool) -> None:
        """Tell its owner what was asked for because events of it may be lost; None: there is no such voice any more."""
        states: list[tuple[VoiceState, str, str]] = []
        if counters is None:
            states.append(("closed", "link-down", ""))
        elif stopped:
            states.append(("stopped", "", ""))
        else:
            if counters.get("packets"):
                states.append(("media", "", str(counters.get("codec_in", ""))))
            level = float(counters.get("level_in_db", -127.0))
            states.append(("talking" if level >= SPEECH_DB else "quiet", "", ""))
        for state, code, detail in states:
            self._hand_out(codecs.VoiceEvent(voice=voice, state=state, code=code, detail=detail, address=""))

    @property
    def subscriptions(self) -> Sequence[int]:
        """Those with an owner."""
        return list(self._subscriptions)

    def found_subscription(self, subscription: int, counters: Mapping[str, int | float | str]) -> None:
        """Tell its owner what was asked for because the event of it may be lost. A refusal can not be asked for."""
        states: list[Literal["first-frame", "congested", "recovered"]] = []
        if counters.get("frames"):
            states.append("first-frame")
        states.append("congested" if counters.get("congested") else "recovered")
        for state in states:
            # Which stream it is of is not among the counters, and its owner's knowledge.
            self._hand_out(
                codecs.SubscriptionEvent(subscription=subscription, stream=0, state=state, code="", detail="")
            )

    # — sockets for media —

    def bind_rtp_pair(self, host: str) -> tuple[socket.socket, socket.socket]:
        """UDP and listening TCP on one even port of `media.rtp_ports`, at `media.rtp_host` where that is set.

        `host` is what the adapter listens on itself. Raises Busy (`ports-exhausted`).
        """
        host = self._host() or host
        ports = self._ports()
        first = ports.first + ports.first % 2
        count = (ports.last - first + 1) // 2
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for _ in range(count):
            # Ports rotate: a device that still sends to its last call must not reach the next one.
            port = first + 2 * (self._next_port % count)
            self._next_port += 1
            if (pair := _bind_pair(family, host, port)) is not None:
                return pair
        raise Busy(f"all {count} media ports of {ports} are in use", code="ports-exhausted")

    # — events —

    def _readable(self) -> None:
        for event in self._engine.drain(TURN):
            self._hand_out(event)

    def _hand_out(self, event: codecs.Event) -> None:
        try:
            match event:
                case codecs.Datagram() | codecs.SessionEvent():
                    _give(self._sessions, event.session, event)
                case codecs.SubscriptionEvent():
                    _give(self._subscriptions, event.subscription, event)
                case codecs.LegEvent():
                    _give(self._legs, event.leg, event)
                case codecs.TrackEvent() | codecs.KeyFrameWanted() | codecs.StreamPanic():
                    _give(self._streams, event.stream, event)
                case codecs.EventsLost():
                    log.warning("%d events of the media plane were lost: the loop was held up", event.count)
                    self.on_lost(event.count)
                case codecs.VoiceEvent():
                    _give(self._voices, event.voice, event)
                case codecs.WireEvent():
                    self._wires.give(event)
                case codecs.BundleEvent():
                    # A bundle that came in by a door is its owner's until somebody takes it.
                    if event.bundle in self._bundles:
                        _give(self._bundles, event.bundle, event)
                    else:
                        _give(self._doors, event.door, event)
                case _ if isinstance(event, _DATA_EVENT):
                    _give(self._streams, event.stream, event)
        except Exception:
            _failed(event)


def _failed(event: codecs.Event) -> None:
    """Within the exception that its handler raised."""
    log.exception("handling %r of the media plane failed", event)


def _give(owners: Mapping[int, Callable[[E], None]], handle: int, event: E) -> None:
    """An owner who forgot the handle while the event was under way hears nothing of it."""
    if (owner := owners.get(handle)) is not None:
        owner(event)


def _bind_pair(family: int, host: str, port: int) -> tuple[socket.socket, socket.socket] | None:
    """None when one of the two is taken. Raises ConfigError when the address is not ours."""
    udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    tcp = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        udp.bind((host, port))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((host, port))
        tcp.listen(8)
    except OSError as exc:
        udp.close()
        tcp.close()
        if exc.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise ConfigError(
            "media.rtp_host", f"{host} can not be bound ({exc.strerror}): use an address of this machine"
        ) from exc
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RCVBUF)
    except OSError:
        with suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RCVBUF)
    return udp, tcp
