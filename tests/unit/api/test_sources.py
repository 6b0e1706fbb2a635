"""Sources, outputs and programs over the API."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.core.services import Services
from gateway.model.command import Action
from gateway.model.principal import Role


async def test_what_is_listed(client: httpx.AsyncClient, bearer: Any) -> None:
    asked = bearer(Role.TECHNICIAN)
    told = (await client.get("/api/v1/sources", headers=asked)).json()
    (gate,) = told["sources"]
    assert told["schemes"] == ["rtsp", "srt"] and gate["origin"] == "person"
    assert gate["channels"][0]["code"] == "connect-refused" and gate["channels"][0]["retry_in_s"] == 3.0
    (push,) = (await client.get("/api/v1/pushes", headers=asked)).json()
    assert (push["name"], push["state"]) == ("center", "running")
    (program,) = (await client.get("/api/v1/programs", headers=asked)).json()
    assert program["publishing"] == ["kit1/drone-1/main"] and "secret" not in program


async def test_adding_and_removing_are_orders(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    asked = bearer(Role.TECHNICIAN)
    body = {"url": "rtsp://u:p@192.0.2.1/1", "id": "gate", "name": "Gate", "on_demand": False}
    assert (await client.post("/api/v1/sources", json=body, headers=asked)).status_code == 200
    assert (await client.delete("/api/v1/sources/gate", headers=asked)).status_code == 200
    added, removed = services.commands.given  # type: ignore[attr-defined]
    assert (added.action, added.target) == (Action.SOURCE_ADD, "gate")
    assert added.args == {"url": "rtsp://u:p@192.0.2.1/1", "name": "Gate", "on_demand": False}
    assert (removed.action, removed.target) == (Action.SOURCE_REMOVE, "gate")
    for bad in ({}, {"url": ""}, {"url": "r" * 2049}, {"url": "rtsp://h/", "more": 1}):
        refused = await client.post("/api/v1/sources", json=bad, headers=asked)
        assert refused.status_code in (400, 422), bad


async def test_trying_one_and_a_new_secret(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    tried = await client.post("/api/v1/sources/test", json={"url": "rtsp://h/"}, headers=bearer(Role.TECHNICIAN))
    assert tried.json()["ok"] and tried.json()["tracks"][0]["codec"] == "h264"
    made = await client.post("/api/v1/programs/drone/secret", headers=bearer(Role.ADMINISTRATOR))
    assert made.json() == {"name": "drone", "secret": "fresh-secret-0123"}
    unknown = await client.post("/api/v1/programs/none/secret", headers=bearer(Role.ADMINISTRATOR))
    assert unknown.status_code == 404
