"""The kit itself, by the API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.api.routes import system
from gateway.model.kit_state import Place
from gateway.model.position import Datum, PositionSource
from gateway.model.principal import Role


async def test_the_doctor_knows_what_ails_the_kit(client: httpx.AsyncClient, bearer: Any, services: Any) -> None:
    services.kit.condition = replace(services.kit.condition, codes=("too-hot", "on-battery", "disk-low"))
    found = (await client.get("/api/v1/system/doctor", headers=bearer(Role.TECHNICIAN))).json()
    assert [one["code"] for one in found if one["check"].startswith("kit ")] == ["too-hot"]


async def test_the_doctor_says_when_nobody_can_see_the_teams_page(
    client: httpx.AsyncClient, bearer: Any, services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found() -> list[str]:
        told = (await client.get("/api/v1/system/doctor", headers=bearer(Role.TECHNICIAN))).json()
        return [one["measured"] for one in told if one["check"] == "team page"]

    own = ["10.64.0.9", "203.0.113.7"]
    monkeypatch.setattr(system, "own_addresses", lambda: own)
    assert await found() == ["nobody sees /field: each network leads out too (10.64.0.9)"]
    own.append("192.168.10.1")
    assert await found() == [], "the team's own network"
    own[:] = ["203.0.113.7"]
    assert await found() == [], "no private network at all: none of it is the team's"


async def test_the_kit_says_how_it_stands(client: httpx.AsyncClient, bearer: Any, services: Any) -> None:
    told = (await client.get("/api/v1/kit", headers=bearer(Role.VIEWER))).json()
    assert told["condition"]["power"] == {
        "source": "battery", "level": 0.4, "charging": False, "volts": None, "watts": None, "minutes_left": None,
        "code": "on-battery",
    }  # fmt: skip
    assert told["field"]["word"] == "ready" and told["cause"] == {"en": "", "zh": ""}
    place = Place(104.0, 30.0, Datum.WGS84, PositionSource.GNSS, "gpsd", 1.0)
    services.kit.condition = replace(services.kit.condition, place=place)
    whole = (await client.get("/api/v1/kit", headers=bearer(Role.VIEWER))).json()
    part = (await client.get("/api/v1/kit", headers=bearer(Role.VIEWER, scope="kit1/ball-1"))).json()
    assert whole["condition"]["place"]["by"] == "gpsd" and part["condition"]["place"] is None
    services.kit.says("technician", "field-no-center")
    told = (await client.get("/api/v1/kit", headers=bearer(Role.VIEWER))).json()
    assert "pair" in told["cure"]["en"] and "配对" in told["cause"]["zh"]
    assert (await client.get("/api/v1/kit")).status_code == 401
