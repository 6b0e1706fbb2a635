"""Modems on pseudo-terminals in real time: whose answer it is, and how long the ladder takes.

`misattributed`: 10,000 commands at bad modems, beside each other. `modem_back_s`: the worst of four hangs, each healed
by another step, with a start of BOOT_S seconds. What modems cost: `part_load`, with all the rest.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from adapters.modem import power
from adapters.modem.at_modem import AtModem
from adapters.modem.bearer import Bearer
from adapters.modem.config import OneModem
from adapters.modem.pin import PinKeeper
from adapters.modem.session import wishes_of
from gateway.base.log import Secret
from gateway.contract.link import LinkSeat
from gateway.model.link import BearerFacts, LinkPhase
from gateway.net.at import AtPort
from gateway.wire.at import Unsolicited
from tests.bench.links.asking import TIMES, Told, ask_all, bad_modem, judge_urcs
from tests.fakes.modem import FakeModem, PtyEnd

COMMANDS, PORTS = 10_000, 10
BOOT_S = 12.0
HANGS = ("reopen", "radio", "reset", "power")
MODEMS = 4


class Seat:
    def __init__(self) -> None:
        self.facts = BearerFacts(LinkPhase.CONNECTING)
        self.changed = asyncio.Event()

    @property
    def name(self) -> str:
        return "lte0"

    def tell(self, facts: BearerFacts) -> None:
        self.facts = facts
        self.changed.set()

    async def until(self, up: bool, limit_s: float) -> float:
        began = time.monotonic()
        async with asyncio.timeout(limit_s):
            while (self.facts.phase is LinkPhase.UP) != up:
                self.changed.clear()
                await self.changed.wait()
        return time.monotonic() - began


@asynccontextmanager
async def tended(
    path: Path, folder: Path, seat: LinkSeat | None = None, **config: object
) -> AsyncIterator[tuple[Bearer, Seat]]:
    one = OneModem.model_validate({"port": str(path), "interface": "wwan0", **config})
    own = Seat()
    pin = PinKeeper(path.name, Secret(""), folder)
    bearer = Bearer(
        path.name, AtModem(path.name, one), seat or own, wishes_of(one), pin, lambda ready, code, detail: None
    )
    task = asyncio.create_task(bearer.run())
    try:
        yield bearer, own
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def asked(folder: Path, seed: int) -> tuple[Told, float]:
    """Commands a second, and whose answers they were."""

    async def one(number: int) -> Told:
        modem, heard = bad_modem(seed * 1000 + number), list[Unsolicited]()
        with PtyEnd(modem, folder / f"bad{number}") as end:
            port = AtPort(str(end.path), owner="bench", on_urc=heard.append, times=TIMES)
            await port.open()
            told = await ask_all(COMMANDS // PORTS, seed + number, modem, port.ask)
            await port.close()
        judge_urcs(told, modem.faults.sent_urcs, [urc.line for urc in heard])
        return told

    began = time.monotonic()
    found = await asyncio.gather(*(one(number) for number in range(PORTS)))
    whole = Told()
    for told in found:
        whole.answered += told.answered
        whole.timeouts += told.timeouts
        whole.urcs += told.urcs
        whole.urcs_lost += told.urcs_lost
        whole.wrong += told.wrong
    return whole, COMMANDS / (time.monotonic() - began)


async def brought_back(folder: Path) -> dict[str, float]:
    """From the hang to a session that stands again, by what heals it."""

    async def one(heals: str) -> float:
        modem = FakeModem()
        modem.boot_s = BOOT_S
        with PtyEnd(modem, folder / heals) as end:
            async with tended(end.path, folder) as (bearer, seat):
                await seat.until(True, 60)
                ports[bearer] = end
                began = time.monotonic()
                modem.hang(heals)
                # A pseudo-terminal does not tell that it was opened anew: what closing the port does is done here.
                step = bearer.modem.step

                async def stepped(wanted: str) -> None:
                    await step(wanted)  # type: ignore[arg-type]
                    if wanted == "reopen":
                        modem.port_opened()
                    if wanted == "power":
                        end.power_cycle()

                bearer.modem.step = stepped  # type: ignore[method-assign, assignment]
                await seat.until(False, 60)
                await seat.until(True, 180)
                return time.monotonic() - began

    ports: dict[Bearer, PtyEnd] = {}
    kept = power.switch_of, power.cycle

    async def cycle(socket: str, vendor: str, marks: Path | None) -> None:
        await asyncio.sleep(power.OFF_S)

    power.switch_of, power.cycle = lambda socket: Path("/dev/null"), cycle  # type: ignore[assignment]
    try:
        took = await asyncio.gather(*(one(heals) for heals in HANGS))
    finally:
        power.switch_of, power.cycle = kept  # type: ignore[assignment]
    return {heals: round(one, 1) for heals, one in zip(HANGS, took, strict=True)}


@asynccontextmanager
async def fake_modems(folder: Path) -> AsyncIterator[None]:
    """MODEMS of them at `folder/0` and on, in a process of their own."""
    command = (sys.executable, "-m", "tests.bench.links.fake_modems", str(folder), str(MODEMS))
    fakes = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1)
    try:
        async with asyncio.timeout(60):
            assert fakes.stdout is not None and await fakes.stdout.readline() == b"ready\n"
        yield
    finally:
        with suppress(ProcessLookupError):
            fakes.terminate()
        await fakes.wait()


async def run(seconds: float, seed: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name, ExitStack():
        folder = Path(name)
        told, rate = await asked(folder, seed)
        back = await brought_back(folder)
    return {
        "misattributed": len(told.wrong),
        "commands": COMMANDS,
        "answered": told.answered,
        "timed_out": told.timeouts,
        "unsolicited": told.urcs,
        "unsolicited_lost": told.urcs_lost,
        "commands_per_s": round(rate),
        "modem_back_s": max(back.values()),
        "back_s": back,
        "boot_s": BOOT_S,
    }
