"""WebRTC as an adapter: sockets, routes, sessions."""

from __future__ import annotations

import asyncio
import errno
import importlib
import logging
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from adapters.webrtc.config import WebRtcConfig
from adapters.webrtc.ports import LOOPBACK, LocalPort, Ports, bind_udp, choose_ports
from adapters.webrtc.reflexive import Reflexive
from adapters.webrtc.registry import Registry
from adapters.webrtc.resource import Resources
from adapters.webrtc.session import Ground
from gateway.base.tasks import beat
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade

if TYPE_CHECKING:
    from adapters.webrtc.seam import Certificate

log = logging.getLogger(__name__)

REFRESH_S = 5.0
PRELOAD_AFTER_S = 1.0


class WebRtc:
    """Implements contract.adapter.Adapter: WHEP out, WHIP in."""

    name: ClassVar[str] = "webrtc"
    Config: ClassVar[type[BaseModel]] = WebRtcConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, WebRtcConfig)  # noqa: S101  (the core made it of Config)
        self.config = config
        self.context = context
        self.registry: Registry | None = None
        self.ports = Ports(context.media.engine, config.port, config.addresses, context.addresses, context.shared_udp)
        self._certificate: Certificate | None = None
        self._reflexive: Reflexive | None = None
        self._loaded: asyncio.Task[ModuleType] | None = None

    async def run(self) -> None:
        """Serve until cancelled. Raises ConfigError (`port-in-use`) or LinkDown when there is nothing to bind."""
        self.ports.refresh()
        unmount = []
        try:
            async with asyncio.TaskGroup() as tasks:
                self.registry = Registry(
                    tasks,
                    most=self.config.max_sessions,
                    most_per_user=self.config.max_sessions_per_user,
                    remember_s=self.config.remember,
                )
                ground = Ground(self.config, self.context, self._ports_for, self._identity, self._mapped)
                if self.config.stun_server:
                    ports = self.ports
                    self._reflexive = Reflexive(self.context.media, self.config.stun_server, lambda: ports.all)
                    tasks.create_task(self._reflexive.run(), name="webrtc STUN")
                unmount = Resources(ground, self.registry, self._seam).mount(self.context.http)
                self.context.ready()
                # Importing aiortc holds the interpreter for a third of a second: not while the daemon still starts, nor
                # while those who waited for it ask their first questions.
                await self.context.started()
                await asyncio.sleep(PRELOAD_AFTER_S)
                await self._seam()
                while True:
                    await beat(REFRESH_S)
                    self.ports.refresh()
                    self.registry.forget_old()
        finally:
            for one in unmount:
                one()
            self.ports.close()
            self.registry = None

    async def _seam(self) -> None:
        """Load what ICE and DTLS need, once."""
        if self._loaded is None:
            self._loaded = asyncio.create_task(asyncio.to_thread(importlib.import_module, "adapters.webrtc.peer"))
        await asyncio.shield(self._loaded)

    def _ports_for(self, viewer: str) -> tuple[LocalPort, ...]:
        return tuple(choose_ports(self.ports.all, viewer))

    def _mapped(self) -> Mapping[int, tuple[str, int]]:
        return self._reflexive.mapped if self._reflexive is not None else {}

    def _identity(self) -> Certificate:
        """Our DTLS certificate; a new one now and then, for new sessions only."""
        from adapters.webrtc.seam import Certificate

        if self._certificate is None or self._certificate.is_old:
            self._certificate = Certificate.generateCertificate()
        return self._certificate

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Is the UDP port free, and are the parts there?"""
        assert isinstance(config, WebRtcConfig)  # noqa: S101
        findings = []
        host = config.addresses[0] if config.addresses else LOOPBACK
        expected = f"UDP port {config.port} free"
        try:
            bind_udp(host, config.port).close()
            findings.append(Finding("webrtc.port", Grade.OK, "free", expected))
        except OSError as exc:
            taken = exc.errno == errno.EADDRINUSE
            code = "port-in-use" if taken else "link-down"
            findings.append(Finding("webrtc.port", Grade.FAIL, f"{host}: {exc.strerror}", expected, code))
        try:
            await asyncio.to_thread(importlib.import_module, "adapters.webrtc.peer")
            findings.append(Finding("webrtc.parts", Grade.OK, "aiortc and aioice load"))
        except ImportError as exc:
            findings.append(Finding("webrtc.parts", Grade.FAIL, str(exc), "aiortc and aioice load", "not-installed"))
        return findings
