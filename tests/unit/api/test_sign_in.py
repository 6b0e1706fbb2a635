"""Signing in, the cookie and its CSRF proof, one-time codes, and what counts as somebody being there."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.api.app import create_app
from gateway.core.services import Services
from gateway.model.principal import Role
from tests.unit.api.fakes import STREAM

WANG = {"name": "wang", "password": "correct horse"}
MOVE = {"action": "ptz.move", "target": STREAM, "args": {"pan": 0.5}}


async def test_the_cookie_is_for_this_page_alone(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/login", json=WANG)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-fieldgate=")
    for attribute in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    assert answer.headers["cache-control"] == "no-store"
    assert (await client.get("/api/v1/auth/me")).json()["name"] == "wang"


async def test_a_cookie_alone_only_reads(client: httpx.AsyncClient, services: Services) -> None:
    csrf = (await client.post("/api/v1/auth/login", json=WANG)).json()["csrf"]
    assert (await client.get("/api/v1/streams")).status_code == 200
    for headers in ({}, {"X-CSRF-Token": "guess"}, {"X-CSRF-Token": csrf, "Origin": "https://evil.example"}):
        refused = await client.post("/api/v1/commands", json=MOVE, headers=headers)
        assert refused.status_code == 403
        assert refused.json()["code"] == "csrf"
    assert services.commands.given == []  # type: ignore[attr-defined]
    own = {"X-CSRF-Token": csrf, "Origin": "https://kit1:8443"}
    assert (await client.post("/api/v1/commands", json=MOVE, headers=own)).status_code == 200
    assert (await client.get("/api/v1/auth/me")).json()["csrf"] == csrf


async def test_one_sessions_csrf_is_no_use_in_another(client: httpx.AsyncClient) -> None:
    first = (await client.post("/api/v1/auth/login", json=WANG)).json()["csrf"]
    await client.post("/api/v1/auth/login", json=WANG)
    assert (await client.post("/api/v1/commands", json=MOVE, headers={"X-CSRF-Token": first})).status_code == 403


async def test_a_bearer_token_needs_no_proof(client: httpx.AsyncClient, bearer: Any) -> None:
    headers = bearer(Role.OPERATOR) | {"Origin": "https://evil.example"}
    assert (await client.post("/api/v1/commands", json=MOVE, headers=headers)).status_code == 200


async def test_signing_in_from_another_site_is_refused(client: httpx.AsyncClient) -> None:
    for path, body in (("login", WANG), ("code", {"code": "abcdef"})):
        answer = await client.post(f"/api/v1/auth/{path}", json=body, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_wrong_passwords_then_locked(client: httpx.AsyncClient) -> None:
    wrong = {"name": "wang", "password": "wrong"}
    for _ in range(3):
        answer = await client.post("/api/v1/auth/login", json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad-credentials")
    answer = await client.post("/api/v1/auth/login", json=WANG)
    assert (answer.status_code, answer.json()["code"]) == (429, "locked-out")


async def test_a_code_works_once(client: httpx.AsyncClient, bearer: Any) -> None:
    made = await client.post("/api/v1/auth/codes", json={"role": "operator"}, headers=bearer(Role.TECHNICIAN))
    code = {"code": made.json()["code"]}
    first = await client.post("/api/v1/auth/code", json=code)
    assert first.json()["role"] == "operator"
    assert first.json()["token"]
    second = await client.post("/api/v1/auth/code", json=code)
    assert (second.status_code, second.json()["code"]) == (401, "bad-credentials")


async def test_signing_out_ends_the_token(client: httpx.AsyncClient) -> None:
    csrf = (await client.post("/api/v1/auth/login", json=WANG)).json()["csrf"]
    answer = await client.post("/api/v1/auth/logout", headers={"X-CSRF-Token": csrf})
    assert answer.status_code == 204
    assert (await client.get("/api/v1/auth/me")).status_code == 401


async def test_ones_own_password_needs_the_old_one(client: httpx.AsyncClient, services: Services) -> None:
    csrf = (await client.post("/api/v1/auth/login", json=WANG)).json()["csrf"]
    own = {"X-CSRF-Token": csrf}
    wrong = await client.post("/api/v1/auth/password", json={"old": "x", "new": "another horse"}, headers=own)
    assert wrong.status_code == 401
    right = {"old": WANG["password"], "new": "another horse"}
    assert (await client.post("/api/v1/auth/password", json=right, headers=own)).status_code == 200
    (command,) = services.commands.given  # type: ignore[attr-defined]
    assert command.args == {"name": "wang", "password": "another horse"}


async def test_background_calls_do_not_keep_a_session_alive(
    client: httpx.AsyncClient, services: Services, bearer: Any
) -> None:
    headers = bearer(Role.VIEWER)
    await client.get("/api/v1/streams", headers=headers)
    await client.get("/api/v1/streams", headers=headers | {"X-Fieldgate-Background": "1"})
    assert services.accounts.touched == [True, False]  # type: ignore[attr-defined]


async def test_without_tls_the_cookie_has_another_name(services: Services, tmp_path: Any) -> None:
    app: ASGIApp = create_app(services, state_dir=tmp_path, secure=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://kit1") as client:
        cookie = (await client.post("/api/v1/auth/login", json=WANG)).headers["set-cookie"]
    assert cookie.startswith("fieldgate=")
    assert "Secure" not in cookie


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "bearer  "])
async def test_half_an_authorization_is_none(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get("/api/v1/streams", headers={"Authorization": header})
    assert answer.json()["code"] == "unauthenticated"
