"""Moving cameras safely: who holds one, how often it is told, and that it stops when nobody says to go on.

A move must be renewed within its `hold_s` (1 s if not said), else the camera is stopped: a dead browser must not leave
a camera turning. A stop is sent three times, spaced, since it may be lost on a radio link; a new move ends that.
Whoever moves a camera holds it until `keep` seconds after; a higher role takes it over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import Busy, GatewayError, Unsupported
from gateway.core.devices import Devices
from gateway.core.messages import Bus
from gateway.core.rights import ptz_priority
from gateway.model.ids import ChannelRef
from gateway.model.principal import Principal
from gateway.model.ptz import LensMove, PtzHolder, PtzMove

if TYPE_CHECKING:
    from gateway.config.root import Ptz as PtzConfig

log = logging.getLogger(__name__)

HOLD_S = 1.0
STOPS_AFTER_S = (0.0, 0.15, 0.4)
"""When the stop is sent, after it was decided."""
REPEAT_S = 0.4
"""A renewed move that is the same is sent again this often only."""

_STOP = PtzMove()
_LENS_STOP = LensMove()


@dataclass(slots=True)
class _Camera:
    ref: ChannelRef
    external_id: str
    holder: PtzHolder | None = None
    held_until: float = 0.0  # monotonic
    want: PtzMove = _STOP
    lens: LensMove = _LENS_STOP
    sent: PtzMove = _STOP
    sent_at: float = float("-inf")
    dead_man: asyncio.TimerHandle | None = None
    release: asyncio.TimerHandle | None = None
    flight: asyncio.Task[None] | None = None
    stopping: asyncio.Task[None] | None = None


class Ptz:
    def __init__(self, devices: Devices, bus: Bus, clock: Clock, config: Callable[[], PtzConfig]) -> None:
        self._devices = devices
        self._bus = bus
        self._clock = clock
        self._config = config
        self._cameras: dict[str, _Camera] = {}

    def holder(self, stream: str) -> PtzHolder | None:
        camera = self._cameras.get(stream)
        if camera is None or camera.held_until <= asyncio.get_running_loop().time():
            return None
        return camera.holder

    async def move(self, who: Principal, ref: ChannelRef, move: PtzMove, hold_s: float = HOLD_S) -> bool:
        """Move, or renew the move; returns True when `who` newly took the camera.

        Raises Busy (`ptz-held`), Unsupported (`no-ptz`), and what the device answers.
        """
        if move.is_stop:
            await self.stop(who, ref)
            return False
        camera = self._camera(ref, zoom_only=move.pan == move.tilt == 0.0)
        taken = self._take(camera, who)
        hold_s = min(max(hold_s, 0.1), self._config().hold_most)
        self._calm(camera)
        camera.want = move
        self._arm(camera, hold_s)
        await self._fly(camera)
        return taken

    async def lens(self, who: Principal, ref: ChannelRef, move: LensMove, hold_s: float = HOLD_S) -> bool:
        """Focus and iris move and stop as the camera does."""
        camera = self._camera(ref, lens=True)
        taken = self._take(camera, who)
        self._calm(camera)
        camera.lens = move
        handler = self._devices.handler(ref.device_id)
        if move == _LENS_STOP:
            self._stop_soon(camera)
            return taken
        self._arm(camera, min(max(hold_s, 0.1), self._config().hold_most))
        await handler.lens(camera.external_id, move)
        return taken

    async def stop(self, who: Principal, ref: ChannelRef) -> None:
        """Anybody who may move a camera may stop it, whoever holds it. Returns when the first stop is answered."""
        camera = self._camera(ref)
        log.debug("%s stops %s", who.name, ref)
        await _unless_overtaken(self._stop_soon(camera))

    async def take(self, who: Principal, ref: ChannelRef) -> bool:
        """Presets and cruises move the camera as well: they need it, and leave it to others at once."""
        camera = self._camera(ref)
        return self._take(camera, who)

    async def close(self) -> None:
        """The daemon stops: so does every camera that moves."""
        for camera in self._cameras.values():
            if camera.dead_man is not None:
                self._stop_soon(camera)
        pending = [c.stopping for c in self._cameras.values() if c.stopping is not None]
        if pending:
            await asyncio.wait(pending, timeout=1.0)
        for camera in self._cameras.values():
            for timer in (camera.dead_man, camera.release):
                if timer is not None:
                    timer.cancel()
            tasks = [t for t in (camera.flight, camera.stopping) if t is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # — within —

    def _camera(self, ref: ChannelRef, *, zoom_only: bool = False, lens: bool = False) -> _Camera:
        row = self._devices.channel(ref)
        ref = ChannelRef(ref.gateway, ref.device, row.key)
        has = row.capabilities
        if not (has.ptz or (zoom_only and has.zoom) or (lens and (has.focus or has.iris))):
            raise Unsupported(f"{ref} can not be moved", code="no-ptz")
        return self._cameras.setdefault(str(ref), _Camera(ref, row.external_id))

    def _take(self, camera: _Camera, who: Principal) -> bool:
        """Raises Busy with the holder's name when somebody of equal or higher right has it."""
        now = asyncio.get_running_loop().time()
        holder, priority = camera.holder, ptz_priority(who.role)
        mine = holder is not None and (holder.name, holder.session) == (who.name, who.session)
        held = holder is not None and camera.held_until > now
        if held and holder is not None and not mine and holder.priority >= priority:
            raise Busy(f"{camera.ref} is moved by {holder.name}", code="ptz-held")
        keep = self._config().keep
        camera.held_until = now + keep
        camera.holder = PtzHolder(who.name, who.session, priority, self._clock.wall() + keep)
        self._release_later(camera)
        if not (mine and held):
            self._bus.publish("ptz", str(camera.ref), camera.holder)
            return True
        return False

    def _release_later(self, camera: _Camera) -> None:
        loop = asyncio.get_running_loop()
        if camera.release is not None:
            camera.release.cancel()
        camera.release = loop.call_at(camera.held_until, self._release, camera)

    def _release(self, camera: _Camera) -> None:
        camera.release = None
        if camera.holder is not None:
            self._bus.publish("ptz", str(camera.ref), camera.holder, gone=True)
            camera.holder = None

    def _arm(self, camera: _Camera, hold_s: float) -> None:
        loop = asyncio.get_running_loop()
        if camera.dead_man is not None:
            camera.dead_man.cancel()
        camera.dead_man = loop.call_later(hold_s, self._stop_soon, camera)
        camera.held_until = max(camera.held_until, loop.time() + hold_s + self._config().keep)
        self._release_later(camera)

    def _calm(self, camera: _Camera) -> None:
        """A new move ends the repeated stops of the one before."""
        if camera.stopping is not None:
            camera.stopping.cancel()
            camera.stopping = None

    async def _fly(self, camera: _Camera) -> None:
        """Send the wanted move; moves that come while one is under way or too early become one, the latest."""
        if camera.flight is None or camera.flight.done():
            camera.flight = asyncio.create_task(self._send_moves(camera), name=f"move {camera.ref}")
        await _unless_overtaken(camera.flight)

    async def _send_moves(self, camera: _Camera) -> None:
        loop = asyncio.get_running_loop()
        while not camera.want.is_stop:
            since = loop.time() - camera.sent_at
            if camera.want == camera.sent and since < REPEAT_S:
                return
            if (wait := 1.0 / self._config().per_second - since) > 0:
                await asyncio.sleep(wait)
                continue
            camera.sent, camera.sent_at = camera.want, loop.time()
            await self._devices.handler(camera.ref.device_id).move(camera.external_id, camera.sent)

    def _stop_soon(self, camera: _Camera) -> asyncio.Future[None]:
        if camera.dead_man is not None:
            camera.dead_man.cancel()
            camera.dead_man = None
        camera.want = _STOP
        if camera.flight is not None:
            # Its retransmissions must not come after the stop.
            camera.flight.cancel()
        self._calm(camera)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answered.add_done_callback(_seen)
        camera.stopping = asyncio.create_task(self._stops(camera, answered), name=f"stop {camera.ref}")
        # Cancelled by a new move: then nobody need wait for the stop either.
        camera.stopping.add_done_callback(lambda _task: answered.cancel())
        return answered

    async def _stops(self, camera: _Camera, answered: asyncio.Future[None]) -> None:
        """`answered` is done at the first stop that the device took, or failed when it took none."""
        lens, camera.lens = camera.lens, _LENS_STOP
        failures: list[GatewayError] = []
        passed = 0.0
        # One that is not answered must not hold back the next.
        async with asyncio.TaskGroup() as group:
            for after in STOPS_AFTER_S:
                await asyncio.sleep(after - passed)
                passed = after
                group.create_task(self._stop_once(camera, lens, answered, failures))
        if not answered.done():
            log.warning("%s: no stop was taken: %s", camera.ref, failures[-1])
            answered.set_exception(failures[-1])

    async def _stop_once(
        self, camera: _Camera, lens: LensMove, answered: asyncio.Future[None], failures: list[GatewayError]
    ) -> None:
        camera.sent, camera.sent_at = _STOP, asyncio.get_running_loop().time()
        try:
            handler = self._devices.handler(camera.ref.device_id)
            await handler.move(camera.external_id, _STOP)
            if lens != _LENS_STOP:
                await handler.lens(camera.external_id, _LENS_STOP)
        except GatewayError as exc:
            failures.append(exc)
        except Exception as exc:
            log.exception("%s: stopping failed by a mistake of ours", camera.ref)
            failures.append(GatewayError(str(exc)))
        else:
            if not answered.done():
                answered.set_result(None)


async def _unless_overtaken(work: asyncio.Future[None]) -> None:
    """Wait for a move or stop; another one that overtook and cancelled it is no error of it."""
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise


def _seen(answered: asyncio.Future[None]) -> None:
    """Nobody may be waiting for it; its failure was logged."""
    if not answered.cancelled():
        answered.exception()
