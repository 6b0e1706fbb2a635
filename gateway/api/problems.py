"""Errors as RFC 9457 problem details: a stable `code`, and cause and cure in Chinese and English.

{"type": "urn:fieldgate:ptz-held", "title": "…", "status": 409, "detail": "…", "code": "ptz-held",
 "cause": {"en": "…", "zh": "…"}, "cure": {"en": "…", "zh": "…"}}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gateway.base.errors import (
    Busy,
    ConfigError,
    Denied,
    GatewayError,
    LinkDown,
    NotFound,
    PeerError,
    RemoteProtocolError,
    Unsupported,
)
from gateway.model.reason import far_code, reason

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# A code decides the status where it says more than its class does.
STATUS_BY_CODE: Mapping[str, int] = {
    "unauthenticated": 401,
    "bad-credentials": 401,
    "locked-out": 429,
    "csrf": 403,
    "denied": 403,
    "not-found": 404,
    "bad-request": 400,
    "bad-sdp": 400,
    "bad-url": 400,
    "bad-name": 400,
    "url-refused": 403,
    "name-taken": 409,
    "sources-full": 409,
    "push-taken": 409,
    "too-large": 413,
    "too-many": 429,
    "expired": 408,
    "busy": 409,
    "unsupported": 422,
    "peer-refused": 502,
    "link-down": 503,
    "ptz-held": 409,
    "no-ptz": 422,
    "codec-unsupported": 406,
    "b-frames": 406,
    "too-many-viewers": 503,
    "ports-exhausted": 503,
    "device-offline": 503,
    "disk-full": 507,
    "reports-full": 507,
    "report-pile": 429,
    "report-rate": 429,
    "report-taken": 409,
    "phones-off": 422,
    "invitation-unknown": 401,
    "invitation-ended": 401,
    "invitation-used-up": 403,
    "ticket-unknown": 403,
    "ticket-ended": 403,
    "hls-gone": 404,
    "thumbnail-none": 404,
    "kit-offline": 503,
    "kit-unreachable": 503,
    "kit-revoked": 403,
    "map-none": 404,
    "pair-code": 400,
    "pair-ended": 404,
    "pair-foreign": 403,
    "pair-key-known": 409,
    "pair-no-center": 422,
    "pair-waiting": 404,
    "duplicate-gateway": 409,
    "invite-timeout": 504,
}
STATUS_BY_CLASS: tuple[tuple[type[GatewayError], int], ...] = (
    (NotFound, 404),
    (Denied, 403),
    (Busy, 409),
    (Unsupported, 422),
    (RemoteProtocolError, 400),
    (ConfigError, 422),
    (PeerError, 502),
    (LinkDown, 503),
)
CODE_BY_STATUS: Mapping[int, str] = {
    400: "bad-request",
    401: "unauthenticated",
    403: "denied",
    404: "not-found",
    405: "bad-request",
    413: "too-large",
    415: "bad-request",
    422: "bad-request",
    429: "too-many",
}


class Words(BaseModel):
    """The same sentence in both languages."""

    en: str
    zh: str


class Problem(BaseModel):
    """RFC 9457 §3, with members of ours."""

    type: str = Field(description="urn:fieldgate:<code>")
    title: str
    status: int
    detail: str = ""
    code: str = Field(description="A key of the list of reasons; stable over releases")
    cause: Words
    cure: Words


def problem(code: str, detail: str = "", *, status: int | None = None) -> Problem:
    """The problem document of a reason code."""
    words = reason(code)
    return Problem(
        type=f"urn:fieldgate:{code}",
        title=words.cause_en,
        status=STATUS_BY_CODE.get(code, 500) if status is None else status,
        detail=detail,
        code=code,
        cause=Words(en=words.cause_en, zh=words.cause_zh),
        cure=Words(en=words.cure_en, zh=words.cure_zh),
    )


def status_of(error: GatewayError) -> int:
    """The HTTP status of an error: by its code first, then by its class."""
    by_code = STATUS_BY_CODE.get(error.code)
    if by_code is not None:
        return by_code
    return next((status for kind, status in STATUS_BY_CLASS if isinstance(error, kind)), 500)


def respond(code: str, detail: str = "", *, status: int | None = None) -> JSONResponse:
    body = problem(code, detail, status=status)
    headers = {"WWW-Authenticate": 'Bearer realm="fieldgate"'} if body.status == 401 else None
    return JSONResponse(body.model_dump(), status_code=body.status, headers=headers, media_type=MEDIA_TYPE)


def respond_error(error: GatewayError) -> JSONResponse:
    if isinstance(error, PeerError) and (code := far_code(error.code)) != error.code:
        # What a peer says of signing in is about itself: here it would sign people out.
        return respond(code, f"{error.code}: {error}", status=502)
    return respond(error.code, str(error), status=status_of(error))


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document; an unknown one is logged and says nothing inside."""

    async def named(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, GatewayError)  # noqa: S101  (registered for that class only)
        return respond_error(error)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        # Only place and rule: the value itself may be a password.
        told = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:8])
        return respond("bad-request", told, status=422)

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101
        code = CODE_BY_STATUS.get(error.status_code, "internal" if error.status_code >= 500 else "bad-request")
        return respond(code, str(error.detail), status=error.status_code)

    async def unknown(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return respond("internal", status=500)

    app.add_exception_handler(GatewayError, named)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unknown)


def describe(schema: dict[str, Any]) -> dict[str, Any]:
    """Add to an OpenAPI description that every route may answer with a problem document.

    Here and not with each route: FastAPI would build a validator for each, which costs a start 50 ms and is never used.
    """
    schema.setdefault("components", {}).setdefault("schemas", {}).update(
        Problem=Problem.model_json_schema(ref_template="#/components/schemas/{model}"),
        Words=Words.model_json_schema(),
    )
    schema["components"]["schemas"]["Problem"].pop("$defs", None)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    told = {
        "401": "Not signed in",
        "403": "Not allowed",
        "422": "Not well formed",
        "default": "Anything else that failed",
    }
    for methods in schema.get("paths", {}).values():
        for operation in methods.values():
            operation["responses"].update(
                {status: {"description": words, "content": content} for status, words in told.items()}
            )
    return schema
