"""Positions, each with its datum, source, accuracy and time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.auth import AppServices, Viewer
from gateway.model.position import Position

router = APIRouter(prefix="/api/v1/positions", tags=["positions"])


@router.get("")
async def latest(who: Viewer, services: AppServices) -> list[Position]:
    """The newest of every device and channel."""
    return list(services.positions.latest(who))


@router.get("/{device:path}/trail")
async def trail(
    who: Viewer,
    device: str,
    services: AppServices,
    channel: str = "",
    since: float = 0.0,
    limit: Annotated[int, Query(ge=1, le=10000)] = 1000,
) -> list[Position]:
    """Where a device was, oldest first, thinned. Looking at it is audited."""
    return list(await services.positions.trail(who, device, channel=channel, since=since, limit=limit))
