"""The console's base map: one file, read by pieces, by those who are signed in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api import pages
from gateway.config.root import Config, Map
from gateway.core.services import Services
from gateway.model.principal import Role

TILES = "/api/v1/map/tiles.pmtiles"


async def test_without_one(client: httpx.AsyncClient, bearer: Any) -> None:
    told = await client.get("/api/v1/map", headers=bearer(Role.VIEWER))
    assert told.json() == {"tiles": False, "datum": "wgs84", "attribution": ""}
    missing = await client.get(TILES, headers=bearer(Role.VIEWER))
    assert (missing.status_code, missing.json()["code"]) == (404, "map-none")


async def test_pieces_of_it(client: httpx.AsyncClient, bearer: Any, services: Services, tmp_path: Path) -> None:
    file = tmp_path / "county.pmtiles"
    file.write_bytes(bytes(range(256)) * 64)
    config = replace(Config(), map=Map(file=file, datum="gcj02", attribution="County"))
    object.__setattr__(services, "config", lambda: config)
    told = await client.get("/api/v1/map", headers=bearer(Role.VIEWER))
    assert told.json() == {"tiles": True, "datum": "gcj02", "attribution": "County"}
    piece = await client.get(TILES, headers={**bearer(Role.VIEWER), "Range": "bytes=256-511"})
    assert (piece.status_code, piece.content) == (206, bytes(range(256)))
    assert piece.headers["content-range"] == f"bytes 256-511/{256 * 64}"
    beyond = await client.get(TILES, headers={**bearer(Role.VIEWER), "Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert (await client.get(TILES)).status_code == 401


def test_only_that_kind_of_file() -> None:
    with pytest.raises(ValueError, match="pmtiles"):
        Map(file=Path("/etc/passwd"))


def test_every_file_of_the_console_is_served() -> None:
    """A worker of an unknown type would be refused, and the map stay empty."""
    built = Path(pages.__file__).parent / "static"
    if not (built / "index.html").exists():
        pytest.skip("the console is not built (make build)")
    kinds = {file.suffix for file in built.rglob("*") if file.is_file()}
    assert kinds <= set(pages.TYPES)
