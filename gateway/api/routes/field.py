"""The field team's page: open without sign-in to whoever is on the kit's own network, and to nobody else."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from gateway.api.auth import LOCAL_SCOPE_KEY, client_address, services_of
from gateway.api.field import page
from gateway.api.field.near import is_near
from gateway.api.field.words import told
from gateway.base.errors import Denied, NotFound

router = APIRouter(tags=["field"], include_in_schema=False)

NO_STORE = {"Cache-Control": "no-store"}


def _near(request: Request) -> None:
    """Raises NotFound where the page is switched off, Denied (`field-elsewhere`) for who comes from elsewhere."""
    services = services_of(request)
    team = services.config().team
    if not team.page:
        raise NotFound("this gateway shows no page for the field team")
    if request.scope.get(LOCAL_SCOPE_KEY):
        return
    here = (request.scope.get("server") or ("",))[0] or ""
    if not is_near(client_address(request), here, outward=services.kit.outward(), networks=team.networks):
        raise Denied("the field team's page is for the kit's own network", code="field-elsewhere")


@router.get("/field")
async def field(request: Request, lang: str = "") -> Response:
    _near(request)
    services = services_of(request)
    language = page.language_of(lang, request.headers.get("accept-language", ""))
    name = services.config().gateway.name or services.gateway
    return HTMLResponse(page.page(told(services.kit.field), language, name), headers=NO_STORE)


@router.get("/field/state")
async def state(request: Request) -> JSONResponse:
    _near(request)
    shown: dict[str, Any] = told(services_of(request).kit.field)
    return JSONResponse(shown, headers=NO_STORE)


@router.get("/field/page.css")
@router.get("/field/page.js")
async def file(request: Request) -> Response:
    _near(request)
    name = request.url.path.rpartition("/")[2]
    return Response(page.file(name), media_type=page.FILES[name], headers={"Cache-Control": "no-cache"})
