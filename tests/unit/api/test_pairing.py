"""Pairing over the API: codes and answers go through, keys are shown by their first digits, one path is open."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.model.principal import Role
from tests.unit.api.fakes import PAIRED_KIT


async def test_an_offer_is_a_code_and_its_picture(client: httpx.AsyncClient, bearer: Any) -> None:
    answer = await client.post("/api/v1/pairing/offers", json={"role": "viewer"}, headers=bearer(Role.TECHNICIAN))
    made = answer.json()
    assert answer.status_code == 201
    assert made["code"].startswith("fgp1:") and made["qr"].startswith("<svg") and made["offer"]["state"] == "waiting"


async def test_keys_are_shown_for_comparison_only(client: httpx.AsyncClient, bearer: Any) -> None:
    body = {"code": "fgp1:abcdefgh", "name": "County 7"}
    answer = await client.post("/api/v1/pairing/admit", json=body, headers=bearer(Role.ADMINISTRATOR))
    assert answer.status_code == 201
    assert answer.json()["kit"]["key"] == "6B6B 6B6B 6B6B 6B6B" and PAIRED_KIT.key.hex() not in answer.text
    centers = await client.get("/api/v1/pairing/centers", headers=bearer(Role.TECHNICIAN))
    assert centers.json()[0]["key"].startswith("6363")


async def test_a_kit_asks_without_a_token(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/pairing/answers/known")
    assert (answer.status_code, answer.json()) == (200, {"answer": "fga1:answer"})
    missing = await client.get("/api/v1/pairing/answers/other")
    assert (missing.status_code, missing.json()["code"]) == (404, "pair-waiting")


async def test_what_is_too_long_is_refused(client: httpx.AsyncClient, bearer: Any) -> None:
    body = {"answer": "x" * 5000}
    answer = await client.post("/api/v1/pairing/accept", json=body, headers=bearer(Role.TECHNICIAN))
    assert answer.status_code in (400, 422)
