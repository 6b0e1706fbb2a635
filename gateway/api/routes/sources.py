"""Sources that are pulled, programs that send and read, outputs; and what a technician does to them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gateway.api.auth import Administrator, AppServices, Technician, Viewer
from gateway.api.orders import give
from gateway.model.command import Action, ArgValue, CommandResult
from gateway.model.source import ProgramInfo, PushStatus, SourceInfo, SourceTest

router = APIRouter(prefix="/api/v1", tags=["sources"])

MAX_URL = 2048


class Address(BaseModel, extra="forbid"):
    url: str = Field(min_length=1, max_length=MAX_URL)


class NewSource(BaseModel, extra="forbid"):
    """A source to add. Without `id` the gateway gives it a short name."""

    url: str = Field(min_length=1, max_length=MAX_URL, description="rtsp://user:password@192.168.1.64/1#transport=udp")
    sub_url: str = Field("", max_length=MAX_URL, description="Its smaller picture")
    id: str = Field("", max_length=64, description="The device part of its id: `gate`")
    name: str = Field("", max_length=100, description="Shown to people")
    on_demand: bool = Field(True, description="false: opened at once and kept open")


class Secret(BaseModel):
    """Shown this once: it can not be read again, only made anew."""

    name: str
    secret: str


class Sources(BaseModel):
    """`schemes`: of URLs that can be opened now."""

    sources: list[SourceInfo]
    schemes: list[str]


@router.get("/sources")
async def sources(who: Viewer, services: AppServices) -> Sources:
    """Those of the configuration and those that people added; URLs are shown without credentials."""
    return Sources(sources=list(services.sources.sources(who)), schemes=list(services.sources.schemes(who)))


@router.post("/sources", response_model=CommandResult)
async def add(who: Technician, body: NewSource, services: AppServices) -> CommandResult | JSONResponse:
    """Add a source, or change one that was added before; it is kept over restarts."""
    args: dict[str, ArgValue] = {"url": body.url, "on_demand": body.on_demand}
    args |= {key: value for key, value in (("sub_url", body.sub_url), ("name", body.name)) if value}
    return await give(services, who, Action.SOURCE_ADD, body.id, args)


@router.post("/sources/test")
async def test(who: Technician, body: Address, services: AppServices) -> SourceTest:
    """Open a URL once, unseen, for at most 12 s: its tracks, or the reason why there is no picture."""
    return await services.sources.test(who, body.url)


@router.delete("/sources/{name}", response_model=CommandResult)
async def remove(who: Technician, name: str, services: AppServices) -> CommandResult | JSONResponse:
    """One that was added here; what stands in the configuration is taken out there."""
    return await give(services, who, Action.SOURCE_REMOVE, name)


@router.get("/pushes")
async def pushes(who: Viewer, services: AppServices) -> list[PushStatus]:
    """Outputs that the configuration names, and how each stands."""
    return list(services.sources.pushes(who))


@router.get("/programs")
async def programs(who: Technician, services: AppServices) -> list[ProgramInfo]:
    """Senders and readers that are no people, and what each does now."""
    return list(services.sources.programs(who))


@router.post("/programs/{name}/secret")
async def secret(who: Administrator, name: str, services: AppServices) -> Secret:
    """Make its password anew. The old one is good no more; connections that stand go on."""
    return Secret(name=name, secret=await services.sources.renew_program(who, name))
