"""The worst end of the real daemon: SIGKILL right after it said yes to a technician, to a device and to an operator.

The device is the simulated ball: its alarm is acknowledged when the ball has its answer (GB/T 28181-2022 §9.4.2).
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from gateway.cli.client import Client
from gateway.sim.ball import Ball
from gateway.sim.profile import Profile
from tests.unit.daemon.test_daemon import free_port
from tests.unit.daemon.test_process import ROOT, Started

BALL = "34020000001110000001"
PATIENCE_S = 30.0


class Said:
    """A ball's report, to be awaited."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[str] = asyncio.Queue()

    def __call__(self, event: str, ball: str, words: str, **data: object) -> None:
        self.events.put_nowait(event)

    async def until(self, event: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.events.get() != event:
                pass


async def killed_at_once(daemon: Started) -> None:
    daemon.process.send_signal(signal.SIGKILL)
    assert await asyncio.to_thread(daemon.process.wait, 10) == -signal.SIGKILL
    daemon.close()


async def test_sigkill_loses_no_admitted_device_and_no_acknowledged_alarm(tmp_path: Path) -> None:
    state, sip = tmp_path / "state", free_port()
    client = Client(state)

    async def ask(path: str, **query: str) -> Any:
        return await asyncio.to_thread(client.get, path, **query)

    daemon = Started(tmp_path, sip=sip)
    try:
        await asyncio.to_thread(daemon.hears, "READY")
        admit = [sys.executable, "-m", "gateway", "devices", "admit", BALL, "--id", "ball-1", "--state-dir", str(state)]
        await asyncio.to_thread(subprocess.run, admit, cwd=ROOT, check=True, timeout=PATIENCE_S, capture_output=True)
        await killed_at_once(daemon)

        daemon = Started(tmp_path, sip=sip)
        await asyncio.to_thread(daemon.hears, "READY")
        (admitted,) = await ask("/api/v1/devices")
        assert (admitted["id"], admitted["external_id"], admitted["state"]) == ("kit1/ball-1", BALL, "offline")
        said = Said()
        password = (state / "kit-password").read_text().strip()
        ball = Ball(Profile(("127.0.0.1", sip), device_id=BALL, password=password), said)
        life = asyncio.create_task(ball.run())
        await said.until("registered")
        ball.press_alarm()
        await said.until("alarm-answered")
        await killed_at_once(daemon)
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)

        daemon = Started(tmp_path, sip=sip)
        await asyncio.to_thread(daemon.hears, "READY")
        (alarm,) = await ask("/api/v1/alarms")
        assert (alarm["device"], alarm["acknowledged_by"]) == ("kit1/ball-1", "")
        assert len(await ask("/api/v1/devices")) == 1
        await asyncio.to_thread(client.post, f"/api/v1/alarms/{alarm['id']}/acknowledge")
        await killed_at_once(daemon)

        daemon = Started(tmp_path, sip=sip)
        await asyncio.to_thread(daemon.hears, "READY")
        (again,) = await ask("/api/v1/alarms")
        assert (again["id"], again["acknowledged_by"]) == (alarm["id"], "local")
    finally:
        daemon.close()
