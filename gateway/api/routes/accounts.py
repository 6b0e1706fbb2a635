"""Accounts of people and tokens of programs: the administrator's."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gateway.api.auth import Administrator, AppServices
from gateway.api.orders import give
from gateway.model.command import Action, CommandResult
from gateway.model.principal import Role
from gateway.store.rows import Account, TokenInfo

router = APIRouter(prefix="/api/v1", tags=["accounts"])


class NewAccount(BaseModel, extra="forbid"):
    name: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)
    role: Role = Role.VIEWER
    scope: str = Field("", max_length=256)


class AccountChange(BaseModel, extra="forbid"):
    """What is left out stays."""

    password: str | None = Field(None, min_length=1, max_length=256)
    role: Role | None = None
    scope: str | None = Field(None, max_length=256)
    disabled: bool | None = None


class NewToken(BaseModel, extra="forbid"):
    name: str = Field(min_length=1, max_length=64, description="Who it acts as in the audit record")
    role: Role = Role.VIEWER
    scope: str = Field("", max_length=256)
    ttl_s: float = Field(90 * 86400.0, ge=60, le=3660 * 86400.0)
    note: str = Field("", max_length=256)


class TokenMade(BaseModel):
    """The only time that the token is seen."""

    token: str
    info: TokenInfo


@router.get("/accounts")
async def accounts(who: Administrator, services: AppServices) -> list[Account]:
    return list(services.accounts.accounts(who))


@router.post("/accounts", response_model=CommandResult)
async def add(who: Administrator, body: NewAccount, services: AppServices) -> CommandResult | JSONResponse:
    return await give(services, who, Action.ACCOUNT_ADD, body.name, body.model_dump(mode="json"))


@router.patch("/accounts/{name}", response_model=CommandResult)
async def change(
    who: Administrator, name: str, body: AccountChange, services: AppServices
) -> CommandResult | JSONResponse:
    args = {"name": name, **body.model_dump(mode="json", exclude_none=True)}
    return await give(services, who, Action.ACCOUNT_CHANGE, name, args)


@router.delete("/accounts/{name}", response_model=CommandResult)
async def remove(who: Administrator, name: str, services: AppServices) -> CommandResult | JSONResponse:
    return await give(services, who, Action.ACCOUNT_REMOVE, name, {"name": name})


@router.get("/tokens")
async def tokens(who: Administrator, services: AppServices) -> list[TokenInfo]:
    return list(services.accounts.tokens(who))


@router.post("/tokens", status_code=201)
async def issue(who: Administrator, body: NewToken, services: AppServices) -> TokenMade:
    issued = await services.accounts.issue(
        who, name=body.name, role=body.role, scope=body.scope, ttl_s=body.ttl_s, note=body.note
    )
    return TokenMade(token=issued.token, info=issued.info)


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke(who: Administrator, token_id: str, services: AppServices) -> None:
    await services.accounts.revoke(who, token_id)
