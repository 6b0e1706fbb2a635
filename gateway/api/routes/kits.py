"""Kits of a center; at a kit itself, with its centers. And how the links between them are and were."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from gateway.api.auth import AppServices, Viewer
from gateway.api.problems import MEDIA_TYPE
from gateway.base.errors import PeerError
from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.model.kit import Kit, LinkState, LinkTrail

JPEG = "image/jpeg"

router = APIRouter(prefix="/api/v1/kits", tags=["kits"])


class Links(BaseModel):
    """`links`: as they are now; `trails`: as they were, oldest first, in columns of the same length."""

    gateway: str
    at: float
    links: list[LinkState]
    trails: list[LinkTrail]


@router.get("")
async def kits(who: Viewer, services: AppServices) -> list[Kit]:
    """At a center: those that are paired, here or not. At a kit: itself, once it is paired, with its centers."""
    return list(services.fleet.kits(who))


@router.get("/{kit}")
async def kit(who: Viewer, kit: str, services: AppServices) -> Kit:
    return services.fleet.kit(who, kit)


@router.get("/{kit}/links")
async def links(
    who: Viewer,
    kit: str,
    services: AppServices,
    hours: Annotated[float, Query(ge=0, le=24)] = 24.0,
    points: Annotated[int, Query(ge=1, le=8640)] = 1440,
) -> Links:
    """A sample every ten seconds over the last day, thinned to at most `points`: means, but the worst loss. At a kit
    `kit` may be a center's id: the links to that one."""
    now, trails = await services.fleet.link_trails(who, kit, hours, points)
    return Links(gateway=now.gateway, at=now.at, links=list(now.links), trails=list(trails))


_KINDS = ("application/json", MEDIA_TYPE, JPEG)
_OURS = (401, 407)
"""Whoever asks is signed in here, whatever a kit says of that."""
_PROXY = "/{kit}/api/{path:path}"


@router.get(_PROXY, operation_id="kit_api_get", response_class=Response)
@router.post(_PROXY, operation_id="kit_api_post", response_class=Response)
@router.put(_PROXY, operation_id="kit_api_put", response_class=Response)
@router.patch(_PROXY, operation_id="kit_api_patch", response_class=Response)
@router.delete(_PROXY, operation_id="kit_api_delete", response_class=Response)
async def proxy(who: Viewer, kit: str, path: str, request: Request, services: AppServices) -> Response:
    """The kit's own API, asked in the name of whoever asks here, by the rights that this center has there. Not for
    signing in, accounts, pairing and what else is the kit's own business. JSON and JPEG come as they are, all else as
    bytes to be saved. Changes need an operator, and stand in both records."""
    asked = ApiRequest(
        request.method,
        f"/api/{path}",
        request.url.query,
        dict(request.headers),
        await request.body(),
    )
    return passive(await services.fleet.ask(who, kit, asked))


def passive(answer: ApiAnswer) -> Response:
    """What a kit answers, as something to read: a browser takes it for no page and no script of ours, follows nothing,
    and keeps nothing. Raises PeerError for a status that is none of an answer."""
    if not (200 <= answer.status < 300 or 400 <= answer.status < 600) or answer.status in _OURS:
        raise PeerError(f"the kit answers {answer.status}", status=answer.status)
    headers = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
    headers["Cache-Control"] = "private, no-store"
    for name in ("etag", "age"):
        if (value := answer.headers.get(name, "")) and value.isascii() and value.isprintable():
            headers[name] = value
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _KINDS:
        kind = "application/octet-stream"
        headers["Content-Disposition"] = "attachment"
    return Response(answer.body, answer.status, headers, kind)


@router.get("/{kit}/thumbnail.jpg", response_class=Response, responses={200: {"content": {JPEG: {}}}})
async def thumbnail(who: Viewer, kit: str, services: AppServices) -> Response:
    """What the center really receives of a kit, small. `Fieldgate-Picture-Age` says how many seconds old it is."""
    picture = services.fleet.picture(who, kit)
    age_s = picture.age_s + max(0.0, services.now() - picture.made_at)
    headers = {
        "Age": str(int(age_s)),
        "Fieldgate-Picture-Age": f"{age_s:.2f}",
        "Fieldgate-Picture-Stream": picture.stream,
        "Cache-Control": "private, no-store",
    }
    return Response(picture.jpeg, media_type=JPEG, headers=headers)
