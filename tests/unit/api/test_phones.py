"""Invitations and reports over the API: the link is told once, a stranger's file is never run as a page."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.core.services import Services
from gateway.model.principal import Role


async def test_the_link_and_its_picture(client: httpx.AsyncClient, bearer: Any) -> None:
    headers = bearer(Role.OPERATOR)
    made = (await client.post("/api/v1/invitations", json={"label": "Wang"}, headers=headers)).json()
    assert made["link"] == "https://kit1:8443/phone/#fgi_" + "a" * 26
    assert made["qr"].startswith("<svg")
    body = {"label": "Wang", "host": "203.0.113.5:443"}
    made = (await client.post("/api/v1/invitations", json=body, headers=headers)).json()
    assert made["link"].startswith("https://203.0.113.5:443/phone/#")
    body = {"label": "Wang", "host": "evil.example/x?"}
    assert (await client.post("/api/v1/invitations", json=body, headers=headers)).status_code == 422


async def test_files_of_strangers(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    headers = bearer(Role.VIEWER)
    answer = await client.get("/api/v1/reports/01J/file", headers=headers)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith("inline")
    services.informants.media_type = "image/svg+xml"  # type: ignore[attr-defined]
    answer = await client.get("/api/v1/reports/01J/file", headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]
