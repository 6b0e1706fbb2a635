"""An application over fakes, and a client that talks to it without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.api.app import create_app
from gateway.api.mounts import Mounts
from gateway.core.services import Services
from tests.unit.api.fakes import fake_services


@pytest.fixture
def services() -> Services:
    return fake_services()


@pytest.fixture
def mounts() -> Mounts:
    return Mounts()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>console</title>")
    (folder / "play.html").write_text("<!doctype html><title>player</title>")
    (folder / "assets" / "app-1a2b.js").write_text("export {}")
    (folder / "secret.key").write_text("no")
    return folder


@pytest.fixture
def app(services: Services, mounts: Mounts, pages: Path, tmp_path: Path) -> ASGIApp:
    ca = tmp_path / "ca.crt"
    ca.write_text("-----BEGIN CERTIFICATE-----")
    return create_app(services, mounts, state_dir=tmp_path, ca_file=ca, static=pages)


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("10.0.0.2", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="https://kit1:8443") as made:
        yield made


@pytest.fixture
def bearer(services: Services) -> Iterator[Any]:
    """`bearer(Role.VIEWER)` → headers of a program with that role."""

    def headers(role: Any, **more: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {services.accounts.give(role, **more)}"}  # type: ignore[attr-defined]

    yield headers
