"""Pictures pulled from a server or camera: `rtsp://`, `rtsps://`, `rtspt://` sources."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace

from adapters.rtsp.client import Client, Moved
from adapters.rtsp.config import RtspConfig
from adapters.rtsp.link import Link
from adapters.rtsp.protocol.described import Description, Offered, read_description
from adapters.rtsp.protocol.origin import origin_of
from adapters.rtsp.sockets import media_pair, open_way
from adapters.rtsp.tunnel import TunnelLink, tunnel_heads
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import IngestLeg, Publication
from gateway.net.tcp import cipher, prepare
from gateway.wire.rtsp import Credentials, RtspResponse, Transport, parse_transports

log = logging.getLogger(__name__)

PORTS = {"rtsp": 554, "rtspt": 554, "rtsps": 322}
BACK_CHANNEL = "www.onvif.org/ver20/backchannel"


REQUIRE = ("Require", BACK_CHANNEL)


def wants_talk(url: SourceUrl) -> bool:
    return url.options.get("talk", "").lower() in ("1", "yes", "true")


def request_uri(url: SourceUrl) -> str:
    """Without credentials and options."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    scheme = "rtsps" if url.scheme == "rtsps" else "rtsp"
    return f"{scheme}://{host}{f':{url.port}' if url.port else ''}{url.path or '/'}"


def ways_of(url: SourceUrl) -> tuple[str, ...]:
    """The transports to try in their order: TCP goes through everything, UDP where the server wants nothing else."""
    wanted = url.options.get("transport", "auto").lower()
    if url.scheme == "rtspt":
        return ("tcp",)
    ways = {
        "auto": ("tcp", "udp"),
        "tcp": ("tcp",),
        "udp": ("udp", "tcp"),
        "multicast": ("multicast", "udp", "tcp"),
        "http": ("tcp",),
    }.get(wanted)
    if ways is None:
        raise RemoteProtocolError("#transport= is tcp, udp, multicast, http or auto", code="bad-url")
    if url.scheme == "rtsps":
        # Media beside the cipher would be open to all.
        return ("tcp",)
    return ways


def base_of(response: RtspResponse, uri: str) -> str:
    """What controls are relative to. A base without a scheme is none: some devices send a path, or blanks."""
    for name in ("Content-Base", "Content-Location"):
        base = (response.headers.get(name) or "").strip()
        if "://" in base:
            return base
    return uri


@asynccontextmanager
async def connected(config: RtspConfig, context: Context, url: SourceUrl) -> AsyncIterator[tuple[Link, Client]]:
    """A connection to the URL's server, ciphered or tunnelled as it says. Raises Denied (`url-refused`), LinkDown."""
    media, patience = context.media, config.patience
    tunnelled = url.options.get("transport", "").lower() == "http"
    port = url.port or (80 if tunnelled else PORTS[url.scheme])

    async def dial() -> socket.socket:
        sock = await context.reach.connect(url.host, port, timeout_s=patience / 2, trusted=url.trusted)
        prepare(sock)
        return cipher(media.engine, url, sock) if url.scheme == "rtsps" else sock

    with ExitStack() as stack:
        sock = stack.enter_context(await dial())
        if tunnelled:
            post = stack.enter_context(await dial())
            cookie = secrets.token_hex(11)
            heads = tunnel_heads(request_uri(url), cookie)
            link: Link = await TunnelLink.open(media, sock, post, heads, patience)
        else:
            link = Link(media, sock, tls=url.scheme == "rtsps")
        stack.callback(link.close)
        yield link, Client(link, Credentials(url.user, url.password), str(url), patience)


