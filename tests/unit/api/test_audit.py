"""The audit record over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx

from gateway.core.services import Services
from gateway.model.command import CommandResult, Outcome
from gateway.model.principal import Role


async def test_the_export_is_lines_and_an_order_of_its_own(
    client: httpx.AsyncClient, services: Services, bearer: Any
) -> None:
    answer = await client.get("/api/v1/audit/export", headers=bearer(Role.AUDITOR))
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/x-ndjson"
    assert 'filename="audit-kit1.jsonl"' in answer.headers["content-disposition"]
    row, head = [json.loads(line) for line in answer.text.splitlines()]
    assert (row["number"], row["act"], row["digest"]) == (1, "ptz.move", "ab")
    assert head == {"number": 1, "seal": "seal"}
    (given,) = services.commands.given  # type: ignore[attr-defined]
    assert (given.action, given.target) == ("export", "audit")


async def test_an_export_whose_order_fails_gives_nothing(
    client: httpx.AsyncClient, services: Services, bearer: Any
) -> None:
    services.commands.answer = CommandResult("", Outcome.FAILED, "disk-full")  # type: ignore[attr-defined]
    answer = await client.get("/api/v1/audit/export", headers=bearer(Role.AUDITOR))
    assert (answer.status_code, answer.json()["code"]) == (507, "disk-full")
