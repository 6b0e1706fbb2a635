"""A kit's links as paths of one bundle: sockets bound to their interface and address, made anew as those come and go.

`auto` takes every interface that has a default route; named links are taken as they are named. Each has a UDP path, and
a TCP path beside it where UDP is silent (`trying`).
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

from adapters.uplink.config import MOST_LINKS, UplinkConfig
from adapters.uplink.fallback import dial_tcp
from adapters.uplink.trying import DropTcp, LinkTry, Tcp, Udp
from gateway import codecs
from gateway.base.errors import GatewayError
from gateway.contract.link import Links
from gateway.contract.media import Media
from gateway.model.link import TrafficClass
from gateway.model.pairing import PairedCenter
from gateway.net.rtnetlink import Interface, changes

log = logging.getLogger(__name__)

_SO_BINDTODEVICE, _SO_RCVBUFFORCE = 25, 33
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3  # linux/in.h, linux/in6.h: DF set, sizes are probed by us
BUFFER = 4 << 20
HEADERS = 48  # IPv6 and UDP
MTU = 1350
RESOLVE_AGAIN_S = 60.0
RESOLVE_SOON_S = 5.0
TCP = "-tcp"
"""Ends the name of a link's fallback path."""

_TAKES = {
    "control": {TrafficClass.CONTROL},
    "voice": {TrafficClass.VOICE},
    "stream": {TrafficClass.CONTROL, TrafficClass.DATA},
    "still": {TrafficClass.VIDEO},
    "video": {TrafficClass.VIDEO},
    "bulk": {TrafficClass.BULK},
}
"""Classes of the bundle, and what a link must take one of to carry them: orders and the API share streams."""

Address = tuple[socket.AddressFamily, str, str]
"""Family, IP address, and the name that it was found by."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A link as it shall be used now. Without an interface its socket goes as routes lead."""

    name: str
    interface: str = ""
    bearer: str = ""
    cost: int = 0
    v4: str = ""
    v6: str = ""
    mtu: int = MTU
    off: bool = False  # named, and not there; or not to be used now
    code: str = ""  # why it is not to be used
    barred: tuple[str, ...] = ()  # classes of the bundle that it does not take

    def source(self, family: socket.AddressFamily) -> str:
        """Where a socket of that family is bound; "" where the link has no address of it."""
        if not self.interface:
            return "0.0.0.0" if family == socket.AF_INET else "::"  # noqa: S104
        return self.v4 if family == socket.AF_INET else self.v6


def wishes(config: UplinkConfig, found: Sequence[Interface], links: Links | None = None) -> list[Wish]:
    """What `links` says of the interfaces that there are; those that may not be used now (roaming, a quota that is
    spent) are off, and cost what is said of them where the uplink's own part says nothing. At most `MOST_LINKS`; those
    that come first by name stay."""
    by_name = {one.name: one for one in found}
    if config.links == "auto":
        out = [one for one in found if one.up and ((one.out4 and one.v4) or (one.out6 and one.v6))]
        out = [one for one in out if not any(fnmatch.fnmatch(one.name, skip) for skip in config.without)]
        if len(out) > MOST_LINKS:
            log.warning("%d links are found, %d are used: name them in adapter.uplink.links", len(out), MOST_LINKS)
        named = [
            _wish(one.name[:24], one, one.bearer, config.metered.get(one.name, _cost(one.name, links)))
            for one in out[:MOST_LINKS]
        ]
        return [_barred(wish, links) for wish in named]
    made = []
    for link in config.links:
        interface = by_name.get(link.interface)
        if not link.interface or link.interface == "lo":
            made.append(Wish(link.name, link.interface, link.bearer, link.cost, "127.0.0.1", "::1"))
        elif interface is None or not interface.up or not (interface.v4 or interface.v6):
            made.append(Wish(link.name, link.interface, link.bearer, link.cost, off=True))
        else:
            cost = link.cost or _cost(link.interface, links)
            made.append(_wish(link.name, interface, link.bearer or interface.bearer, cost))
    return [_barred(wish, links) for wish in made]


def _cost(interface: str, links: Links | None) -> int:
    return (links.cost(interface) if links is not None else None) or 0


def _barred(wish: Wish, links: Links | None) -> Wish:
    if links is None or not wish.interface:
        return wish
    if code := links.may_use(wish.interface):
        return replace(wish, off=True, code=code)
    return replace(wish, barred=_without(links.classes(wish.interface)))


