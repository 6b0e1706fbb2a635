"""The ways northward of this gateway: how they stand, and how they were."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.auth import AppServices, Viewer
from gateway.model.kit import LinkTrail
from gateway.model.link import Link

router = APIRouter(prefix="/api/v1/links", tags=["links"])


@router.get("")
async def links(who: Viewer, services: AppServices) -> list[Link]:
    """Bearers and interfaces, by name, with what each carries now and why not."""
    return list(services.links.links(who))


@router.get("/trails")
async def trails(
    who: Viewer,
    services: AppServices,
    hours: Annotated[float, Query(ge=0, le=24)] = 24.0,
    points: Annotated[int, Query(ge=1, le=8640)] = 1440,
) -> list[LinkTrail]:
    """A sample every ten seconds over the last day, thinned to at most `points`: means, but the worst loss."""
    return list(await services.links.trails(who, hours, points))
