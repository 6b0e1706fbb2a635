"""Outputs: streams that are sent to a URL for as long as the configuration says so (`[push.<name>]`).

Each is a task of its own that views its stream and runs its scheme's opener; an end of any kind is tried again after
`streams.retry_first`, doubling to `retry_most`, with ±20 % of jitter.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, NotFound
from gateway.base.url import parse_url
from gateway.contract.media import Viewing
from gateway.core.cut import Cut
from gateway.core.messages import Bus
from gateway.core.on_demand import HEALTHY_S, Patience
from gateway.core.sources import Sources
from gateway.core.streams import Streams
from gateway.model.principal import Principal, Role
from gateway.model.source import PushState, PushStatus

if TYPE_CHECKING:
    from gateway.config.sources import Push

log = logging.getLogger(__name__)


class Pushes:
    def __init__(
        self,
        gateway: str,
        sources: Sources,
        streams: Streams,
        bus: Bus,
        clock: Clock,
        config: Callable[[], Mapping[str, Push]],
        patience: Callable[[], Patience],
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),
    ) -> None:
        self._gateway = gateway
        self._sources = sources
        self._streams = streams
        self._bus = bus
        self._clock = clock
        self._config = config
        self._patience = patience
        self._jitter = jitter
        self._running: dict[str, _Running] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        sources.on_push_scheme = self._scheme_changed

    def all(self) -> Sequence[PushStatus]:
        now = self._clock.monotonic()
        return [running.shown(now) for running in self._running.values()]

    def config_changed(self) -> None:
        """Others go on untouched."""
        wanted = {name: push for name, push in self._config().items() if push.enabled}
        for name in list(self._running):
            if self._running[name].push != wanted.get(name):
                self._end(self._running.pop(name))
        for name, push in wanted.items():
            if name not in self._running:
                running = self._running[name] = _Running(name, push, self._clock)
                running.task = asyncio.create_task(self._keep(running), name=f"push {name}")

    async def close(self) -> None:
        for running in self._running.values():
            self._end(running)
        self._running.clear()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    # — within —

    def _end(self, running: _Running) -> None:
        if running.task is not None:
            running.task.cancel()
            self._leaving.add(running.task)
            running.task.add_done_callback(self._leaving.discard)
        self._publish(running, gone=True)

    async def _keep(self, running: _Running) -> None:
        failures = 0
        while True:
            running.wake.clear()
            began = self._clock.monotonic()
            try:
                await self._once(running)
                code, detail = "push-ended", ""  # the far side closed it in good order
            except GatewayError as exc:
                code, detail = exc.code, str(exc)
            except Exception as exc:
                log.exception("push %s failed by a mistake of ours", running.name)
                code, detail = "internal", f"{type(exc).__name__}: {exc}"
            now = self._clock.monotonic()
            if running.sent and now - began >= HEALTHY_S:
                failures = 0
            patience = self._patience()
            wait = min(patience.retry_first_s * 2 ** min(failures, 30), patience.retry_most_s) * self._jitter()
            failures += code != "adapter-off"
            if running.status.code != code:
                log.info("push %s to %s: %s%s", running.name, running.status.url, code, f" ({detail})" * bool(detail))
            running.retry_at = now + wait
            self._tell(running, PushState.WAITING, code, detail, failures)
            try:
                async with asyncio.timeout(None if code == "adapter-off" else wait):
                    await running.wake.wait()
                failures = 0
            except TimeoutError:
                pass
            running.retry_at = None

    async def _once(self, running: _Running) -> None:
        url = parse_url(running.push.url.get_secret_value(), trusted=True)
        opener = self._sources.pushes.opener(url.scheme)
        stream = self._streams.resolve(running.push.stream)
        self._tell(running, PushState.RUNNING, "", "", running.status.failures)
        running.sent = False
        async with self._streams.view(stream, running.who, "push") as viewing:
            running.sent = True
            cut = Cut()
            removed = asyncio.create_task(_removed(viewing, cut), name=f"push {running.name} watches")
            try:
                await self._sources.pushes.run(url.scheme, opener(url, viewing), cut)
            finally:
                removed.cancel()
                await asyncio.gather(removed, return_exceptions=True)

    def _tell(self, running: _Running, state: PushState, code: str, detail: str, failures: int) -> None:
        before = running.status
        since = before.since if before.state is state else self._clock.wall()
        running.status = replace(before, state=state, code=code, detail=detail, since=since, failures=failures)
        if running.status != before:
            self._publish(running)

    def _publish(self, running: _Running, *, gone: bool = False) -> None:
        stream = running.push.stream
        within = stream if stream.count("/") == 2 else f"{self._gateway}/{stream}"
        status = running.shown(self._clock.monotonic())
        self._bus.publish("push", running.name, status, gone=gone, within=within)

    def _scheme_changed(self, scheme: str) -> None:
        for running in self._running.values():
            if running.scheme == scheme:
                running.wake.set()


async def _removed(viewing: Viewing, cut: Cut) -> None:
    async for _ in viewing.changes():
        pass
    cut.cut(NotFound(f"{viewing.stream} is no more"))


class _Running:
    """One output and its task."""

    def __init__(self, name: str, push: Push, clock: Clock) -> None:
        url = parse_url(push.url.get_secret_value())
        self.name = name
        self.push = push
        self.scheme = url.scheme
        self.who = Principal(f"push:{name}", Role.VIEWER, f"push:{name}")
        self.task: asyncio.Task[None] | None = None
        self.wake = asyncio.Event()
        self.sent = False
        self.retry_at: float | None = None
        self.status = PushStatus(
            name, push.name or name, push.stream, str(url), PushState.RUNNING, "opening", since=clock.wall()
        )

    def shown(self, now: float) -> PushStatus:
        wait = None if self.retry_at is None or self.status.code == "adapter-off" else max(0.0, self.retry_at - now)
        return replace(self.status, retry_in_s=wait)
