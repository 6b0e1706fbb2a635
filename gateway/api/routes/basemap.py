"""The console's base map: one PMTiles file on this machine, read by pieces. Nothing is asked of the internet."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel

from gateway.api.auth import AppServices, Viewer
from gateway.base.errors import NotFound

MEDIA_TYPE = "application/vnd.pmtiles"

router = APIRouter(prefix="/api/v1/map", tags=["map"])


class MapInfo(BaseModel):
    """`datum`: what the base map is drawn in; positions are moved to it by whoever draws."""

    tiles: bool
    datum: str
    attribution: str


@router.get("")
async def info(_: Viewer, services: AppServices) -> MapInfo:
    """Whether there is a base map."""
    told = services.config().map
    there = told.file is not None and told.file.is_file()
    return MapInfo(tiles=there, datum=told.datum, attribution=told.attribution)


@router.get("/tiles.pmtiles", response_class=FileResponse, responses={200: {"content": {MEDIA_TYPE: {}}}})
async def tiles(_: Viewer, services: AppServices) -> FileResponse:
    """By Range (RFC 9110 §14): a map of a province is gigabytes, and a reader takes kilobytes of it."""
    file = services.config().map.file
    if file is None or not file.is_file():
        raise NotFound("there is no base map: see [map] in the configuration", code="map-none")
    return FileResponse(file, media_type=MEDIA_TYPE, headers={"Cache-Control": "private, max-age=3600"})
