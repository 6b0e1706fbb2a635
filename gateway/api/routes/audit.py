"""The audit record: the auditor's, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic_core import to_json

from gateway.api.auth import AppServices, Auditor
from gateway.api.orders import give
from gateway.model.command import Action
from gateway.store.rows import AuditRow, AuditVerdict

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


@router.get("")
async def rows(
    who: Auditor,
    services: AppServices,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> list[AuditRow]:
    """Rows with a number greater than `after`, ascending. The reading itself is recorded."""
    return list(await services.audit.read(who, after=after, limit=limit))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}, "description": "JSON lines"}},
)
async def export(who: Auditor, services: AppServices) -> Response:
    """The whole record as JSON lines, rows with their digests, then the head with its seal. This is recorded itself."""
    given = await give(services, who, Action.EXPORT, "audit")
    if isinstance(given, JSONResponse):
        return given

    async def lines() -> AsyncIterator[bytes]:
        async for row in services.audit.export(who):
            yield to_json(row) + b"\n"

    name = f"audit-{services.gateway}.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


@router.get("/verify")
async def verify(who: Auditor, services: AppServices) -> AuditVerdict:
    """Check the whole chain: whether anything was changed, taken out or put in."""
    return await services.audit.verify(who)
