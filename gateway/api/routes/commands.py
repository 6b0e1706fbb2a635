"""Orders: the one way to move, admit, acknowledge and change anything."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from gateway.api.auth import Anyone, AppServices
from gateway.api.orders import Order, carry_out
from gateway.model.command import CommandResult

router = APIRouter(prefix="/api/v1", tags=["commands"])


@router.post("/commands", response_model=CommandResult)
async def command(who: Anyone, order: Order, services: AppServices) -> CommandResult | JSONResponse:
    """Give an order. The core checks the rights, carries it out once per `id`, and writes it into the audit record."""
    return await carry_out(services, who, order)
