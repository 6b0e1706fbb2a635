"""Routes by links, as the choice of links wants them, and the end of connections by one that carries no more.

What was made is noted beside the daemon's state (`links-routes`: the machine's boot), so that a daemon that was killed
and starts with `routes = false` takes away what it had left, and nobody else's.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.core.link_entry import Entry
from gateway.core.links import Links
from gateway.net.links import routes
from gateway.net.links.severed import sever
from gateway.net.rtnetlink import Interface

log = logging.getLogger(__name__)

LOOK_S, AGAIN_S = 30.0, 5.0
"""Routes of ours that somebody else took away are made again; what was refused is tried again."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


class LinkRoutes:
    """`run` is a task; `close` when it has ended."""

    def __init__(self, links: Links, note: Path | None = None) -> None:
        self._links = links
        self._note = note
        self._made: bool | None = None  # None: nothing was done yet
        self._best_table = routes.BEST
        self._theirs: set[int] = set()
        self._lock = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._failures = 0
        self._ending: set[asyncio.Task[None]] = set()
        self.problem = ""
        """Why routes are not as they shall be: a reason code."""
        self.on_problem: Callable[[str, str], None] = lambda _code, _text: None
        links.on_down = self.down
        links.on_change(self._stirred.set)

    async def run(self) -> None:
        while True:
            self._stirred.clear()
            await self.route()
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S if self._failures else LOOK_S):
                    await self._stirred.wait()

    async def close(self) -> None:
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        if self._made:
            with suppress(OSError):
                await asyncio.shield(asyncio.to_thread(self._apply, [], None))

    async def route(self, *, look: bool = True) -> None:
        """`look` False: at once, by what was known of others' tables just now."""
        wanted = self._links.config().routes
        async with self._lock:
            if self._made is None:
                self._made = await asyncio.to_thread(self._left_behind)
            if not wanted and not self._made:
                return
            try:
                links, best = await self._plan(look) if wanted else ([], None)
                self._made = True
                done = await asyncio.to_thread(self._apply, links, best)
                self._made, self._failures, self.problem = bool(links), 0, ""
                if done:
                    log.info("routes for %d links, %d changes", len(links), done)
            except OSError as exc:
                self._failures += 1
                # An interface that has just gone is refused once, and the kernel tells of it in a moment.
                if not self.problem and (exc.errno in (errno.EPERM, errno.EACCES) or self._failures > 1):
                    self.problem = "link-routes"
                    self.on_problem(self.problem, str(exc))

    async def _plan(self, look: bool) -> tuple[list[routes.LinkRoute], routes.LinkRoute | None]:
        entries = self._links.entries.values()
        if look or any(one.leads_out and not one.table for one in entries):
            self._theirs = await asyncio.to_thread(routes.foreign)
        theirs = self._theirs
        for entry in entries:
            if entry.table in theirs:
                log.warning("link %s: table %d is somebody else's now: it gets another", entry.name, entry.table)
                entry.table = 0
        taken = theirs | {entry.table for entry in entries}
        if self._best_table in theirs:
            self._best_table = _free(routes.BEST, taken)
        taken.add(self._best_table)
        made: dict[str, routes.LinkRoute] = {}
        for entry in entries:
            one = entry.interface
            if one is None or not entry.leads_out:
                continue
            if not entry.table:
                entry.table = _free(routes.FIRST, taken)
                taken.add(entry.table)
            v4, v6 = entry.sources(socket.AF_INET), entry.sources(socket.AF_INET6)
            if entry.table:
                made[entry.name] = routes.LinkRoute(entry.table, one.index, v4, v6, one.gateway4, one.gateway6)
        best = self._links.best()
        return list(made.values()), made.get(best.name) if best is not None and self._best_table else None

    def down(self, entry: Entry, one: Interface) -> None:
        """What waits on it would wait for minutes: it is ended, and made anew by another link. `one`: as it was."""
        if not self._links.config().routes or not any(other is not entry for other in self._links.fit()):
            return

        async def end() -> None:
            await self.route(look=False)
            if self.problem:  # what is made anew would go the same way
                return
            with suppress(OSError):
                ended = await asyncio.to_thread(sever, [*one.v4, *one.v6], one.near)
                if ended:
                    log.info("link %s: %d connections by it were ended", entry.name, ended)

        task = asyncio.create_task(end(), name=f"connections by {entry.name}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    # — in a thread —

    def _left_behind(self) -> bool:
        """A daemon of this state was killed since this machine started, and left its routes."""
        try:
            return self._note is not None and self._note.read_text().strip() == BOOT.read_text().strip()
        except (OSError, UnicodeError):
            return False

    def _apply(self, links: list[routes.LinkRoute], best: routes.LinkRoute | None) -> int:
        if self._note is not None and links and not self._left_behind():
            with suppress(OSError):
                self._note.write_text(BOOT.read_text())
        done = routes.apply(links, best, self._best_table)
        if self._note is not None and not links:
            with suppress(OSError):
                self._note.unlink(missing_ok=True)
        return done


def _free(first: int, taken: set[int]) -> int:
    """0: there is none."""
    return next((table for table in range(first, routes.FIRST + routes.MOST) if table not in taken), 0)
