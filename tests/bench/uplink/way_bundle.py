"""The link bundle: the media plane's own, with the picture through a stream as a device's would go.

At the kit the picture goes frame port → stream → frame port → flow, so that the bundle's wish for a key picture comes
the way it comes for a camera; at the center the flow's frame port is read here, so that what is measured is the moment
at which the bundle hands a picture on.
"""

from __future__ import annotations

import hashlib
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

from gateway import codecs
from tests.bench.uplink.framing import Port, picture, track
from tests.bench.uplink.traffic import FPS, Kind
from tests.bench.uplink.way import CONNECT_S, Options, udp

GATEWAY = "kit1"
PICTURE, VOICE, VOICE_BACK, STILL = 1, 2, 3, 4
_LENGTH = struct.Struct("!I")
SMALL = {Kind.VOICE: VOICE, Kind.VOICE_BACK: VOICE_BACK, Kind.STILL: STILL}
CARRIES = {VOICE: "voice", VOICE_BACK: "voice", STILL: "still"}


def keys(who: str) -> tuple[bytes, bytes]:
    """(private, public), the same in both processes: nobody pairs in a bench."""
    return codecs.bundle_keys(hashlib.sha256(f"bench-uplink {who}".encode()).digest())


def pair(kind: socket.SocketKind) -> tuple[socket.socket, int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    ours.setblocking(False)
    return ours, theirs.detach()


class BundleWay:
    def __init__(self, options: Options) -> None:
        self._kit, self._options = options.kit, options
        self._engine = codecs.Engine(threads=1)
        self._port: Port | None = None
        self._small: dict[int, socket.socket] = {}
        self._orders: socket.socket | None = None
        self._orders_in = bytearray()
        self._bundle, self._frames = 0, 0
        self._up = self._key_wanted = False
        self.events: list[str] = []
        if options.kit:
            private, _ = keys("kit")
            self._bundle = self._engine.bundle_dial(
                private=private, peer=keys("center")[1], gateway=GATEWAY, boot=time.monotonic_ns() // 1_000_000
            )
            for path, name in enumerate(options.paths):
                wire = udp("0.0.0.0", 0, name)
                self._engine.bundle_path(
                    self._bundle, wire.detach(), options.address, options.port, path=path, name=name, kind="udp"
                )
        else:
            door = self._engine.bundle_listen(udp(options.address, options.port).detach(), private=keys("center")[0])
            self._engine.bundle_admit(door, [(keys("kit")[1], GATEWAY)])

    def connect(self) -> None:
        """At the kit: the session is up and the flows are told. At the center: the kit's flows are here."""
        deadline = time.monotonic() + CONNECT_S
        while not (self._up if self._kit else self._port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no bundle: {self.events[-10:]}")
            select.select([self._engine.event_fd], [], [], 0.2)
            self._events()
        if self._kit:
            # Every path is proved before the run begins, as it is when a kit is at work.
            while time.monotonic() < deadline and not self._all_in():
                select.select([self._engine.event_fd], [], [], 0.1)
                self._events()

    def _all_in(self) -> bool:
        told = self._engine.bundle_stats(self._bundle)
        return all(told.get(f"path.{name}.state") == "in" for name in self._options.paths)

    def _events(self) -> None:
        for event in self._engine.drain():
            if isinstance(event, codecs.KeyFrameWanted):
                self._key_wanted = True
            elif isinstance(event, codecs.BundleEvent):
                self.events.append(f"{time.monotonic():.3f} {event.kind} {event.name} {event.code}")
                self._event(event)

    def _event(self, event: codecs.BundleEvent) -> None:
        if event.kind == "up":
            self._bundle, self._up = event.bundle, True
            self._open()
        elif event.kind == "down":
            self._up = False
        elif event.kind == "flow":
            if event.number == PICTURE:
                ours, theirs = pair(socket.SOCK_SEQPACKET)
                self._port = Port(ours)
                self._engine.bundle_flow(event.bundle, PICTURE, theirs, carries="frames", way="in")
            else:
                self._small[event.number], theirs = pair(socket.SOCK_SEQPACKET)
                self._engine.bundle_flow(event.bundle, event.number, theirs, carries="datagrams", way="in")
        elif event.kind == "stream":
            self._orders, theirs = pair(socket.SOCK_STREAM)
            self._engine.bundle_stream(event.bundle, theirs, stream=event.number)

    def _open(self) -> None:
        """Flows and streams of this end, anew after each `up`."""
        for flow in (VOICE, STILL) if self._kit else (VOICE_BACK,):
            voice = flow != STILL
            self._small[flow], theirs = pair(socket.SOCK_SEQPACKET)
            self._engine.bundle_flow(
                self._bundle,
                flow,
                theirs,
                carries="datagrams",
                way="out",
                klass="voice" if voice else "still",
                mode="duplicate" if voice else "best",
                playout_ms=self._options.voice_playout_ms if voice else 0,
            )
        if not self._kit:
            return
        if self._port is None:
            ours, theirs = pair(socket.SOCK_SEQPACKET)
            self._port = Port(ours)
            self._stream = self._engine.open_stream("bench")
            self._engine.open_frames_in(self._stream, theirs)
            self._port.write([track()])
        out, into = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._engine.bundle_flow(
            self._bundle,
            PICTURE,
            into.detach(),
            carries="frames",
            way="out",
            klass="video",
            mode=self._options.mode,  # type: ignore[arg-type]
            playout_ms=self._options.playout_ms,
        )
        self._engine.open_frames_out(self._stream, out.detach())
        self._orders, theirs = pair(socket.SOCK_STREAM)
        self._engine.bundle_stream(self._bundle, theirs, purpose="rpc")

    def sockets(self) -> list[int]:
        open_now = [*self._small.values(), *([self._orders] if self._orders else [])]
        if self._port and not self._kit:
            open_now.append(self._port.wire)
        return [self._engine.event_fd, *(one.fileno() for one in open_now)]

    def send(self, kind: Kind, item: bytes, *, key: bool) -> bool:
        try:
            if kind is Kind.PICTURE:
                assert self._port
                self._frames += 1
                return self._port.write(picture(item, self._frames * 90_000 // FPS, key=key))
            if kind in SMALL:
                self._small[SMALL[kind]].send(item)
            elif self._orders:
                self._orders.send(_LENGTH.pack(len(item)) + item)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError, KeyError):
            return False
        return True

    def receive(self) -> Iterator[bytes]:
        self._events()
        if self._port and not self._kit:
            yield from self._port.read()
        for wire in list(self._small.values()):
            yield from self._datagrams(wire)
        yield from self._take_orders()

    def _datagrams(self, wire: socket.socket) -> Iterator[bytes]:
        while True:
            try:
                data = wire.recv(65536)
            except (BlockingIOError, ConnectionResetError):
                return
            if not data:
                return
            yield data

    def _take_orders(self) -> Iterator[bytes]:
        if self._orders:
            self._orders_in += b"".join(self._datagrams(self._orders))
        while len(self._orders_in) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._orders_in)
            if len(self._orders_in) < _LENGTH.size + length:
                return
            item = bytes(self._orders_in[_LENGTH.size : _LENGTH.size + length])
            del self._orders_in[: _LENGTH.size + length]
            yield item

    def key_wanted(self) -> bool:
        wanted, self._key_wanted = self._key_wanted, False
        return wanted

    def figures(self) -> dict[str, Any]:
        told: dict[str, Any] = dict(self._engine.bundle_stats(self._bundle)) if self._bundle else {}
        if os.environ.get("BENCH_UPLINK_EVENTS"):
            told["events"] = self.events
        return told

    def close(self) -> None:
        self._engine.close()


def make(options: Options) -> BundleWay:
    return BundleWay(options)
