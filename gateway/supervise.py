"""One adapter's life: run, restart with backoff, stop for a wrong configuration, say how it stands.

LinkDown, PeerError and mistakes of ours restart it: after 0.5 s, doubling to 30 s, ±20 %; a minute of health begins
anew. So does a port that another program holds, for it may be let go. Any other ConfigError, and a part that is not
installed, stop it until the configuration changes. A restart of one touches no other.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable

from gateway.base.clock import Clock
from gateway.base.errors import ConfigError, GatewayError
from gateway.contract.adapter import Adapter, Checked
from gateway.core.facts import AdapterStatus
from gateway.model.doctor import Finding, Grade

log = logging.getLogger(__name__)

FIRST_S = 0.5
MOST_S = 30.0
HEALTHY_S = 60.0
PORT_TAKEN = "port-in-use"


class Supervised:
    """`make(ready)` builds the adapter and gives its `run`; it may import, so it may raise ConfigError as well."""

    def __init__(
        self,
        name: str,
        type_: str,
        make: Callable[[Callable[[], None]], Callable[[], Awaitable[None]]],
        clock: Clock,
        changed: Callable[[AdapterStatus], None] = lambda _status: None,
        *,
        patient: bool = True,
    ) -> None:
        """`patient`: a port that is taken is waited for."""
        self.name = name
        self._make = make
        self._clock = clock
        self._changed = changed
        self._patient = patient
        self._lacks = ("", "")
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.status = AdapterStatus(name, type_, "starting", since=clock.wall())

    def start(self) -> None:
        """Begin, or begin again after `stop` or a failure."""
        self._settled.clear()
        self._task = asyncio.create_task(self._run(), name=f"adapter {self.name}")

    async def settled(self) -> None:
        """Returns when it is ready, or has failed for the first time: start-up waits no longer than that."""
        await self._settled.wait()

    async def stop(self, within_s: float = 5.0) -> None:
        """Cancel it and wait for its `finally`; one that does not end in time is left behind with a loud word."""
        if self._task is None:
            return
        self._task.cancel()
        _, pending = await asyncio.wait((self._task,), timeout=within_s)
        if pending:
            log.error("adapter %s did not end within %g s", self.name, within_s)
        self._say("stopped")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = restarts = 0
        code = detail = ""
        while True:
            # What holds a port mostly goes on to: it stays told meanwhile.
            self._say("starting", *((code, detail) if code == PORT_TAKEN else ()), restarts=restarts)
            self._lacks = ("", "")
            began = loop.time()
            try:
                await self._make(self._ready)()
                code, detail = "internal", "it ended without an error"
            except ConfigError as exc:
                code, detail = exc.code, _keyed(self.name, exc)
                if not self._patient or code != PORT_TAKEN:
                    self._say("failed", code, detail, restarts=restarts)
                    self._settled.set()
                    log.error("%s", detail)
                    return
            except ImportError as exc:
                # Of what is loaded when it is first needed: what the start needs is told by the registry.
                text = f"{exc.name or exc} is not installed: install fieldgate with what this adapter needs"
                self._say("failed", "not-installed", text, restarts=restarts)
                self._settled.set()
                log.exception("adapter %s: %s", self.name, text)
                return
            except GatewayError as exc:
                code, detail = exc.code, str(exc)
            except Exception as exc:
                log.exception("adapter %s failed by a mistake of ours", self.name)
                code, detail = "internal", f"{type(exc).__name__}: {exc}"
            if loop.time() - began >= HEALTHY_S:
                failures = 0
            wait = min(MOST_S, FIRST_S * 2**failures) * random.uniform(0.8, 1.2)
            failures = min(failures + 1, 16)
            restarts += 1
            log.warning("adapter %s: %s; it is started again in %.1f s", self.name, detail, wait)
            self._say("waiting", code, detail, restarts=restarts, retry_in_s=wait)
            self._settled.set()
            await asyncio.sleep(wait)

    def _ready(self) -> None:
        self._say("running", *self._lacks)
        self._settled.set()

    def lacking(self, *problems: ConfigError) -> None:
        """It runs, and has not all that it needs (nothing given: it has)."""
        text = "; ".join(_keyed(self.name, one) for one in problems)
        self._lacks = (problems[0].code if problems else "", text)
        if self.status.state == "running":
            self._say("running", *self._lacks)

    def _say(
        self,
        state: str,
        code: str = "",
        detail: str = "",
        *,
        restarts: int | None = None,
        retry_in_s: float | None = None,
    ) -> None:
        restarts = self.status.restarts if restarts is None else restarts
        self.status = AdapterStatus(
            self.name, self.status.type, state, code, detail, self._clock.wall(), restarts, retry_in_s
        )
        self._changed(self.status)


def _keyed(name: str, exc: ConfigError) -> str:
    """`listen: …` of an adapter is `adapter.balls.listen: …` in the file."""
    return str(exc) if exc.key.startswith(("adapter.", "media.", "gateway.", "api.")) else f"adapter.{name}.{exc}"


def findings_of(running: Iterable[tuple[str, Adapter]]) -> list[Finding]:
    """What running adapters say of themselves. One adapter's mistake is a finding, and hides no other's."""
    found: list[Finding] = []
    for name, made in running:
        try:
            found += made.findings() if isinstance(made, Checked) else ()
        except Exception as exc:
            log.exception("findings of adapter %s", name)
            found.append(Finding(f"adapter {name}", Grade.FAIL, f"{type(exc).__name__}: {exc}", "", "internal"))
    return found
