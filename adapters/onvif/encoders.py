"""Encoders of a camera that are told to send less for a while, and are given back what they sent before.

What that was is remembered before the first word is said, so that a camera gets it back after whatever happened to it
or to us.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from adapters.onvif.protocol import media
from gateway.base.errors import GatewayError, Unsupported

if TYPE_CHECKING:
    from adapters.onvif.camera import Camera

log = logging.getLogger(__name__)

LEAST_BPS = 64_000


class CameraEncoders:
    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._limits: dict[str, int] = {}
        """By encoder: what is wished now."""

    async def limit(self, profile: str, bps: int) -> None:
        """contract.media.Offer.encoder, of one profile."""
        found = self._camera.profiles.get(profile)
        if found is None or not found.encoder:
            raise Unsupported(f"{self._camera} tells no encoder of {profile}")
        if bps:
            self._limits[found.encoder] = max(bps, LEAST_BPS)
        else:
            self._limits.pop(found.encoder, None)
        await self._set(found.encoder)

    async def settle(self) -> None:
        """It is (again) there: what is wished, or what was before."""
        known = {profile.encoder for profile in self._camera.profiles.values()}
        for encoder in [*self._limits, *self._camera.memory.bitrates]:
            if encoder not in known:
                continue
            try:
                await self._set(encoder)
            except GatewayError as exc:
                log.info("%s: its encoder %s stays as it is: %s", self._camera, encoder, exc)

    async def _set(self, encoder: str) -> None:
        camera = self._camera
        before = camera.memory.bitrates
        wished, was = self._limits.get(encoder), before.get(encoder)
        if wished is None and was is None:
            return
        space = camera.offers.space
        told = media.read_encoder(await camera.line.ask(space, media.get_encoder(space, encoder)), encoder)
        now = media.read_bitrate(told)
        if was is None:
            was = now
            camera.remember(bitrates={**before, encoder: was})
        bps = was if wished is None else min(wished, was)
        if now // 1000 != bps // 1000:
            await camera.line.ask(space, media.set_encoder(space, told, bps))
        if wished is None:
            camera.remember(bitrates={key: value for key, value in camera.memory.bitrates.items() if key != encoder})
