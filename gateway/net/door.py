"""One listening door of an adapter, plain and ciphered: connections are taken, counted, limited in all and by address,
and served by a guest each. What a guest says, and how long it waits for its peer, is the adapter's."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from gateway import codecs
from gateway.base.errors import Busy, ConfigError, GatewayError, LinkDown
from gateway.base.place import place_of, plain
from gateway.base.tasks import Nest
from gateway.base.throttle import Throttle
from gateway.config.units import HostPort
from gateway.model.doctor import Finding, Grade
from gateway.net.tcp import bind, plain_end, prepare

log = logging.getLogger(__name__)

REMEMBERED, REMEMBERED_S = 8, 600.0
"""Refusals for the doctor."""
PORT_AGAIN_S = 5.0
"""A port that could not be had is tried anew this often."""
ACCEPT_AGAIN_S = 0.2
"""After an accept that failed: out of descriptors, for the most part."""


class Ports(Protocol):
    """What of the adapter's configuration is used."""

    @property
    def listen(self) -> HostPort | None: ...
    @property
    def listen_tls(self) -> HostPort | None: ...


class Limits(Ports, Protocol):
    @property
    def connections(self) -> int: ...
    @property
    def connections_per_address(self) -> int: ...


class Certified(Protocol):
    @property
    def certificate(self) -> Path: ...
    @property
    def key(self) -> Path: ...


class Plane(Protocol):
    @property
    def engine(self) -> codecs.Engine: ...


class House(Protocol):
    """What of `contract.adapter.Context`."""

    @property
    def media(self) -> Plane: ...
    def kit_tls(self) -> Certified | None: ...
    def ready(self) -> None: ...
    def lacking(self, *problems: ConfigError) -> None: ...


class Guest(Protocol):
    """One connection."""

    @property
    def role(self) -> str:
        """What it does, "publish" or "play", once it is known."""

    async def serve(self, sock: socket.socket) -> None:
        """Until it is over. Raises what ended it, GatewayError or nothing."""


