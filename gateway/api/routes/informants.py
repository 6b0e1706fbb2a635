"""Phones on site: the invitations that let them in, and what they report."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from gateway.api.auth import Administrator, AppServices, Operator, Viewer
from gateway.api.authenticator import LOCAL_SCOPE_KEY
from gateway.core.addresses import own_addresses
from gateway.core.services import Services
from gateway.model.informant import Invitation, Report

router = APIRouter(prefix="/api/v1", tags=["phones"])

# What a browser may show of a stranger's file; anything else is a download.
SHOWN = frozenset(
    {"image/jpeg", "image/png", "image/webp", "audio/webm", "audio/mp4", "audio/ogg", "audio/wav", "audio/mpeg"}
)
WAYS = {"audio/webm": "webm", "audio/mp4": "m4a", "audio/ogg": "ogg", "audio/wav": "wav", "audio/mpeg": "mp3"}
WAYS |= {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/heic": "heic", "audio/amr": "amr"}


class NewInvitation(BaseModel, extra="forbid"):
    label: str = Field(min_length=1, max_length=64, description="Who: shown with everything the phones report")
    place: str = Field("", max_length=64, description="Where")
    ttl_s: float = Field(86400.0, ge=60, le=90 * 86400.0)
    phones: int = Field(5, ge=1, le=200, description="How many phones may use it")
    host: str = Field("", max_length=256, pattern=r"^[A-Za-z0-9.:\[\]-]*$", description="host:port in the link")


class InvitationMade(BaseModel):
    """The only time that the link is seen. `qr` is an SVG picture of it."""

    invitation: Invitation
    link: str
    qr: str


@router.get("/invitations")
async def invitations(who: Operator, services: AppServices) -> list[Invitation]:
    """In force and lately ended, newest first."""
    return list(services.informants.invitations.invitations(who))


@router.post("/invitations", status_code=201)
async def invite(who: Operator, body: NewInvitation, request: Request, services: AppServices) -> InvitationMade:
    """A link for phones: no account, no app. Whoever has it may report until it ends."""
    made, secret = await services.informants.invitations.invite(
        who, label=body.label, place=body.place, ttl_s=body.ttl_s, phones=body.phones
    )
    # The secret is behind '#': it reaches no server's log and no other page's referrer.
    link = f"{_base(request, services, body.host)}/phone/#{secret}"
    return InvitationMade(invitation=made, link=link, qr=_qr(link))


@router.delete("/invitations/{invitation}", status_code=204)
async def revoke(who: Operator, invitation: str, services: AppServices) -> None:
    await services.informants.invitations.revoke(who, invitation)


@router.get("/reports")
async def reports(
    who: Viewer,
    services: AppServices,
    device: str = "",
    before: float | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    positions: bool = True,
) -> list[Report]:
    """`before` (unix seconds of `received_at`) pages backwards. A live picture brings a position twice a minute:
    `positions=false` leaves those out."""
    return list(await services.informants.recent(who, device=device, before=before, limit=limit, positions=positions))


@router.get("/reports/{report}/file", response_class=FileResponse)
async def file(who: Viewer, report: str, services: AppServices) -> FileResponse:
    """The photo or voice note, as the phone sent it."""
    found, path = await services.informants.file(who, report)
    known = found.media_type in SHOWN
    name = f"{found.kind}-{found.id}.{WAYS.get(found.media_type, 'bin')}"
    return FileResponse(
        path,
        media_type=found.media_type if known else "application/octet-stream",
        filename=name,
        content_disposition_type="inline" if known else "attachment",
        headers={"Cache-Control": "private, no-store"},
    )


@router.post("/reports/{report}/seen")
async def seen(who: Operator, report: str, services: AppServices) -> Report:
    return await services.informants.mark_seen(who, report)


@router.delete("/reports/{report}", status_code=204)
async def remove(who: Administrator, report: str, services: AppServices) -> None:
    await services.informants.remove(who, report)


def _base(request: Request, services: Services, host: str) -> str:
    """Where phones find this gateway: as told, as the console's browser found it, or by its own address."""
    api = services.config().api
    scheme = "https" if api.tls else "http"
    if host:
        return f"{scheme}://{host}"
    if not request.scope.get(LOCAL_SCOPE_KEY):
        return f"{request.url.scheme}://{request.url.netloc}"
    name = api.hostnames[0] if api.hostnames else own_addresses()[0]
    name = f"[{name}]" if ":" in name else name
    return f"{scheme}://{name}:{api.port}"


def _qr(link: str) -> str:
    import segno

    made: Any = segno.make(link, error="m")
    return str(made.svg_inline(scale=4, border=4, light="#fff", dark="#000"))
