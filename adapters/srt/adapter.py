"""SRT as an adapter: the listener, its callers, and the URL scheme."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import ClassVar

from pydantic import BaseModel

from adapters.srt.caller import Caller
from adapters.srt.calls import listening
from adapters.srt.config import SrtConfig
from adapters.srt.dial import Dialer
from adapters.srt.link import Latencies
from adapters.srt.protocol import Mode
from gateway import codecs
from gateway.base.errors import Busy, ConfigError, GatewayError
from gateway.base.tasks import Nest
from gateway.base.throttle import Throttle
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade
from gateway.net.door import PORT_AGAIN_S

log = logging.getLogger(__name__)

NO_LIBRARY = "no libsrt is found: install libsrt1.5-gnutls (Debian, Ubuntu) or srt-libs (Fedora)"


class Srt:
    """Implements contract.adapter.Adapter and Measured."""

    name: ClassVar[str] = "srt"
    Config: ClassVar[type[BaseModel]] = SrtConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, SrtConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._latencies = Latencies(config.latency_min, config.latency_max)
        self._nest = Nest("SRT callers", config.max_callers)
        self._callers: dict[int, Caller] = {}
        self._refused: Counter[str] = Counter()
        self._say = Throttle(log)
        self._listener = 0
        self.port = 0

    async def run(self) -> None:
        """Serve until cancelled. Raises ConfigError (`srt-missing`). Without its port, which is told and tried anew,
        sources are pulled, and pushed to, all the same."""
        media, sources = self._context.media, self._context.sources
        async with AsyncExitStack() as stack:
            if not await asyncio.to_thread(media.engine.srt_version):
                raise ConfigError("adapter.srt", NO_LIBRARY, code="srt-missing")
            dialer = Dialer(self._context, self._latencies, self._config.patience)
            stack.callback(sources.scheme("srt", dialer.source))
            stack.callback(sources.push_scheme("srt", dialer.push))
            self._listener, self.port = await self._port(stack)
            stack.push_async_callback(self._nest.close)
            media.on_wire(self._listener, self._heard)
            log.info("SRT listens on %s", self._config.listen)
            self._context.ready()
            await asyncio.get_running_loop().create_future()

    async def _port(self, stack: AsyncExitStack) -> tuple[int, int]:
        """The listener and its port, once they can be had."""
        told = False
        while True:
            try:
                found = await self._listen(stack)
            except ConfigError as exc:
                if not told:
                    log.error("SRT takes no callers, and tries again: %s", exc)
                    self._context.lacking(exc)
                    self._context.ready()
                told = True
                await asyncio.sleep(PORT_AGAIN_S)
            else:
                if told:
                    self._context.lacking()
                return found

    async def _listen(self, stack: AsyncExitStack) -> tuple[int, int]:
        config, media = self._config, self._context.media
        phrases = [(f"u={name}", secret.get_secret_value()) for name, secret in config.passphrases.items()]
        # Others: by the one for all, which is none where it is empty.
        phrases.append(("", config.passphrase.get_secret_value()))
        door = listening(
            media,
            config.listen.host,
            config.listen.port,
            latency_ms=self._latencies.least_ms,
            passphrases=phrases,
            backlog=min(config.max_callers, 64),
        )
        try:
            return await stack.enter_async_context(door)
        except codecs.MediaError as exc:
            raise ConfigError("adapter.srt.listen", str(exc), code="port-in-use") from exc

    def _heard(self, event: codecs.WireEvent) -> None:
        if event.state == "incoming":
            caller = Caller(self._context, event.wire, event, self._proven)
            try:
                self._nest.start(self._serve(caller, event.wire), f"srt {event.address}")
            except Busy as exc:
                caller.wire.__exit__(None, None, None)
                self._refuse(event.address, exc)
        elif event.code == "srt-refused":
            self._refused[event.code] += 1
            log.warning("SRT: %s", event.detail)

    @property
    def _proven(self) -> frozenset[str]:
        return frozenset(self._config.passphrases)

    async def _serve(self, caller: Caller, key: int) -> None:
        self._callers[key] = caller
        try:
            await caller.serve(self._latencies)
        except GatewayError as exc:
            if caller.begun:
                log.info("SRT %s from %s: %s (%s)", caller.mode, caller.address, exc, exc.code)
            else:
                self._refuse(caller.address, exc)
        finally:
            del self._callers[key]
            self._teach()

    def _teach(self) -> None:
        """Callers of links that were measured get a latency that fits, the next time."""
        self._context.media.engine.srt_latencies(self._listener, self._latencies.all())

    def _refuse(self, address: str, exc: GatewayError) -> None:
        self._refused[exc.code] += 1
        host = address.rpartition(":")[0]
        self._say(f"{host} {exc.code}", f"SRT caller {address} refused: {exc} ({exc.code})")

    def figures(self) -> Mapping[str, float]:
        modes = Counter(caller.mode for caller in self._callers.values())
        return {
            "srt_publishers": modes[Mode.PUBLISH],
            "srt_readers": modes[Mode.REQUEST],
            "srt_refused_total": self._refused.total(),
        }

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Is libsrt there, and the UDP port free?"""
        assert isinstance(config, SrtConfig)  # noqa: S101
        version = await asyncio.to_thread(_version)
        expected = "libsrt 1.5 can be loaded"
        if not version:
            return [Finding("srt.library", Grade.FAIL, NO_LIBRARY, expected, "srt-missing")]
        found = [Finding("srt.library", Grade.OK, f"libsrt {version}", expected)]
        host, port = config.listen
        wanted = f"UDP {config.listen} free"
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((host, port))
                found.append(Finding("srt.port", Grade.OK, "free", wanted))
            except OSError as exc:
                found.append(Finding("srt.port", Grade.FAIL, str(exc.strerror), wanted, "port-in-use"))
        return found


def _version() -> str:
    engine = codecs.Engine()
    try:
        return engine.srt_version()
    finally:
        engine.close()
