"""Streams: what can be watched, where each stands, who watches, and its camera's presets and holder."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.api.auth import AppServices, Viewer
from gateway.core.services import ViewingInfo
from gateway.model.media import StreamStatus
from gateway.model.ptz import Preset, PtzHolder

router = APIRouter(prefix="/api/v1", tags=["streams"])


class PtzView(BaseModel):
    """Who moves the camera now (nobody: null) and where it can be sent."""

    holder: PtzHolder | None
    presets: list[Preset]


@router.get("/streams")
async def streams(who: Viewer, services: AppServices, q: str = "") -> list[StreamStatus]:
    return list(services.directory.streams(who, q[:128]))


@router.get("/viewings")
async def viewings(who: Viewer, services: AppServices) -> list[ViewingInfo]:
    """Who watches what, in the asker's scope."""
    return list(services.sessions.viewings(who))


@router.get("/streams/{ref:path}/ptz")
async def ptz(who: Viewer, ref: str, services: AppServices) -> PtzView:
    """Asks the device for its presets; what was kept answers when it can not be asked."""
    stream = services.directory.stream(who, ref).id
    return PtzView(holder=services.ptz.holder(stream), presets=list(await services.ptz.presets(who, stream)))


@router.get("/streams/{ref:path}")
async def stream(who: Viewer, ref: str, services: AppServices) -> StreamStatus:
    """State, reason, tracks and live figures."""
    return services.directory.stream(who, ref)
