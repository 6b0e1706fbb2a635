"""From a request to a Command and from its result to an answer: every act goes this one way."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gateway.api.problems import MEDIA_TYPE, problem
from gateway.core.services import Services
from gateway.model.command import Action, ArgValue, Command, CommandResult, Outcome
from gateway.model.principal import Principal

DEADLINE_S = 10.0
LONGEST_S = 60.0


class Order(BaseModel, extra="forbid"):
    """An order as it is posted. With an `id` of your own it is carried out once, however often it is sent."""

    action: Action
    target: str = Field("", max_length=256, description="gateway/device[/channel]; the gateway part may be left out")
    args: dict[str, ArgValue] = Field(default_factory=dict, max_length=32)
    id: str = Field("", max_length=64, description="Any unique text; made here when empty")
    deadline: float | None = Field(None, description="Unix seconds after which it is not carried out any more")


async def give(
    services: Services, who: Principal, action: Action, target: str = "", args: Mapping[str, ArgValue] | None = None
) -> CommandResult | JSONResponse:
    """Give an order made here."""
    return await carry_out(services, who, Order(action=action, target=target, args=dict(args or {})))


async def carry_out(services: Services, who: Principal, order: Order) -> CommandResult | JSONResponse:
    """Execute; what was refused or failed becomes a problem document with `instance` naming the order."""
    result = await execute(services, who, order)
    if result.outcome is Outcome.DONE:
        return result
    content = problem_of(result)
    return JSONResponse(content, status_code=content["status"], media_type=MEDIA_TYPE)


async def execute(services: Services, who: Principal, order: Order) -> CommandResult:
    """The order as the core's Command, with an id and a deadline where it brought none."""
    now = services.now()
    deadline = min(order.deadline if order.deadline is not None else now + DEADLINE_S, now + LONGEST_S)
    command = Command(
        id=order.id or uuid.uuid4().hex,
        actor=who,
        action=order.action,
        target=order.target,
        deadline=deadline,
        args=order.args,
    )
    return await services.commands.execute(command)


def problem_of(result: CommandResult) -> dict[str, Any]:
    """The problem document of an order that was not done."""
    told = problem(result.code or "internal", result.detail, status=_status(result))
    return {**told.model_dump(), "instance": f"urn:fieldgate:order:{result.id}", "outcome": result.outcome.value}


def _status(result: CommandResult) -> int | None:
    """Refused orders are the asker's matter (409), failed ones the device's (502), unless the code says more."""
    told = problem(result.code or "internal")
    if told.status != 500 or result.code in ("", "internal"):
        return told.status
    return 409 if result.outcome is Outcome.REFUSED else 502
