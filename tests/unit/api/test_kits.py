"""Kits over the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.contract.home import ApiAnswer
from gateway.core.services import Services
from gateway.model.principal import Role


async def test_kits_and_their_links(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    headers = bearer(Role.VIEWER)
    (kit,) = (await client.get("/api/v1/kits", headers=headers)).json()
    assert (kit["gateway"], kit["state"], kit["links"][0]["usable_bps"]) == ("kit7", "online", 4e6)
    assert (await client.get("/api/v1/kits/kit7", headers=headers)).json() == kit
    missing = await client.get("/api/v1/kits/kit9", headers=headers)
    assert missing.status_code == 404 and missing.json()["code"] == "not-found"
    links = (await client.get("/api/v1/kits/kit7/links?hours=6&points=100", headers=headers)).json()
    assert links["links"][0]["name"] == "lte-1" and links["trails"][0]["rtt_ms"] == [35.0]
    assert services.fleet.asked == [("kit7", 6.0, 100)]  # type: ignore[attr-defined]
    assert (await client.get("/api/v1/kits/kit7/links?hours=25", headers=headers)).status_code == 422
    assert (await client.get("/api/v1/kits")).status_code == 401


async def test_the_thumbnail_says_its_age(client: httpx.AsyncClient, bearer: Any) -> None:
    answer = await client.get("/api/v1/kits/kit7/thumbnail.jpg", headers=bearer(Role.VIEWER))
    assert answer.headers["content-type"] == "image/jpeg" and answer.headers["fieldgate-picture-age"] == "4.50"
    assert answer.headers["fieldgate-picture-stream"] == "kit7/ball-1/ch1"


async def test_the_kits_own_api(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    headers = bearer(Role.OPERATOR)
    answer = await client.patch("/api/v1/kits/kit7/api/v1/devices/ball-1?x=1", json={"name": "Gate"}, headers=headers)
    assert (answer.status_code, answer.json(), answer.headers["etag"]) == (201, [7], "x")
    ((_, request),) = services.fleet.proxied  # type: ignore[attr-defined]
    assert (request.method, request.path, request.query) == ("PATCH", "/api/v1/devices/ball-1", "x=1")
    assert request.body == b'{"name":"Gate"}' and request.headers["content-type"] == "application/json"
    assert (await client.get("/api/v1/kits/kit9/api/v1/devices", headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("application/json; charset=utf-8", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("image/jpeg", "image/jpeg"),
        ("text/html", "application/octet-stream"),
        ("text/javascript", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
async def test_what_a_kit_answers_is_nothing_active_here(
    client: httpx.AsyncClient, bearer: Any, services: Services, told: str, kept: str
) -> None:
    """A kit that has changed sides would else have a page of the center's own origin, with its looker's session."""
    active = {
        "content-type": told,
        "content-security-policy": "default-src *",
        "location": "https://elsewhere.example/",
        "set-cookie": "session=x",
        "cache-control": "public, max-age=31536000",
        "etag": "x\r\ny: z",
    }
    services.fleet.answer = ApiAnswer(200, active, b"<script src=x></script>")  # type: ignore[attr-defined]
    answer = await client.get("/api/v1/kits/kit7/api/v1/devices", headers=bearer(Role.VIEWER))
    assert answer.content == b"<script src=x></script>"
    assert answer.headers["content-type"] == kept
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff" and "no-store" in answer.headers["cache-control"]
    assert not {"location", "set-cookie", "etag"} & set(answer.headers)
    assert (answer.headers.get("content-disposition") == "attachment") == (kept == "application/octet-stream")


@pytest.mark.parametrize("status", [100, 101, 103, 301, 302, 307, 401, 407])
async def test_a_kit_leads_nobody_elsewhere_and_signs_nobody_out(
    client: httpx.AsyncClient, bearer: Any, services: Services, status: int
) -> None:
    services.fleet.answer = ApiAnswer(status, {"location": "https://elsewhere.example/"})  # type: ignore[attr-defined]
    answer = await client.get("/api/v1/kits/kit7/api/v1/devices", headers=bearer(Role.VIEWER))
    assert (answer.status_code, answer.json()["code"]) == (502, "peer-refused") and "location" not in answer.headers
