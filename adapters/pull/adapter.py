"""Clouds as an adapter: the schemes http, https, hls+http(s), flv+http(s)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.pull.config import PullConfig, Renew
from adapters.pull.hook import Hooks
from adapters.pull.http import Address, Answer, Client, address_of, expired
from adapters.pull.segments import SegmentPull
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, RemoteProtocolError, Unsupported
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import Publication
from gateway.contract.source import SourceOpener
from gateway.model.doctor import Finding, Grade

log = logging.getLogger(__name__)

FORMATS = ("hls", "flv", "ts", "fmp4", "mjpeg")
BY_ENDING = {".m3u8": "hls", ".m3u": "hls", ".flv": "flv", ".ts": "ts", ".mjpg": "mjpeg", ".mjpeg": "mjpeg"}
BY_TYPE = {
    "application/vnd.apple.mpegurl": "hls",
    "application/x-mpegurl": "hls",
    "audio/mpegurl": "hls",
    "video/x-flv": "flv",
    "video/mp2t": "ts",
    "multipart/x-mixed-replace": "mjpeg",
}
PROBE = {"ts": "ts", "flv": "flv", "fmp4": "fmp4", "mjpeg": "mjpeg"}


class Pull:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "pull"
    Config: ClassVar[type[BaseModel]] = PullConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, PullConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._hooks = Hooks(config.renew, self._hook_client)

    async def run(self) -> None:
        """Serve until cancelled."""
        undo: list[Callable[[], None]] = []
        try:
            for scheme in ("http", "https"):
                undo.append(self._context.sources.scheme(scheme, self._opener(scheme, "")))
                for format_ in ("hls", "flv"):
                    opener = self._opener(scheme, format_)
                    undo.append(self._context.sources.scheme(f"{format_}+{scheme}", opener))
            self._context.ready()
            await asyncio.get_running_loop().create_future()
        finally:
            for one in undo:
                one()

    def _opener(self, scheme: str, format_: str) -> SourceOpener:
        async def open_(url: SourceUrl, publication: Publication) -> None:
            await self._open(url, publication, scheme, format_)

        return open_

    async def _open(self, url: SourceUrl, publication: Publication, scheme: str, format_: str) -> None:
        wanted = format_ or url.options.get("format", "")
        if wanted and wanted not in FORMATS:
            raise RemoteProtocolError(f"#format= is one of {', '.join(FORMATS)}", code="bad-url")
        renew = url.options.get("renew", "")
        client = self._client(url)
        try:
            if not renew:
                await self._play(client, address_of(url, scheme), url, publication, wanted)
                return
            arg = url.options.get("arg", "")
            address = await self._hooks.address(renew, arg)
            try:
                await self._play(client, address, url, publication, wanted)
            except GatewayError as exc:
                if not expired(exc):
                    raise
                log.info("%s: the address is refused (%s): another one is asked for", publication.stream, exc.code)
                await self._play(client, await self._hooks.address(renew, arg, anew=True), url, publication, wanted)
        finally:
            client.close()

    async def _play(
        self, client: Client, address: Address, url: SourceUrl, publication: Publication, wanted: str
    ) -> None:
        format_ = wanted or BY_ENDING.get(_ending(address), "")
        if not format_:
            async with client.ask(address) as answer:
                format_ = BY_TYPE.get(answer.headers.get("content-type", "").partition(";")[0].strip().lower(), "")
                if format_ != "hls":
                    await self._stream(answer, publication, format_)
                    return
        if format_ == "hls":
            pull = SegmentPull(
                self._context,
                client,
                publication,
                height=_number(url, "height"),
                bandwidth=_number(url, "bandwidth"),
                most=self._config.segment_bytes,
            )
            await pull.run(address)
            return
        async with client.ask(address) as answer:
            await self._stream(answer, publication, format_)

    async def _stream(self, answer: Answer, publication: Publication, format_: str) -> None:
        """One answer that never ends. Where nothing frames its body, the media plane reads the connection itself."""
        rest = answer.plain_rest() if format_ else None
        if rest is not None:
            sock, initial = rest
            await self._leg(publication, sock, format_, initial)
            return
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            first = await anext(answer.body, b"")
            found = format_ or PROBE.get(codecs.probe_bytes(first), "")
            if not found:
                raise Unsupported(f"{answer.address} is no picture that is known", code="pull-unknown")
            try:
                async with asyncio.TaskGroup() as tasks:
                    leg = tasks.create_task(self._leg(publication, theirs, found, first))
                    await _pump(answer, ours)
                    await leg
            except ExceptionGroup as group:
                # The reason itself, the media plane's first: a group would read as a mistake of ours.
                raise min(_each(group), key=lambda one: not isinstance(one, GatewayError)) from None

    async def _leg(self, publication: Publication, sock: socket.socket, format_: str, initial: bytes) -> None:
        """Until it ends; always raises LinkDown."""
        handle = self._context.media.engine.open_bytes_in(
            publication.handle,
            sock.detach(),
            format_,  # type: ignore[arg-type]
            initial=initial,
            stall_ms=publication.stall_ms,
        )
        leg = publication.leg(handle)
        try:
            code = await leg.ended()
        finally:
            leg.close()
        raise LinkDown("the source ended", code=code or "source-ended")

    def _client(self, url: SourceUrl) -> Client:
        """`#verify=0`: any certificate, of this source."""
        given = url.options.get("verify", "1") not in ("0", "no", "false")
        return Client(self._context, verify=self._config.verify and given)

    def _hook_client(self, hook: Renew) -> Client:
        return Client(self._context)

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        assert isinstance(config, PullConfig)  # noqa: S101
        if not config.verify:
            text = "certificates of HTTPS sources are not checked"
            return [Finding("pull.verify", Grade.WARN, text, "verify = true", "pull-unverified")]
        return [Finding("pull", Grade.OK, "HLS and HTTP-FLV can be pulled")]


def _each(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for one in group.exceptions:
        if isinstance(one, ExceptionGroup):
            yield from _each(one)
        else:
            yield one


async def _pump(answer: Answer, to: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async for data in answer.body:
        try:
            await loop.sock_sendall(to, data)
        except OSError as exc:
            raise LinkDown("the media plane let the source go", code="source-ended") from exc
    to.shutdown(socket.SHUT_WR)


def _ending(address: Address) -> str:
    path = address.url.partition("?")[0].rpartition("/")[2]
    return "." + path.rpartition(".")[2].lower() if "." in path else ""


def _number(url: SourceUrl, name: str) -> int:
    text = url.options.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise RemoteProtocolError(f"#{name}= is a number", code="bad-url")
    return int(text)
