"""HLS as a source: playlists and segments fetched, bytes handed to the media plane, which paces them."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from adapters.pull.http import Address, Answer, Client
from adapters.pull.live import Live
from adapters.pull.m3u8 import MOST_BYTES, ByteRange, Key, Map, Media, Multivariant, Segment, choose, read
from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError
from gateway.contract.adapter import Context
from gateway.contract.media import IngestLeg, Publication

log = logging.getLogger(__name__)

MISSES = 3
"""Segments in a row that can not be had: then the source has failed."""
INIT_BYTES = 1_000_000
FAILS = 3
"""Playlists in a row."""


class SegmentPull:
    """One source while it is open."""

    def __init__(
        self, context: Context, client: Client, publication: Publication, *, height: int, bandwidth: int, most: int
    ) -> None:
        self._context = context
        self._client = client
        self._publication = publication
        self._height = height
        self._bandwidth = bandwidth
        self._most = most
        self._live = Live()
        self._keys: dict[str, bytes] = {}
        self._sink: socket.socket | None = None
        self._leg: IngestLeg | None = None
        self._container = ""
        self._map: Map | None = None
        self._over: asyncio.Task[str] | None = None

    async def run(self, address: Address) -> None:
        """Until the source ends; always raises."""
        try:
            playlist, where = await self._playlist(address)
            misses = 0
            while True:
                step = self._live.step(playlist, time.monotonic())
                began = time.monotonic()
                if step.jumped:
                    log.info("%s: segments are left out, on from the newest", self._publication.stream)
                    self._map = None
                for segment in step.segments:
                    try:
                        await self._segment(where, segment)
                        misses = 0
                    except (PeerError, LinkDown, RemoteProtocolError) as exc:
                        misses += 1
                        if misses >= MISSES or self._ended:
                            raise
                        log.info("%s: segment %d is left out: %s", self._publication.stream, segment.number, exc)
                if step.over:
                    await self._drained()
                    raise LinkDown("the playlist has ended", code="source-ended")
                if step.stale:
                    raise LinkDown("the playlist shows nothing new", code="hls-stale")
                await self._wait(step.reload_s - (time.monotonic() - began))
                playlist, where = await self._again(where)
        finally:
            self._close()

    # — playlists —

    async def _playlist(self, address: Address) -> tuple[Media, Address]:
        """The media playlist and where it stands, one choice down from a multivariant one."""
        made, where = await self._read(address)
        if not isinstance(made, Media):
            chosen = choose(made, height=self._height, bandwidth=self._bandwidth)
            if chosen.apart:
                self._publication.say("hls-sound-apart")
            made, where = await self._read(where.join(chosen.uri))
        if not isinstance(made, Media):
            raise RemoteProtocolError("a multivariant playlist names another one", code="hls-playlist")
        return made, where

    async def _read(self, address: Address) -> tuple[Media | Multivariant, Address]:
        async with self._client.ask(address) as answer:
            return read(await answer.read(MOST_BYTES)), answer.address

    async def _again(self, where: Address) -> tuple[Media, Address]:
        """A reload; the server may miss one or two."""
        for attempt in range(FAILS):
            try:
                made, _ = await self._read(where)
                if isinstance(made, Media):
                    return made, where
                raise RemoteProtocolError("the playlist became another one", code="hls-playlist")
            except (LinkDown, PeerError) as exc:
                if attempt == FAILS - 1 or (isinstance(exc, PeerError) and int(exc.status) < 500):
                    raise
                await self._wait(1.0 + attempt)
        raise AssertionError  # the loop returns or raises

    # — segments —

    async def _segment(self, where: Address, segment: Segment) -> None:
        if segment.map is not None and segment.map != self._map:
            init = await self._whole(where.join(segment.map.uri), segment.map.range, INIT_BYTES)
            await self._write(init)
            self._map = segment.map
        headers = _range(segment.range)
        async with self._client.ask(where.join(segment.uri), headers=headers) as answer:
            body = _span(answer, segment.range)
            if segment.key is not None:
                body = _opened(body, await self._key(where, segment.key), _iv(segment))
            took = 0
            async for data in body:
                took += len(data)
                if took > self._most:
                    raise RemoteProtocolError(f"a segment has more than {self._most} bytes", code="too-large")
                await self._write(data)

    async def _whole(self, address: Address, span: ByteRange | None, most: int) -> bytes:
        async with self._client.ask(address, headers=_range(span)) as answer:
            held = bytearray()
            async for data in _span(answer, span):
                held += data
                if len(held) > most:
                    raise RemoteProtocolError(f"{address} has more than {most} bytes", code="too-large")
            return bytes(held)

    async def _key(self, where: Address, key: Key) -> bytes:
        address = where.join(key.uri)
        if address.url not in self._keys:
            # A client of its own: the segment's connection is in use.
            client = self._client.another()
            try:
                async with client.ask(address) as answer:
                    found = await answer.read(64)
            finally:
                client.close()
            if len(found) != 16:
                raise RemoteProtocolError(f"the key has {len(found)} bytes, not 16", code="hls-cipher")
            if len(self._keys) > 64:
                self._keys.clear()
            self._keys[address.url] = found
        return self._keys[address.url]

    # — the media plane —

    async def _write(self, data: bytes) -> None:
        """To the leg; waits while it takes no more. Raises LinkDown when it has ended."""
        if not data:
            return
        if self._sink is None:
            self._open(data)
        assert self._sink is not None  # noqa: S101  (just opened)
        try:
            await asyncio.get_running_loop().sock_sendall(self._sink, data)
        except OSError as exc:
            raise LinkDown("the media plane let the source go", code=await self._why()) from exc

    def _open(self, first: bytes) -> None:
        self._container = "ts" if first[:1] == b"\x47" else "fmp4" if first[4:8] in _BOXES else ""
        if not self._container:
            raise RemoteProtocolError("its segments are neither MPEG-TS nor fragmented MP4", code="hls-segments")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        engine, publication = self._context.media.engine, self._publication
        container = self._container
        handle = engine.open_bytes_in(
            publication.handle,
            theirs.detach(),
            container,  # type: ignore[arg-type]
            stall_ms=max(publication.stall_ms, 10_000),  # segments come seconds apart
        )
        self._leg, self._sink = publication.leg(handle), ours
        self._over = asyncio.create_task(self._leg.ended())

    @property
    def _ended(self) -> bool:
        """The media plane has let the leg go."""
        return self._over is not None and self._over.done()

    async def _wait(self, seconds: float) -> None:
        """Sleep, but not past the end of the leg."""
        if self._over is None:
            await asyncio.sleep(max(0.0, seconds))
            return
        done, _ = await asyncio.wait({self._over}, timeout=max(0.0, seconds))
        if done:
            raise LinkDown("the source gives no pictures", code=self._over.result() or "media-stopped")

    async def _why(self) -> str:
        if self._leg is None:
            return "source-ended"
        try:
            async with asyncio.timeout(2):
                return await self._leg.ended()
        except TimeoutError:
            return "source-ended"

    async def _drained(self) -> None:
        """A recording has ended: its last pictures are still to be shown."""
        if self._sink is not None and self._leg is not None:
            self._sink.shutdown(socket.SHUT_WR)
            await self._leg.ended()

    def _close(self) -> None:
        if self._over is not None:
            self._over.cancel()
        if self._sink is not None:
            self._sink.close()
        if self._leg is not None:
            self._leg.close()


_BOXES = (b"ftyp", b"styp", b"moof", b"sidx", b"emsg", b"prft", b"moov")


def _range(span: ByteRange | None) -> dict[str, str]:
    return {"Range": f"bytes={span.offset}-{span.offset + span.length - 1}"} if span is not None else {}


def _iv(segment: Segment) -> bytes:
    """RFC 8216 §5.2: where none is told, the number of the segment."""
    assert segment.key is not None  # noqa: S101  (the caller looked)
    return segment.key.iv if segment.key.iv is not None else segment.number.to_bytes(16, "big")


async def _span(answer: Answer, span: ByteRange | None) -> AsyncIterator[bytes]:
    """The body; of a server that does not know ranges the part that was asked for."""
    skip, left = 0, -1
    if span is not None and answer.status != 206:
        skip, left = span.offset, span.length
    elif span is not None:
        left = span.length
    async for data in answer.body:
        if skip:
            gone = min(skip, len(data))
            data, skip = data[gone:], skip - gone
        if left >= 0:
            data = data[:left]
            left -= len(data)
        if data:
            yield data
        if left == 0:
            return


async def _opened(body: AsyncIterator[bytes], key: bytes, iv: bytes) -> AsyncIterator[bytes]:
    """AES-128-CBC with PKCS #7 (RFC 8216 §4.3.2.4). Raises RemoteProtocolError (`hls-cipher`)."""
    opened = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpad = padding.PKCS7(128).unpadder()
    try:
        async for data in body:
            if plain := unpad.update(opened.update(data)):
                yield plain
        yield unpad.update(opened.finalize()) + unpad.finalize()
    except ValueError as exc:
        raise RemoteProtocolError("a segment is not what its key ciphers", code="hls-cipher") from exc
