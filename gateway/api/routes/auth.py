"""Signing in and out: by name and password, or by the one-time code of a printed link."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gateway.api.auth import Anyone, AppServices, Technician, authenticator_of
from gateway.api.authenticator import client_address, csrf_token, same_origin
from gateway.api.orders import give
from gateway.base.errors import Denied
from gateway.core.facts import Issued
from gateway.model.command import Action, CommandResult
from gateway.model.principal import Role

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])


class Login(BaseModel, extra="forbid"):
    name: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)


class NewPassword(BaseModel, extra="forbid"):
    old: str = Field(min_length=1, max_length=256)
    new: str = Field(min_length=1, max_length=256)


class Code(BaseModel, extra="forbid"):
    code: str = Field(min_length=4, max_length=128)


class Who(BaseModel):
    """Who is signed in. `csrf` goes into X-CSRF-Token of every request that changes something by cookie."""

    name: str
    role: Role
    scope: str
    csrf: str = ""


class SignedIn(Who):
    """`token` is for programs; the console leaves it alone and lives by its cookie."""

    token: str
    expires_at: float
    idle_s: float


class NewCode(BaseModel, extra="forbid"):
    role: Role = Role.VIEWER
    scope: str = Field("", max_length=256)
    ttl_s: float = Field(600.0, ge=10, le=86400)
    name: str = Field("link", min_length=1, max_length=64)


class CodeMade(BaseModel):
    code: str
    ttl_s: float


def _signed_in(request: Request, response: Response, issued: Issued) -> SignedIn:
    auth = authenticator_of(request)
    response.set_cookie(
        auth.cookie, issued.token, httponly=True, secure=auth.secure, samesite="strict", path="/", max_age=None
    )
    response.headers["Cache-Control"] = "no-store"
    info = issued.info
    return SignedIn(
        name=info.name,
        role=info.role,
        scope=info.scope,
        csrf=csrf_token(issued.token),
        token=issued.token,
        expires_at=info.expires_at,
        idle_s=info.idle_s,
    )


@router.post("/login")
async def login(body: Login, request: Request, response: Response, services: AppServices) -> SignedIn:
    """Sign in by name and password. Too many wrong ones lock the account for a while (`locked-out`)."""
    same_origin(request)
    issued = await services.accounts.sign_in(body.name, body.password, client_address(request))
    return _signed_in(request, response, issued)


@router.post("/code")
async def code(body: Code, request: Request, response: Response, services: AppServices) -> SignedIn:
    """Exchange a printed link's one-time code."""
    same_origin(request)
    return _signed_in(request, response, await services.accounts.redeem(body.code, client_address(request)))


@router.get("/me")
async def me(who: Anyone, request: Request, response: Response) -> Who:
    """Who is signed in; a page that was loaded anew gets its `csrf` here."""
    response.headers["Cache-Control"] = "no-store"
    csrf = ""
    try:
        token, by_cookie = authenticator_of(request).token(request)
        csrf = csrf_token(token) if by_cookie else ""
    except Denied:
        pass  # the kit's own socket carries no token
    return Who(name=who.name, role=who.role, scope=who.scope, csrf=csrf)


@router.post("/logout", status_code=204)
async def logout(who: Anyone, request: Request, response: Response, services: AppServices) -> None:
    """End this session; its token is of no use afterwards."""
    auth = authenticator_of(request)
    token, _ = auth.token(request)
    await services.accounts.sign_out(token)
    response.delete_cookie(auth.cookie, httponly=True, secure=auth.secure, samesite="strict", path="/")


@router.post("/password", response_model=CommandResult)
async def password(who: Anyone, body: NewPassword, request: Request, services: AppServices) -> object:
    """Change one's own password; the old one is asked for, so that an open screen is not enough."""
    checked = await services.accounts.sign_in(who.name, body.old, client_address(request))
    await services.accounts.sign_out(checked.token)
    return await give(services, who, Action.ACCOUNT_CHANGE, "", {"name": who.name, "password": body.new})


@router.post("/codes", status_code=201)
async def mint(who: Technician, body: NewCode, services: AppServices) -> CodeMade:
    """A one-time code for a link. Never with more rights than one's own."""
    made = services.accounts.mint_code(who, role=body.role, scope=body.scope, ttl_s=body.ttl_s, name=body.name)
    return CodeMade(code=made, ttl_s=body.ttl_s)
