"""Alarms, newest first, and their acknowledgement."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from gateway.api.auth import AppServices, Operator, Viewer
from gateway.api.orders import give
from gateway.model.alarm import Alarm
from gateway.model.command import Action, CommandResult

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"])


@router.get("")
async def alarms(
    who: Viewer,
    services: AppServices,
    device: str = "",
    open_only: bool = False,
    before: float | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[Alarm]:
    """`before` (unix seconds of `received_at`) pages backwards."""
    return list(await services.alarms.recent(who, device=device, open_only=open_only, before=before, limit=limit))


@router.post("/{alarm}/acknowledge", response_model=CommandResult)
async def acknowledge(who: Operator, alarm: str, services: AppServices) -> CommandResult | JSONResponse:
    return await give(services, who, Action.ALARM_ACKNOWLEDGE, alarm)