class Pull:
    """One attempt at a source."""

    def __init__(
        self,
        config: RtspConfig,
        context: Context,
        url: SourceUrl,
        hears: Callable[[Publication, SourceUrl], None] = lambda _publication, _url: None,
    ) -> None:
        """`hears` is told of a camera with a back channel."""
        self._config = config
        self._context = context
        self._url = url
        self._uri = request_uri(url)
        self._hears = hears

    async def run(self, publication: Publication) -> None:
        """`contract.source.SourceOpener`. Raises how it ended."""
        publication.say("opening")
        ways = ways_of(self._url)
        if wants_talk(self._url):
            await self._ask_for_ears(publication)
        try:
            async with connected(self._config, self._context, self._url) as (link, client):
                await client.options(self._uri)
                description = await self._describe(publication, client)
                leg = await self._set_up(publication, link, client, description, ways)
                publication.say("waiting-media")
                await self._keep(client, description, leg)
        except Moved as moved:
            to = self._elsewhere(moved.location)
            try:
                # Through the core: where it leads is checked anew.
                await self._context.sources.open(to, publication)
            except PeerError as exc:
                if exc.code != "rtsp-no-password" or to.user or not self._downgraded(to) or not self._has_secret:
                    raise
                words = f"{self._url} leads to {to}, which is not ciphered and wants the password: it gets none"
                raise PeerError(words, status=exc.status, code="rtsp-downgrade") from exc

    @property
    def _has_secret(self) -> bool:
        return bool(self._url.user or self._url.password)

    def _downgraded(self, to: SourceUrl) -> bool:
        """Who stands between could have sent us there, to read the password, or to try words against its digest."""
        return self._url.scheme == "rtsps" and to.scheme != "rtsps"

    async def _ask_for_ears(self, publication: Publication) -> None:
        """On a connection of its own: servers describe one thing to one connection, and a back channel that was
        described and is not used stops some."""
        try:
            async with connected(self._config, self._context, self._url) as (_, client):
                description = await ask_back_channel(client, self._uri)
        except (GatewayError, Moved) as exc:
            log.debug("%s: back channel: %s", self._url, exc)
            return
        if description is not None and description.talk is not None:
            self._hears(publication, self._url)

    def _elsewhere(self, location: str) -> SourceUrl:
        to = self._context.sources.parse(location)
        options = {name: value for name, value in self._url.options.items() if name not in to.options}
        same = to.host == self._url.host
        # Another host gets no password that was not meant for it, nor one without a cipher what was meant for one with.
        keeps = same and not to.user and not self._downgraded(to)
        return replace(
            to,
            options={**options, **to.options},
            trusted=same and self._url.trusted,
            user=self._url.user if keeps else to.user,
            password=self._url.password if keeps else to.password,
        )

    async def _describe(self, publication: Publication, client: Client) -> Description:
        response = await client.ask("DESCRIBE", self._uri, [("Accept", "application/sdp")])
        description = read_description(response.body, base_of(response, self._uri))
        if not description.tracks:
            raise RemoteProtocolError(f"{self._url} describes neither picture nor sound", code="rtsp-sdp")
        if description.passed_over:
            log.info("%s: not taken: %s", self._url, ", ".join(description.passed_over))
        if description.missing:
            publication.remark("track-left-out", description.missing)
        return description

    async def _set_up(
        self, publication: Publication, link: Link, client: Client, description: Description, ways: Sequence[str]
    ) -> IngestLeg:
        """In the first way that the server takes."""
        refusal: GatewayError | None = None
        for way in ways:
            try:
                if way == "tcp":
                    return await self._by_tcp(publication, link, client, description)
                return await self._by_udp(publication, link, client, description, multicast=way == "multicast")
            except PeerError as exc:
                if exc.code != "rtsp-transport" or client.session is not None:
                    raise
                log.info("%s: %s; not by %s", self._url, exc, way)
                refusal = exc
        assert refusal is not None  # noqa: S101 - there is always a way
        raise refusal

    async def _by_tcp(
        self, publication: Publication, link: Link, client: Client, description: Description
    ) -> IngestLeg:
        tracks: list[codecs.RtspIn] = []
        used: set[int] = set()
        for offered in description.tracks:
            asked = Transport(tcp=True, channel=2 * len(tracks))
            answer = await self._transport(client, offered, asked)
            # Some say nothing of channels, or the same ones twice: then they are what was asked for.
            channel = answer.channel if answer.channel >= 0 and answer.channel not in used else asked.channel
            used.add(channel)
            tracks.append(codecs.RtspIn(maps(offered), channel=channel - channel % 2, ssrc=answer.ssrc))
        await self._play(client, description)

        def bind(fd: int, rest: bytes) -> int:
            return self._context.media.engine.open_rtsp_in(
                publication.handle,
                tracks,
                fd=fd,
                initial=rest,
                reports=link.takes_frames,
                stall_ms=publication.stall_ms,
            )

        return publication.leg(link.hand_over(bind))

    async def _by_udp(
        self, publication: Publication, link: Link, client: Client, description: Description, *, multicast: bool
    ) -> IngestLeg:
        with ExitStack() as stack:
            pairs: list[tuple[socket.socket, socket.socket]] = []
            answers: list[Transport] = []
            for offered in description.tracks:
                if multicast:
                    answer = await self._transport(client, offered, Transport(multicast=True))
                    pair = join_pair(answer, link.local_host())
                else:
                    pair = media_pair(self._context.media, link.local_host())
                    asked = Transport(client_port=(pair[0].getsockname()[1], pair[1].getsockname()[1]))
                    stack.enter_context(pair[0])
                    stack.enter_context(pair[1])
                    answer = await self._transport(client, offered, asked)
                    if answer.tcp:
                        raise PeerError(f"{self._url} answers TCP to UDP", status=461, code="rtsp-transport")
                stack.enter_context(pair[0])
                stack.enter_context(pair[1])
                pairs.append(pair)
                answers.append(answer)
            host = link.peer_host()
            for (rtp, rtcp), answer in zip(pairs, answers, strict=True):
                if answer.server_port[0] and not multicast:
                    open_way(rtp, host, answer.server_port[0])
                    open_way(rtcp, host, answer.server_port[1])
            tracks: list[codecs.RtspIn] = []
            for offered, (rtp, rtcp), answer in zip(description.tracks, pairs, answers, strict=True):
                hosts, ports = origin_of(self._url, host, answer)
                fds = {"rtp_fd": rtp.detach(), "rtcp_fd": rtcp.detach()}
                tracks.append(codecs.RtspIn(maps(offered), **fds, hosts=hosts, ports=ports, ssrc=answer.ssrc))
            handle = self._context.media.engine.open_rtsp_in(publication.handle, tracks, stall_ms=publication.stall_ms)
        leg = publication.leg(handle)
        try:
            await self._play(client, description)
        except BaseException:
            leg.close()
            raise
        return leg

    async def _transport(self, client: Client, offered: Offered, asked: Transport) -> Transport:
        response = await client.ask("SETUP", offered.control, [("Transport", str(asked))])
        found = parse_transports(response.headers.get("Transport") or "")
        # Without the header, or with one that can't be read: as it was asked for.
        return found[0] if found else asked

    async def _play(self, client: Client, description: Description) -> None:
        response = await client.ask("PLAY", description.control, [("Range", "npt=0.000-")], ok=False)
        if response.status in (400, 451, 456, 457):
            # A live picture has no range, and some say so.
            response = await client.ask("PLAY", description.control, ok=False)
        if not response.ok:
            await client.ask("PLAY", self._uri)

    async def _keep(self, client: Client, description: Description, leg: IngestLeg) -> None:
        """Until the media, the connection or the server's patience ends. Raises how."""
        listen = asyncio.create_task(client.listen())
        await asyncio.sleep(0)
        beat = asyncio.create_task(client.keep_alive(description.control))
        ended = asyncio.create_task(leg.ended())
        tasks = (ended, listen, beat)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await client.leave(description.control)
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            leg.close()
        if isinstance(moved := found[1], Moved):
            raise moved
        if isinstance(code := found[0], str):
            raise LinkDown(f"{self._url} has ended", code=code or "source-ended")
        for result in found:
            if isinstance(result, Exception):
                raise result
        raise LinkDown(f"{self._url} ended the session", code="source-ended")


