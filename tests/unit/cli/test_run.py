"""`fieldgate run`: how its process loads what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

ORDER = """
from gateway.cli.run import load_lightly; load_lightly()
import asyncio, httpx
from pathlib import Path
from gateway.api.app import create_app
from gateway.model.principal import Role
from tests.unit.api.fakes import fake_services

async def give():
    services = fake_services()
    app = create_app(services, state_dir=Path("."), static=Path("."))
    token = services.accounts.give(Role.ADMINISTRATOR)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://kit1:8443") as client:
        body = {"external_id": "34020000001110000001", "name": "ball"}
        told = await client.post("/api/v1/devices", json=body, headers={"Authorization": f"Bearer {token}"})
        print(told.status_code)

asyncio.run(give())
"""


def test_the_first_order_leaves_no_page_of_python_in_the_log() -> None:
    """A validator that is built late warns of what FastAPI hides while it builds its own."""
    ran = subprocess.run([sys.executable, "-c", ORDER], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().startswith("20") and "Warning" not in ran.stderr, ran.stderr
