"""The composition root: configuration → store → media plane → core → adapters → API, a flat list of named steps.

Stopping goes the other way round: cameras stop, sources are let go (BYE), adapters end, the API ends, what waits is
written. SIGHUP reads the configuration again: only what changed restarts, and one that is wrong changes nothing.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway import __version__, codecs
from gateway.api.mounts import Mounts
from gateway.api.server import ApiServer
from gateway.attached import SETTLE_S, Attached
from gateway.base.clock import Clock, process_age_s
from gateway.base.ending import bounded
from gateway.base.errors import ConfigError, GatewayError
from gateway.base.log import LogSetup
from gateway.base.metrics import Metrics
from gateway.base.notify import Notifier
from gateway.config.diff import Diff, diff
from gateway.config.load import load_config
from gateway.config.root import AdapterSection, Config
from gateway.contract.adapter import Context
from gateway.core import gauges
from gateway.core.addresses import own_addresses
from gateway.core.context import context_of, kit_tls
from gateway.core.core import Core
from gateway.core.facts import AdapterStatus, Health
from gateway.core.mediaplane import MediaPlane
from gateway.core.rights import require_role, require_whole
from gateway.core.secrets import Secrets
from gateway.core.services import Services
from gateway.model.doctor import Finding
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.registry import Installed
from gateway.store.lock import held
from gateway.store.store import Store
from gateway.supervise import Supervised, findings_of
from gateway.under_systemd import UnderSystemd

log = logging.getLogger(__name__)

EXIT_CONFIG = 78  # EX_CONFIG of sysexits(3): systemd shows it as such
STOP_S = 8.0


def run(config_path: Path | None = None, state_dir: Path | None = None, in_words: Callable[[str], str] = str) -> int:
    """The daemon, until a signal ends it; returns the exit code. `in_words`: what keeps it from starting, in the
    language of who started it."""
    import uvloop

    try:
        config = _load(config_path, state_dir)
    except ConfigError as exc:
        sys.stderr.write(f"{in_words(str(exc))}\n")
        return EXIT_CONFIG
    logs = LogSetup(config.log.level, config.log.format)
    code, runner = 1, asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        code = runner.run(Daemon(config, config_path, state_dir, logs).run())
    except ConfigError as exc:
        log.error("%s", in_words(str(exc)))
        code = EXIT_CONFIG
    finally:
        with bounded(lambda: code, logs.stop):
            runner.close()
        logs.stop()
    return code


def _load(path: Path | None, state_dir: Path | None) -> Config:
    config = load_config(path, Installed())
    if state_dir is None:
        return config
    return replace(config, gateway=config.gateway.model_copy(update={"state_dir": state_dir.absolute()}))


class Daemon:
    """One life of the gateway. Also the API's `daemon`: health, adapters, reload."""

    def __init__(
        self,
        config: Config,
        config_path: Path | None = None,
        state_dir: Path | None = None,
        logs: LogSetup | None = None,
        *,
        clock: Clock | None = None,
        registry: Installed | None = None,
        engine: Callable[[int], codecs.Engine] | None = None,
    ) -> None:
        self.config = config
        self._config_path = config_path
        self._state_dir_given = state_dir
        self._logs = logs
        self._clock = clock or Clock()
        self._registry = registry or Installed()
        self._engine = engine or (lambda threads: codecs.Engine(threads=threads))
        self._notifier = Notifier()
        self._systemd = UnderSystemd(self._notifier, self.stop, lambda: self.reload(SYSTEM), self._refused)
        self._metrics = Metrics()
        self.attached = Attached(self._registry, self._clock, self._context_of, self._adapter_changed)
        self._stopping = asyncio.Event()
        self._starting: asyncio.Task[object] | None = None
        self._reloading = asyncio.Lock()
        self._timings: list[tuple[str, float]] = []
        self._ready = asyncio.Event()
        self._whole, self._loaded = asyncio.Event(), asyncio.Event()
        self._started_at = self._clock.monotonic()
        self._lock_fd = -1
        self.core: Core
        self._mounts: Mounts
        self._api: Supervised
        self._services: Services

    # — life —

    async def run(self) -> int:
        """Start, serve, stop. Raises ConfigError when it can not start; the API and the store it can't do without."""
        self._starting = asyncio.current_task()
        self._systemd.listen()
        try:
            await self._serve()
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
        log.info("stopped")
        return 0

    async def _serve(self) -> None:
        async with self.started():
            self._starting = None
            watchdog = asyncio.create_task(self._systemd.feed(lambda: self.health().ok), name="watchdog")
            await self._stopping.wait()
            self._notifier.tell(STOPPING=1)
            log.info("stopping")
            watchdog.cancel()
            await asyncio.gather(watchdog, return_exceptions=True)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Services]:
        """Ready inside; everything has ended after it."""
        undo: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        try:
            for name, step in (
                ("state", self._open_state),
                ("core", self._start_core),
                ("api", self._start_api),
                ("adapters", self._start_adapters),
                ("settled", self.attached.settle),
            ):
                began = time.perf_counter()
                if (end := await step()) is not None:
                    undo.append((name, end))
                self._timings.append((name, time.perf_counter() - began))
            self._tell_ready()
            following = asyncio.create_task(self._follow(), name="what follows")
            undo.append(("what follows", partial(_ended, following)))
            yield self._services
        finally:
            for name, end in reversed(undo):
                try:
                    async with asyncio.timeout(STOP_S):
                        await end()
                except Exception:
                    log.exception("stopping: %s did not end well", name)

    def stop(self) -> None:
        """Orderly, in the middle of the start as well; the second time at once."""
        if self._stopping.is_set():
            log.warning("told to stop twice: ending at once")
            os._exit(1)
        self._stopping.set()
        if self._starting is not None:
            log.info("stopping before it is ready")
            self._notifier.tell(STOPPING=1)
            self._starting.cancel()

    # — steps: each does its part and returns how to undo it —

    async def _open_state(self) -> Callable[[], Awaitable[None]]:
        state_dir = self.config.gateway.state_dir
        self._secrets = Secrets(state_dir)
        self._lock_fd = held(state_dir)
        try:
            self._store = Store(state_dir, self._secrets.audit_key(), queue_size=self.config.store.queue)
        except BaseException:
            os.close(self._lock_fd)
            raise

        async def end() -> None:
            await asyncio.to_thread(self._store.close)
            os.close(self._lock_fd)

        return end

    async def _start_core(self) -> Callable[[], Awaitable[None]]:
        try:
            engine = self._engine(self.config.media.threads)
        except codecs.MediaError as exc:
            raise ConfigError("media.threads", f"the media plane does not start: {exc}") from exc
        plane = MediaPlane(engine, lambda: self.config.media.rtp_ports, lambda: self.config.media.rtp_host)
        state_dir = self.config.gateway.state_dir
        self.core = Core(lambda: self.config, state_dir, self._store, self._secrets, plane, self._clock)
        self.core.start()
        self.core.field.adapters, self.core.field.started = self.adapters, self._ready.is_set
        # Hashing takes a while: signing in waits for it, being ready does not.
        self.core.spawn("first accounts", self.core.accounts.first_start(self.whole))
        gauges.register(self._metrics, self.core, self.adapters, self.attached.figures)
        return self.core.close

    async def _start_api(self) -> Callable[[], Awaitable[None]]:
        self._mounts = Mounts()
        self._services = self.core.services(__version__, self._metrics, self)
        self._api = Supervised("api", "api", self._make_api, self._clock, self._adapter_changed, patient=False)
        self._api.start()
        try:
            await self._api.settled()
        except asyncio.CancelledError:
            await self._api.stop()
            raise
        if self._api.status.state == "failed":
            key, _, text = self._api.status.detail.partition(": ")
            raise ConfigError(key, text, code=self._api.status.code)

        async def end() -> None:
            await self._api.stop()

        return end

    async def _start_adapters(self) -> Callable[[], Awaitable[None]]:
        self.attached.begin(self.config.adapters.values(), self._needed)

        async def end() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S / 2):
                    await self.core.quiesce()
            await self.attached.stop(STOP_S / 3)

        return end

    def _needed(self, type_: str) -> bool:
        """Whether an adapter that has nothing to do by its configuration has something to do all the same."""
        match self._registry.idle[type_]:
            case "devices":
                return bool(self.core.devices.all_admitted(type_))
            case "centers":
                return self.config.gateway.role == "center" or bool(self.core.pairings.centers())
        return False

    def _tell_ready(self) -> None:
        self._ready.set()
        took = process_age_s()
        steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in self._timings)
        log.info("ready in %.2f s, %.2f s of it at work (%s)", took, time.process_time(), steps)
        self._notifier.tell(READY=1, STATUS=f"ready in {took:.2f} s", MAINPID=os.getpid())

    async def _follow(self) -> None:
        """What nobody waits for. Orders do: they are taken when it is there."""
        try:
            await self.attached.follow()
            self._whole.set()
            async with asyncio.timeout(SETTLE_S):
                await self._loaded.wait()
        except TimeoutError:
            log.warning("the API's routes are not there after %g s", SETTLE_S)
        finally:
            self._whole.set()
            # What start-up made lives as long as we do: the collector, which `fieldgate run` held back until here, need
            # never look at it. Nor does it look once before: that would hold the first requests up for a tenth of a
            # second.
            gc.freeze()
            gc.enable()

    async def whole(self) -> None:
        """Returns when what follows is there too."""
        await self._whole.wait()

    async def _complete(self) -> None:
        """Whoever asks after ready finds every adapter; who asks before it finds what there is."""
        if self._ready.is_set():
            await self.whole()

    # — parts —

    def _make_api(self, ready: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        server = ApiServer(
            self._services,
            self._mounts,
            self.config.api,
            state_dir=self.config.gateway.state_dir,
            addresses=own_addresses,
            answering=lambda answering: setattr(self.core.home, "answering", answering),
            started=self._ready.wait,
            complete=self._complete,
            loaded=self._loaded.set,
        )
        return lambda: server.run(ready)

    def _context_of(self, section: AdapterSection, ready: Callable[[], None], lacking: Callable[..., None]) -> Context:
        state_dir = self.config.gateway.state_dir / "adapters" / section.name
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.core.devices.forget_listeners(section.type)
        return context_of(
            self.core,
            self.config.gateway.id,
            state_dir,
            self._mounts,
            ready=ready,
            tls=lambda: kit_tls(self.config),
            started=self._ready.wait,
            lacking=lacking,
        )

    def _adapter_changed(self, status: AdapterStatus) -> None:
        self.core.bus.publish("adapter", "", status, within=self.config.gateway.id)

    # — what the API asks —

    def health(self) -> Health:
        watch = self.core.watch
        parts = dict(watch.parts) | {status.name: status.code for status in self.adapters()}
        # The watch itself is a task: if it does not tick, the loop does not turn.
        late = self._clock.monotonic() - watch.ticked_at > 10.0
        if late:
            parts["loop"] = "internal"
        return Health(watch.ok and not late, parts, self._ready.is_set(), self._clock.monotonic() - self._started_at)

    def adapters(self) -> Sequence[AdapterStatus]:
        return self.attached.statuses()

    def findings(self) -> Sequence[Finding]:
        return [
            *findings_of(self.attached.running()),
            *self.core.source_view.findings(),
            *self.core.last_resort.findings(),
        ]

    async def reload(self, who: Principal) -> Sequence[str]:
        """Read the configuration again; what changed, in words. Raises ConfigError, then the old one stays."""
        require_role(who, Role.TECHNICIAN, "reload the configuration")
        require_whole(who, self.config.gateway.id, "reload the configuration")
        await self.whole()  # of what is still being started nothing can be taken out
        async with self._reloading:
            new = _load(self._config_path, self._state_dir_given)
            change = diff(self.config, new)
            await self._apply(change, new)
            self.core.audit.note(who, "config.reload", detail="; ".join(c.key for c in change.changes))
            return [str(c) for c in change.changes] + [
                f"{section}: takes effect when the daemon is started anew" for section in sorted(change.restart)
            ]

    def _refused(self, error: GatewayError) -> None:
        self.core.watch.notice(error.code, str(error), standing=False)

    async def _apply(self, change: Diff, new: Config) -> None:
        old = self.config
        # What needs a new daemon stays as it is until there is one.
        self.config = replace(new, gateway=old.gateway, media=old.media)
        if self._logs is not None and "log" in change.live:
            self._logs.change(new.log.level, new.log.format)
        if "streams" in change.live:
            self.core.streams.settings_changed()
        if "talk" in change.live:
            self.core.talk.settings_changed()
        if change.live & {"source", "program", "push", "security"}:
            self.core.sources_changed()
        if change.live & {"links", "link"}:
            self.core.links.config_changed()
        if "api" in change.parts:
            await self._restart_api(old)
        self.core.field.stir()
        new_ones = [new.adapters[name] for name in sorted(change.started | change.changed)]
        await self.attached.replace(change.stopped | change.changed, new_ones)

    async def _restart_api(self, old: Config) -> None:
        """Raises ConfigError when the new address can not be had; the API is then back on the old one."""
        await self._api.stop()
        self._api.start()
        await self._api.settled()
        status = self._api.status
        if status.state == "failed":
            self.config = replace(self.config, api=old.api)
            self._api.start()
            await self._api.settled()
            key, _, text = status.detail.partition(": ")
            raise ConfigError(key, text, code=status.code)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
