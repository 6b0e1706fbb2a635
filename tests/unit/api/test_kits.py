"""Kits over the API."""

from __future__ import annotations

from typing import Any

import httpx

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
