"""The adapters that run: started, waited for, replaced by a reload.

One of which nothing was written, and which then serves nobody (`adapters.IDLE`), is loaded when the daemon is ready:
whoever restores power does not wait for what has nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

from gateway.base.clock import Clock
from gateway.config.root import AdapterSection
from gateway.contract.adapter import Adapter, Context, Measured
from gateway.core.facts import AdapterStatus
from gateway.registry import Installed
from gateway.supervise import Supervised

log = logging.getLogger(__name__)

SETTLE_S = 10.0
"""Start-up and reload wait this long for adapters to open their sockets; a slow one goes on behind."""

ContextOf = Callable[[AdapterSection, Callable[[], None], Callable[..., None]], Context]


class Attached:
    """`context_of(section, ready, lacking)` makes what one is handed; `changed` hears of every change of state."""

    def __init__(
        self, registry: Installed, clock: Clock, context_of: ContextOf, changed: Callable[[AdapterStatus], None]
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._context_of = context_of
        self._changed = changed
        self._supervised: dict[str, Supervised] = {}
        self.made: dict[str, Adapter] = {}
        """By name; also of those that ended since."""
        self._later: list[AdapterSection] = []

    def begin(self, sections: Iterable[AdapterSection], needed: Callable[[str], bool]) -> None:
        """Start them; those that can wait stand in the list as starting. `needed`: of an idle type, whether what the
        gateway has learned gives it something to do."""
        for section in sections:
            if section.untouched and section.type in self._registry.idle and not needed(section.type):
                self._later.append(section)
                self._supervised[section.name] = self._supervise(section)
            else:
                self.start(section)

    def start(self, section: AdapterSection) -> Supervised:
        self._supervised[section.name] = started = self._supervise(section)
        started.start()
        return started

    async def follow(self) -> None:
        """Load and start those that waited; returns when they are there as well."""
        later, self._later = self._later, []
        for section in later:
            # Beside the loop, which serves. What it raises is raised again, and told, when it is made.
            with suppress(Exception):
                await asyncio.to_thread(self._load, section)
            self._supervised[section.name].start()
        await settled([self._supervised[section.name] for section in later])

    async def settle(self) -> None:
        """Returns when all that were started are ready or have failed; a slow one goes on behind."""
        later = {section.name for section in self._later}
        await settled([one for name, one in self._supervised.items() if name not in later])

    async def replace(self, gone: Iterable[str], new: Iterable[AdapterSection]) -> None:
        for name in gone:
            await self._supervised.pop(name).stop()
            log.info("adapter %s stopped: its configuration changed", name)
        await settled([self.start(section) for section in new])

    async def stop(self, within_s: float) -> None:
        self._later.clear()
        await asyncio.gather(*(adapter.stop(within_s) for adapter in self._supervised.values()))

    def running(self) -> list[tuple[str, Adapter]]:
        return [(name, made) for name, made in self.made.items() if name in self._supervised]

    def statuses(self) -> list[AdapterStatus]:
        return [adapter.status for adapter in self._supervised.values()]

    def figures(self) -> Mapping[str, Mapping[str, float]]:
        return {name: made.figures() for name, made in self.running() if isinstance(made, Measured)}

    def _load(self, section: AdapterSection) -> None:
        self._registry.adapter(section.type)
        _ = section.values

    def _supervise(self, section: AdapterSection) -> Supervised:
        def make(ready: Callable[[], None]) -> Callable[[], Awaitable[None]]:
            context = self._context_of(section, ready, lambda *problems: adapter.lacking(*problems))
            made = self._registry.adapter(section.type)(section.values, context)
            self.made[section.name] = made
            return made.run

        adapter = Supervised(section.name, section.type, make, self._clock, self._changed)
        return adapter


async def settled(adapters: Iterable[Supervised]) -> None:
    waits = [asyncio.create_task(adapter.settled()) for adapter in adapters]
    try:
        if waits:
            await asyncio.wait(waits, timeout=SETTLE_S)
    finally:
        for wait in waits:
            wait.cancel()
