"""What a center shows of its kits' cameras: who holds them is told by the kit, presets and picture are asked of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.base.errors import GatewayError, PeerError, RemoteProtocolError
from gateway.contract.home import ApiRequest
from gateway.core.far_kit import FarKit
from gateway.model.picture import PictureNow
from gateway.model.principal import Principal
from gateway.model.ptz import Preset
from gateway.model.reason import far_code
from gateway.wire.records import record

if TYPE_CHECKING:
    from gateway.core.fleet import Fleet

MOST = 255


class FarPtz:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def kit_of(self, stream: str) -> FarKit | None:
        return self._fleet.known(stream.partition("/")[0])

    async def presets(self, kit: FarKit, who: Principal, stream: str) -> Sequence[Preset]:
        """None where it can not be asked now, as of a camera of our own that does not answer."""
        if (bundle := kit.bundle()) is None:
            return ()
        try:
            answer = await bundle.api(ApiRequest("GET", f"/api/v1/streams/{stream}/ptz"), who)
        except GatewayError:
            return ()
        if answer.status != 200:
            return ()
        try:
            told = json.loads(answer.body)["presets"][:MOST]
            return [record(Preset, one) for one in told]
        except (ValueError, TypeError, KeyError) as exc:
            raise RemoteProtocolError(f"{kit.gateway}: {exc}", code="record-damaged") from exc

    async def picture(self, kit: FarKit, who: Principal, stream: str) -> PictureNow:
        """Raises what the kit refuses with, LinkDown where it can not be asked."""
        answer = await kit.carrying().api(ApiRequest("GET", f"/api/v1/streams/{stream}/picture"), who)
        try:
            told = json.loads(answer.body)
            if answer.status != 200:
                code = far_code(str(told["code"])[:64])
                raise PeerError(str(told.get("detail", ""))[:500], code=code, status=answer.status)
            return record(PictureNow, told)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise RemoteProtocolError(f"{kit.gateway}: {exc}", code="record-damaged") from exc
