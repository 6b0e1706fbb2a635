"""One search of the network: every way at once for so long, each failing on its own and saying so."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from gateway.base.errors import GatewayError, RemoteProtocolError
from gateway.model.discovery import Find, FindKind, FindWay
from gateway.net.discovery.onwire import listen
from gateway.net.discovery.table import Finds, key_of
from gateway.net.multicast import Group, Interface, interfaces
from gateway.net.plugged import listed
from gateway.net.web import Connect, WebUrl, read_url, request
from gateway.wire import mdns, ssdp, wsd
from gateway.wire.onwire import Seen
from gateway.wire.wsd import Word

log = logging.getLogger(__name__)

ASK_AGAIN_S = (0.0, 0.6, 2.0, 5.0, 10.0)
"""When the network is asked, after the start: datagrams get lost, devices sleep."""
DATAGRAMS_PER_S = 2000
LOOK_AGAIN_S = 1.0
DESCRIPTIONS = 32
DESCRIPTION_S = 3.0
ACTIVE = (FindWay.WS_DISCOVERY, FindWay.MDNS, FindWay.SSDP, FindWay.PLUG)
URL_SCHEMES = {"rtsp": "rtsp", "rtmp": "rtmp", "srt": "srt"}


class Search:
    def __init__(self, finds: Finds, wall: Callable[[], float], connect: Connect | None = None) -> None:
        """`connect`: for UPnP descriptions, asked of a device's own address only; None leaves them out."""
        self.finds = finds
        self.notes: list[tuple[str, str]] = []
        self._wall = wall
        self._connect = connect
        self._budget = DATAGRAMS_PER_S
        self._descriptions: set[asyncio.Task[None]] = set()
        self._described: set[str] = set()
        self._services = mdns.Collector()
        self._on: Sequence[Interface] = ()
        self.flooded = 0

    async def run(self, ways: Sequence[FindWay], seconds: float, *, interface: str = "") -> None:
        """`interface`: that one alone. Raises nothing but for a mistake of ours: what failed stands in `notes`."""
        self._on = [i for i in interfaces(loopback=interface == "lo") if interface in ("", i.name)]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._refill())
                    for way, work in (
                        (FindWay.WS_DISCOVERY, self._ws_discovery),
                        (FindWay.MDNS, self._mdns),
                        (FindWay.SSDP, self._ssdp),
                        (FindWay.PLUG, self._plugged),
                    ):
                        if way in ways:
                            tasks.create_task(self._unless_it_fails(way, work))
                    if FindWay.WIRE in ways:
                        tasks.create_task(self._wire(interface))
        for task in list(self._descriptions):
            task.cancel()
        await asyncio.gather(*self._descriptions, return_exceptions=True)
        if self.finds.left_out or self.flooded or self._services.left_out:
            count = self.finds.left_out + self.flooded + self._services.left_out
            self.notes.append(("discovery-full", str(count)))

    async def _unless_it_fails(self, way: FindWay, work: Callable[[], object]) -> None:
        try:
            await work()  # type: ignore[misc]
        except GatewayError as exc:
            log.info("searching by %s: %s", way, exc)
            self.notes.append((exc.code, f"{way}: {exc}"[:200]))

    async def _refill(self) -> None:
        while True:
            self._budget = DATAGRAMS_PER_S
            await asyncio.sleep(1.0)

    def _may_read(self) -> bool:
        if self._budget <= 0:
            self.flooded += 1
            return False
        self._budget -= 1
        return True

    async def _asks(self, *groups: Group, messages: Callable[[], Sequence[bytes]]) -> None:
        """Ask again and again, more and more seldom; until cancelled."""
        before = 0.0
        try:
            for at in ASK_AGAIN_S:
                await asyncio.sleep(at - before)
                before = at
                for group in groups:
                    for message in messages():
                        group.ask(message)
            await asyncio.get_running_loop().create_future()
        finally:
            for group in groups:
                group.close()

    # — plugged into this machine —

    async def _plugged(self) -> None:
        """Again and again: what is plugged in while the search goes on is a find too."""
        while True:
            now = self._wall()
            for device in await asyncio.to_thread(listed):
                self.finds.put(
                    Find(
                        key=key_of("plug", device.url),
                        kind=FindKind.SOURCE,
                        ways=(FindWay.PLUG,),
                        address=device.path[:200],
                        name=device.name[:100],
                        urls=(device.url,),
                        codecs=device.formats[:8],
                        adopt="source",
                        first_seen=now,
                        last_seen=now,
                    )
                )
            await asyncio.sleep(LOOK_AGAIN_S)

    # — WS-Discovery —

    async def _ws_discovery(self) -> None:
        group = Group(wsd.GROUP, wsd.PORT, self._wsd_heard, on=self._on)
        await self._asks(group, messages=lambda: [wsd.probe(type_) for type_ in wsd.TYPES])

    def _wsd_heard(self, data: bytes, host: str, port: int, interface: str) -> None:
        if not self._may_read():
            return
        try:
            told = wsd.read(data)
        except RemoteProtocolError as exc:
            log.debug("WS-Discovery of %s: %s", host, exc)
            return
        for endpoint in told:
            service = wsd.service_of(endpoint, host)
            if endpoint.word is Word.BYE or service is None:
                continue
            camera = endpoint.is_camera
            place = f"[{host}]:{service.port}" if ":" in host else f"{host}:{service.port}"
            now = self._wall()
            self.finds.put(
                Find(
                    key=key_of("onvif" if camera else "wsd", place),
                    kind=FindKind.CAMERA if camera else FindKind.OTHER,
                    ways=(FindWay.WS_DISCOVERY,),
                    address=host,
                    name=endpoint.name,
                    model=endpoint.hardware,
                    urls=(f"{'https' if service.tls else 'http'}://{place}{service.path}",),
                    external_id=place if camera else "",
                    identity=endpoint.endpoint,
                    interface=interface,
                    adopt="onvif" if camera else "",
                    first_seen=now,
                    last_seen=now,
                )
            )

    # — mDNS —

    async def _mdns(self) -> None:
        # Asked twice: from a port of our own, so that answers come to us alone (RFC 6762 §6.7), and from 5353, since
        # some answer the group only.
        from_us = Group(mdns.GROUP, mdns.PORT, self._mdns_heard, listen=True, on=self._on)
        try:
            groups = (
                from_us,
                Group(mdns.GROUP, mdns.PORT, self._mdns_heard, listen=False, ask_from_port=True, on=self._on),
            )
        except GatewayError:
            groups = (from_us,)  # type: ignore[assignment]  # another program holds the port for itself
        except BaseException:
            from_us.close()
            raise
        await self._asks(*groups, messages=lambda: [mdns.query()])

    def _mdns_heard(self, data: bytes, host: str, port: int, interface: str) -> None:
        if not self._may_read():
            return
        try:
            records = mdns.read(data)
        except RemoteProtocolError as exc:
            log.debug("mDNS of %s: %s", host, exc)
            return
        if not records:
            return
        self._services.add(records)
        for service in self._services.services():
            # Whoever answers for an address answers from it, or is a proxy that we can not know: what it says counts.
            address = next((a for a in service.addresses if _usable(a)), host if not service.addresses else "")
            if address:
                self._mdns_found(service, address, interface)

    def _mdns_found(self, service: mdns.Service, address: str, interface: str) -> None:
        word = mdns.SERVICES.get(service.type, "")
        place = f"[{address}]:{service.port}" if ":" in address else f"{address}:{service.port}"
        now = self._wall()
        scheme = URL_SCHEMES.get(word, "")
        path = service.value("path", "url")
        if path and (not path.startswith("/") or not path.isascii() or " " in path):
            path = f"/{path}" if path.isascii() and " " not in path and "://" not in path else ""
        url = f"{scheme or 'http'}://{place}{path}"
        kind = FindKind.SOURCE if scheme else FindKind.CAMERA if word == "camera" else FindKind.OTHER
        self.finds.put(
            Find(
                key=key_of("onvif", place) if kind is FindKind.CAMERA else key_of("mdns", url),
                kind=kind,
                ways=(FindWay.MDNS,),
                address=address,
                name=service.name,
                manufacturer=service.value("vendor", "manufacturer"),
                model=service.value("model", "md", "ty"),
                urls=(url,),
                external_id=place if kind is FindKind.CAMERA else "",
                interface=interface,
                adopt="source" if scheme else "onvif" if kind is FindKind.CAMERA else "",
                first_seen=now,
                last_seen=now,
            )
        )

    # — SSDP —

    async def _ssdp(self) -> None:
        group = Group(ssdp.GROUP, ssdp.PORT, self._ssdp_heard, on=self._on)
        await self._asks(group, messages=lambda: [ssdp.search(), ssdp.search("upnp:rootdevice")])

    def _ssdp_heard(self, data: bytes, host: str, port: int, interface: str) -> None:
        if not self._may_read():
            return
        try:
            told = ssdp.read(data)
        except RemoteProtocolError as exc:
            log.debug("SSDP of %s: %s", host, exc)
            return
        if told is None or told.gone:
            return
        device = ssdp.device_of(told.usn)
        key = key_of("ssdp", device)
        now = self._wall()
        self.finds.put(
            Find(
                key=key,
                kind=FindKind.OTHER,
                ways=(FindWay.SSDP,),
                address=host,
                model="" if self.finds.get(key) else told.server,
                identity=device,
                interface=interface,
                first_seen=now,
                last_seen=now,
            )
        )
        if told.location and key not in self._described and len(self._described) < DESCRIPTIONS and self._connect:
            self._described.add(key)
            task = asyncio.create_task(self._describe(key, told.location, host), name=f"UPnP description of {host}")
            self._descriptions.add(task)
            task.add_done_callback(self._descriptions.discard)

    async def _describe(self, key: str, location: str, host: str) -> None:
        """Ask a device for what it is: at its own address, whatever its notice says."""
        try:
            where = read_url(location)
            where = WebUrl(host, where.port, where.path, where.tls)
            assert self._connect is not None  # noqa: S101  (looked at by the caller)
            answer = await request(self._connect, where, timeout_s=DESCRIPTION_S, max_body=ssdp.MAX_DESCRIPTION)
            told = ssdp.read_description(answer.body)
        except GatewayError as exc:
            log.debug("UPnP description of %s: %s", host, exc)
            return
        known = self.finds.get(key)
        if known is None:
            return
        page = f"http://{where.authority}{told.page}" if told.page.startswith("/") else ""
        now = self._wall()
        self.finds.put(
            Find(
                key=key,
                kind=FindKind.OTHER,
                ways=(FindWay.SSDP,),
                address=host,
                name=told.name,
                manufacturer=told.manufacturer,
                model=told.model,
                urls=(page,) if page else (),
                identity=known.identity,
                interface=known.interface,
                first_seen=now,
                last_seen=now,
            )
        )

    # — the wire —

    async def _wire(self, interface: str) -> None:
        try:
            await listen(self._wire_seen, interface)
        except GatewayError as exc:
            log.info("listening to the wire: %s", exc)
            self.notes.append((exc.code, str(exc)[:200]))

    def _wire_seen(self, seen: Seen) -> None:
        at = _place(seen.destination, seen.destination_port)
        self.finds.put(
            Find(
                key=key_of("wire", seen.source, str(seen.source_port), at),
                kind=FindKind.STREAM,
                ways=(FindWay.WIRE,),
                address=seen.source,
                name={"ts": "MPEG-TS", "rtp": "RTP", "rtp-ts": "MPEG-TS in RTP"}[seen.kind],
                urls=(url,) if (url := stream_url(seen)) else (),
                source=_place(seen.source, seen.source_port),
                destination=at,
                interface=seen.interface,
                codecs=seen.codecs,
                bitrate_bps=round(seen.bitrate_bps),
                packets=seen.packets,
                adopt="source" if url else "",
                first_seen=seen.first,
                last_seen=seen.last,
            )
        )


