"""A center: its door for kits, and what it does with each that has come in."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from adapters.uplink.bundle import Bundle
from adapters.uplink.config import UplinkConfig
from adapters.uplink.fallback import PATH, UPGRADE
from adapters.uplink.kit_here import KitHere
from adapters.uplink.paths import keep_whole
from gateway import codecs
from gateway.base.errors import Busy, ConfigError
from gateway.base.tasks import Nest
from gateway.base.throttle import Throttle
from gateway.contract.adapter import Context
from gateway.net.one_port import Lane

log = logging.getLogger(__name__)

BUFFER = 8 << 20
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32


class Center:
    """`run` until cancelled. Raises ConfigError (`port-in-use`)."""

    def __init__(self, context: Context, config: UplinkConfig) -> None:
        self._context = context
        self._config = config
        self._nest = Nest("kits", config.max_kits)
        self._kits: dict[int, KitHere] = {}
        self._refused: Counter[str] = Counter()
        self._say = Throttle(log)
        self._door = 0
        self._told_revoked = False
        self._leaving: set[KitHere] = set()
        """Revoked, and being told why: in the door's list until they know."""
        self._farewells = Nest("farewells", config.max_kits)
        self.port = 0

    async def run(self, ready: asyncio.Event) -> None:
        context = self._context
        media, pairings = context.media, context.fleet.pairings
        sock = _bind(self._config, context.shared_udp)
        self.port = sock.getsockname()[1]
        try:
            self._door = media.engine.bundle_listen(sock.detach(), private=pairings.private_key())
        except codecs.MediaError as exc:
            raise ConfigError("adapter.uplink.listen_udp", str(exc)) from exc
        media.on_door(self._door, self._event)
        undo = [pairings.on_change(self._changed), context.http.upgrade(PATH, UPGRADE, self._by_tcp)]
        self._admit()
        pairings.reachable_at(self.port)
        log.info("kits may come to UDP port %d, or by TCP to the API's port", self.port)
        ready.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for one in undo:
                one()
            await self._farewells.close()
            await self._nest.close()
            media.forget_door(self._door)
            media.engine.bundle_close(self._door)

    @property
    def kits(self) -> Sequence[KitHere]:
        return list(self._kits.values())

    @property
    def refused(self) -> int:
        return self._refused.total()

    def _changed(self) -> None:
        """Whoever was revoked is believed nothing from now on (the core sees to that); why, it is told in its session,
        which ends as soon as it knows."""
        revoked = {row.gateway: row.detail for row in self._context.fleet.pairings.kits() if row.revoked_at is not None}
        for here in self.kits:
            if here.gateway in revoked and not here.left and here not in self._leaving:
                self._leaving.add(here)
                self._farewells.start(self._farewell(here, revoked[here.gateway]), f"farewell to {here.gateway}")
        self._admit()

    async def _farewell(self, here: KitHere, why: str) -> None:
        try:
            await here.farewell(why)
        finally:
            self._leaving.discard(here)
            self._admit()

    def _admit(self) -> None:
        """Whoever is not in the list any more is put out."""
        peers: dict[bytes, str] = {}
        revoked: dict[bytes, str] = {}
        leaving = {here.gateway for here in self._leaving}
        for row in self._context.fleet.pairings.kits():
            (peers if row.revoked_at is None or row.gateway in leaving else revoked)[row.key] = row.gateway
        known = {key: gateway for key, gateway in revoked.items() if key not in peers}
        engine = self._context.media.engine
        try:
            if not self._told_revoked and known:
                # The door tells those revoked from strangers whom it has seen go: after a start it has seen nobody.
                engine.bundle_admit(self._door, [*peers.items(), *known.items()])
            self._told_revoked = True
            engine.bundle_admit(self._door, list(peers.items()))
        except codecs.MediaError as exc:
            log.error("the list of admitted kits is not taken over: %s", exc)

    def _by_tcp(self, sock: socket.socket, initial: bytes, address: str) -> None:
        """A kit came through the API's port. Who it is its handshake says."""
        try:
            self._context.media.engine.bundle_accept_tcp(self._door, sock.detach(), initial=initial, host=address)
        except codecs.MediaError as exc:
            log.info("a kit by TCP from %s is not taken: %s", address, exc)

    def _event(self, event: codecs.BundleEvent) -> None:
        if event.kind == "refused":
            self._refused[event.code] += max(event.number, 1)
            who, why = event.name[:64] or "somebody", f"{event.code} {event.detail[:200]}".rstrip()
            self._say(f"{event.host} {event.code}", f"{who} from {event.host} is refused: {why}")
            # Only one whose key we know brings a key and this code.
            if event.code == "bundle-version" and event.key:
                self._context.fleet.kit_refused(event.name, event.code, event.detail)
        elif event.kind == "up":
            self._up(event)

    def _up(self, event: codecs.BundleEvent) -> None:
        media, handle = self._context.media, event.bundle
        bundle = Bundle(media, handle, event.name)
        here = KitHere(self._context, bundle, event, self._config)

        def heard(told: codecs.BundleEvent) -> None:
            bundle.event(told)

        media.on_bundle(handle, heard)
        try:
            self._nest.start(self._serve(here, handle), f"kit {event.name}")
        except Busy as exc:
            media.forget_bundle(handle)
            media.engine.bundle_close(handle)
            self._say("full", f"kit {event.name} is not taken: {exc}")

    async def _serve(self, here: KitHere, handle: int) -> None:
        self._kits[handle] = here
        media = self._context.media
        try:
            await here.run()
        finally:
            del self._kits[handle]
            media.forget_bundle(handle)
            media.engine.bundle_close(handle)

    def figures(self) -> Mapping[str, float]:
        return {
            "uplink_kits": float(len(self._kits)),
            "uplink_refused_total": float(self.refused),
            "uplink_pictures": float(sum(kit.pictures for kit in self._kits.values())),
        }


def _bind(
    config: UplinkConfig, shared: Callable[[Lane, int], socket.socket | None] = lambda _lane, _port: None
) -> socket.socket:
    host, port = config.listen_udp
    sock = None
    try:
        sock = shared(Lane.BUNDLE, port)
        bound = sock is not None
        if sock is None:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            if host == "::":
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option, forced in ((socket.SO_RCVBUF, _SO_RCVBUFFORCE), (socket.SO_SNDBUF, _SO_SNDBUFFORCE)):
            try:
                sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
            except OSError:
                sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        keep_whole(sock)
        if not bound:
            sock.bind((host, port))
    except OSError as exc:
        if sock is not None:
            sock.close()
        text = f"UDP {config.listen_udp} can not be bound: {exc.strerror}"
        raise ConfigError("adapter.uplink.listen_udp", text, code="port-in-use") from exc
    return sock
