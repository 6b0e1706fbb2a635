"""The beat of the links: interfaces are followed, probes leave by each, counters are read, routes are made."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress

from gateway.base.clock import Clock
from gateway.base.errors import ConfigError
from gateway.base.tasks import beat
from gateway.config.links import Links as LinksConfig
from gateway.core.link_entry import Entry
from gateway.core.link_trails import EVERY_S, LinkTrails
from gateway.core.links import Links
from gateway.model.kit import LinkState, LinkUse
from gateway.model.link import Link, LinkPhase
from gateway.net import rtnetlink
from gateway.net.links import echo, routes
from gateway.net.links.prober import Prober, Target, parse_target
from gateway.net.links.severed import sever
from gateway.net.rtnetlink import Interface
from gateway.store.links import LinkUseRepo

log = logging.getLogger(__name__)

REST_S = 1.0
"""The beat while nothing is probed."""
COUNT_S = 2.0
RESOLVE_S, RESOLVE_SOON_S = 300.0, 5.0
SAVE_S = 60.0
AGAIN_S = 5.0
NEXT_TARGET_S = 15.0
"""A link whose target has been silent for this long asks the next one."""
_DOWN = (LinkPhase.DOWN, LinkPhase.OFF, LinkPhase.ABSENT)


class LinkWatch:
    """`run` is a task of the daemon."""

    def __init__(self, gateway: str, links: Links, trails: LinkTrails, use: LinkUseRepo, clock: Clock) -> None:
        self._gateway = gateway
        self._links = links
        self._trails = trails
        self._use = use
        self._clock = clock
        self._probers: dict[str, tuple[Prober, tuple[object, ...]]] = {}
        self._next: dict[str, float] = {}
        self._turn: dict[str, tuple[int, float]] = {}
        self._targets: dict[str, list[Target]] = {}
        self._echo: tuple[str, Callable[[], None]] | None = None
        self._routed: object = None
        self._routing = asyncio.Lock()
        self._stirred = asyncio.Event()
        self.problem = ""
        """Why routes are not as they shall be: a reason code."""
        self.on_problem: Callable[[str, str], None] = lambda _code, _text: None
        """Something that people should know: a reason code, and what the kernel said."""
        links.on_down = self._down
        links.on_change(self._stirred.set)
        self._severing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        work = (self._follow, self._probe, self._count, self._resolve, self._route)
        tasks = [asyncio.create_task(self._kept(one), name="links") for one in work]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in (*tasks, *self._severing):
                task.cancel()
            await asyncio.gather(*tasks, *self._severing, return_exceptions=True)
            for prober, _ in self._probers.values():
                prober.close()
            self._probers.clear()
            if self._echo is not None:
                self._echo[1]()
            self._save()
            if self._routed:
                with suppress(OSError):
                    await asyncio.shield(asyncio.to_thread(routes.apply, [], None))

    async def _kept(self, work: Callable[[], Awaitable[None]]) -> None:
        """For ever: what fails is told once, and begun anew."""
        told = ""
        while True:
            try:
                await work()
            except Exception as exc:
                if str(exc) != told:
                    log.exception("links: it is begun anew")
                told = str(exc)
            await asyncio.sleep(AGAIN_S)

    @property
    def config(self) -> LinksConfig:
        return self._links.config()

    # — interfaces —

    async def _follow(self) -> None:
        async with aclosing(rtnetlink.changes()) as news:
            async for found in news:
                self._links.found(found)

    # — probes —

    async def _probe(self) -> None:
        while True:
            self._serve_echo()
            now = self._clock.monotonic()
            for entry in list(self._links.entries.values()):
                self._tend(entry, now)
            for name in [name for name in self._probers if name not in self._links.entries]:
                self._drop(name)
            self._links.update()
            await self._sleep()

    async def _sleep(self) -> None:
        """Until the next probe, or until a link would be down."""
        if not self._probers:
            await beat(REST_S)
            return
        now = self._clock.monotonic()
        due = [self._next.get(name, now) for name in self._probers]
        due += [self._links.entries[name].judge.next_timer() for name in self._probers if name in self._links.entries]
        later = [at - now for at in due if at > now]
        await asyncio.sleep(max(0.005, min([*later, self.config.interval])))

    def _tend(self, entry: Entry, now: float) -> None:
        target = self._target(entry, now)
        one = entry.interface
        source = ""
        if target is not None and one is not None and entry.addressed and not entry.barred(self.config):
            source = next(iter(one.v4 if target.family == socket.AF_INET else one.v6), "")
        if target is None or one is None or not source:
            self._drop(entry.name)
            entry.probe = ""
            return
        key = (one.index, one.name, source, target)
        held = self._probers.get(entry.name)
        if held is None or held[1] != key:
            self._drop(entry.name)
            try:
                prober = Prober(one.name, source, target, lambda number: self._answer(entry, number))
            except OSError as exc:
                log.debug(
                    "link %s: no probes: %s", entry.name, exc
                )  # it is going: the kernel tells of that in a moment
                return
            self._probers[entry.name] = held = (prober, key)
            entry.probe = str(target)
        if now >= self._next.get(entry.name, 0.0):
            judge = entry.judge
            self._next[entry.name] = now + judge.interval_s
            if judge.wants(now) and (number := held[0].send()) is not None:
                judge.sent(number, now)

    def _target(self, entry: Entry, now: float) -> Target | None:
        """The next one when this has been silent for long: it may be the target that is down."""
        wanted = entry.said.probe or self.config.probe
        found = [target for text in wanted for target in self._targets.get(text, [])]
        one = entry.interface
        if one is not None:
            found = [target for target in found if (one.v4 if target.family == socket.AF_INET else one.v6)]
        if not found:
            return None
        number, since = self._turn.get(entry.name, (0, now))
        if entry.bad_since is None:
            since = now
        elif now - max(since, entry.bad_since) > NEXT_TARGET_S:
            number, since = number + 1, now
        self._turn[entry.name] = (number, since)
        return found[number % len(found)]

    def _answer(self, entry: Entry, number: int) -> None:
        if entry.judge.answered(number, self._clock.monotonic()):
            entry.heard_of = True

    def _drop(self, name: str) -> None:
        held = self._probers.pop(name, None)
        if held is not None:
            held[0].close()

    async def _resolve(self) -> None:
        """Names lead to addresses; known ones stay while DNS is silent."""
        loop = asyncio.get_running_loop()
        while True:
            texts = {text for entry in self._links.entries.values() for text in entry.said.probe} | set(
                self.config.probe
            )
            for text in texts:
                scheme, host, port = parse_target(text)
                with suppress(OSError, UnicodeError):
                    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
                    self._targets[text] = [Target(scheme, str(where[0]), port) for *_, where in answers][:4]
            for text in [text for text in self._targets if text not in texts]:
                del self._targets[text]
            await asyncio.sleep(RESOLVE_S if texts <= self._targets.keys() and texts else RESOLVE_SOON_S)

    def _serve_echo(self) -> None:
        wanted = self.config.echo
        if self._echo is not None and self._echo[0] != wanted:
            self._echo[1]()
            self._echo = None
        if self._echo is None and wanted:
            host, _, port = wanted.rpartition(":")
            try:
                self._echo = (wanted, echo.serve(host.strip("[]"), int(port)))
            except ConfigError as exc:
                self.on_problem(exc.code, f"links.echo: {exc}")
                self._echo = (wanted, lambda: None)

    # — counters, quotas, history —

    async def _count(self) -> None:
        saved = trailed = self._clock.monotonic()
        while True:
            await beat(COUNT_S)
            with suppress(OSError):
                self.counted(await asyncio.to_thread(rtnetlink.counted))
            now = self._clock.monotonic()
            if now - trailed >= EVERY_S / 2:
                trailed = now
                self._trails.note(self._gateway, [state_of(link, entry) for link, entry in self._shown()])
            if now - saved >= SAVE_S:
                saved = now
                self._save()

    def counted(self, found: dict[str, tuple[int, int]]) -> None:
        now = self._clock.monotonic()
        for entry in self._links.entries.values():
            name = entry.interface.name if entry.interface is not None else ""
            if name not in found:
                entry.counted = None
                entry.in_bps = entry.out_bps = 0.0
                continue
            bytes_in, bytes_out = found[name]
            entry.use.count(name, bytes_in + bytes_out)
            before = entry.counted
            if before is not None and before[0] == name and now > before[1]:
                more_in, more_out = max(0, bytes_in - before[2]), max(0, bytes_out - before[3])
                entry.in_bps = round(8 * more_in / (now - before[1]))
                entry.out_bps = round(8 * more_out / (now - before[1]))
                entry.bytes_in += more_in
                entry.bytes_out += more_out
            entry.counted = (name, now, bytes_in, bytes_out)

    def _shown(self) -> Sequence[tuple[Link, Entry]]:
        return [(entry.shown, entry) for entry in self._links.entries.values() if entry.shown is not None]

    def _save(self) -> None:
        rows = [(one.name, one.use.period, one.use.used) for one in self._links.entries.values() if one.use.used]
        if rows:
            self._use.put(rows)

    # — routes —

    async def _route(self) -> None:
        while True:
            self._stirred.clear()
            await self.route()
            # Routes of ours that somebody else took away are made again.
            with suppress(TimeoutError):
                async with asyncio.timeout(30.0):
                    await self._stirred.wait()

    async def route(self) -> None:
        if not self.config.routes and not self._routed:
            return
        async with self._routing:
            try:
                links, best = await self._plan() if self.config.routes else ([], None)
                done = await asyncio.to_thread(routes.apply, links, best)
                self._routed, self.problem = bool(links), ""
                if done:
                    log.info("routes for %d links, %d changes", len(links), done)
            except OSError as exc:
                if not self.problem:
                    self.on_problem("link-routes", str(exc))
                self.problem = "link-routes"

    async def _plan(self) -> tuple[list[routes.LinkRoute], routes.LinkRoute | None]:
        entries = [one for one in self._links.entries.values() if one.addressed]
        taken = {one.table for one in self._links.entries.values() if one.table}
        if any(not one.table for one in entries):
            taken |= await asyncio.to_thread(routes.foreign)
        made: dict[str, routes.LinkRoute] = {}
        for entry in entries:
            one = entry.interface
            if one is None:
                continue
            if not entry.table:
                free = (table for table in range(routes.FIRST, routes.FIRST + routes.MOST) if table not in taken)
                entry.table = next(free, 0)
                taken.add(entry.table)
            v4, v6 = next(iter(one.v4), ""), next(iter(one.v6), "")
            if entry.table:
                made[entry.name] = routes.LinkRoute(entry.table, one.index, v4, v6, one.gateway4, one.gateway6)
        best = self._links.best()
        return list(made.values()), made.get(best.name) if best is not None else None

    def _down(self, entry: Entry, one: Interface) -> None:
        """What waits on it would wait for minutes: it is ended, and made anew by another link. `one`: as it was."""
        if not self.config.routes or not any(other is not entry for other in self._links.fit()):
            return

        async def end() -> None:
            await self.route()
            with suppress(OSError):
                ended = await asyncio.to_thread(sever, [*one.v4, *one.v6], one.near)
                if ended:
                    log.info("link %s: %d connections by it were ended", entry.name, ended)

        task = asyncio.create_task(end(), name=f"connections by {entry.name}")
        self._severing.add(task)
        task.add_done_callback(self._severing.discard)


def state_of(link: Link, entry: Entry) -> LinkState:
    """As trails have it."""
    out = link.phase in _DOWN
    return LinkState(
        name=link.name[:24],
        bearer=link.kind.value,
        interface=link.interface,
        state=LinkUse.OUT if out else LinkUse.IN if link.usable else LinkUse.TRYING,
        code=link.code,
        rtt_ms=None if out else link.rtt_ms,
        loss=1.0 if link.phase is LinkPhase.DOWN else link.loss,
        bytes_in=entry.bytes_in,
        bytes_out=entry.bytes_out,
        cost=link.cost,
    )
