"""The kit itself, by the API."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.model.principal import Role


async def test_the_kit_says_how_it_stands(client: httpx.AsyncClient, bearer: Any, services: Any) -> None:
    told = (await client.get("/api/v1/kit", headers=bearer(Role.VIEWER))).json()
    assert told["condition"]["power"] == {
        "source": "battery", "level": 0.4, "charging": False, "volts": None, "watts": None, "minutes_left": None,
        "code": "on-battery",
    }  # fmt: skip
    assert told["field"]["word"] == "ready" and told["cause"] == {"en": "", "zh": ""}
    services.kit.says("technician", "field-no-center")
    told = (await client.get("/api/v1/kit", headers=bearer(Role.VIEWER))).json()
    assert "pair" in told["cure"]["en"] and "配对" in told["cause"]["zh"]
    assert (await client.get("/api/v1/kit")).status_code == 401
