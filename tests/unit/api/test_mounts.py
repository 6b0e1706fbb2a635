"""Adapters' routes: signed in, bounded, errors as problem details, gone when the adapter is."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from gateway.api.mounts import Mounts
from gateway.base.errors import Busy
from gateway.contract.http import HttpRequest, HttpResponse
from gateway.model.principal import Role
from tests.unit.api.fakes import STREAM


@pytest.fixture
def seen(mounts: Mounts) -> list[HttpRequest]:
    requests: list[HttpRequest] = []

    async def watch(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse(201, b"v=0", "application/sdp", {"Location": "/whep-session/1"})

    async def publish(request: HttpRequest) -> HttpResponse:
        return HttpResponse(201)

    async def busy(request: HttpRequest) -> HttpResponse:
        raise Busy("256 watch", code="too-many-viewers")

    async def broken(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("inside")

    mounts.route("POST", "/whep/{stream:path}", watch, max_body=100)
    mounts.route("POST", "/whip/{stream:path}", publish, role=Role.OPERATOR)
    mounts.route("POST", "/busy", busy)
    mounts.route("POST", "/broken", broken)
    return requests


async def test_a_request_reaches_the_adapter(client: httpx.AsyncClient, bearer: Any, seen: list[HttpRequest]) -> None:
    answer = await client.post(f"/whep/{STREAM}", content=b"offer", headers=bearer(Role.VIEWER))
    assert (answer.status_code, answer.text, answer.headers["location"]) == (201, "v=0", "/whep-session/1")
    assert answer.headers["content-type"].startswith("application/sdp")
    assert answer.headers["cache-control"] == "no-store"
    (request,) = seen
    assert request.path == {"stream": STREAM}
    assert request.body == b"offer"
    assert request.who.role is Role.VIEWER
    assert request.who.address == "10.0.0.2"
    assert request.base_url == "https://kit1:8443"


async def test_routes_for_phones_and_for_everybody(client: httpx.AsyncClient, bearer: Any, mounts: Mounts) -> None:
    seen: list[HttpRequest] = []

    async def take(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse(200)

    mounts.route("PUT", "/phone/x", take, role=Role.INFORMANT)
    mounts.route("POST", "/own", take, role=Role.OPERATOR, also=(Role.INFORMANT,))
    mounts.route("GET", "/open", take, role=None)
    mounts.route("GET", "/closed", take)
    phone = bearer(Role.INFORMANT, scope="kit1/phone-1")
    assert (await client.put("/phone/x", headers=phone)).status_code == 200
    assert (await client.put("/phone/x", headers=bearer(Role.ADMINISTRATOR))).status_code == 403
    assert (await client.post("/own", headers=phone)).status_code == 200
    assert (await client.post("/own", headers=bearer(Role.VIEWER))).status_code == 403
    assert (await client.get("/closed", headers=phone)).json()["code"] == "denied"
    for headers in ({}, phone, {"Authorization": "Bearer made-up"}):
        assert (await client.get("/open?a=1", headers=headers)).status_code == 200
        assert (seen[-1].who.name, seen[-1].who.scope, seen[-1].who.address) == ("nobody", "-", "10.0.0.2")
        assert seen[-1].query == {"a": "1"}


async def test_nothing_without_a_token_or_role(client: httpx.AsyncClient, bearer: Any, seen: list[HttpRequest]) -> None:
    assert (await client.post(f"/whep/{STREAM}")).json()["code"] == "unauthenticated"
    assert (await client.post(f"/whep/{STREAM}", headers=bearer(Role.AUDITOR))).status_code == 403
    assert (await client.post(f"/whip/{STREAM}", headers=bearer(Role.VIEWER))).status_code == 403
    assert (await client.post(f"/whip/{STREAM}", headers=bearer(Role.OPERATOR))).status_code == 201
    assert seen == []


async def test_a_cookie_needs_its_proof_here_too(client: httpx.AsyncClient, seen: list[HttpRequest]) -> None:
    told = (await client.post("/api/v1/auth/login", json={"name": "wang", "password": "correct horse"})).json()
    assert (await client.post(f"/whep/{STREAM}")).json()["code"] == "csrf"
    assert (await client.post(f"/whep/{STREAM}", headers={"X-CSRF-Token": told["csrf"]})).status_code == 201


async def test_errors_become_problems(client: httpx.AsyncClient, bearer: Any, seen: list[HttpRequest]) -> None:
    headers = bearer(Role.VIEWER)
    busy = await client.post("/busy", headers=headers)
    assert (busy.status_code, busy.json()["code"]) == (503, "too-many-viewers")
    broken = await client.post("/broken", headers=headers)
    assert (broken.status_code, broken.json()["code"]) == (500, "internal")
    assert "inside" not in broken.text
    large = await client.post(f"/whep/{STREAM}", content=b"x" * 101, headers=headers)
    assert large.status_code == 413


async def test_a_length_that_lies_is_not_trusted(
    client: httpx.AsyncClient, bearer: Any, seen: list[HttpRequest]
) -> None:
    async def pieces() -> Any:
        for _ in range(50):
            yield b"x" * 10

    answer = await client.post(f"/whep/{STREAM}", content=pieces(), headers=bearer(Role.VIEWER))
    assert answer.status_code == 413
    assert seen == []


async def test_the_log_holds_no_ticket(
    client: httpx.AsyncClient, mounts: Mounts, caplog: pytest.LogCaptureFixture
) -> None:
    async def take(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(200)

    mounts.route("GET", "/media/{ticket}/{file}", take, role=None)
    caplog.set_level(logging.DEBUG, "gateway.api")
    assert (await client.get("/media/s3cret.ticket/seg-1.m4s")).status_code == 200
    assert "GET /media/{ticket}/{file} → 200" in caplog.text and "s3cret" not in caplog.text


async def test_other_methods_and_gone_routes(client: httpx.AsyncClient, bearer: Any, mounts: Mounts) -> None:
    async def handler(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, b"first")

    async def newer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, b"newer")

    headers = bearer(Role.VIEWER)
    unmount = mounts.route("GET", "/thing/{id}", handler)
    wrong = await client.delete("/thing/1", headers=headers)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, OPTIONS")
    unmount_newer = mounts.route("GET", "/thing/{id}", newer)
    unmount()
    assert (await client.get("/thing/1", headers=headers)).text == "newer"
    unmount_newer()
    unmount_newer()
    assert (await client.get("/thing/1", headers=headers)).status_code == 404


async def test_cors_is_off_until_an_origin_is_named(
    client: httpx.AsyncClient, bearer: Any, mounts: Mounts, seen: list[HttpRequest]
) -> None:
    preflight = {"Origin": "https://center.example", "Access-Control-Request-Method": "POST"}
    off = await client.options(f"/whep/{STREAM}", headers=preflight)
    assert "access-control-allow-origin" not in off.headers
    mounts.allow_origins(["https://center.example"])
    on = await client.options(f"/whep/{STREAM}", headers=preflight)
    assert on.status_code == 204
    assert on.headers["access-control-allow-origin"] == "https://center.example"
    assert "Authorization" in on.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in on.headers
    used = await client.post(f"/whep/{STREAM}", headers=bearer(Role.VIEWER) | {"Origin": "https://center.example"})
    assert "Location" in used.headers["access-control-expose-headers"]
    other = await client.options(f"/whep/{STREAM}", headers=preflight | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


async def test_an_adapter_may_answer_options_itself(client: httpx.AsyncClient, bearer: Any, mounts: Mounts) -> None:
    async def options(request: HttpRequest) -> HttpResponse:
        return HttpResponse(204, headers={"Accept-Post": "application/sdp"})

    mounts.route("OPTIONS", "/whep/{stream:path}", options)
    answer = await client.options(f"/whep/{STREAM}", headers=bearer(Role.VIEWER))
    assert answer.headers["accept-post"] == "application/sdp"
