"""One camera's life: found, signed in to, described, offered, watched; and found again when it is gone.

         ┌──────────────── wait (doubles; long after a refused password; ended by its Hello) ◄──────────┐
         ▼                                                                                             │
       greet ─► clock, services, what it is ─► profiles become channels and offers ─► ONLINE ─► gone ──┘
         └── nobody there ─► asked for by WS-Discovery: has it moved? ─► greet at its new address
While ONLINE: events are pulled, its clock is looked at, and a sign of life is asked for when it is silent.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from adapters.onvif.alarms import Ear
from adapters.onvif.config import OnvifConfig, address_text
from adapters.onvif.control import Control
from adapters.onvif.encoders import CameraEncoders
from adapters.onvif.line import CLOCK_MATTERS_S, Line
from adapters.onvif.memory import Memory, dumps, loads
from adapters.onvif.offers import Offers
from adapters.onvif.protocol import device, media
from adapters.onvif.protocol.device import CameraClock, Information
from adapters.onvif.protocol.media import Profile
from adapters.onvif.protocol.soap import DEVICE, EVENTS, MEDIA, PTZ, SoapFault
from adapters.onvif.settings import Setting, is_near
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown, RemoteProtocolError
from gateway.contract.adapter import Context
from gateway.contract.device import Admitted
from gateway.model.device import DeviceState
from gateway.net.web import Connect

log = logging.getLogger(__name__)

PASSWORD_CODES = frozenset({"onvif-auth", "onvif-locked"})


class Camera:
    """Lives from admission to forgetting; `run` ends by cancellation only."""

    def __init__(
        self, admitted: Admitted, setting: Setting, config: OnvifConfig, context: Context, clock: Clock | None = None
    ) -> None:
        self.admitted = admitted
        self.setting = setting
        self._config = config
        self._context = context
        self._clock = clock or Clock()
        self.memory: Memory = loads(admitted.remembered)
        self._wake = asyncio.Event()
        self._gone = asyncio.Event()
        self._again = asyncio.Event()
        self.line = self._line(self.memory.host or setting.host, self.memory.port or setting.port)
        self.profiles: dict[str, Profile] = {}
        self.control = Control(self)
        self.encoders = CameraEncoders(self)
        self.offers = Offers(self, context)
        self._ear = Ear(self, context.messages, self._clock)
        self.attached = context.devices.attach(admitted.id, self.control)
        self._was_there = False
        self._waits = False
        self._elsewhere = ""
        """Where an announcement that is not followed says that it is."""

    def __str__(self) -> str:
        return str(self.admitted.id)

    @property
    def online(self) -> bool:
        return self._was_there

    @property
    def hears(self) -> bool:
        """Its events come."""
        return self._ear.hears

    def _line(self, host: str, port: int, path: str = "") -> Line:
        connect: Connect = partial(_reach, self._context, self._config.timeout)
        line = Line(
            connect,
            host,
            port,
            self.setting.user,
            self.setting.password,
            tls=self.setting.tls or self.memory.tls,
            path=path or self.memory.path or device.DEFAULT_PATH,
            timeout_s=self._config.timeout,
            clock=self._clock,
        )
        if self.memory.signing in ("token", "digest"):
            line.signing = "digest" if self.memory.signing == "digest" else "token"
        return line

    def remember(self, **changes: object) -> None:
        changed = replace(self.memory, **changes)  # type: ignore[arg-type]
        if changed != self.memory:
            self.memory = changed
            self.attached.remember(dumps(changed))

    def announced(self, host: str, port: int, path: str) -> None:
        """Somebody says that it is (again) there, perhaps elsewhere. Nothing proves it, so it is followed as far as
        `follow` allows; beyond, the address is told to people."""
        if not self._was_there and (host, port) != (self.line.host, self.line.port):
            if not self._follows(host):
                first, self._elsewhere = not self._elsewhere, address_text(host, port)
                if self._waits and first:
                    self._tell_elsewhere()
                return
            self.line = self._line(host, port, path)
        self._wake.set()

    def _follows(self, host: str) -> bool:
        known = (self.setting.host, self.memory.host or self.setting.host)
        if host in known or self._config.follow == "anywhere":
            return True
        return self._config.follow == "subnet" and any(is_near(host, one) for one in known)

    def _tell_elsewhere(self) -> None:
        self.attached.state(DeviceState.OFFLINE, "onvif-moved", self._elsewhere, address=str(self.line))

    def is_me(self, endpoint: str, host: str, port: int) -> bool:
        """Whether an announcement speaks of this camera: by its endpoint, else by the address we know."""
        if self.memory.endpoint and endpoint:
            return endpoint == self.memory.endpoint
        return (host, port) in ((self.line.host, self.line.port), (self.setting.host, self.setting.port))

    def look(self) -> None:
        """Whether it is there at all, at once."""
        self._gone.set()

    def ask_again(self) -> None:
        """Describe it anew: a technician's order."""
        self._again.set()
        self._gone.set()
        self._wake.set()

    # — its life —

    async def run(self, seek: Callable[[Camera], object]) -> None:
        """`seek` has it looked for on the network; what is found comes by `announced`."""
        self.offers.remembered()
        wait = self._config.retry_first
        try:
            while True:
                try:
                    await self._live()
                    wait = self._config.retry_first
                except Exception as exc:
                    if self._was_there:
                        wait = self._config.retry_first
                    failed = self._failed(exc)
                    self._lost(failed)
                    self._waits = True
                    seek(self)
                    pause = max(wait, self._config.retry_password) if failed.code in PASSWORD_CODES else wait
                    wait = min(wait * 2, self._config.retry_most)
                    self._wake.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._wake.wait()
                    self._waits = False
        finally:
            self._was_there = False
            self.offers.withdraw()
            self.attached.detach()

    def _failed(self, exc: Exception) -> GatewayError:
        """A mistake of ours over something a camera says costs one attempt, and never the camera."""
        if isinstance(exc, GatewayError):
            return exc
        log.error("%s: a mistake of ours", self, exc_info=exc)
        return GatewayError(f"{type(exc).__name__}: {exc}", code="internal")

    def _lost(self, exc: GatewayError) -> None:
        self._was_there = False
        log.info("%s is not there: %s", self, exc)
        if self._elsewhere and exc.code == "onvif-unreachable":
            self._tell_elsewhere()
            return
        self.attached.state(DeviceState.OFFLINE, exc.code, str(exc)[:200], address=str(self.line))

    async def _live(self) -> None:
        """Raises GatewayError when it is gone; returns when it is to be described anew."""
        self._gone.clear()
        self._again.clear()
        clock = await self._greet()
        await self._describe()
        await self.encoders.settle()
        await self._keep_time(clock)
        self._was_there, self._elsewhere = True, ""
        self._stand()
        log.info("%s is there at %s", self, self.line)
        try:
            async with asyncio.TaskGroup() as tasks:
                life = tasks.create_task(self._watch(), name=f"onvif {self}")
                ear = None
                if self.setting.events and EVENTS in self.line:
                    ear = tasks.create_task(self._ear.run(), name=f"onvif events {self}")
                await life
                if ear is not None:
                    ear.cancel()
        except* GatewayError as group:
            raise _first(group) from None
        finally:
            await self.control.settle()

    def _stand(self) -> None:
        """Online, or there with something that fails."""
        code, detail = "", ""
        if self._clock_is_wrong():
            code, detail = "onvif-clock", f"{self.line.offset_s:+.0f} s"
        elif not self.profiles:
            code = "onvif-no-media"
        elif self.setting.events and self._ear.failed:
            code, detail = "onvif-no-events", self._ear.failed
        elif self.control.stuck:
            code = "ptz-not-stopped"
        state = DeviceState.DEGRADED if code else DeviceState.ONLINE
        self.attached.state(state, code, detail, address=str(self.line))

    def told(self) -> None:
        """Something of it fails, or does so no more."""
        if self._was_there:
            self._stand()

    async def _greet(self) -> CameraClock | None:
        """Its clock, then the first request that needs the password."""
        line = self.line
        if (line.host, line.port) != (self.setting.host, self.setting.port):
            # Where it was last, or announced itself; its configured address is tried as well.
            try:
                clock = await line.measure_clock()
            except (LinkDown, RemoteProtocolError):
                line = self.line = self._line(self.setting.host, self.setting.port)
                clock = await line.measure_clock()
        else:
            clock = await line.measure_clock()
        information = device.read_information(await line.ask(DEVICE, device.GET_INFORMATION))
        self._is_it(information)
        self.attached.seen(str(line))
        return clock

    def _is_it(self, told: Information) -> None:
        """Two cameras may have changed addresses: what is said to one must not reach the other. Raises LinkDown."""
        known = self.memory.serial
        if known and told.serial and told.serial != known:
            text = f"another camera ({told.manufacturer} {told.model} {told.serial}) answers at {self.line}"
            self.line = self._line(self.setting.host, self.setting.port)
            raise LinkDown(text, code="onvif-other-camera")
        self.attached.describe(manufacturer=told.manufacturer, model=told.model, firmware=told.firmware)
        self.remember(
            serial=told.serial or known,
            host=self.line.host,
            port=self.line.port,
            tls=self.line.tls,
            signing=self.line.signing,
        )

    async def _describe(self) -> None:
        line = self.line
        try:
            line.learn(device.read_services(await line.ask(DEVICE, device.GET_SERVICES)))
        except (SoapFault, RemoteProtocolError):
            pass  # before ONVIF 2.0; the older question follows
        if MEDIA not in line or PTZ not in line or EVENTS not in line:
            with suppress(SoapFault):
                line.learn(device.read_capabilities(await line.ask(DEVICE, device.GET_CAPABILITIES)))
        with suppress(SoapFault):
            self.attached.describe(name=device.read_name(await line.ask(DEVICE, device.GET_SCOPES)))
        profiles = await self.offers.ask()
        self.profiles = {p.token: p for p in media.best(profiles, self._config.profiles)}
        self.attached.describe(version=f"profile {self.offers.version}")
        await self.control.learn()
        self.offers.offer(list(self.profiles.values()))

    async def _keep_time(self, clock: CameraClock | None) -> None:
        wrong = self._clock_is_wrong()
        if clock is None or not wrong or not self.setting.set_clock:
            return
        off = self.line.offset_s
        try:
            body = device.set_clock(self._clock.wall() + 0.5, clock.zone, clock.daylight)
            await self.line.ask(DEVICE, body)
            await self.line.measure_clock()
        except GatewayError as exc:
            log.warning("%s: its clock is wrong by %.0f s and can not be set: %s", self, off, exc)
            return
        log.info("%s: its clock was wrong by %.0f s and is set", self, off)

    def _clock_is_wrong(self) -> bool:
        return abs(self.line.offset_s) > max(self._config.clock_error, CLOCK_MATTERS_S)

    async def _watch(self) -> None:
        """Ask for a sign of life now and then; its clock is looked at by that."""
        misses = 0
        while not self._again.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.check_every):
                    await self._gone.wait()
            if self._again.is_set():
                return
            self._gone.clear()
            try:
                clock = await self.line.measure_clock()
            except GatewayError as exc:
                misses += 1
                if misses >= 2 or exc.code in PASSWORD_CODES:
                    raise
                continue
            misses = 0
            self.attached.seen(str(self.line))
            await self._keep_time(clock)
            self._stand()

    @property
    def move_timeout_s(self) -> float:
        return self._config.move_timeout


async def _reach(context: Context, timeout_s: float, host: str, port: int) -> socket.socket:
    """Somebody admitted this camera by its address, or wrote it down: a private network is where it belongs."""
    return await context.reach.connect(host, port, timeout_s=timeout_s, trusted=True)


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, GatewayError)  # noqa: S101  (except* let no other through)
    return found
