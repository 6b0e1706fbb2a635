"""Receivers as an adapter: real gpsd and a serial line, both on pseudo-terminals; what goes and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.gnss import adapter as module
from adapters.gnss.adapter import Gnss
from adapters.gnss.config import GnssConfig
from gateway.base.clock import Clock
from gateway.base.moment import BUILT, TimeQuality
from gateway.model.kit_state import Fix
from gateway.wire.gnss import NoFix, Seen
from tests.unit.wire.test_nmea import GGA, RMC, sentence

PATIENCE_S = 60.0
VOID = sentence("GNRMC,082511.00,V,,,,,,,301126,,,N")


class Kit:
    """As much of `contract.kit.KitStanding` and of its context."""

    def __init__(self) -> None:
        self.fixes: list[tuple[str, Fix]] = []
        self.codes: list[tuple[str, str]] = []
        self.times: list[tuple[str, TimeQuality, float]] = []
        self.gone: list[str] = []
        self.told = asyncio.Event()

    @property
    def kit(self) -> Kit:
        return self

    def ready(self) -> None:
        pass

    def fix(self, source: str, kind: str, fix: Fix) -> str:
        self.fixes.append((source, fix))
        self.told.set()
        return ""

    def no_fix(self, source: str, kind: str, code: str) -> None:
        self.codes.append((source, code))
        self.told.set()

    def time(self, source: str, quality: TimeQuality, unix_s: float) -> None:
        self.times.append((source, quality, unix_s))

    def no_source(self, source: str) -> None:
        self.gone.append(source)

    async def until(self, ready: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not ready():
                self.told.clear()
                await self.told.wait()


@asynccontextmanager
async def running(**config: Any) -> AsyncIterator[tuple[Kit, Gnss]]:
    kit: Any = Kit()
    made = Gnss(GnssConfig(**config), kit)
    run = asyncio.create_task(made.run())
    try:
        yield kit, made
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


@pytest.fixture
def pty() -> Any:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for one in (master, slave):
        try:
            os.close(one)
        except OSError:
            pass


async def test_a_receiver_on_a_serial_port(pty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_S", 0.01)
    master, path = pty
    async with running(gpsd="", port=path, silent=2.0) as (kit, made):
        feed = asyncio.create_task(_feed(master, b"\xff\x00garbage" + GGA + RMC))
        await kit.until(lambda: kit.fixes)
        feed.cancel()
        assert kit.fixes[0][0] == "nmea" and kit.fixes[-1][1].longitude == 104.06
        assert kit.times[0] == ("nmea", TimeQuality.GNSS, 1796027110.0)
        made._fixed_at["nmea"] -= 2.0
        os.write(master, VOID)
        await kit.until(lambda: ("nmea", "gnss-no-fix") in kit.codes)
        (finding,) = made.findings()
        assert finding.code == "gnss-no-fix"
        await kit.until(lambda: ("nmea", "gnss-silent") in kit.codes)  # garbage is no sign of life either
        kit.fixes.clear()
        feed = asyncio.create_task(_feed(master, RMC))
        await kit.until(lambda: kit.fixes)
        feed.cancel()
    assert kit.gone == ["nmea"]


async def test_a_receiver_of_the_past_counts_for_the_place_alone(pty: Any) -> None:
    master, path = pty
    past = sentence("GNRMC,082510.00,A,3040.2000,N,10403.6000,E,,,150407,,,A")
    async with running(gpsd="", port=path) as (kit, _):
        feed = asyncio.create_task(_feed(master, past))
        await kit.until(lambda: kit.fixes)
        feed.cancel()
        assert kit.times == []


async def test_where_no_gpsd_runs_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    real = asyncio.open_connection

    async def connect(*where: Any, **more: Any) -> Any:
        tries.append(where)
        return await real(*where, **more)

    monkeypatch.setattr(module, "FIRST_S", 0.001)
    monkeypatch.setattr(asyncio, "open_connection", connect)
    async with running(gpsd=f"127.0.0.1:{_free()}") as (kit, made):
        async with asyncio.timeout(PATIENCE_S):
            while len(tries) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert kit.codes == [] and made.findings() == []


async def test_one_receiver_of_two_that_has_no_fix_is_no_news() -> None:
    kit: Any = Kit()
    made = Gnss(GnssConfig(), kit, Clock(monotonic=lambda: now[0]))
    now = [100.0]
    for _ in range(20):
        made._take("gpsd", Seen(104.06, 30.67))
        made._take("gpsd", NoFix())
        now[0] += 1.0
    assert kit.codes == [] and [one.code for one in made.findings()] == [""]
    now[0] += 10.0
    made._take("gpsd", NoFix())
    assert kit.codes == [("gpsd", "gnss-no-fix")]


async def test_a_receiver_that_repeats_a_moment_or_is_refused_is_no_clock() -> None:
    kit: Any = Kit()
    made = Gnss(GnssConfig(), kit)
    for at in (1.0, 1.0, 1.0, 2.0):
        made._take("gpsd", Seen(104.06, 30.67, taken_at=BUILT + at))
    assert [told - BUILT for _, _, told in kit.times] == [1.0, 2.0]
    kit.fix = lambda *_: "gnss-jump"
    made._take("gpsd", Seen(10.0, 30.67, taken_at=BUILT + 3e7))
    assert len(kit.times) == 2


async def test_gpsd_without_a_receiver_does_not_send_anybody_under_the_open_sky() -> None:
    async def gpsd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"class":"VERSION","release":"3.22"}\n{"class":"DEVICES","devices":[]}\n')
        await reader.read()
        writer.close()

    server = await asyncio.start_server(gpsd, "127.0.0.1", 0)
    async with server, running(gpsd=f"127.0.0.1:{server.sockets[0].getsockname()[1]}") as (kit, _):
        await kit.until(lambda: kit.codes)
        assert kit.codes == [("gpsd", "gnss-silent")]


async def test_a_receiver_that_is_gone_for_the_day_is_told_once_and_asked_seldom(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    caplog.set_level("INFO")
    async with running(gpsd="", port="/dev/serial/by-path/no-such-port"):
        async with asyncio.timeout(PATIENCE_S):
            while len(pauses) < 8:
                await real(0.001)
    assert pauses[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert len([one for one in caplog.records if "tried again" in one.getMessage()]) == 1


@pytest.mark.skipif(shutil.which("gpsd") is None, reason="gpsd is not installed (Debian: gpsd)")
async def test_real_gpsd(pty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_S", 0.05)
    master, path = pty
    port = _free()
    gpsd = shutil.which("gpsd")
    assert gpsd is not None
    process = await asyncio.create_subprocess_exec(gpsd, "-N", "-n", "-b", "-S", str(port), path)
    try:
        async with running(gpsd=f"127.0.0.1:{port}", silent=5.0) as (kit, _):
            feed = asyncio.create_task(_feed(master, GGA + RMC))
            await kit.until(lambda: kit.fixes)
            source, fix = kit.fixes[-1]
            assert source == "gpsd" and abs(fix.longitude - 104.06) < 1e-6 and abs(fix.latitude - 30.67) < 1e-6
            feed.cancel()
            process.kill()
            await process.wait()
            await kit.until(lambda: ("gpsd", "gnss-silent") in kit.codes)
        assert kit.gone == ["gpsd"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _feed(master: int, data: bytes) -> None:
    """As a receiver speaks, until it is told to be quiet."""
    while True:
        os.write(master, data)
        await asyncio.sleep(0.1)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_addresses_are_checked() -> None:
    for wrong in (
        {"gpsd": "localhost"},
        {"gpsd": "localhost:99999"},
        {"gpsd": "::1:0"},
        {"port": "/dev/ttyUSB2"},
        {"port": "../x"},
    ):
        with pytest.raises(ValueError):
            GnssConfig(**wrong)
    assert GnssConfig(gpsd="[::1]:2947", port="usb:1-1.3:2").port == "usb:1-1.3:2"
