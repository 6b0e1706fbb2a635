"""Headers on everything, bodies bounded, and a log without secrets."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from gateway.api import guard
from gateway.api.app import create_app
from gateway.core.services import Services
from gateway.model.principal import Role


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/streams", "/nothing", "/assets/app-1a2b.js"])
async def test_security_headers_everywhere(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" not in headers  # the kit's own authority: see Guard
    assert "access-control-allow-origin" not in headers


async def test_hsts_under_the_owners_certificate_only(services: Services, tmp_path: Path) -> None:
    for secure, told in ((True, True), (False, False)):
        app = create_app(services, state_dir=tmp_path, secure=secure, ca_file=None)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://kit1") as client:
            assert ("strict-transport-security" in (await client.get("/healthz")).headers) is told


async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/login", content=b"x" * (guard.API_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json()["code"] == "too-large"


async def _drive(app: ASGIApp, incoming: list[Message]) -> list[Message]:
    """One POST by hand, with the body in pieces as a hostile client sends them."""
    sent: list[Message] = []
    never = asyncio.Event()

    async def receive() -> Message:
        if not incoming:
            await never.wait()
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/auth/code", "raw_path": b"", "root_path": "",
        "scheme": "https", "query_string": b"", "headers": [(b"host", b"kit1")], "client": ("10.0.0.2", 1),
        "server": ("kit1", 8443), "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


async def test_an_endless_body_ends(app: ASGIApp) -> None:
    pieces: list[Message] = [{"type": "http.request", "body": b"x" * 8192, "more_body": True} for _ in range(100)]
    sent = await _drive(app, pieces)
    assert sent[0]["status"] == 413
    assert len(pieces) > 80  # it was not read to its end


async def test_a_body_that_never_comes_is_given_up(app: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_PATIENCE_S", 0.01)
    sent = await _drive(app, [{"type": "http.request", "body": b"{", "more_body": True}])
    assert sent[0]["status"] == 408


async def test_a_client_that_leaves_is_not_answered(app: ASGIApp) -> None:
    assert await _drive(app, [{"type": "http.disconnect"}]) == []


async def test_the_log_names_who_and_no_secret(
    client: httpx.AsyncClient, bearer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gateway.api")
    headers = bearer(Role.VIEWER)
    await client.get("/api/v1/streams?q=geheim", headers=headers)
    await client.post("/api/v1/auth/login", json={"name": "wang", "password": "correct horse"})
    assert "GET /api/v1/streams → 200 for viewer" in caplog.text
    for secret in ("geheim", "correct horse", headers["Authorization"].split()[1]):
        assert secret not in caplog.text
