"""Meshes: who hears whom now, and as it was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.auth import AppServices, Viewer
from gateway.model.mesh import MeshMark, MeshSnapshot

router = APIRouter(prefix="/api/v1/meshes", tags=["meshes"])


@router.get("")
async def meshes(who: Viewer, services: AppServices) -> list[MeshSnapshot]:
    """Each mesh as it is now. `age_s` counts from the snapshot's `at`."""
    return list(services.meshes.snapshots(who))


@router.get("/{mesh}/marks")
async def marks(
    who: Viewer,
    mesh: str,
    services: AppServices,
    hours: Annotated[float, Query(gt=0, le=24)] = 24.0,
    most: Annotated[int, Query(ge=1, le=2000)] = 480,
) -> list[MeshMark]:
    """Moments of its history that can be asked for, oldest first."""
    return list(services.meshes.marks(who, mesh, hours=hours, most=most))


@router.get("/{mesh}/at/{at}")
async def at(who: Viewer, mesh: str, at: float, services: AppServices) -> MeshSnapshot:
    """As it was at that time (unix seconds)."""
    return services.meshes.at(who, mesh, at)
