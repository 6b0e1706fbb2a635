"""Devices: those admitted, those that knock, and the technician's acts on them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gateway.api.auth import AppServices, Technician, Viewer
from gateway.api.orders import give
from gateway.model.command import Action, CommandResult
from gateway.model.device import Device, DeviceState, PendingDevice

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])


class Admission(BaseModel, extra="forbid"):
    """A device to let in. Without `password` it uses the kit's; without `id` the gateway gives it one."""

    external_id: str = Field(min_length=1, max_length=64)
    scheme: str = Field("gb28181", max_length=32)
    name: str = Field("", max_length=128)
    id: str = Field("", max_length=64, description="The wished device part of its id: `gate-camera`")
    password: str = Field("", max_length=128)
    user: str = Field("", max_length=64, description="Where the device knows user names (ONVIF)")


class Naming(BaseModel, extra="forbid"):
    name: str = Field(min_length=1, max_length=128)


@router.get("")
async def devices(
    who: Viewer, services: AppServices, q: str = "", state: DeviceState | None = None, scheme: str = ""
) -> list[Device]:
    return list(services.directory.devices(who, q[:128], state=state, scheme=scheme))


@router.get("/pending")
async def pending(who: Technician, services: AppServices) -> list[PendingDevice]:
    """Who knocked and was refused, newest first."""
    return list(services.directory.pending(who))


@router.post("", response_model=CommandResult)
async def admit(who: Technician, body: Admission, services: AppServices) -> CommandResult | JSONResponse:
    args = {key: value for key, value in body.model_dump(exclude={"id"}).items() if value}
    return await give(services, who, Action.DEVICE_ADMIT, body.id, args)


@router.post("/{ref:path}/refresh", response_model=CommandResult)
async def refresh(who: Technician, ref: str, services: AppServices) -> CommandResult | JSONResponse:
    """Ask the device for its catalogue and description again."""
    return await give(services, who, Action.DEVICE_REFRESH, ref)


@router.get("/{ref:path}")
async def device(who: Viewer, ref: str, services: AppServices) -> Device:
    return services.directory.device(who, ref)


@router.patch("/{ref:path}", response_model=CommandResult)
async def rename(who: Technician, ref: str, body: Naming, services: AppServices) -> CommandResult | JSONResponse:
    return await give(services, who, Action.DEVICE_RENAME, ref, {"name": body.name})


@router.delete("/{ref:path}", response_model=CommandResult)
async def forget(who: Technician, ref: str, services: AppServices) -> CommandResult | JSONResponse:
    """Take its admission back; it may knock again."""
    return await give(services, who, Action.DEVICE_FORGET, ref)
