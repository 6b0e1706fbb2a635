"""The beat of the links: interfaces followed, probes sent, counters read, probes of others answered, routes made.

While nothing is asked and nothing is about to change, what is told (by the kernel, by bearers, by traffic) is followed
and the clock looks only now and then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

from gateway.base.clock import Clock
from gateway.base.errors import ConfigError
from gateway.base.tasks import Pace
from gateway.config.links import Links as LinksConfig
from gateway.core.link_entry import Entry
from gateway.core.link_probes import LinkProbes
from gateway.core.link_routes import LinkRoutes
from gateway.core.link_trails import EVERY_S, LinkTrails
from gateway.core.links import EARLY_S, Links
from gateway.model.kit import LinkState, LinkUse
from gateway.model.link import Link, LinkPhase
from gateway.net import rtnetlink
from gateway.net.links import echo
from gateway.store.links import LinkUseRepo

log = logging.getLogger(__name__)

SOON_S, REST_S = 1.0, 5.0
"""The beat while nothing is probed: something is about to change by itself; nothing is."""
COUNT_S, COUNT_REST_S = 1.0, 5.0
"""Counters are read: where they decide something, and for people."""
SAVE_S = 60.0
AGAIN_S = 5.0
_DOWN = (LinkPhase.DOWN, LinkPhase.OFF, LinkPhase.ABSENT)


class LinkWatch:
    """`run` is a task of the daemon."""

    def __init__(
        self,
        gateway: str,
        links: Links,
        trails: LinkTrails,
        use: LinkUseRepo,
        clock: Clock,
        state_dir: Path | None = None,
    ) -> None:
        self._gateway = gateway
        self._links = links
        self._trails = trails
        self._use = use
        self._clock = clock
        self._pace, self._counts = Pace(SOON_S), Pace(COUNT_S)
        links.on_stir = self._stir
        self.probes = LinkProbes(clock, links.config, self._stir)
        self.routes = LinkRoutes(links, state_dir / "links-routes" if state_dir is not None else None)
        self.routes.on_problem = lambda code, text: self.on_problem(code, text)
        self._echo: tuple[str, Callable[[], None]] | None = None
        self._echo_again = 0.0
        self._echo_told = ""
        self.on_problem: Callable[[str, str], None] = lambda _code, _text: None
        """Something that people should know: a reason code, and what the kernel said."""

    async def run(self) -> None:
        work = (self._follow, self._probe, self._count, self._resolve, self.routes.run)
        tasks = [asyncio.create_task(self._kept(one), name="links") for one in work]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.probes.close()
            if self._echo is not None:
                self._echo[1]()
            self._save()
            await self.routes.close()

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

    def _stir(self) -> None:
        self._pace.stir()
        self._counts.stir()

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
                self.probes.tend(entry, now)
            self.probes.keep(set(self._links.entries))
            self._links.update()
            await self._sleep()

    async def _sleep(self) -> None:
        """Until the next probe, or until a link would be down."""
        if not self.probes:
            settled = self._links.calm and (self._echo is not None or not self.config.echo)
            await self._pace.beat(REST_S if settled else SOON_S)
            return
        now = self._clock.monotonic()
        await asyncio.sleep(min(self.config.interval, max(0.005, self.probes.due(now) - now)))

    async def _resolve(self) -> None:
        await self.probes.resolve(
            lambda: {*self.config.probe, *(text for one in self._links.entries.values() for text in one.said.probe)}
        )

    def _serve_echo(self) -> None:
        wanted, now = self.config.echo, self._clock.monotonic()
        if self._echo is not None and self._echo[0] != wanted:
            self._echo[1]()
            self._echo = None
        if self._echo is None and wanted and now >= self._echo_again:
            host, _, port = wanted.rpartition(":")
            try:
                self._echo = (wanted, echo.serve(host.strip("[]"), int(port)))
                self._echo_told = ""
            except ConfigError as exc:
                self._echo_again = now + AGAIN_S
                if self._echo_told != str(exc):
                    self._echo_told = str(exc)
                    self.on_problem(exc.code, f"links.echo: {exc}")

    # — counters, quotas, history —

    async def _count(self) -> None:
        saved = trailed = self._clock.monotonic()
        while True:
            await self._counts.beat(COUNT_S if self._links.counting else COUNT_REST_S)
            with suppress(OSError):
                self.counted(rtnetlink.counted())
            now = self._clock.monotonic()
            if now - trailed >= EVERY_S / 2 - EARLY_S:
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
                entry.judge.traffic(now, more_in, more_out, now - before[1])
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
