"""Streams: what can be watched, where each stands, who watches, and its camera's presets and holder."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from gateway.api.auth import AppServices, Viewer
from gateway.core.facts import ViewingInfo
from gateway.model.media import StreamStatus
from gateway.model.picture import PictureNow
from gateway.model.ptz import Preset, PtzHolder

JPEG = "image/jpeg"

router = APIRouter(prefix="/api/v1", tags=["streams"])


class PtzView(BaseModel):
    """Who moves the camera now (nobody: null) and where it can be sent."""

    holder: PtzHolder | None
    presets: list[Preset]


@router.get("/streams")
async def streams(who: Viewer, services: AppServices, q: str = "") -> list[StreamStatus]:
    await services.figures.fresh()
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


@router.get("/streams/{ref:path}/picture")
async def picture(who: Viewer, ref: str, services: AppServices) -> PictureNow:
    """Asks the camera for its image settings, what of them can be set, and its own ranges; set by `picture.set`."""
    return await services.pictures.now(who, services.directory.stream(who, ref).id)


@router.get("/streams/{ref:path}/snapshot.jpg", response_class=Response, responses={200: {"content": {JPEG: {}}}})
async def snapshot(
    who: Viewer,
    ref: str,
    services: AppServices,
    height: Annotated[int, Query(ge=0, le=2160)] = 0,
    quality: Annotated[int, Query(ge=1, le=100)] = 75,
    last: bool = False,
) -> Response:
    """A JPEG of now. `Fieldgate-Picture-Age` says how many seconds old the picture is; a stream that nobody watches is
    opened for it. `last`: where none can be had, the last one that was made, however old."""
    stream = services.directory.stream(who, ref).id
    made = await services.snapshots.take(stream, who, height=height, quality=quality, last=last)
    age_s = made.age_s + max(0.0, services.now() - made.made_at)
    headers = {
        "Age": str(int(age_s)),
        "Fieldgate-Picture-Age": f"{age_s:.2f}",
        "Fieldgate-Picture-Size": f"{made.width}x{made.height}",
        "Cache-Control": "private, no-store",
    }
    return Response(made.jpeg, media_type=JPEG, headers=headers)


@router.get("/streams/{ref:path}")
async def stream(who: Viewer, ref: str, services: AppServices) -> StreamStatus:
    """State, reason, tracks and live figures."""
    await services.figures.fresh()
    return services.directory.stream(who, ref)
