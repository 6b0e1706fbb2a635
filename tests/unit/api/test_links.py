"""Links over the API."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.core.services import Services
from gateway.model.principal import Role


async def test_links_and_how_they_were(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    headers = bearer(Role.VIEWER)
    modem, sat = (await client.get("/api/v1/links", headers=headers)).json()
    assert (modem["name"], modem["phase"], modem["signal"]["rsrp_dbm"]) == ("modem1", "up", -95.0)
    assert modem["carries"] == ["voice", "control", "video", "data", "bulk"]
    assert (sat["phase"], sat["code"], sat["kind"]) == ("down", "link-no-reply", "satellite")
    (trail,) = (await client.get("/api/v1/links/trails?hours=2&points=9", headers=headers)).json()
    assert trail["rtt_ms"] == [60.0] and services.links.asked == [(2.0, 9)]  # type: ignore[attr-defined]
    assert (await client.get("/api/v1/links")).status_code == 401
