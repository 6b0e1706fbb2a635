"""Store and forward: what waits for the centers; at a center events and files of kits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from starlette.requests import ClientDisconnect

from gateway.api.auth import Administrator, AppServices, Operator, Viewer
from gateway.base.errors import LinkDown
from gateway.model.forward import ForwardFile, KeptEvent, KeptFile, Uplink, WaitingFile

router = APIRouter(prefix="/api/v1", tags=["forward"])

Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/outbox")
async def outbox(who: Viewer, services: AppServices) -> list[Uplink]:
    """Far sides, and what waits for each."""
    return list(services.forward.uplinks(who))


@router.get("/outbox/files")
async def outbox_files(who: Operator, services: AppServices) -> list[WaitingFile]:
    return list(await services.forward.waiting_files(who))


BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}, "required": True}


@router.post("/outbox/files", status_code=201, openapi_extra={"requestBody": BYTES})
async def send(
    who: Operator,
    request: Request,
    services: AppServices,
    name: Annotated[str, Query(max_length=120, description="what the file is called")] = "",
    device: Annotated[str, Query(max_length=200, description="whose recording it is; empty: the gateway's")] = "",
) -> ForwardFile:
    """A recording, or any other file, for the centers: the body is its bytes. It waits until each of them has it."""
    return await services.forward.send(who, name, device, _pieces(request))


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


@router.delete("/kit-files/{gateway}/{file}", status_code=204)
async def remove_kit_file(who: Administrator, gateway: str, file: str, services: AppServices) -> Response:
    """For good: its kit has it no more."""
    await services.forward.remove(who, gateway, file)
    return Response(status_code=204)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as exc:
        raise LinkDown("whoever sent the file stopped before its end") from exc
