"""Short messages between two gateways through their carriers: a satellite phone here, a modem there, a bad network.

The network delivers a part of them twice, all out of order, holds what a full modem does not take, and sometimes takes
a message without an answer, so that it is sent again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.modem.at_modem import AtModem
from adapters.modem.carrier import TextCarrier
from adapters.modem.config import OneModem
from adapters.modem.face import Change
from adapters.satphone.config import PhoneConfig
from adapters.satphone.phone import Phone
from gateway.base.serial import OnData, OnLost
from gateway.config.root import Config, Gateway
from gateway.config.texts import Texts as TextsConfig
from gateway.model.texts import CarrierKind, TextState
from gateway.net import at
from tests.fakes.loop import advance, by_hand, settle
from tests.fakes.modem import FakeModem
from tests.fakes.modem.pdus import relayed
from tests.unit.core.house import House, a_house
from tests.unit.modem.rig import MemoryLine

PHONE, MODEM = "+8617400000001", "+8613800000002"


@dataclass
class Network:
    """Takes from one modem and brings to the other."""

    rng: random.Random
    ends: dict[str, FakeModem] = field(default_factory=dict)
    carried: int = 0
    twice: int = 0
    lost_answers: int = 0
    on_way: int = 0

    def join(self, number: str, modem: FakeModem, far: str) -> None:
        self.ends[number] = modem

        def took(pdu: bytes) -> None:
            now = 1_790_000_000 + asyncio.get_running_loop().time()
            told = relayed(pdu, number, time.strftime("%y%m%d%H%M%S", time.gmtime(now)) + "00")
            self.carried += 1
            copies = 1 + (self.carried == 7 or self.rng.random() < 0.15)
            self.twice += copies - 1
            for _ in range(copies):
                self._bring(far, told, self.rng.uniform(0.0, 40.0))
            if self.carried == 5 or self.rng.random() < 0.02:
                modem.texts.unanswered = 1
                self.lost_answers += 1

        modem.texts.relay = took

    def _bring(self, to: str, pdu: str, after_s: float) -> None:
        def arrive() -> None:
            self.on_way -= 1
            texts = self.ends[to].texts
            self.ends[to].text_in(pdu)
            if texts.missed:  # it is full: the network keeps it
                self._bring(to, texts.missed.pop(), 5.0)

        self.on_way += 1
        asyncio.get_running_loop().call_later(after_s, arrive)


@dataclass
class Side:
    house: House
    number: str
    far: str
    sent: list[str] = field(default_factory=list)

    async def send(self, messages: int, rng: random.Random) -> None:
        for at_ in range(messages):
            words = rng.choice(
                ["现场需要药品和饮用水。", "all is well here, ", "🚒 bridge [closed] €", "道路中断 road "]
            )
            body = f"{at_}: {words * rng.randint(1, 14)}"
            self.sent.append(body)
            await self.house.core.texts.send(self.far, body)


@asynccontextmanager
async def a_phone(house: House) -> AsyncIterator[None]:
    context: Any = SimpleNamespace(
        links=SimpleNamespace(offer=lambda name, kind: nullcontext(SimpleNamespace(tell=lambda facts: None))),
        texts=house.core.texts,
        kit=SimpleNamespace(no_source=lambda name: None),
    )
    phone = Phone("sat1", PhoneConfig(port="tcp://phone:1"), context)  # type: ignore[call-arg]
    task = asyncio.create_task(phone.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def a_modem(house: House) -> AsyncIterator[None]:
    modem = AtModem("lte0", OneModem(port="tcp://modem:1"))  # type: ignore[call-arg]
    carrier = TextCarrier("lte0", modem)
    modem.on_change(lambda change: carrier.on_text() if change is Change.TEXT else None)
    with house.core.texts.carrier("lte0", CarrierKind.SMS, carrier.send) as seat:
        await modem.open()
        await modem.sim()
        carrier.sit(seat)
        carrier.on_ready(True, "", "")
        task = asyncio.create_task(carrier.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            await modem.close()


async def both_ways(folder: Path, monkeypatch: pytest.MonkeyPatch, messages: int) -> str:
    network = Network(random.Random(messages))
    modems = {"tcp://phone:1": FakeModem(), "tcp://modem:1": FakeModem()}
    lines = {address: MemoryLine(modem) for address, modem in modems.items()}

    async def open_serial(address: str, *, owner: str, on_data: OnData, on_lost: OnLost, baud: int = 0) -> MemoryLine:
        return await lines[address].open_serial(address, owner=owner, on_data=on_data, on_lost=on_lost, baud=baud)

    monkeypatch.setattr(at, "open_serial", open_serial)
    network.join(PHONE, modems["tcp://phone:1"], MODEM)
    network.join(MODEM, modems["tcp://modem:1"], PHONE)
    texts = TextsConfig(waiting=2 * messages + 10)
    kit_config = Config(gateway=Gateway(id="kit7"), texts=texts)
    center_config = Config(gateway=Gateway(id="center", role="center"), texts=texts)
    began = time.perf_counter()
    async with a_house(folder / "kit", kit_config) as kit, a_house(folder / "center", center_config) as center:
        sides = (Side(kit, PHONE, MODEM), Side(center, MODEM, PHONE))
        async with a_phone(kit), a_modem(center):
            for side in sides:
                await side.send(messages, network.rng)
            for _ in range(200_000):
                for side in sides:
                    await side.house.core.store.db.write(lambda conn: None)
                await settle()
                waiting = any(side.house.core.texts.queue.rows for side in sides)
                # A part takes seconds, as in a network: a reference comes again after many minutes.
                await advance(1.0)
                if not waiting and not network.on_way and not any(one.texts.stored for one in modems.values()):
                    break
            else:
                raise AssertionError("it does not come to an end")
        unsure = 0
        for side, other in (sides, sides[::-1]):
            sent = await side.house.core.texts.sent_lately(limit=2 * messages)
            assert {text.state for text in sent} <= {TextState.SENT, TextState.DELIVERED} and len(sent) == messages
            unsure += sum(text.unsure for text in sent)
            came = Counter(text.body for text in await other.house.core.texts.came_lately(limit=4 * messages))
            wanted = Counter(side.sent)
            assert not wanted - came, f"{(wanted - came).total()} are lost"
            assert not came - wanted, f"{(came - wanted).total()} are there twice"
    assert unsure == network.lost_answers > 0 and network.twice > 0
    lasted = asyncio.get_running_loop().time() - 1000.0
    took = time.perf_counter() - began
    return (
        f"{messages} each way in {network.carried} parts, {network.twice} delivered twice,"
        f" {network.lost_answers} answers lost: none lost, none twice;"
        f" {lasted / 60:.0f} minutes of the network in {took:.1f} s"
    )


@by_hand
async def test_both_ways_through_a_phone_and_a_modem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    print(await both_ways(tmp_path, monkeypatch, 25))


@pytest.mark.long
@by_hand
async def test_a_thousand_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    print(await both_ways(tmp_path, monkeypatch, 1000))