class Door:
    """`scheme` is that of the plain port, in small letters; the other one has an "s" behind."""

    def __init__(self, scheme: str, limits: Limits, house: House, guest: Callable[[str, str], Guest]) -> None:
        """`guest(address, scheme)` makes what serves one connection."""
        self._scheme = scheme
        self._name = scheme.upper()
        self._limits = limits
        self._house = house
        self._guest = guest
        self._nest = Nest(f"{scheme} connections", limits.connections)
        self._guests: set[Guest] = set()
        self._by_place: Counter[str] = Counter()
        self._say = Throttle(log)
        self._lately: OrderedDict[str, tuple[float, GatewayError]] = OrderedDict()
        self._shut: list[str] = []
        self.refused = 0
        self.ports: dict[str, int] = {}
        """Scheme → the port that it listens on, while it runs."""

    async def run(self) -> None:
        """Take connections until cancelled. A port that is taken, and TLS without a certificate, is told (`lacking`)
        and tried anew; the other port, and what the adapter fetches itself, go on meanwhile."""
        try:
            # Closed here: a task that is cancelled before its first step closes nothing.
            with ExitStack() as held:
                async with asyncio.TaskGroup() as group:
                    shut = self._try(held, group)
                    self._house.ready()
                    while shut:
                        await asyncio.sleep(PORT_AGAIN_S)
                        shut = self._try(held, group)
                    await asyncio.get_running_loop().create_future()
        finally:
            await self._nest.close()
            self.ports.clear()

    def _try(self, held: ExitStack, group: asyncio.TaskGroup) -> list[ConfigError]:
        """Open what is not open yet; why not, of those that stay shut."""
        limits, scheme = self._limits, self._scheme
        shut = []
        for key, listen, name in (("listen", limits.listen, scheme), ("listen_tls", limits.listen_tls, f"{scheme}s")):
            if listen is None or name in self.ports:
                continue
            tls = key == "listen_tls"
            try:
                if tls and self._house.kit_tls() is None:
                    raise ConfigError(key, "HTTPS is off, so the kit has no certificate", code="tls-failed")
                self._open(group, held.enter_context(bind(listen, key)), name, tls=tls)
            except ConfigError as exc:
                shut.append(exc)
        if (texts := [str(exc) for exc in shut]) != self._shut:
            for text in texts:
                log.error("%s takes no connections, and tries again: %s", self._name, text)
            if not texts:
                log.info("%s takes connections: its ports can be had", self._name)
            self._shut = texts
            self._house.lacking(*shut)
        return shut

    def _open(self, group: asyncio.TaskGroup, listening: socket.socket, scheme: str, *, tls: bool) -> None:
        self.ports[scheme] = listening.getsockname()[1]
        group.create_task(self._keep(listening, scheme, tls=tls), name=f"{scheme} door")

    def count(self, role: str = "") -> int:
        return sum(guest.role == role for guest in self._guests) if role else len(self._guests)

    def figures(self) -> dict[str, float]:
        """For /metrics."""
        return {
            "connections": self.count(),
            "publishers": self.count("publish"),
            "players": self.count("play"),
            "refused": self.refused,
        }

    def refusals(self) -> list[tuple[str, float, GatewayError]]:
        """Who was told no in the last ten minutes: address, seconds ago, why; the latest of each, newest first."""
        now = asyncio.get_running_loop().time()
        found = [(address, now - at, exc) for address, (at, exc) in reversed(self._lately.items())]
        return [one for one in found if one[1] < REMEMBERED_S]

    def _remember(self, address: str, exc: GatewayError) -> None:
        self._lately.pop(address, None)
        self._lately[address] = (asyncio.get_running_loop().time(), exc)
        while len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)

    async def _keep(self, listening: socket.socket, scheme: str, *, tls: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listening)
            except OSError as exc:
                log.warning("%s: a connection could not be taken: %s", self._name, exc)
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            self._take(sock, str(address[0]), scheme, tls=tls)

    def _take(self, sock: socket.socket, address: str, scheme: str, *, tls: bool) -> None:
        address = plain(address)
        place = place_of(address)
        if (has := self._by_place[place]) >= self._limits.connections_per_address:
            sock.close()
            self.refused += 1
            self._say(place, f"{self._name}: {place} has {has} connections, no more are taken")
            return
        guest = self._guest(address, scheme)
        try:
            task = self._nest.start(self._serve(guest, sock, address, tls=tls), f"{self._scheme} {address}")
        except Busy as exc:
            sock.close()
            self.refused += 1
            self._say("full", f"{self._name}: {exc}")
            return
        # Here and not by its task: many may come before the first of theirs runs, and some never do.
        self._guests.add(guest)
        self._by_place[place] += 1
        task.add_done_callback(lambda _: self._gone(guest, sock, place))

    def _gone(self, guest: Guest, sock: socket.socket, place: str) -> None:
        sock.close()
        self._guests.discard(guest)
        self._by_place[place] -= 1
        if not self._by_place[place]:
            del self._by_place[place]

    async def _serve(self, guest: Guest, sock: socket.socket, address: str, *, tls: bool) -> None:
        ciphered = -1
        try:
            prepare(sock)
            if tls:
                sock = self._plain(sock)
                ciphered = sock.fileno()
            await guest.serve(sock)
        except LinkDown as exc:
            fault = self._house.media.engine.tls_fault(ciphered) if tls else ""
            log.info("%s from %s ended: %s", self._name, address, f"TLS: {fault}" if fault else exc)
        except GatewayError as exc:
            self._remember(address, exc)
            self._say(f"{address} {exc.code}", f"{self._name} from {address} ended: {exc} ({exc.code})")
        finally:
            sock.close()

    def _plain(self, sock: socket.socket) -> socket.socket:
        """The plain side of a TLS connection with the kit's certificate."""
        tls = self._house.kit_tls()
        if tls is None:
            raise LinkDown("the kit has no certificate", code="tls-failed")
        try:
            certificate, key = tls.certificate.read_text(), tls.key.read_text()
            return plain_end(self._house.media.engine.tls_server(sock.detach(), certificate, key))
        except (OSError, codecs.MediaError) as exc:
            raise LinkDown(f"the kit's certificate can not be used: {exc}", code="tls-failed") from exc


def ports_free(scheme: str, ports: Ports) -> Sequence[Finding]:
    """For `Adapter.checks`."""
    found = []
    for key, listen in (("listen", ports.listen), ("listen_tls", ports.listen_tls)):
        if listen is None:
            continue
        check, expected = f"{scheme}.{key}", f"TCP {listen} free"
        try:
            bind(listen, key).close()
        except ConfigError as exc:
            found.append(Finding(check, Grade.FAIL, str(exc), expected, exc.code))
        else:
            found.append(Finding(check, Grade.OK, "free", expected))
    return found
