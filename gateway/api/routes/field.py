"""The field team's page: open without sign-in to whoever is on the kit's own network, and to nobody else."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from gateway.api.auth import services_of
from gateway.api.authenticator import LOCAL_SCOPE_KEY, client_address
from gateway.api.field import page
from gateway.api.field.near import is_near
from gateway.api.field.words import told
from gateway.base.errors import Denied, NotFound

router = APIRouter(tags=["field"], include_in_schema=False)

NO_STORE = {"Cache-Control": "no-store"}
PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""What a proxy or a tunnel on this machine says of whom it brings: its own address would be near."""


def _near(request: Request) -> None:
    """Raises NotFound where the page is switched off, Denied (`field-elsewhere`) for who comes from elsewhere."""
    services = services_of(request)
    team = services.config().team
    if not team.page:
        raise NotFound("this gateway shows no page for the field team", code="field-off")
    if request.scope.get(LOCAL_SCOPE_KEY):
        return
    if any(request.headers.get(name) for name in PROXIED):
        raise Denied("it comes by a proxy: nobody knows from where", code="field-elsewhere")
    here = (request.scope.get("server") or ("",))[0] or ""
    if not is_near(client_address(request), here, outward=services.kit.outward(), networks=team.networks):
        raise Denied("the field team's page is for the kit's own network", code="field-elsewhere")


@router.get("/field")
async def field(request: Request, lang: str = "") -> Response:
    """A person who is refused reads why; a program gets problem details as everywhere."""
    language = page.language_of(lang, request.headers.get("accept-language", ""))
    try:
        _near(request)
    except (Denied, NotFound) as exc:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        code, status = ("field-elsewhere", 403) if isinstance(exc, Denied) else ("field-off", 404)
        return HTMLResponse(page.refused(code, language), status, headers=NO_STORE)
    services = services_of(request)
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
    """The same in every kit: whoever is told that the page is not for him sees that as well."""
    name = request.url.path.rpartition("/")[2]
    return Response(page.file(name), media_type=page.FILES[name], headers={"Cache-Control": "no-cache"})
