"""Receivers as an adapter: gpsd's socket and an NMEA port, each tried again for ever, judged by what they say."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import ClassVar

from pydantic import BaseModel

from adapters.gnss.config import GnssConfig
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown
from gateway.base.moment import BUILT, TimeQuality
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade
from gateway.model.kit_state import Fix
from gateway.wire.gnss import Heard, Seen
from gateway.wire.gpsd import WATCH, GpsdReader
from gateway.wire.nmea import NmeaReader

log = logging.getLogger(__name__)

FIRST_S, MOST_S = 1.0, 30.0
CONNECT_S = 5.0
CHUNK = 4096


class Gnss:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "gnss"
    Config: ClassVar[type[BaseModel]] = GnssConfig

    def __init__(self, config: BaseModel, context: Context, clock: Clock | None = None) -> None:
        assert isinstance(config, GnssConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._kit = context.kit
        self._ready = context.ready
        self._clock = clock or Clock()
        self._standing: dict[str, str] = {}
        """What each source said last: "" a fix, else a reason code."""
        self._fixed_at: dict[str, float] = {}
        """When each had a fix last: of several receivers, or constellations, one may have none."""
        self._spoke: Counter[str] = Counter()
        self._moment: dict[str, float | None] = {}

    async def run(self) -> None:
        """Serve until cancelled."""
        self._ready()
        async with asyncio.TaskGroup() as tasks:
            if self._config.gpsd:
                tasks.create_task(self._again("gpsd", self._gpsd, quiet=True), name="gpsd")
            if self._config.port:
                tasks.create_task(self._again("nmea", self._nmea), name="nmea")
            tasks.create_task(_for_ever(), name="gnss")

    def findings(self) -> Sequence[Finding]:
        return [
            Finding(f"gnss {source}", Grade.WARN if code else Grade.OK, code or "a fix", "a fix", code)
            for source, code in self._standing.items()
        ]

    async def _again(self, source: str, attempt: Callable[[], object], *, quiet: bool = False) -> None:
        """`quiet`: one that has never been there is not missed."""
        pause_s, met, said = FIRST_S, not quiet, ""
        try:
            while True:
                spoke = self._spoke.get(source, 0)
                try:
                    await attempt()  # type: ignore[misc]
                except GatewayError as exc:
                    if self._spoke.get(source, 0) != spoke:
                        met, pause_s, said = True, FIRST_S, ""
                    if met:
                        # One that is unplugged for the day is told once.
                        log.log(
                            logging.DEBUG if said == str(exc) else logging.INFO,
                            "%s: %s; it is tried again",
                            source,
                            exc,
                        )
                        said = str(exc)
                        self._nothing(source, "gnss-silent")
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, MOST_S)
        finally:
            self._kit.no_source(source)

    async def _gpsd(self) -> None:
        """Raises LinkDown."""
        host, _, port = self._config.gpsd.rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError) as exc:
            raise LinkDown(f"gpsd at {self._config.gpsd}: {exc or 'no answer'}", code="gnss-silent") from exc
        heard = GpsdReader()
        try:
            writer.write(WATCH)
            while True:
                # gpsd itself is silent while it has no receiver: then it is asked for its list, which it always gives.
                try:
                    async with asyncio.timeout(self._config.silent):
                        data = await reader.read(CHUNK)
                except TimeoutError:
                    self._nothing("gpsd", "gnss-silent")
                    writer.write(b"?DEVICES;\n")
                    continue
                except OSError as exc:
                    raise LinkDown(f"gpsd: {exc}", code="gnss-silent") from exc
                if not data:
                    raise LinkDown("gpsd closed the connection", code="gnss-silent")
                for one in heard.receive(data):
                    if heard.devices or isinstance(one, Seen):
                        self._take("gpsd", one)
                    else:  # an antenna under the open sky does not help where there is no receiver
                        self._spoke["gpsd"] += 1
                        self._nothing("gpsd", "gnss-silent")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _nmea(self) -> None:
        """Raises GatewayError."""
        from gateway.base.serial import open_serial  # what it is made of is loaded when a port is named

        reader, loop = NmeaReader(), asyncio.get_running_loop()
        lost: asyncio.Future[None] = loop.create_future()
        spoke = loop.time()

        def data(told: bytes) -> None:
            nonlocal spoke
            before = reader.sentences
            for one in reader.receive(told, self._clock.monotonic()):
                self._take("nmea", one)
            if reader.sentences != before:  # garbage is no sign of life
                spoke = loop.time()

        def gone(error: GatewayError) -> None:
            if not lost.done():
                lost.set_exception(error)

        line = await open_serial(self._config.port, owner="gnss", on_data=data, on_lost=gone, baud=self._config.baud)
        try:
            while not lost.done():
                await asyncio.wait({lost}, timeout=self._config.silent)
                if not lost.done() and loop.time() - spoke >= self._config.silent:
                    raise LinkDown(f"{self._config.port} says nothing that is NMEA", code="gnss-silent")
            lost.result()
        finally:
            lost.cancel()
            await line.close()

    def _take(self, source: str, heard: Heard) -> None:
        self._spoke[source] += 1
        now = self._clock.monotonic()
        if not isinstance(heard, Seen):
            if now - self._fixed_at.get(source, -math.inf) >= self._config.silent:
                self._nothing(source, "gnss-no-fix")
            return
        self._fixed_at[source] = now
        code = self._standing[source] = self._kit.fix(source, "receiver", Fix(**asdict(heard)))
        # A receiver whose weeks have wrapped knows where it is, and not when; one that repeats a moment, or whose place
        # is refused, is no clock.
        again, self._moment[source] = self._moment.get(source), heard.taken_at
        if heard.taken_at is not None and heard.taken_at >= BUILT and heard.taken_at != again and not code:
            self._kit.time(source, TimeQuality.GNSS, heard.taken_at)

    def _nothing(self, source: str, code: str) -> None:
        self._standing[source] = code
        self._kit.no_fix(source, "receiver", code)

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Whether gpsd answers."""
        assert isinstance(config, GnssConfig)  # noqa: S101
        if not config.gpsd:
            return []
        host, _, port = config.gpsd.rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError) as exc:
            return [Finding("gnss gpsd", Grade.OFF, f"{config.gpsd}: {exc or 'no answer'}")]
        writer.close()
        return [Finding("gnss gpsd", Grade.OK, config.gpsd)]


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()