def _without(classes: Collection[TrafficClass]) -> tuple[str, ...]:
    return tuple(name for name, traffic in _TAKES.items() if traffic.isdisjoint(classes))


def _wish(name: str, one: Interface, bearer: str, cost: int) -> Wish:
    v4, v6 = next(iter(one.v4), ""), next(iter(one.v6), "")
    return Wish(name, one.name, bearer, cost, v4, v6, min(MTU, one.mtu - HEADERS))


@dataclass(eq=False, slots=True)
class _Link:
    wish: Wish
    slot: int
    addresses: list[Address]
    trial: LinkTry
    timer: asyncio.TimerHandle | None = None
    tcp: asyncio.Task[None] | None = None
    problem: str = ""


class Paths:
    """`run` until cancelled, after the bundle was closed. `told` is given every change of a path of the bundle."""

    def __init__(
        self, media: Media, bundle: int, center: PairedCenter, config: UplinkConfig, links: Links | None = None
    ) -> None:
        self._media = media
        self._bundle = bundle
        self._center = center
        self._config = config
        self._policy = links
        self._found: list[Interface] = []
        self._links: dict[str, _Link] = {}
        self._wished: list[Wish] = []
        self._addresses: list[Address] = []
        self.on_change: Callable[[], None] = lambda: None
        """Links came or went."""

    @property
    def wished(self) -> Sequence[Wish]:
        """All links, those that are off too."""
        return self._wished

    def problem(self, name: str) -> str:
        """Why a link has no socket now: a reason code, or ""."""
        found = self._links.get(name)
        return found.problem if found is not None else ""

    async def run(self) -> None:
        resolving = asyncio.create_task(self._resolve(), name=f"addresses of {self._center.gateway}")
        unheard = self._policy.on_change(self._judged) if self._policy is not None else lambda: None
        try:
            async with aclosing(changes()) as news:  # its socket is closed with us, not when it is collected
                async for found in news:
                    self._found = found
                    self._wished = wishes(self._config, found, self._policy)
                    self._sync()
        finally:
            unheard()
            resolving.cancel()
            await asyncio.gather(resolving, return_exceptions=True)
            # The bundle is closed with all its paths, and says its farewell by them.
            for link in self._links.values():
                _end(link)
            self._links.clear()

    def told(self, name: str, carries: bool) -> None:
        """A path of the bundle carries from now on, or no longer."""
        now = asyncio.get_running_loop().time()
        link = self._links.get(name.removesuffix(TCP))
        if link is None:
            return
        if name.endswith(TCP):
            if carries:
                link.trial.tcp_carries()
            elif link.tcp is not None and link.tcp.done():
                link.tcp = None
                link.trial.tcp_ended(now)
        else:
            link.trial.udp(carries, now)
        self._carry_out(link)

    def interface(self, name: str) -> str:
        """By which the path of that name goes; "" when it is none of ours."""
        found = self._links.get(name.removesuffix(TCP))
        return found.wish.interface if found is not None else ""

    # — within —

    def _judged(self) -> None:
        """A link costs another price now, or may be used again, or no longer."""
        wished = wishes(self._config, self._found, self._policy)
        if wished != self._wished:
            self._wished = wished
            self._sync()

    async def _resolve(self) -> None:
        """The center's addresses, in the order of its hosts; asked again now and then."""
        loop = asyncio.get_running_loop()
        while True:
            found: list[Address] = []
            for host in self._center.hosts:
                with suppress(OSError, UnicodeError):
                    for family, _, _, _, where in await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM):
                        entry = (family, str(where[0]), host)
                        if entry not in found:
                            found.append(entry)
            if found and found != self._addresses:
                self._addresses = found
                self._sync()
            await asyncio.sleep(RESOLVE_AGAIN_S if found else RESOLVE_SOON_S)

    def _sync(self) -> None:
        """Sockets follow: a link whose interface, address or center's addresses are others now begins anew."""
        wanted = {wish.name: wish for wish in self._wished if not wish.off}
        for name in [name for name in self._links if name not in wanted]:
            self._drop(name)
        for wish in wanted.values():
            addresses = [address for address in self._addresses if wish.source(address[0])]
            known = self._links.get(wish.name)
            if known is not None and (known.wish, known.addresses) == (wish, addresses):
                continue
            if known is not None:
                self._drop(wish.name)
            if addresses:
                self._add(wish, addresses)
        self.on_change()

    def _add(self, wish: Wish, addresses: list[Address]) -> None:
        used = {link.slot for link in self._links.values()}
        slot = next(slot for slot in range(MOST_LINKS + 1) if slot not in used)
        if slot >= MOST_LINKS:
            return
        now = asyncio.get_running_loop().time()
        config = self._config
        trial = LinkTry(len(addresses), now, patience_s=config.udp_patience, fallback=config.fallback)
        link = self._links[wish.name] = _Link(wish, slot, addresses, trial)
        self._carry_out(link)

    def _drop(self, name: str) -> None:
        link = self._links.pop(name)
        _end(link)
        for path in (2 * link.slot, 2 * link.slot + 1):
            self._media.engine.bundle_drop_path(self._bundle, path)

    def _carry_out(self, link: _Link) -> None:
        for order in link.trial.poll():
            match order:
                case Udp(address):
                    self._udp(link, link.addresses[address])
                case Tcp(address):
                    link.tcp = asyncio.create_task(
                        self._tcp(link, link.addresses[address]), name=f"uplink by TCP on {link.wish.name}"
                    )
                case DropTcp():
                    if link.tcp is not None:
                        link.tcp.cancel()
                    self._media.engine.bundle_drop_path(self._bundle, 2 * link.slot + 1)
        if link.timer is not None:
            link.timer.cancel()
            link.timer = None
        if (at := link.trial.next_timer()) is not None:
            link.timer = asyncio.get_running_loop().call_at(at, self._timed, link)

    def _timed(self, link: _Link) -> None:
        link.timer = None
        # A timer may run up to its resolution early.
        link.trial.handle_timer(max(asyncio.get_running_loop().time(), link.trial.next_timer() or 0.0))
        self._carry_out(link)

    def _udp(self, link: _Link, address: Address) -> None:
        wish = link.wish
        try:
            sock = bound(wish, address[0], socket.SOCK_DGRAM)
            self._media.engine.bundle_path(
                self._bundle,
                sock.detach(),
                address[1],
                self._center.udp_port,
                path=2 * link.slot,
                name=wish.name,
                kind="udp",
                cost=wish.cost,
                mtu=wish.mtu,
                barred=list(wish.barred),
            )
        except (OSError, codecs.MediaError) as exc:
            # The interface is going: the kernel tells of that in a moment.
            link.problem = "link-no-socket"
            log.info("link %s: no socket: %s", wish.name, exc)
        else:
            link.problem = ""

    async def _tcp(self, link: _Link, address: Address) -> None:
        wish, center = link.wish, self._center
        try:
            sock = bound(wish, address[0], socket.SOCK_STREAM)
            plain, initial = await dial_tcp(self._media.engine, sock, address[1], center.tcp_port, address[2])
            self._media.engine.bundle_path(
                self._bundle,
                plain.detach(),
                address[1],
                center.tcp_port,
                path=2 * link.slot + 1,
                name=wish.name + TCP,
                kind="stream",
                cost=wish.cost + 1,
                initial=initial,
                barred=list(wish.barred),
            )
            log.info("link %s: by TCP, since UDP is silent", wish.name)
        except (OSError, GatewayError, codecs.MediaError) as exc:
            log.info("link %s: no TCP to %s: %s", wish.name, address[1], exc)
            link.tcp = None
            link.trial.tcp_ended(asyncio.get_running_loop().time())
            self._carry_out(link)


def _end(link: _Link) -> None:
    if link.timer is not None:
        link.timer.cancel()
    if link.tcp is not None:
        link.tcp.cancel()


def keep_whole(sock: socket.socket) -> None:
    """Its datagrams are not fragmented on the way, and the kernel's belief in a smaller MTU does not keep a probe from
    going out: the bundle finds out by itself what passes. Raises OSError."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
        if sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            return
    sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)


def bound(wish: Wish, family: socket.AddressFamily, kind: int) -> socket.socket:
    """A socket that leaves by that link alone. Raises OSError."""
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if wish.interface:
            # Where it is not permitted the source address alone leads: a rule for it sends it out the right way.
            with suppress(PermissionError):
                sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, wish.interface.encode())
        sock.bind((wish.source(family), 0))
        if kind == socket.SOCK_DGRAM:
            for option, forced in ((socket.SO_RCVBUF, _SO_RCVBUFFORCE), (socket.SO_SNDBUF, 32)):
                try:
                    sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
                except OSError:
                    sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
            keep_whole(sock)
    except BaseException:
        sock.close()
        raise
    return sock
