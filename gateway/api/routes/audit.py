"""The audit record: the auditor's, and nobody else's."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.auth import AppServices, Auditor
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


@router.get("/verify")
async def verify(who: Auditor, services: AppServices) -> AuditVerdict:
    """Check the whole chain: whether anything was changed, taken out or put in."""
    return await services.audit.verify(who)
