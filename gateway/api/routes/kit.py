"""The kit itself: power, heat, disk, clock and place, and the field team's word."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.api.auth import AppServices, Viewer
from gateway.api.problems import Words
from gateway.core.rights import in_scope
from gateway.model.kit_state import FieldState, KitCondition
from gateway.model.reason import reason

router = APIRouter(prefix="/api/v1/kit", tags=["kit"])


class Standing(BaseModel):
    """`cause` and `cure` are those of the word's one reason; empty where all is well."""

    condition: KitCondition
    field: FieldState
    cause: Words
    cure: Words


@router.get("")
async def kit(who: Viewer, services: AppServices) -> Standing:
    """How this machine stands, at a center as at a kit. Changes come as events `condition`, `field` and `clock`."""
    state, condition = services.kit.field, services.kit.condition
    if not in_scope(who, services.gateway):
        condition = replace(condition, place=None)  # who sees one device here is not told where the kit is
    words = reason(state.code) if state.code else None
    return Standing(
        condition=condition,
        field=state,
        cause=Words(en=words.cause_en if words else "", zh=words.cause_zh if words else ""),
        cure=Words(en=words.cure_en if words else "", zh=words.cure_zh if words else ""),
    )
