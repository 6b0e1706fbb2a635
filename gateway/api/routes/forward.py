"""Store and forward: what waits for the centers; at a center events and files of kits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response

from gateway.api.auth import Administrator, AppServices, Operator, Viewer
from gateway.model.forward import KeptEvent, KeptFile, Uplink, WaitingFile

router = APIRouter(prefix="/api/v1", tags=["forward"])

Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/outbox")
async def outbox(who: Viewer, services: AppServices) -> list[Uplink]:
    """Far sides, and what waits for each."""
    return list(services.forward.uplinks(who))


@router.get("/outbox/files")
async def outbox_files(who: Operator, services: AppServices) -> list[WaitingFile]:
    return list(await services.forward.waiting_files(who))


@router.delete("/outbox/{name:path}", status_code=204)
async def leave(who: Administrator, name: str, services: AppServices) -> Response:
    """Keep nothing for that far side any more, and drop what waits for it."""
    await services.forward.leave(who, name)
    return Response(status_code=204)


@router.get("/kit-events")
async def kit_events(
    who: Viewer,
    services: AppServices,
    gateway: str = "",
    after: int = 0,
    before: float | None = None,
    limit: Limit = 200,
) -> list[KeptEvent]:
    """Newest first. `after`: a `number`; `before` (unix seconds of `received_at`) pages backwards."""
    return list(await services.forward.events(who, gateway=gateway, after=after, before=before, limit=limit))


@router.get("/kit-files")
async def kit_files(
    who: Viewer, services: AppServices, gateway: str = "", before: float | None = None, limit: Limit = 200
) -> list[KeptFile]:
    """Newest first; with how much of each is here."""
    return list(await services.forward.files(who, gateway=gateway, before=before, limit=limit))


@router.get("/kit-files/{gateway}/{file}/file", response_class=FileResponse)
async def kit_file(who: Viewer, gateway: str, file: str, services: AppServices) -> FileResponse:
    found, path = await services.forward.file(who, gateway, file)
    # Whoever sent it names its type: a browser must not run it.
    headers = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type="application/octet-stream", filename=found.file.name, headers=headers)