def stream_url(seen: Seen) -> str:
    """What the gateway itself could receive it by: transport streams sent to a group, or to this machine's own address
    at a port nobody has. "" for what only its receiver can have."""
    try:
        multicast = ipaddress.ip_address(seen.destination).is_multicast
    except ValueError:
        return ""
    if not multicast:
        return ""
    scheme = {"ts": "udp", "rtp-ts": "rtp"}.get(seen.kind, "")
    if not scheme:
        return ""
    # On the network where it was seen: a kit has several, and the kernel would join on one.
    options = [f"iface={seen.interface}"] if seen.interface else []
    if _is_ssm(seen.destination):
        options.append(f"source={seen.source}")
    return f"{scheme}://{_place(seen.destination, seen.destination_port)}" + (
        f"#{'&'.join(options)}" if options else ""
    )


def _is_ssm(address: str) -> bool:
    """RFC 4607: 232.0.0.0/8, ff3x::/32."""
    found = ipaddress.ip_address(address)
    return (found.version == 4 and address.startswith("232.")) or (found.version == 6 and address.startswith("ff3"))


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _usable(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (
        found.is_loopback or found.is_unspecified or found.is_multicast or (found.version == 6 and found.is_link_local)
    )


def host_of(url: str) -> str:
    """For telling that a find is there already."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
