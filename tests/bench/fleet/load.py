"""A load process: half of the made-up kits, each with a session of the daemon's own code.

Run as `python -m tests.bench.fleet.load <folder> <part> <parts>`; told what to do on stdin (`child.obey`).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from adapters.mqtt.dial import Dialler
from adapters.mqtt.kit import KitSession, KitSetting
from adapters.mqtt.manner import Setting, Times, Versions
from tests.bench.fleet.child import Told, obey
from tests.bench.fleet.kits import KeptTls, MadeUp, MemorySide
from tests.bench.fleet.plan import CENTER, Plan, load, split

TICK_S = 0.05


@dataclass
class Kit:
    facts: MadeUp
    side: MemorySide
    session: KitSession
    cut: bool = False
    marked: int = 0

    @property
    def held(self) -> bool:
        return bool(self.session.broker) and (not self.cut or self.session.standing.connections > self.marked)

    def bytes(self, which: str) -> int:
        """Of all its connections, the present one too."""
        now: int = getattr(self.session._connection, which, 0)
        before: int = getattr(self.session.figures, which)
        return now + before


@dataclass
class Load:
    plan: Plan
    names: list[str]
    kits: list[Kit] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    raised: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def start(self, told: Told) -> Told:
        """All of them, `rate` a second; answers when each is held by a broker."""
        began = time.monotonic()
        versions = Versions()
        for number, name in enumerate(self.names):
            self._add(name, versions)
            await asyncio.sleep(max(0.0, began + number / told["rate"] - time.monotonic()))
        self.tasks.append(asyncio.create_task(self._traffic()))
        held = await self.held(told)
        # As the daemon does when it is ready; else the collector looks at 1,500 kits each time, which no kit has.
        gc.collect()
        gc.freeze()
        return held

    def _add(self, name: str, versions: Versions) -> None:
        plan, seal, shown = self.plan, self.plan.seal(name), self.plan.files(name)
        facts, side = MadeUp(name, plan.devices), MemorySide(name, self.acknowledged)
        setting = Setting(
            plan.addresses(),
            Dialler(KeptTls(shown.ca, shown.certificate, shown.key)),
            Times(4.0, 20.0),
            versions,
            spread=plan.spread,
        )
        seals = {CENTER: seal}.get
        session = KitSession(facts, {CENTER: side}, KitSetting(setting, plan.telemetry_s), seals=seals)
        self.kits.append(Kit(facts, side, session))
        self.tasks.append(asyncio.create_task(session.run()))

    async def held(self, told: Told) -> Told:
        """When every kit is held by a broker, anew since `mark` where its broker died; or after `seconds`."""
        until = time.monotonic() + told.get("seconds", 300.0)
        while time.monotonic() < until and not all(kit.held for kit in self.kits):
            self._dead()
            await asyncio.sleep(TICK_S)
        return {"at": time.monotonic(), **await self.stand({})}

    def _dead(self) -> None:
        for task in self.tasks:
            if task.done():
                task.result()
                raise RuntimeError("a session ended by itself")

    async def stand(self, _told: Told) -> Told:
        standings = [kit.session.standing for kit in self.kits]
        return {
            "kits": len(self.kits),
            "held": sum(kit.held for kit in self.kits),
            "connections": sum(one.connections for one in standings),
            "failures": sum(one.failures for one in standings),
            "codes": Counter(one.code for one in standings if one.code),
            "brokers": Counter(kit.session.broker for kit in self.kits),
            "raised": self.raised,
            "acknowledged": len(self.acknowledged),
            "waiting": sum(len(kit.side.rows) for kit in self.kits),
            "sent": sum(kit.session.figures.events_sent for kit in self.kits),
            "orders": sum(kit.facts.orders for kit in self.kits),
            "bytes_out": sum(kit.bytes("bytes_out") for kit in self.kits),
            "bytes_in": sum(kit.bytes("bytes_in") for kit in self.kits),
        }

    async def mark(self, told: Told) -> Told:
        """The broker `victim` dies now: how many it holds."""
        for kit in self.kits:
            kit.cut, kit.marked = kit.session.broker == told["victim"], kit.session.standing.connections
        return {"cut": sum(kit.cut for kit in self.kits)}

    async def rate(self, told: Told) -> Told:
        """What the kits say from now on, a second and all together: events, positions, changes."""
        self.rates = told
        return {}

    async def ids(self, told: Told) -> Told:
        """Ids that the center acknowledged, into a file."""
        Path(told["path"]).write_text("\n".join(self.acknowledged))
        return {}

    async def _traffic(self) -> None:
        """Evenly, each time from a kit at random."""
        says: dict[str, Callable[[Kit], object]] = {
            "events": self._raise,
            "positions": lambda kit: kit.facts.move(),
            "changes": lambda kit: kit.facts.change(self.chance),
        }
        due = dict.fromkeys(says, 0.0)
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            for what, say in says.items():
                due[what] += self.rates.get(what, 0.0) * (now - before)
                while due[what] >= 1.0:
                    due[what] -= 1.0
                    say(self.chance.choice(self.kits))
            before = now

    def _raise(self, kit: Kit) -> None:
        self.raised += 1
        kit.side.raise_alarm(self.raised)


async def main(folder: Path, part: int, parts: int) -> None:
    plan = load(folder)
    made = Load(plan, split(plan.names(), parts)[part])
    try:
        await obey(
            {"start": made.start, "held": made.held, "stand": made.stand, "mark": made.mark, "rate": made.rate}
            | {"ids": made.ids}
        )
    finally:
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
