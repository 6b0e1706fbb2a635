"""Errors as RFC 9457 problem details: a stable `code`, and cause and cure in Chinese and English.

{"type": "urn:fieldgate:ptz-held", "title": "…", "status": 409, "detail": "…", "code": "ptz-held",
 "cause": {"en": "…", "zh": "…"}, "cure": {"en": "…", "zh": "…"}}
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

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
    "no-picture-setting": 422,
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
