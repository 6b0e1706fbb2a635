"""The flat directory: every device with its channels, and where each stream of it stands, in one answer."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.api.auth import AppServices, Viewer
from gateway.model.device import Device
from gateway.model.media import StreamStatus

router = APIRouter(prefix="/api/v1", tags=["directory"])


class Directory(BaseModel):
    """`cursor` is the newest event's that this picture includes: follow on from it at /api/v1/events."""

    gateway: str
    cursor: int
    devices: list[Device]
    streams: list[StreamStatus]


@router.get("/directory")
async def directory(who: Viewer, services: AppServices, q: str = "") -> Directory:
    """Devices and streams in the asker's scope; `q` is looked for in names, ids, external ids and aliases."""
    await services.figures.fresh()
    return Directory(
        gateway=services.gateway,
        cursor=services.bus.cursor,
        devices=list(services.directory.devices(who, q[:128])),
        streams=list(services.directory.streams(who, q[:128])),
    )
