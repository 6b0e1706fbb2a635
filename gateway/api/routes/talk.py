"""Talk groups, who spoke when, levels, what can be talked to; and the list of calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.auth import AppServices, Operator, Viewer
from gateway.core.facts import EndpointInfo
from gateway.model.voice import CallStatus, GroupStatus, Spurt

router = APIRouter(prefix="/api/v1", tags=["talk"])


@router.get("/talk")
async def groups(who: Viewer, services: AppServices) -> list[GroupStatus]:
    """Talk groups and conversations, each with its members and its floor."""
    return list(services.talk.groups(who))


@router.get("/talk/endpoints")
async def endpoints(who: Viewer, services: AppServices) -> list[EndpointInfo]:
    """What can be talked to and invited: radio channels, loudspeakers."""
    return list(services.talk.endpoints(who))


@router.get("/talk/{group:path}/spurts")
async def spurts(
    who: Viewer,
    group: str,
    services: AppServices,
    before: float | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[Spurt]:
    """Who spoke when, newest first; `before` (unix seconds of `began`) pages backwards."""
    return list(await services.talk.spurts(who, group, before=before, limit=limit))


@router.get("/talk/{group:path}/levels")
async def levels(who: Viewer, group: str, services: AppServices) -> dict[str, float]:
    """What each member with a voice says, in dBFS of the last 100 ms. The events' WebSocket has them five times a
    second for whoever asks there: `{"type": "levels", "group": "ops", "on": true}`."""
    return dict(services.talk.levels(who, group))


@router.get("/talk/{group:path}")
async def group(who: Viewer, group: str, services: AppServices) -> GroupStatus:
    """By id, short name or number."""
    return services.talk.group(who, group)


@router.get("/calls")
async def calls(who: Operator, services: AppServices) -> list[CallStatus]:
    """Calls that stand, then those that ended, newest first. Whom one called is for operators."""
    return list(services.talk.calls(who))
