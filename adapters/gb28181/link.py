"""One admitted device while the adapter runs: where it is, whether it lives, and the talk with it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from adapters.gb28181.crew import Crew
from adapters.gb28181.protocol import orders
from adapters.gb28181.protocol.manscdp import Message
from adapters.gb28181.protocol.memory import Dialog, Memory, loads
from adapters.gb28181.protocol.registrar import Life, Liveness
from adapters.gb28181.quirks import Quirks, quirks_for, version_name
from adapters.gb28181.station import Station
from gateway.base.errors import Busy, LinkDown
from gateway.contract.device import Admitted, AttachedDevice
from gateway.model.device import DeviceState
from gateway.wire.sip import Hop
from gateway.wire.sip.hop import format_address

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Message)
MAX_SAID = 64
"""Kinds of oddities told once a device; further kinds are not told."""


class DeviceLink:
    """State and speech of one device; `sync` and `inbox` act on it. Lives from admission to forgetting."""

    def __init__(self, station: Station, admitted: Admitted) -> None:
        self.station = station
        self.admitted = admitted
        self.external_id = admitted.external_id
        self.memory: Memory = loads(admitted.remembered)
        self.live = Liveness(station.config.offline_after_s, station.config.keepalive_misses)
        self.hop: Hop | None = None
        self._home: Hop | None = None  # where it registered
        self.crew = Crew(admitted.id, station.config.max_pending)
        self.attached: AttachedDevice | None = None
        self.came_online: Callable[[], None] = lambda: None
        self.went_offline: Callable[[], None] = lambda: None
        self._sn = itertools.count(1)
        self._questions: dict[int, tuple[type[object], asyncio.Future[Any]]] = {}
        self._said: set[str] = set()
        self._ends: dict[str, Callable[[str], None]] = {}
        self.running: set[str] = set()
        """Call-IDs of calls that stand: of what is remembered, the others are stale."""
        self.changed = asyncio.Event()

    def __str__(self) -> str:
        return self.admitted.id

    @property
    def quirks(self) -> Quirks:
        config = self.station.config
        return quirks_for(
            config.devices.get(self.external_id),
            date_header=config.date_header,
            sdp_ip=config.sdp_ip,
            maker=self.memory.maker,
            model=self.memory.model,
        )

    @property
    def alive(self) -> bool:
        return self.live.life is Life.ALIVE and self.hop is not None

    @property
    def charset(self) -> str:
        """What we write in: the technician's word, else what the device writes in, else GB 18030."""
        return self.quirks.charset or self.memory.charset or "gb18030"

    @property
    def address(self) -> str:
        return f"{format_address(self.hop.remote)}/{self.hop.transport}" if self.hop is not None else ""

    # — signs of life —

    def registered(self, hop: Hop, expires_s: int, version: str) -> bool:
        """It registered. True when it was away before."""
        self._home = hop
        self.live.until = self.station.clock.monotonic() + expires_s
        if version and version != self.memory.version:
            self.remember(version=version)
            if self.attached is not None and version_name(version):
                self.attached.describe(version=version_name(version))
        return self.heard(hop)

    def is_at(self, hop: Hop) -> bool:
        """`hop` leads to where the device is, where it registered, or (not heard since our start) where it was last."""
        if self.hop is None:
            return hop.remote == (self.memory.host, self.memory.port)
        return hop.remote in (self.hop.remote, None if self._home is None else self._home.remote)

    def lives(self) -> None:
        """Something came from the device beside its known way: it lives, and is spoken to as before."""
        if self.alive:
            self.live.seen(self.station.clock.monotonic())
            self.changed.set()

    def heard(self, hop: Hop) -> bool:
        """Something came from the device, and `moves` knows that it is there: NAT binds anew at will.

        True when this brought it back; False as well for one that logged off and has not registered since.
        """
        back = self.live.seen(self.station.clock.monotonic())
        if self.live.life is Life.LOGGED_OUT:
            return False
        self._move(hop)
        if self.attached is not None:
            if back:
                self.attached.state(DeviceState.ONLINE, address=self.address)
            self.attached.seen(self.address)
        if back:
            log.info("%s is on line from %s", self, self.address)
            self.came_online()
        self.changed.set()
        return back

    def _move(self, hop: Hop) -> None:
        old, self.hop = self.hop, hop
        if old is not None and old.remote != hop.remote:
            log.info("%s moved from %s to %s", self, format_address(old.remote), format_address(hop.remote))
        self.remember(host=hop.remote[0], port=hop.remote[1], transport=hop.transport, local=hop.local[0])

    def logged_out(self) -> None:
        self.live.logged_out(self.station.clock.monotonic())
        self._offline("logged-out")

    def flow_closed(self, flow: int) -> None:
        """The TCP connection it registered over is gone: so is the device, until it comes again (2022 §9.1.1 f).

        One that only carried a long answer beside its registration over UDP takes nothing with it.
        """
        if self.hop is None or self.hop.flow != flow or flow == 0:
            return
        if self._home is not None and self._home.flow != flow:
            self.hop = self._home
        elif self.alive:
            self.live.life = Life.SILENT
            self._offline("link-down")

    def check_silence(self) -> None:
        if self.live.check(self.station.clock.monotonic()):
            self._offline("keepalive-lost")

    def _offline(self, code: str) -> None:
        log.info("%s is off line: %s", self, code)
        if self.attached is not None:
            self.attached.state(DeviceState.OFFLINE, code)
        for _, future in self._questions.values():
            if not future.done():
                future.set_exception(LinkDown(f"{self} went off line", code="device-offline"))
                future.exception()  # whoever waits gets it; nobody need
        self.went_offline()
        self.changed.set()

    # — speech —

    def way(self) -> Hop:
        """Where it is. Raises LinkDown `device-offline` while it is not there."""
        if not self.alive or self.hop is None:
            raise LinkDown(f"{self} is not registered", code="device-offline")
        return self.hop

    def next_sn(self) -> int:
        return next(self._sn)

    async def tell(self, user: str, text: str, hop: Hop | None = None) -> None:
        """Send MANSCDP text to the device or one of its channels. Raises LinkDown, PeerError."""
        await self.station.line.message(hop or self.way(), user, orders.encode(text, self.charset))

    async def ask(self, user: str, sn: int, text: str, kind: type[T], *, timeout: float | None = None) -> T:
        """Send a query and wait for its answer of `kind`. Raises LinkDown, PeerError, and Busy over the limit."""
        with self.expecting(sn, kind) as future:
            try:
                await self.tell(user, text)
                async with asyncio.timeout(timeout or self.station.config.query_timeout):
                    return await future
            except TimeoutError as exc:
                raise LinkDown(f"{self} did not answer query {sn} ({kind.__name__})") from exc

    @contextmanager
    def expecting(self, sn: int, kind: type[T]) -> Iterator[asyncio.Future[T]]:
        """The device's answer of `kind` to what is asked with `sn`; LinkDown when it goes off line. Raises Busy."""
        if len(self._questions) >= self.station.config.max_pending:
            raise Busy(f"{len(self._questions)} queries wait for {self} already")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._questions[sn] = (kind, future)
        try:
            yield future
        finally:
            del self._questions[sn]

    def answered(self, sn: int, message: Message) -> bool:
        """Hand an answer to who asked: by SN, else (some do not echo it) the oldest question of its kind."""
        exact = self._questions.get(sn)
        candidates = [exact] if exact is not None and isinstance(message, exact[0]) else self._questions.values()
        for kind, future in candidates:
            if isinstance(message, kind) and not future.done():
                future.set_result(message)
                return True
        return False

    # — calls —

    def on_end(self, key: str, ended: Callable[[str], None] | None) -> None:
        """`ended(code)` is called when the device says, outside the dialog, that the call or channel `key` is over."""
        if ended is None:
            self._ends.pop(key, None)
        else:
            self._ends[key] = ended

    def end_said(self, *keys: str) -> bool:
        for key in keys:
            ended = self._ends.get(key)
            if ended is not None:
                ended("source-ended")
                return True
        return False

    # — memory —

    def remember(self, **changes: object) -> None:
        """Keep what changed for the next start."""
        new = replace(self.memory, **changes)  # type: ignore[arg-type]
        if new != self.memory:
            self.memory = new
            if self.attached is not None:
                self.attached.remember(new.dumps())

    def keep_dialog(self, dialog: Dialog) -> None:
        self.remember(dialogs=(*self.memory.dialogs, dialog)[-8:])

    def drop_dialog(self, call_id: str) -> None:
        self.remember(dialogs=tuple(d for d in self.memory.dialogs if d.call_id != call_id))

    def once(self, kind: str, text: str, *args: object) -> None:
        """Log an oddity of this device, the first time only."""
        if kind not in self._said and len(self._said) < MAX_SAID:
            self._said.add(kind)
            log.warning("%s: " + text, self, *args)
