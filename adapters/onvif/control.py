"""What the core asks of a camera: moves, lens, presets, places. `contract.device.DeviceHandler`.

A stop is the one order that must not fail. It is said in the way that worked last; refused, in the next way
(protocol.ptz.STOPS); and a second later the camera is asked whether it still turns: then in all ways anew, and people
are told (`ptz-not-stopped`) if that is of no use either. The camera's own time-out is set too, but many ignore it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.onvif.protocol import imaging, ptz
from adapters.onvif.protocol.imaging import Lens
from adapters.onvif.protocol.media import Profile
from adapters.onvif.protocol.ptz import STOPS, PresetNumbers
from adapters.onvif.protocol.soap import IMAGING, PTZ, SoapFault
from gateway.base.errors import GatewayError, LinkDown, NotFound, PeerError, Unsupported
from gateway.model.picture import PictureNow, PictureSettings
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove, PtzPlace

if TYPE_CHECKING:
    from adapters.onvif.camera import Camera

log = logging.getLogger(__name__)

LOOK_AFTER_S = 1.0
"""After a stop, when a camera that obeys has come to rest."""


class Control:
    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._lenses: dict[str, Lens] = {}
        self._numbers = PresetNumbers(camera.memory.presets)
        self._turns: dict[str, int] = {}
        self._looks: dict[str, asyncio.Task[None]] = {}
        self.stuck = False

    def lens_of(self, source: str) -> Lens:
        return self._lenses.get(source, Lens())

    async def learn(self) -> None:
        """What its lenses can do."""
        camera = self._camera
        self._lenses.clear()
        if IMAGING not in camera.line:
            return
        for source in list(dict.fromkeys(p.source for p in camera.profiles.values() if p.source))[:16]:
            options = moves = None
            with suppress(SoapFault):
                options = await camera.line.ask(IMAGING, imaging.get_options(source))
            with suppress(SoapFault):
                moves = await camera.line.ask(IMAGING, imaging.get_move_options(source))
            self._lenses[source] = imaging.read_lens(options, moves)

    async def settle(self) -> None:
        """It is gone, or we are."""
        looks = list(self._looks.values())
        self._looks.clear()
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    # — moves —

    async def move(self, channel: str, move: PtzMove) -> None:
        profile = self._profile(channel, can_move=True)
        turn = self._turns[channel] = self._turns.get(channel, 0) + 1
        if (look := self._looks.pop(channel, None)) is not None:
            look.cancel()
        if move.is_stop:
            try:
                await self._stop(profile)
            finally:
                # Also after an error: it is then that a camera may be turning still.
                self._looks[channel] = asyncio.create_task(
                    self._look(profile, turn), name=f"onvif {self._camera} looks after a stop"
                )
            return
        timeout = self._camera.move_timeout_s if self._camera.memory.timeout else None
        body = ptz.move(profile.token, move, pan=profile.can_pan, zoom=profile.can_zoom, timeout_s=timeout)
        try:
            await self._camera.line.ask(PTZ, body)
        except SoapFault as exc:
            if timeout is None:
                raise
            # Is it the time-out that it does not like?
            plain = ptz.move(profile.token, move, pan=profile.can_pan, zoom=profile.can_zoom, timeout_s=None)
            await self._camera.line.ask(PTZ, plain)
            log.info("%s moves without Timeout only: %s", self._camera, exc)
            self._camera.remember(timeout=False)

    async def _stop(self, profile: Profile, ways: Sequence[str] = ()) -> None:
        """Raises the first refusal when no way was taken."""
        camera = self._camera
        first: GatewayError | None = None
        known = camera.memory.stop
        ladder = ways or ((known, *(w for w in STOPS if w != known)) if known in STOPS else STOPS)
        for way in ladder:
            body = ptz.stop(profile.token, way, pan=profile.can_pan, zoom=profile.can_zoom)
            try:
                await camera.line.ask(PTZ, body)
            except LinkDown:
                raise  # the core repeats it; another way would not arrive either
            except GatewayError as exc:
                log.info("%s does not take %s: %s", camera, way, exc)
                first = first or exc
                continue
            if way != known and not ways:
                camera.remember(stop="" if way == STOPS[0] else way)
            return
        assert first is not None  # noqa: S101  (the ladder has rungs)
        raise first

    async def _look(self, profile: Profile, turn: int) -> None:
        """Has it stopped?"""
        camera = self._camera
        try:
            for ways in ((), *((way,) for way in STOPS)):
                if ways:
                    with suppress(PeerError):
                        await self._stop(profile, ways)
                await asyncio.sleep(LOOK_AFTER_S)
                if self._turns.get(profile.token) != turn:
                    return
                status = ptz.read_status(await camera.line.ask(PTZ, ptz.get_status(profile.token)))
                if not status.moving:
                    if ways:
                        log.warning("%s went on turning after its stop, and took %s", camera, ways[0])
                        camera.remember(stop="" if ways[0] == STOPS[0] else ways[0])
                    self._say(False)
                    return
            log.error("%s took no stop in any way", camera)
            self._say(True)
        except GatewayError as exc:
            log.info("%s can not be asked whether it has stopped: %s", camera, exc)

    def _say(self, stuck: bool) -> None:
        if stuck != self.stuck:
            self.stuck = stuck
            self._camera.told()

    async def go(self, channel: str, place: PtzPlace | None) -> None:
        """contract.device.GoesToPlaces."""
        profile = self._profile(channel, can_move=True)
        body = ptz.go_home(profile.token) if place is None else ptz.go(profile.token, place)
        await self._ask_ptz(body, "no home position" if place is None else "no absolute moves")

    # — presets —

    async def preset(self, channel: str, op: PresetOp, number: int, name: str) -> None:
        profile = self._profile(channel, can_move=True)
        token = self._numbers.token(number)
        if not token:
            # Not listed since our start, or made by somebody else meanwhile.
            with suppress(PeerError):
                await self.presets(channel)
            token = self._numbers.token(number)
        if op is PresetOp.SET:
            answer = await self._camera.line.ask(PTZ, ptz.set_preset(profile.token, name or str(number), token))
            self._numbers.put(ptz.read_preset_token(answer) or token or str(number), number)
        elif not token:
            raise NotFound(f"{self._camera} has no preset {number}")
        elif op is PresetOp.CALL:
            await self._camera.line.ask(PTZ, ptz.goto_preset(profile.token, token))
        else:
            await self._ask_ptz(ptz.remove_preset(profile.token, token), "presets that can not be deleted")
            self._numbers.drop(number)
        self._camera.remember(presets=self._numbers.as_dict())

    async def presets(self, channel: str) -> Sequence[Preset]:
        profile = self._profile(channel, can_move=True)
        told = ptz.read_presets(await self._camera.line.ask(PTZ, ptz.get_presets(profile.token)))
        listed = self._numbers.told(told)
        self._camera.remember(presets=self._numbers.as_dict())
        return listed

    async def cruise(self, channel: str, op: CruiseOp, number: int) -> None:
        raise Unsupported(f"{self._camera}: tours of ONVIF cameras are not driven")

    # — lens —

    async def lens(self, channel: str, move: LensMove) -> None:
        source = self._profile(channel).source
        lens = self.lens_of(source)
        line = self._camera.line
        if move.focus and not lens.focus:
            raise Unsupported(f"{self._camera}: its focus can not be moved", code="no-ptz")
        if move.iris and lens.iris is None:
            raise Unsupported(f"{self._camera}: its iris can not be set", code="no-ptz")
        if move.focus:
            await line.ask(IMAGING, imaging.focus(source, move.focus))
        elif lens.focus:
            await line.ask(IMAGING, imaging.stop(source))
        if move.iris and lens.iris is not None:
            now = imaging.read_iris(await line.ask(IMAGING, imaging.get_settings(source)))
            value = imaging.next_iris(lens.iris[1] if now is None else now, lens.iris, move.iris)
            await line.ask(IMAGING, imaging.set_iris(source, value))

    async def picture(self, channel: str, settings: PictureSettings) -> None:
        """contract.device.SetsPicture."""
        source = self._profile(channel).source
        lens = self.lens_of(source)
        if lacks := lens.lacks(settings):
            raise Unsupported(f"{self._camera} has no {lacks}", code="no-picture-setting")
        await self._camera.line.ask(IMAGING, imaging.set_picture(source, settings, lens))

    async def picture_now(self, channel: str) -> PictureNow:
        """contract.device.SetsPicture."""
        source = self._profile(channel).source
        lens = self.lens_of(source)
        if not lens.levels and not lens.filters:
            raise Unsupported(f"{self._camera} offers no image settings", code="no-picture-setting")
        return imaging.read_picture(await self._camera.line.ask(IMAGING, imaging.get_settings(source)), lens)

    async def key_frame(self, channel: str) -> None:
        await self._camera.offers.key_frame(self._profile(channel).token)

    async def refresh(self) -> None:
        self._camera.ask_again()

    # — within —

    def _profile(self, channel: str, *, can_move: bool = False) -> Profile:
        found = self._camera.profiles.get(channel)
        if found is None:
            raise LinkDown(f"{self._camera} has not told its profile {channel} yet", code="device-offline")
        if can_move and PTZ not in self._camera.line:
            raise Unsupported(f"{self._camera} can not be moved", code="no-ptz")
        return found

    async def _ask_ptz(self, body: str, lacks: str) -> None:
        try:
            await self._camera.line.ask(PTZ, body)
        except SoapFault as exc:
            if exc.fault.unsupported:
                raise Unsupported(f"{self._camera} has {lacks}: {exc.fault}") from exc
            raise
