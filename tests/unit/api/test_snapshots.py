"""A stream's picture over the API."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.base.errors import Busy, LinkDown
from gateway.core.services import Services
from gateway.model.principal import Role
from tests.unit.api.fakes import STREAM

PATH = f"/api/v1/streams/{STREAM}/snapshot.jpg"


async def test_a_picture_with_its_age(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    got = await client.get(PATH, params={"height": 360, "quality": 60, "last": True}, headers=bearer(Role.VIEWER))
    assert (got.status_code, got.headers["content-type"], got.content) == (200, "image/jpeg", b"\xff\xd8jpeg")
    # Made two seconds ago of a picture that was half a second old.
    assert (got.headers["age"], got.headers["fieldgate-picture-age"]) == ("2", "2.50")
    assert got.headers["fieldgate-picture-size"] == "640x360" and "no-store" in got.headers["cache-control"]
    (asked,) = services.snapshots.asked  # type: ignore[attr-defined]
    assert asked[0] == STREAM and asked[2:] == (360, 60, True)


async def test_limits_and_refusals(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    asked = bearer(Role.VIEWER)
    for bad in ({"height": 5000}, {"height": -1}, {"quality": 0}, {"quality": "x"}):
        assert (await client.get(PATH, params=bad, headers=asked)).status_code in (400, 422), bad
    assert (await client.get(PATH)).status_code == 401
    for failing, status in ((Busy("16", code="snapshot-busy"), 409), (LinkDown("none", code="snapshot-none"), 503)):
        services.snapshots.failing = failing  # type: ignore[attr-defined]
        got = await client.get(PATH, headers=asked)
        assert (got.status_code, got.json()["code"]) == (status, failing.code)
        assert got.json()["cure"]["zh"]
