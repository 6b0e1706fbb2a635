"""Which engine places a call: the one that its route names. PJSIP's is made when the first call wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.sip.engine import NO_VIDEO, Leg, LegOwner, SipEngine, VideoWish
from adapters.sip.native import NativeEngine
from adapters.sip.routing import Route
from gateway import codecs

if TYPE_CHECKING:
    from adapters.sip.pjsua2.engine import PjsuaEngine


class EngineChoice:
    """Implements `SipEngine`."""

    name = "native"

    def __init__(self, media: codecs.Engine, native: NativeEngine) -> None:
        self._media = media
        self._native = native
        self._pjsua2: PjsuaEngine | None = None

    async def place(self, route: Route, owner: LegOwner, video: VideoWish = NO_VIDEO, *, replaces: str = "") -> Leg:
        return await self._of(route).place(route, owner, video, replaces=replaces)

    def standing(self) -> int:
        """PJSIP's; the native engine, which takes the calls that come in too, is counted beside it."""
        return self._pjsua2.standing() if self._pjsua2 is not None else 0

    @property
    def deaths(self) -> int:
        """Workers of PJSIP that died."""
        return self._pjsua2.deaths if self._pjsua2 is not None else 0

    async def close(self) -> None:
        """Workers end; after the calls have."""
        if self._pjsua2 is not None:
            await self._pjsua2.close()

    def _of(self, route: Route) -> SipEngine:
        if route.engine != "pjsua2":
            return self._native
        if self._pjsua2 is None:
            from adapters.sip.pjsua2.engine import PjsuaEngine  # its parts only where a trunk is set to it

            self._pjsua2 = PjsuaEngine(self._media)
        return self._pjsua2
