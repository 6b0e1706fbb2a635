"""ONVIF cameras as an adapter: those of the configuration and those admitted, each a task; and the ear for new ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.onvif.camera import Camera
from adapters.onvif.config import OnvifConfig, address_text
from adapters.onvif.hello import Hello
from adapters.onvif.settings import Setting, of_admission, of_config
from gateway.base.errors import ConfigError
from gateway.contract.adapter import Context
from gateway.contract.device import Admitted
from gateway.model.doctor import Finding, Grade
from gateway.net.multicast import interfaces
from gateway.wire.wsd import Endpoint, Service

log = logging.getLogger(__name__)

SCHEME = "onvif"
KNOCK_AGAIN_S = 60.0
MAX_KNOCKED = 1024


class Onvif:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = SCHEME
    Config: ClassVar[type[BaseModel]] = OnvifConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, OnvifConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._cameras: dict[str, tuple[Camera, asyncio.Task[None]]] = {}
        self._declared: set[str] = set()
        self._hello = Hello(self._announced)
        self._knocked: dict[str, float] = {}
        self._left_out = 0

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError for a password file that can not be read, or two of one address."""
        devices = self._context.devices
        try:
            self._declare()
            devices.on_admitted(SCHEME, self._admission)
            for admitted in devices.all_admitted(SCHEME):
                if admitted.external_id not in self._declared:
                    self._admission(admitted.external_id, admitted)
            self._context.ready()
            if self._config.listen_hello:
                await self._hello.run()
            await asyncio.get_running_loop().create_future()
        finally:
            tasks = [task for _, task in self._cameras.values()]
            self._cameras.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _declare(self) -> None:
        seen: dict[str, str] = {}
        for name, camera in self._config.devices.items():
            if camera.address in seen:
                raise ConfigError(f"devices.{name}.address", f"{camera.address} is {seen[camera.address]}'s already")
            seen[camera.address] = name
            admitted = self._context.devices.declare(SCHEME, camera.address, name, camera.title or name)
            self._declared.add(camera.address)
            self._start(admitted, of_config(name, camera, self._config, admitted.password))

    def _admission(self, external_id: str, admitted: Admitted | None) -> None:
        """One was admitted, changed (its password) or forgotten."""
        if external_id in self._declared:
            return
        if (running := self._cameras.pop(external_id, None)) is not None:
            running[1].cancel()
        if admitted is None:
            return
        try:
            setting = of_admission(admitted, self._config)
        except ValueError as exc:
            log.warning("%s: %r is no address of a camera: %s", admitted.id, external_id, exc)
            return
        self._start(admitted, setting)

    def _start(self, admitted: Admitted, setting: Setting) -> None:
        if len(self._cameras) >= self._config.max_devices:
            self._left_out += 1
            log.warning("%s is left out: %d cameras are attached (max_devices)", admitted.id, len(self._cameras))
            return
        camera = Camera(admitted, setting, self._config, self._context)
        task = asyncio.create_task(camera.run(lambda _camera: self._hello.seek()), name=f"onvif {admitted.id}")
        task.add_done_callback(_told)
        self._cameras[admitted.external_id] = (camera, task)
        self._hello.seek()  # its answer tells its endpoint, by which it is known at another address

    def _announced(self, told: Endpoint, service: Service | None, sender: str) -> None:
        """A Hello, or an answer to our search."""
        if service is None:
            return
        for camera, _ in self._cameras.values():
            if camera.is_me(told.endpoint, service.host, service.port):
                if told.endpoint and not camera.memory.endpoint:
                    camera.remember(endpoint=told.endpoint)
                camera.announced(service.host, service.port, service.path)
                return
        address = address_text(service.host, service.port)
        now = asyncio.get_running_loop().time()
        if now - self._knocked.get(address, float("-inf")) < KNOCK_AGAIN_S:
            return
        self._knocked.pop(address, None)
        self._knocked[address] = now
        while len(self._knocked) > MAX_KNOCKED:
            del self._knocked[next(iter(self._knocked))]
        words = " ".join(w for w in (told.name, told.hardware, told.location) if w)[:200]
        self._context.devices.knock(SCHEME, address, sender, "unknown-device", words)

    # — what it says of itself —

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        cameras = [camera for camera, _ in self._cameras.values()]
        return {
            "cameras": len(cameras),
            "cameras_online": sum(c.online for c in cameras),
            "cameras_heard": sum(c.hears for c in cameras),
            "left_out": self._left_out,
            "announcements": self._hello.heard,
        }

    def findings(self) -> Sequence[Finding]:
        """contract.adapter.Checked."""
        found = []
        if self._config.listen_hello and self._hello.deaf:
            found.append(
                Finding("onvif.hello", Grade.WARN, self._hello.deaf, "UDP 3702 can be heard", "discovery-port")
            )
        if self._left_out:
            expected = f"at most {self._config.max_devices} cameras"
            found.append(Finding("onvif.cameras", Grade.WARN, f"{self._left_out} left out", expected, "busy"))
        return found

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Is there a network on which cameras can be found? Are the password files there?"""
        assert isinstance(config, OnvifConfig)  # noqa: S101
        found = []
        names = ", ".join(i.name for i in interfaces())
        if config.listen_hello and not names:
            found.append(
                Finding("onvif.network", Grade.WARN, "no network with multicast is up", "one", "discovery-port")
            )
        elif config.listen_hello:
            found.append(Finding("onvif.network", Grade.OK, names, "a network with multicast"))
        for name, camera in config.devices.items():
            try:
                camera.secret()
            except (OSError, IndexError, UnicodeDecodeError) as exc:
                found.append(Finding(f"onvif.{name}.password_file", Grade.FAIL, str(exc), "can be read", "config"))
        return found


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.error("%s ended by a mistake of ours", task.get_name(), exc_info=exc)
