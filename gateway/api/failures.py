"""Errors of the routes as problem documents, and the word on them in the OpenAPI description."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from gateway.api.problems import CODE_BY_STATUS, MEDIA_TYPE, Problem, Words, respond, respond_error
from gateway.base.errors import GatewayError

log = logging.getLogger(__name__)


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
