"""Short messages: what was sent and came, who carries them; records that kits sent by them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.auth import AppServices, Operator, Technician, Viewer
from gateway.model.telemetry import KitRecord
from gateway.model.texts import Arrived, CarrierState, TextIn, TextOut

router = APIRouter(prefix="/api/v1", tags=["texts"])

Before = Annotated[int | None, Query(ge=0, le=2**62)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Number = Annotated[str, Query(max_length=64)]


class NewText(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str = Field(max_length=64, description="+8613800000000, bd:0412345 (BeiDou), sbd: (Iridium)")
    body: str = Field(min_length=1, max_length=1600)
    id: str = Field(
        "", max_length=64, pattern="^[A-Za-z0-9_.:-]*$", description="the same again: the same message, once"
    )
    urgent: bool = Field(False, description="before all others")
    max_age_s: float | None = Field(None, gt=0, le=30 * 86400, description="given up when it is older")
    carrier: str = Field("", max_length=80, description="the one that shall send it; empty: any")


class CameIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sender: str = Field(min_length=1, max_length=64)
    body: str = Field(max_length=2000)
    mark: str = Field("", max_length=64, description="the provider's id of it: the same again is not taken twice")
    carrier: str = Field("provider", max_length=64)
    sent_at: float | None = Field(None, ge=0, le=4e9, allow_inf_nan=False, description="unix seconds")


@router.get("/texts/out")
async def out(
    who: Operator, services: AppServices, before: Before = None, limit: Limit = 200, number: Number = ""
) -> list[TextOut]:
    """Newest first; `before` (a message's `number`) pages backwards; `number`: with that in the far side's number."""
    return list(await services.texts.out(who, before=before, limit=limit, number=number))


@router.get("/texts/in")
async def came(
    who: Operator, services: AppServices, before: Before = None, limit: Limit = 200, number: Number = ""
) -> list[TextIn]:
    """Newest first; `before` (a message's `number`) pages backwards; `number`: with that in the far side's number."""
    return list(await services.texts.came(who, before=before, limit=limit, number=number))


@router.get("/texts/carriers")
async def carriers(who: Operator, services: AppServices) -> list[CarrierState]:
    return list(services.texts.carriers(who))


@router.post("/texts/out", status_code=202)
async def send(who: Operator, text: NewText, services: AppServices) -> TextOut:
    """It waits on the disk when this returns, and goes as soon as somebody can carry it."""
    return await services.texts.send(
        who, text.to, text.body, id_=text.id, urgent=text.urgent, max_age_s=text.max_age_s, carrier=text.carrier
    )


@router.delete("/texts/out/{text}")
async def cancel(who: Operator, text: str, services: AppServices) -> TextOut:
    """One that is under way or gone stays as it is."""
    return await services.texts.cancel(who, text)


@router.post("/texts/in/{text}/seen")
async def seen(who: Operator, text: str, services: AppServices) -> TextIn:
    return await services.texts.seen(who, text)


@router.post("/texts/in", status_code=202)
async def arrived(who: Technician, text: CameIn, services: AppServices) -> bool:
    """For programs that get short messages from a provider; true when it was new. It is kept when this returns."""
    one = Arrived(text.sender, text.body, text.mark, sent_at=text.sent_at)
    return await services.texts.arrived(who, one, text.carrier)


@router.get("/kits/{gateway}/records")
async def records(who: Viewer, gateway: str, services: AppServices, limit: Limit = 100) -> list[KitRecord]:
    """What a kit told by short messages when nothing else was left, newest first."""
    return list(await services.texts.records(who, gateway, limit))
