"""What waits for centers, and what kits sent, over the API."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.core.services import Services
from gateway.model.principal import Role


async def test_what_waits_and_who_is_given_up(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    (one,) = (await client.get("/api/v1/outbox", headers=bearer(Role.VIEWER))).json()
    assert (one["name"], one["rows"], one["waiting"]) == ("mqtt/center1", 2, {"alarm": 2})
    (file,) = (await client.get("/api/v1/outbox/files", headers=bearer(Role.OPERATOR))).json()
    assert (file["uplink"], file["sent"], file["file"]["size"]) == ("mqtt/center1", 1, 3)
    gone = await client.delete("/api/v1/outbox/mqtt/center1", headers=bearer(Role.ADMINISTRATOR))
    assert gone.status_code == 204 and services.forward.left == ["mqtt/center1"]  # type: ignore[attr-defined]


async def test_events_of_kits_say_when_they_were_and_how_that_is_known(client: httpx.AsyncClient, bearer: Any) -> None:
    (event,) = (await client.get("/api/v1/kit-events?gateway=kit7", headers=bearer(Role.VIEWER))).json()
    assert (event["event"]["id"], event["dating"], event["event"]["moment"]["quality"]) == ("01J", "told", "ntp")
    assert (await client.get("/api/v1/kit-events?limit=0", headers=bearer(Role.VIEWER))).status_code in (400, 422)


async def test_a_kits_file_is_handed_out_as_bytes_whatever_the_kit_calls_it(
    client: httpx.AsyncClient, bearer: Any
) -> None:
    (file,) = (await client.get("/api/v1/kit-files", headers=bearer(Role.VIEWER))).json()
    assert file["file"]["media_type"] == "image/jpeg" and file["received"] == 3
    got = await client.get("/api/v1/kit-files/kit7/01F/file", headers=bearer(Role.VIEWER))
    assert (
        got.headers["content-type"] == "application/octet-stream"
        and "sandbox" in got.headers["content-security-policy"]
    )
    assert got.headers["content-disposition"] == 'attachment; filename="photo.jpg"' and b"Stand-ins" in got.content
