"""The center: a whole daemon, with eyes in it that look when its directory is whole and how long its orders take.

Run as `python -m tests.bench.fleet.center <folder>`; told what to do on stdin (`child.obey`).
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import uvloop

from adapters.mqtt.adapter import Mqtt
from adapters.mqtt.center import CenterSession
from gateway.config.load import load_config
from gateway.core.core import Core
from gateway.daemon import Daemon
from gateway.model.command import Action, Command, Outcome
from gateway.model.kit import KitState
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.registry import Installed
from tests.bench.fleet.child import Told, obey
from tests.bench.fleet.judge import quantiles
from tests.bench.fleet.plan import CENTER, Plan, load
from tests.bench.fleet.prepare import center_state
from tests.paths.fleet_rig import free_port

LOOK_S = 0.05
TABLE = Installed({"mqtt": "adapters.mqtt:Mqtt"})


class Center:
    def __init__(self, daemon: Daemon, plan: Plan) -> None:
        self._daemon = daemon
        self._plan = plan
        self._chance = random.Random(11)
        self._number = 0

    @property
    def core(self) -> Core:
        return self._daemon.core

    @property
    def session(self) -> CenterSession | None:
        return cast(Mqtt, self._daemon.attached.made["mqtt"]).center

    def _there(self) -> tuple[int, int]:
        kits = self.core.fleet.all()
        return sum(kit.state is KitState.ONLINE for kit in kits), sum(len(kit.devices) for kit in kits)

    async def complete(self, told: Told) -> Told:
        """When all kits are online with all their devices; or after `seconds`. `way`: how it went."""
        wanted = (told["kits"], told["devices"])
        way: list[tuple[float, int, int]] = []
        until = time.monotonic() + told["seconds"]
        while True:
            now, there = time.monotonic(), self._there()
            if not way or now - way[-1][0] >= 0.5 or there >= wanted:
                way.append((round(now, 2), *there))
            if (there[0] >= wanted[0] and there[1] >= wanted[1]) or now >= until:
                whole = there[0] >= wanted[0] and there[1] >= wanted[1]
                return {"at": now, "whole": whole, "kits": there[0], "devices": there[1], "way": way}
            await asyncio.sleep(LOOK_S)

    async def back(self, told: Told) -> Told:
        """When `count` kits were born anew after the wall clock `since` and all kits are here; or after `seconds`."""
        until = time.monotonic() + told["seconds"]
        names = self._plan.names()
        left = names
        while True:
            now = time.monotonic()
            # Those that are missing, and all of them only when it may be over: looking is work on this machine too.
            left = [name for name in left if not self._anew(name, told["since"])]
            anew = len(names) - len(left)
            here = self._there()[0] if anew >= told["count"] or now >= until else 0
            if here >= told["kits"] or now >= until:
                return {"at": now, "anew": anew, "here": here}
            await asyncio.sleep(LOOK_S)

    def _anew(self, name: str, since: float) -> bool:
        kit = self.session.kits.get(name) if self.session is not None else None
        return kit is not None and kit.here and kit.presence.birth is not None and kit.presence.birth.at >= since

    async def orders(self, told: Told) -> Told:
        """Cameras at random are told to stop, `rate` a second for `seconds`; how long each took, in ms."""
        who = Principal("bench", Role.TECHNICIAN, "s1")
        took: list[float] = []
        wrong: Counter[str] = Counter()

        async def one(target: str) -> None:
            self._number += 1
            began = time.perf_counter()
            order = Command(f"o{self._number}", who, Action.PTZ_STOP, target, time.time() + 10.0)
            result = await self.core.commands.execute(order)
            if result.outcome is Outcome.DONE:
                took.append((time.perf_counter() - began) * 1000)
            else:
                wrong[result.code] += 1

        names, began = told.get("names") or self._plan.names(), time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(told["rate"] * told["seconds"])):
                await asyncio.sleep(max(0.0, began + number / told["rate"] - time.monotonic()))
                name = self._chance.choice(names)
                tasks.create_task(one(f"{name}/ball-{self._chance.randint(1, self._plan.devices)}/ch1"))
        p50, p99, most = quantiles(took)
        return {"orders": len(took) + wrong.total(), "wrong": wrong, "p50_ms": p50, "p99_ms": p99, "max_ms": most}

    async def figures(self, _told: Told) -> Told:
        session = self.session
        assert session is not None
        online, devices = self._there()
        kept = session.intake.figures
        codes = Counter(kit.code for kit in self.core.fleet.all() if kit.state is not KitState.ONLINE)
        return {
            "online": online,
            "devices": devices,
            "codes": codes,
            "events": kept.events,
            "left_out": kept.left_out,
            "seen": len(self.core.directory.devices(SYSTEM)),
            "broker": session.standing.broker,
            "connections": session.standing.connections,
            "failures": session.standing.failures,
            "code": session.standing.code,
            "detail": session.standing.detail,
        }


@asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[Center]:
    own, folder = plan.files(CENTER), plan.folder / "center"
    brokers = ", ".join(f'"{one}"' for one in plan.brokers)
    path = folder / "fieldgate.toml"
    path.write_text(
        f'[gateway]\nid = "{CENTER}"\nrole = "center"\nstate_dir = "{center_state(plan.folder)}"\n'
        f'[api]\nlisten = "127.0.0.1"\nport = {free_port()}\ntls = false\n'
        f'[adapter.mqtt]\nbrokers = [{brokers}]\nspread = false\ntelemetry = "{plan.telemetry_s:g}s"\n'
        f'ca = "{own.ca}"\ncertificate = "{own.certificate}"\nkey = "{own.key}"\n'
    )
    daemon = Daemon(load_config(path, TABLE), path, None, registry=TABLE)
    async with daemon.started():
        yield Center(daemon, plan)


async def main(folder: Path) -> None:
    async with running(load(folder)) as center:
        await obey(
            {"complete": center.complete, "back": center.back, "orders": center.orders, "figures": center.figures}
        )


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
