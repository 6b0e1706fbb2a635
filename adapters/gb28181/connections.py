"""TCP connections on one call's media port: the device's is taken, strangers wait outside. GB/T 28181-2022 annex D.

accepted ─► first bytes ─► from where the device is known to be? ─ yes ─► nothing plays? ─► to the media plane
                                                └ no: only the SSRC asked for, and only after the device had its time

A connection reaches the media plane with its first bytes, never before: one that only knocks takes nobody's place.
While packets flow no other connection is handed over, whoever it comes from: what plays is not cut.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway import codecs
from gateway.base.place import plain
from gateway.contract.media import IngestLeg

log = logging.getLogger(__name__)

MAX_WAITING = 8
"""Connections that have not been taken yet, a call. One more sends the oldest stranger away, else the oldest."""

STRANGER_WAIT_S = 1.0
"""So long only the device's known addresses are taken. Behind some NATs media leaves by another outer address."""

SPEAK_S = 10.0
"""A connection that says nothing for so long is closed."""

QUIET_S = 2.0
"""No packet for so long: what was attached does not deliver any more, and another connection may replace it."""

ACCEPT_PAUSE_S = 0.5
ENOUGH = 64
"""Bytes after which it is plain whether a connection begins with an RTP packet."""

_READ = 4096
_RTP_HEAD = 12


def first_ssrc(data: bytes) -> int | None:
    """The SSRC of the RTP or RTCP packet that `data` begins with, framed by RFC 4571 or by RTSP's `$`; None: none."""
    head = 4 if data[:1] == b"$" else 2
    packet = data[head : head + _RTP_HEAD]
    length = int.from_bytes(data[head - 2 : head], "big")
    if len(packet) < _RTP_HEAD or length < _RTP_HEAD or packet[0] >> 6 != 2:
        return None
    rtcp = 200 <= packet[1] <= 207  # RFC 5761 §4
    return int.from_bytes(packet[4:8] if rtcp else packet[8:12], "big")


@dataclass(slots=True)
class _Waiting:
    known: bool
    task: asyncio.Task[None]


class MediaDoor:
    """Takes connections for one leg until cancelled. `known` tells the device's addresses of now; `packets` how many
    packets the leg has had (None: no leg any more)."""

    def __init__(
        self,
        leg: IngestLeg,
        listener: socket.socket,
        *,
        known: Callable[[], Iterable[str]],
        ssrcs: frozenset[int],
        packets: Callable[[], int | None],
        stranger_wait_s: float = STRANGER_WAIT_S,
        who: str = "",
    ) -> None:
        self._leg = leg
        self._listener = listener
        self._known = known
        self._ssrcs = ssrcs
        self._packets = packets
        self._open_at = time.monotonic() + stranger_wait_s
        self._who = who
        self._waiting: dict[socket.socket, _Waiting] = {}
        self._turn = asyncio.Lock()
        self._attached_at = -math.inf
        self._warned = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, peer = await loop.sock_accept(self._listener)
                except OSError as exc:
                    if self._listener.fileno() < 0:
                        return
                    # No descriptor left, or the peer is gone already: neither ends what this port is for.
                    log.warning("%s: a media connection was not taken: %s", self._who, exc)
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                    continue
                connection.setblocking(False)
                self._came(connection, plain(str(peer[0])))
        finally:
            tasks = [waiting.task for waiting in self._waiting.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def dialled(self, connection: socket.socket) -> None:
        """One that we made to the device: it has its turn as those that came."""
        self._wait(connection, "the device", known=True)

    def _came(self, connection: socket.socket, host: str) -> None:
        self._wait(connection, host, known=host in {plain(address) for address in self._known()})

    def _wait(self, connection: socket.socket, host: str, *, known: bool) -> None:
        if len(self._waiting) >= MAX_WAITING:
            oldest = next((c for c, w in self._waiting.items() if not w.known), None)
            if oldest is None and not known:
                connection.close()
                return
            oldest = oldest if oldest is not None else next(iter(self._waiting))
            self._waiting.pop(oldest).task.cancel()
        task = asyncio.create_task(self._hear(connection, host, known=known), name=f"media connection {host}")
        self._waiting[connection] = _Waiting(known, task)

        def done(_: asyncio.Task[None]) -> None:
            self._waiting.pop(connection, None)
            # Handed over it has no descriptor any more; else it is closed here, also when its task never began.
            connection.close()

        task.add_done_callback(done)

    async def _hear(self, connection: socket.socket, host: str, *, known: bool) -> None:
        """One connection: its first bytes, then its turn."""
        try:
            async with asyncio.timeout(SPEAK_S):
                data = await self._first_bytes(connection)
        except (OSError, TimeoutError):
            return
        ssrc = first_ssrc(data)
        if not data or (not known and ssrc not in self._ssrcs):
            if data:
                self._warn(host)
            return
        if not known:
            await asyncio.sleep(max(0.0, self._open_at - time.monotonic()))
        # One at a time: of several that speak the first is attached, and flows when the next is looked at.
        async with self._turn:
            if await self._flows():
                log.info("%s: a second media connection, from %s, is closed: media flows", self._who, host)
                return
            try:
                self._leg.attach_tcp(connection, data)
            except (OSError, codecs.MediaError) as exc:
                log.warning("%s: the media connection from %s could not be used: %s", self._who, host, exc)
                return
            self._attached_at = time.monotonic()
            log.debug("%s: media connection from %s", self._who, host)

    async def _first_bytes(self, connection: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        data = b""
        while len(data) < ENOUGH and first_ssrc(data) is None:
            more = await loop.sock_recv(connection, _READ)
            if not more:
                break
            data += more
        return data

    async def _flows(self) -> bool:
        """Packets come already. Plain at once where none has come yet and nothing was attached a moment ago."""
        before = await asyncio.to_thread(self._packets)
        if not before and time.monotonic() - self._attached_at >= QUIET_S:
            return False
        await asyncio.sleep(QUIET_S)
        return await asyncio.to_thread(self._packets) not in (None, before)

    def _warn(self, host: str) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "%s: a connection to its media port from %s, which is not the device, is closed: it does not carry "
                "the stream asked for",
                self._who,
                host,
            )
