"""Short messages over the API."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.core.services import Services
from gateway.model.principal import Role

BASE = "/api/v1/texts"


async def test_sent_read_and_cancelled(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    otto = bearer(Role.OPERATOR)
    made = await client.post(f"{BASE}/out", json={"to": "10086", "body": "到达", "id": "mine"}, headers=otto)
    assert made.status_code == 202 and made.json()["state"] == "waiting"
    (sent,) = (await client.get(f"{BASE}/out", headers=otto)).json()
    assert (sent["id"], sent["to"], sent["priority"]) == ("mine", "10086", 2)
    (came,) = (await client.get(f"{BASE}/in", headers=otto)).json()
    assert came["body"] == "all well"
    assert (await client.post(f"{BASE}/in/{came['id']}/seen", headers=otto)).json()["seen_by"]
    (carrier,) = (await client.get(f"{BASE}/carriers", headers=otto)).json()
    assert (carrier["kind"], carrier["code"]) == ("bd", "bd-card-limit")
    assert (await client.delete(f"{BASE}/out/mine", headers=otto)).json()["state"] == "cancelled"


async def test_a_providers_program_hands_in_what_came(client: httpx.AsyncClient, bearer: Any) -> None:
    body = {"sender": "17400000001", "body": "x" * 64, "mark": "id-1"}
    assert (await client.post(f"{BASE}/in", json=body, headers=bearer(Role.OPERATOR))).status_code == 403
    assert (await client.post(f"{BASE}/in", json=body, headers=bearer(Role.TECHNICIAN))).json() is True


async def test_what_a_kit_told(client: httpx.AsyncClient, bearer: Any) -> None:
    (record,) = (await client.get("/api/v1/kits/kit7/records", headers=bearer(Role.VIEWER))).json()
    assert (record["gateway"], record["battery_percent"]) == ("kit7", 41)
