"""Talk groups over the API: lists, spurts, and levels on the WebSocket."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.types import ASGIApp

from gateway.api import live_levels
from gateway.core.services import Services
from gateway.model.principal import Role
from tests.unit.api.fakes import OPS
from tests.unit.api.test_live import peer


async def test_groups_with_members_and_floor(client: httpx.AsyncClient, bearer: Any) -> None:
    asked = bearer(Role.VIEWER)
    (listed,) = (await client.get("/api/v1/talk", headers=asked)).json()
    assert (listed["id"], listed["number"], listed["floor"]["state"]) == (OPS, "600", "idle")
    for ref in ("ops", OPS, "600"):
        one = await client.get(f"/api/v1/talk/{ref}", headers=asked)
        assert one.json() == listed
    unknown = await client.get("/api/v1/talk/none", headers=asked)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")


async def test_spurts_levels_endpoints_calls(client: httpx.AsyncClient, bearer: Any) -> None:
    asked = bearer(Role.OPERATOR)
    (spurt,) = (await client.get(f"/api/v1/talk/{OPS}/spurts?limit=5", headers=asked)).json()
    assert (spurt["member"], spurt["ended_by"]) == ("sip:8001", "release")
    assert (await client.get("/api/v1/talk/ops/spurts?limit=0", headers=asked)).status_code in (400, 422)
    assert (await client.get("/api/v1/talk/ops/levels", headers=asked)).json() == {"sip:8001": -23.5}
    (radio,) = (await client.get("/api/v1/talk/endpoints", headers=asked)).json()
    assert (radio["id"], radio["online"], radio["listens"]) == ("kit1/radio-1/ch1", True, True)
    (call,) = (await client.get("/api/v1/calls", headers=asked)).json()
    assert (call["state"], call["peer"]) == ("ringing-in", "8001")


async def test_levels_come_only_while_asked_for(app: ASGIApp, bearer: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(live_levels, "EVERY_S", 0.01)
    async with peer(app, **bearer(Role.VIEWER)) as client:
        await client.event()
        client.say('{"type":"levels","group":"ops","on":true}')
        for _ in range(3):
            told = await client.event()
            assert told == {"type": "levels", "subject": OPS, "data": {"sip:8001": -23.5}}
        client.say('{"type":"levels","group":"ops","on":false}')
        client.say('{"type":"ping"}')
        while (told := await client.event())["type"] == "levels":
            pass
        assert told["type"] == "pong"
        client.say('{"type":"ping"}')
        assert (await client.event())["type"] == "pong", "nothing came between the two"


async def test_levels_that_can_not_be_had_are_refused_in_words(app: ASGIApp, services: Services, bearer: Any) -> None:
    async with peer(app, **bearer(Role.VIEWER)) as client:
        await client.event()
        client.say('{"type":"levels","group":"none"}')
        assert (await client.event())["problem"]["code"] == "not-found"
        client.say('{"type":"levels","group":7}')
        assert (await client.event())["problem"]["code"] == "bad-request"
        for number in range(live_levels.AT_A_TIME + 1):
            # Each a name of its own for the same group.
            client.say(f'{{"type":"levels","group":"{"ops" if not number else "600" if number == 1 else OPS}"}}')
        services.talk.group = lambda who, ref: services.talk.status  # type: ignore[attr-defined, method-assign]
        services.talk.levels = lambda who, ref: {}  # type: ignore[method-assign]
        for number in range(live_levels.AT_A_TIME + 1):
            client.say(f'{{"type":"levels","group":"g{number}"}}')
        while "problem" not in (told := await client.event()):
            pass
        assert told["problem"]["code"] == "too-many"