async def ask_back_channel(client: Client, uri: str) -> Description | None:
    """The description with its back channel. None where the camera refuses the question, or answers nonsense."""
    response = await client.ask("DESCRIBE", uri, [("Accept", "application/sdp"), REQUIRE], ok=False)
    if not response.ok:
        return None
    with suppress(GatewayError):
        return read_description(response.body, base_of(response, uri))
    return None


def maps(offered: Offered) -> list[codecs.RtpMap]:
    return [codecs.RtpMap(p.pt, p.codec, p.clock_hz, fmtp=p.fmtp, channels=p.channels) for p in offered.payloads]


def join_pair(answer: Transport, local: str) -> tuple[socket.socket, socket.socket]:
    """Sockets in the group that the server names, joined on the network where we have the address `local`: that on
    which the server is. Raises RemoteProtocolError (`rtsp-broken`), LinkDown (`no-interface`, `port-in-use`)."""
    ports = answer.port if answer.port[0] else answer.client_port
    try:
        group = socket.inet_aton(answer.destination)
    except OSError as exc:
        raise RemoteProtocolError("multicast without a group", code="rtsp-broken") from exc
    if not 224 <= group[0] <= 239 or not ports[0]:
        raise RemoteProtocolError("multicast without a group", code="rtsp-broken")
    # Written anew: `inet_aton` takes what `bind` would ask a name server for.
    host = socket.inet_ntoa(group)
    # Over IPv6 there is no address of ours to tell it by: then the way that leads to the group.
    on = bytes(4) if ":" in local else socket.inet_aton(local)
    pair: list[socket.socket] = []
    try:
        for port in ports:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            pair.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + on)
    except OSError as exc:
        for sock in pair:
            sock.close()
        code = "port-in-use" if exc.errno == errno.EADDRINUSE else "no-interface"
        raise LinkDown(f"the group {host}:{ports[0]} can not be joined: {exc.strerror}", code=code) from exc
    return pair[0], pair[1]
