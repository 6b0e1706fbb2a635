"""Doors of pictures and voices while the adapter that serves them does not run: they say why, not "there is no such".

Adapters' own routes come before all others; who gets here found none of them.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from gateway.api.auth import AppServices, Viewer
from gateway.api.problems import respond

router = APIRouter(tags=["adapters"], include_in_schema=False)


@router.post("/whep/{stream:path}")
@router.post("/whip/{stream:path}")
@router.post("/talk/{target:path}")
async def away(_: Viewer, services: AppServices) -> JSONResponse:
    """503 with the adapter's own reason, as a port that is taken."""
    found = next((one for one in services.daemon.adapters() if one.type == "webrtc"), None)
    if found is None or not found.code:
        return respond("adapter-off", "webrtc", status=503)
    return respond(found.code, f"webrtc: {found.detail}", status=503)
