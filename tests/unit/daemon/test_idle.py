"""Adapters that have nothing to do: loaded when the daemon is ready, and there for whoever asks after it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gateway.api import whole
from gateway.attached import Attached
from gateway.config.root import AdapterSection
from gateway.model.principal import SYSTEM
from gateway.registry import Installed
from tests.fakes.toy import Toy
from tests.unit.daemon import test_daemon
from tests.unit.daemon.test_daemon import Rig, running

BUSY_AND_CALM = "[adapter.busy]\ntype = 'toy'\nword = 'busy'\n[adapter.calm]\ntype = 'toy'\n"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def idle(monkeypatch: pytest.MonkeyPatch, woken_by: str = "") -> None:
    monkeypatch.setattr(test_daemon, "TABLE", Installed({"toy": "tests.fakes.toy:Toy"}, {"toy": woken_by}))


class Held:
    """What follows, kept back until `go`; `built` is set when all routes are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.built = asyncio.Event(), asyncio.Event()
        follow, create, loop = Attached.follow, whole.create_api, asyncio.get_running_loop()

        async def held(attached: Attached) -> None:
            await self.go.wait()
            await follow(attached)

        def create_api(*args: object, **kept: object) -> FastAPI:
            made = create(*args, **kept)  # type: ignore[arg-type]
            loop.call_soon_threadsafe(self.built.set)
            return made

        monkeypatch.setattr(Attached, "follow", held)
        monkeypatch.setattr(whole, "create_api", create_api)


async def test_they_follow_when_it_is_ready_and_orders_and_a_reload_wait_for_them(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(monkeypatch)
    held = Held(monkeypatch)
    rig.write(BUSY_AND_CALM)
    async with (
        running(rig.daemon(monkeypatch)) as services,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{rig.port}") as client,
        asyncio.timeout(30),
    ):

        def states() -> dict[str, str]:
            return {adapter.name: adapter.state for adapter in services.daemon.adapters()}

        health = services.daemon.health()
        assert health.ready and health.ok and states() == {"busy": "running", "calm": "starting"}
        assert [toy.config.word for toy in Toy.runs] == ["busy"]
        assert (await client.get("/healthz")).json() == {"ok": True}
        asked = asyncio.create_task(client.get("/api/v1/reasons"))
        reload = asyncio.create_task(services.daemon.reload(SYSTEM))
        await held.built.wait()
        assert (await client.get("/healthz")).json() == {"ok": True}
        assert not asked.done() and not reload.done()
        held.go.set()
        assert (await asked).status_code == 401
        assert states() == {"busy": "running", "calm": "running"} and len(Toy.runs) == 2
        assert await reload == []


async def test_one_that_waits_is_not_begun_when_the_daemon_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    idle(monkeypatch)
    Held(monkeypatch)
    rig.write(BUSY_AND_CALM)
    async with running(rig.daemon(monkeypatch)):
        pass
    assert [toy.config.word for toy in Toy.runs] == ["busy"]


async def test_one_that_can_not_be_loaded_says_why_and_holds_up_no_other(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(monkeypatch)
    rig.write("[adapter.broken]\ntype = 'toy'\n[adapter.calm]\ntype = 'toy'\n")
    load = Attached._load

    def fails(attached: Attached, section: AdapterSection) -> None:
        if section.name == "broken":
            raise ValueError("a mistake of ours")
        load(attached, section)

    monkeypatch.setattr(Attached, "_load", fails)
    daemon = rig.daemon(monkeypatch)
    async with running(daemon) as services, asyncio.timeout(30):
        await daemon.whole()
        assert {adapter.name: adapter.state for adapter in services.daemon.adapters()}["calm"] == "running"


@pytest.mark.parametrize(
    ("woken_by", "role", "early"), [("centers", "center", 1), ("centers", "edge", 0), ("", "center", 0)]
)
async def test_a_center_has_something_to_do_for_those_that_serve_kits(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, woken_by: str, role: str, early: int
) -> None:
    idle(monkeypatch, woken_by)
    Held(monkeypatch)
    rig.write(f"[gateway]\nrole = '{role}'\n")
    async with running(rig.daemon(monkeypatch)):
        assert len(Toy.runs) == early


async def test_admitted_devices_of_theirs_give_them_something_to_do(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    idle(monkeypatch, "devices")
    rig.write("")
    daemon = rig.daemon(monkeypatch)
    async with running(daemon):
        await daemon.whole()
        await daemon.core.devices.admit("toy", "toy-1", by="anna")
    Toy.runs.clear()
    Held(monkeypatch)
    async with running(rig.daemon(monkeypatch)):
        assert len(Toy.runs) == 1
