"""A modem's bearer on a loop moved by hand: the AT backend, the fake modem in memory, a seat that remembers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.modem import power
from adapters.modem.at_modem import AtModem
from adapters.modem.bearer import Bearer
from adapters.modem.carrier import TextCarrier
from adapters.modem.config import OneModem
from adapters.modem.pin import PinKeeper
from adapters.modem.session import wishes_of
from gateway.base.errors import Busy, GatewayError, LinkDown
from gateway.base.log import Secret
from gateway.base.serial import OnData, OnLost
from gateway.model.link import BearerFacts, LinkPhase
from gateway.model.texts import Arrived
from gateway.net import at
from tests.fakes.loop import advance
from tests.fakes.modem import FakeModem, memory_end


async def pass_time(seconds: float) -> None:
    """An answer takes some turns of the loop, and no time: time passes in small pieces, with many turns in each."""
    left = seconds
    while left > 0:
        await advance(min(0.5, left))
        left -= 0.5
        for _ in range(60):
            await asyncio.sleep(0)


class MemoryLine:
    """One port of the fake modem, plugged in or not."""

    def __init__(self, modem: FakeModem) -> None:
        self.modem = modem
        self.plugged = True
        self.held_by = ""
        self.denied = False
        self.opened = 0
        self._on_data: OnData | None = None
        self._on_lost: OnLost | None = None
        self._port = memory_end(modem, self._out)
        modem.restarted = self._restarted

    @property
    def heard(self) -> list[str]:
        return self._port.heard

    async def open_serial(
        self, address: str, *, owner: str, on_data: OnData, on_lost: OnLost, baud: int = 0
    ) -> MemoryLine:
        self.address = address
        if self.held_by:
            raise Busy(f"{address} is in use by {self.held_by}", code="serial-held")
        if self.denied:
            raise LinkDown(f"{address}: no right to open it", code="serial-denied")
        if not self.plugged:
            raise LinkDown(f"{address} is not there", code="serial-lost")
        self.opened += 1
        self._on_data, self._on_lost = on_data, on_lost
        self.modem.port_opened()
        return self

    def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._port.receive, data)

    async def close(self) -> None:
        self._on_data = self._on_lost = None

    def unplug(self) -> None:
        self.plugged = False
        lost, self._on_data, self._on_lost = self._on_lost, None, None
        if lost is not None:
            lost(LinkDown("the modem is gone", code="serial-lost"))

    def plug(self) -> None:
        self.plugged = True
        self.modem.urc("RDY")

    def _restarted(self) -> None:
        self.unplug()
        asyncio.get_running_loop().call_later(self.modem.boot_s, self.plug)

    def _out(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._hand_over, data)

    def _hand_over(self, data: bytes) -> None:
        if self._on_data is not None:
            self._on_data(data)


class Seats:
    """A seat among the links and one among the carriers of messages."""

    name = "lte0"

    def __init__(self) -> None:
        self.told: list[BearerFacts] = []
        self.taken: list[Arrived] = []
        self.reports: list[tuple[str, bool, str]] = []
        self.ready: list[tuple[bool, str]] = []
        self.full: GatewayError | None = None
        self.changed = asyncio.Event()

    def tell(self, *facts: Any, **more: Any) -> None:
        self.changed.set()
        if isinstance(facts[0], BearerFacts):
            self.told.append(facts[0])
        else:
            self.ready.append((facts[0], facts[1]))

    async def take(self, text: Arrived) -> bool:
        if self.full is not None:
            raise self.full
        self.taken.append(text)
        self.changed.set()
        return True

    async def report(self, reference: str, delivered: bool, code: str = "", detail: str = "") -> None:
        self.reports.append((reference, delivered, code))


class BearerRig:
    def __init__(self, modem: FakeModem, line: MemoryLine, bearer: Bearer, carrier: TextCarrier, seats: Seats) -> None:
        self.modem, self.line, self.bearer, self.carrier, self.seats = modem, line, bearer, carrier, seats

    @property
    def facts(self) -> BearerFacts:
        return self.bearer.facts

    @property
    def now(self) -> tuple[LinkPhase, str]:
        return self.facts.phase, self.facts.code

    async def until(self, phase: LinkPhase, code: str = "", *, within_s: float = 120.0) -> float:
        """How long it took."""
        began = asyncio.get_running_loop().time()
        while self.now != (phase, code):
            took = asyncio.get_running_loop().time() - began
            assert took < within_s, f"still {self.now} after {took:.0f} s: {self.facts}"
            await pass_time(0.25)
        return asyncio.get_running_loop().time() - began

    def steps(self) -> list[str]:
        out: list[str] = []
        for facts in self.seats.told:
            if facts.step and (not out or out[-1] != facts.step):
                out.append(facts.step)
        return out


@asynccontextmanager
async def bearer_rig(
    monkeypatch: pytest.MonkeyPatch, folder: Path, modem: FakeModem | None = None, **config: Any
) -> AsyncIterator[BearerRig]:
    modem = modem or FakeModem()
    line = MemoryLine(modem)
    monkeypatch.setattr(at, "open_serial", line.open_serial)
    monkeypatch.setattr(power, "switch_of", lambda socket: Path("/dev/null"))

    async def cycle(socket: str, vendor: str, _marks: Path | None = None) -> None:
        await asyncio.sleep(power.OFF_S)
        modem.restart("power")

    monkeypatch.setattr(power, "cycle", cycle)
    one = OneModem(**{"port": "usb:1-1.3:2", "interface": "wwan0", **config})
    driven = AtModem("lte0", one)
    seats = Seats()
    carrier = TextCarrier("lte0", driven)
    carrier.sit(seats)
    pin = PinKeeper("lte0", Secret(one.pin.get_secret_value()), folder)
    bearer = Bearer("lte0", driven, seats, wishes_of(one), pin, carrier.on_ready)
    bearer.on_text, bearer.sending = carrier.on_text, carrier.sending
    tasks = [asyncio.ensure_future(bearer.run()), asyncio.ensure_future(carrier.run())]
    logging.getLogger("adapters.modem").setLevel(logging.DEBUG)
    try:
        yield BearerRig(modem, line, bearer, carrier, seats)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
