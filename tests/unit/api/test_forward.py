"""What waits for centers, and what kits sent, over the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.api import guard
from gateway.core.services import Services
from gateway.model.principal import Role


async def test_what_waits_and_who_is_given_up(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    (one,) = (await client.get("/api/v1/outbox", headers=bearer(Role.VIEWER))).json()
    assert (one["name"], one["rows"], one["waiting"]) == ("mqtt/center1", 2, {"alarm": 2})
    (file,) = (await client.get("/api/v1/outbox/files", headers=bearer(Role.OPERATOR))).json()
    assert (file["uplink"], file["sent"], file["file"]["size"]) == ("mqtt/center1", 1, 3)
    gone = await client.delete("/api/v1/outbox/mqtt/center1", headers=bearer(Role.ADMINISTRATOR))
    assert gone.status_code == 204 and services.forward.left == ["mqtt/center1"]  # type: ignore[attr-defined]


async def test_a_recording_is_taken_in_by_its_bytes(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    about = {"name": "gate.mp4", "device": "ball-1"}
    data = bytes(range(256)) * 1000
    answer = await client.post("/api/v1/outbox/files", params=about, content=data, headers=bearer(Role.OPERATOR))
    assert (answer.status_code, answer.json()["name"], answer.json()["size"]) == (201, "gate.mp4", len(data))
    assert services.forward.sent == [("gate.mp4", "ball-1", data)]  # type: ignore[attr-defined]
    other = await client.post("/api/v1/commands", content=data, headers=bearer(Role.OPERATOR))
    assert other.json()["code"] == "too-large", "that is for files alone"
    stranger = await client.post("/api/v1/outbox/files", content=data)
    assert stranger.status_code == 401 and len(services.forward.sent) == 1  # type: ignore[attr-defined]
    long = await client.post("/api/v1/outbox/files", params={"name": "x" * 121}, headers=bearer(Role.OPERATOR))
    assert long.status_code in (400, 422)


async def test_a_recording_that_stops_coming_is_let_go(
    client: httpx.AsyncClient, bearer: Any, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_PATIENCE_S", 0.05)
    never = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield b"moving "
        await never.wait()

    answer = await client.post("/api/v1/outbox/files", content=half(), headers=bearer(Role.OPERATOR))
    assert (answer.status_code, answer.json()["code"]) == (503, "link-down")
    assert services.forward.sent == []  # type: ignore[attr-defined]


async def test_events_of_kits_say_when_they_were_and_how_that_is_known(client: httpx.AsyncClient, bearer: Any) -> None:
    (event,) = (await client.get("/api/v1/kit-events?gateway=kit7", headers=bearer(Role.VIEWER))).json()
    assert (event["event"]["id"], event["dating"], event["event"]["moment"]["quality"]) == ("01J", "told", "ntp")
    assert (await client.get("/api/v1/kit-events?limit=0", headers=bearer(Role.VIEWER))).status_code in (400, 422)


async def test_a_kits_file_is_handed_out_as_bytes_whatever_the_kit_calls_it(
    client: httpx.AsyncClient, bearer: Any, services: Services
) -> None:
    (file,) = (await client.get("/api/v1/kit-files", headers=bearer(Role.VIEWER))).json()
    assert file["file"]["media_type"] == "image/jpeg" and file["received"] == 3
    got = await client.get("/api/v1/kit-files/kit7/01F/file", headers=bearer(Role.VIEWER))
    assert (
        got.headers["content-type"] == "application/octet-stream"
        and "sandbox" in got.headers["content-security-policy"]
    )
    assert got.headers["content-disposition"] == 'attachment; filename="photo.jpg"' and b"Stand-ins" in got.content
    gone = await client.delete("/api/v1/kit-files/kit7/01F", headers=bearer(Role.ADMINISTRATOR))
    assert gone.status_code == 204 and services.forward.left == ["kit7/01F"]  # type: ignore[attr-defined]
