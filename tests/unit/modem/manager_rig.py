"""A bearer on ModemManager, which is a dictionary here, on a loop moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.modem import manager, power
from adapters.modem import manager_words as mm
from adapters.modem.bearer import Bearer, Wishes
from adapters.modem.manager import Manager
from adapters.modem.manager_modem import ManagerModem
from adapters.modem.pin import PinKeeper
from gateway.base.log import Secret
from gateway.model.link import LinkPhase
from tests.fakes.modem_manager import FakeManager
from tests.unit.modem.rig import Seats, pass_time

SOCKET = "usb:1-1.3:2"


class ManagerRig:
    def __init__(self, fake: FakeManager, manager: Manager, modem: ManagerModem, bearer: Bearer, seats: Seats) -> None:
        self.fake, self.manager, self.modem, self.bearer, self.seats = fake, manager, modem, bearer, seats
        self.cuts: list[str] = []
        """USB sockets whose power was switched off and on."""

    @property
    def now(self) -> tuple[LinkPhase, str]:
        return self.bearer.facts.phase, self.bearer.facts.code

    async def until(self, phase: LinkPhase, code: str = "", *, within_s: float = 120.0) -> None:
        began = asyncio.get_running_loop().time()
        while self.now != (phase, code):
            took = asyncio.get_running_loop().time() - began
            assert took < within_s, f"still {self.now} after {took:.0f} s: {self.bearer.facts}"
            await pass_time(0.5)

    def count(self, member: str) -> int:
        return sum(one.endswith(f".{member}") for one in self.fake.calls)


async def _inline(call: Callable[..., Any], *words: Any) -> Any:
    return call(*words)


@asynccontextmanager
async def following(fake: FakeManager, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Manager]:
    monkeypatch.setattr(manager, "Bus", fake.bus)
    made = Manager()
    task = asyncio.ensure_future(made.run())
    try:
        await pass_time(0.5)
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def manager_rig(monkeypatch: pytest.MonkeyPatch, folder: Path, fake: FakeManager) -> AsyncIterator[ManagerRig]:
    """`folder / "usb"` stands for /sys/bus/usb/devices: a folder `1-1.3` there means that something is plugged in."""
    usb = folder / "usb"
    usb.mkdir(exist_ok=True)
    monkeypatch.setattr(power, "USB", usb)
    monkeypatch.setattr(power, "switch_of", lambda socket: Path("/dev/null"))
    monkeypatch.setattr(asyncio, "to_thread", _inline)
    async with following(fake, monkeypatch) as made:
        modem = ManagerModem(made, SOCKET, power=True)
        seats = Seats()
        pin = PinKeeper("lte0", Secret(""), folder)
        bearer = Bearer("lte0", modem, seats, Wishes(apn="cmnet"), pin, seats.tell)
        rig = ManagerRig(fake, made, modem, bearer, seats)

        async def cycle(socket: str, vendor: str, _marks: Path | None = None) -> None:
            rig.cuts.append(socket)

        monkeypatch.setattr(power, "cycle", cycle)
        task = asyncio.ensure_future(bearer.run())
        try:
            yield rig
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def connects(fake: FakeManager, told_after_s: float = 0.0) -> None:
    """Simple.Connect makes a bearer that stands; that is told some time after its answer."""

    def changes(path: str, **values: Any) -> None:
        if told_after_s:
            asyncio.get_running_loop().call_later(told_after_s, lambda: fake.change(path, mm.MODEM, **values))
        else:
            fake.change(path, mm.MODEM, **values)

    def connect(path: str, wanted: object) -> list[Any]:
        bearer = f"{path}/bearer"
        fake.parts[bearer] = {"Connected": True, "Interface": "wwan0", "Properties": {"apn": "cmnet"}}
        changes(path, Bearers=[bearer], State=11)
        return [bearer]

    def disconnect(path: str, which: str) -> list[Any]:
        changes(path, Bearers=[], State=8)
        return []

    fake.answers["Connect"], fake.answers["Disconnect"] = connect, disconnect
