"""Searching the network for cameras, sources and streams, and taking in what was found."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gateway.api.auth import AppServices, Technician
from gateway.api.orders import give
from gateway.model.command import Action, ArgValue, CommandResult
from gateway.model.discovery import Find, SearchStatus

router = APIRouter(prefix="/api/v1/discover", tags=["discover"])


class SearchOrder(BaseModel, extra="forbid"):
    """`ways`: of ws-discovery, mdns, ssdp, wire, with commas between; "all"; empty: those that ask."""

    seconds: float = Field(8.0, gt=0, le=600)
    ways: str = Field("", max_length=64)
    interface: str = Field("", max_length=15, description="That network alone: `eth0`")


class Adoption(BaseModel, extra="forbid"):
    """Take a find in. A camera without `password` uses the kit's."""

    key: str = Field(min_length=1, max_length=64)
    id: str = Field("", max_length=64, description="The wished device part of its id: `gate-camera`")
    name: str = Field("", max_length=100)
    user: str = Field("", max_length=64)
    password: str = Field("", max_length=128)


class Found(BaseModel):
    search: SearchStatus
    finds: list[Find]


@router.get("")
async def found(who: Technician, services: AppServices) -> Found:
    """The search now under way, or the last one, and what it has found so far."""
    return Found(search=services.discovery.status(who), finds=list(services.discovery.finds(who)))


@router.post("", response_model=CommandResult)
async def start(who: Technician, body: SearchOrder, services: AppServices) -> CommandResult | JSONResponse:
    args: dict[str, ArgValue] = {"seconds": body.seconds, "ways": body.ways, "interface": body.interface}
    return await give(services, who, Action.DISCOVER_START, "", args)


@router.delete("", response_model=CommandResult)
async def stop(who: Technician, services: AppServices) -> CommandResult | JSONResponse:
    return await give(services, who, Action.DISCOVER_STOP)


@router.post("/adopt", response_model=CommandResult)
async def adopt(who: Technician, body: Adoption, services: AppServices) -> CommandResult | JSONResponse:
    args: dict[str, ArgValue] = {key: value for key, value in body.model_dump(exclude={"id"}).items() if value}
    return await give(services, who, Action.DISCOVER_ADOPT, body.id, args)
