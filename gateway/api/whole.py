"""The FastAPI application: every route and the console's pages. Importing it takes as long as half of the start."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from gateway.api import failures
from gateway.api.authenticator import Authenticator
from gateway.api.live import Live
from gateway.api.pages import Pages
from gateway.api.routes import routers
from gateway.base import exposition as _exposition  # noqa: F401  (loaded here, beside the loop, for the first scrape)
from gateway.core.services import Services

DESCRIPTION = """\
Everything that a person or program may ask of a Fieldgate gateway. Every answer needs a bearer token or the console's
session, but `/healthz`, the two sign-in calls and a kit's question for the answer to its pairing code. Errors are RFC
9457 problem details with a stable `code`, and `cause` and `cure` in Chinese and English. Live events: WebSocket
`/api/v1/events?cursor=N`.
"""


def create_api(
    services: Services,
    *,
    authenticator: Authenticator,
    state_dir: Path,
    ca_file: Path | None = None,
    static: Path,
) -> FastAPI:
    api = FastAPI(
        title="Fieldgate",
        version=services.version,
        description=DESCRIPTION,
        openapi_url=None,  # served behind a token by routes below
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    api.state.services = services
    api.state.authenticator = authenticator
    api.state.state_dir = state_dir
    api.state.ca_file = ca_file
    api.state.live = Live()
    failures.install(api)
    for router in routers():
        api.include_router(router)
    api.mount("/", Pages(static))
    return api
