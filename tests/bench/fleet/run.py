"""One run against one kind of broker: populate, start the center, order, kill a node, count."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.base.authority import Authority
from gateway.store.store import FILE
from tests.bench.common import say
from tests.bench.fleet import prepare
from tests.bench.fleet.brokers import Brokers, Node
from tests.bench.fleet.child import Child
from tests.bench.fleet.judge import Seen, lost
from tests.bench.fleet.plan import CENTER, Plan, name_of
from tests.paths.fleet_rig import free_port

PARTS = 2
MakeBrokers = Callable[[Path, Authority, list[str]], Brokers]


@dataclass(frozen=True)
class Options:
    """Rates are of all kits together, a second. `seconds`: how long orders are given while all else flows. `limit`: of
    one broker's run; what was not reached then is nothing."""

    kits: int = 3000
    daemons: int = 5
    seconds: float = 30.0
    orders: float = 50.0
    events: float = 50.0
    positions: float = 100.0
    changes: float = 20.0
    starts: float = 100.0
    patience: float = 120.0
    limit: float = 330.0


class Run:
    def __init__(self, make: MakeBrokers, options: Options, folder: Path) -> None:
        self._options = options
        signer = prepare.authority(folder)
        names = [name_of(number) for number in range(options.kits)]
        daemons = [f"kit-{number + 1}" for number in range(options.daemons)]
        self.brokers = make(folder, signer, [*names, *daemons])
        # Each broker of the list is the first one for as many kits as the others.
        self.plan = Plan(
            str(folder), options.kits, options.daemons, tuple(self.brokers.addresses()), prepare.center_key(folder)
        )
        self.plan.save()
        prepare.certificates(folder, signer, [CENTER, *names, *daemons])
        self.seen = Seen(self.brokers.name)
        self.loads: list[Child] = []
        self.center: Child | None = None
        self.kits: list[Node] = []

    async def run(self) -> Seen:
        await prepare.paired(self.plan)
        try:
            async with asyncio.timeout(self._options.limit):
                await self.brokers.start()
                await self._populate()
                await self._directory()
                await self._orders()
                await self._outage()
        except Exception as exc:
            # What was seen until then is told all the same: the last line is always one of JSON.
            say(f"{self.brokers.name}: {''.join(traceback.format_exception(exc))}")
            self.seen.more["ended"] = f"{type(exc).__name__}: {str(exc)[-300:]}"
        finally:
            await self._stop()
        return self.seen

    async def _populate(self) -> None:
        """Everybody is there, and what they have is retained, before the center comes."""
        plan = self.plan
        began = time.monotonic()
        for name in plan.daemon_names():
            self.kits.append(await self._daemon(name))
        for part in range(PARTS):
            child = await Child.start("tests.bench.fleet.load", plan.folder, f"load-{part}", str(part), str(PARTS))
            self.loads.append(child)
        rate = self._options.starts / PARTS
        told = await self._each("start", rate=rate, seconds=self._options.patience + plan.kits / self._options.starts)
        held = sum(one["held"] for one in told)
        self.seen.more |= {
            "populated_s": round(time.monotonic() - began, 1),
            "failures": sum(t["failures"] for t in told),
        }
        say(f"{self.brokers.name}: {held} of {plan.kits} kits held, {self._names(told)}")
        await asyncio.sleep(5.0)  # the last ones tell their devices
        self._note("at rest", await self._load_of(5.0))

    async def _daemon(self, name: str) -> Node:
        """A kit that is a whole daemon, as `fieldgate run` starts it."""
        plan, folder = self.plan, self.plan.folder / name
        brokers = ", ".join(f'"{one}"' for one in plan.brokers)
        port = free_port()
        path = folder / "fieldgate.toml"
        path.write_text(
            f'[gateway]\nid = "{name}"\nstate_dir = "{prepare.daemon_state(plan.folder, name)}"\n'
            f'[api]\nlisten = "127.0.0.1"\nport = {port}\ntls = false\n[adapter.mqtt]\nbrokers = [{brokers}]\n'
        )
        node = Node([sys.executable, "-m", "gateway", "run", "--config", str(path)], folder / "log", [port])
        await node.start()
        return node

    async def _directory(self) -> None:
        plan = self.plan
        kits, devices = plan.expected
        began = time.monotonic()
        self.center = await Child.start("tests.bench.fleet.center", plan.folder, "center")
        told = await self.center.ask("complete", kits=kits, devices=devices, seconds=self._options.patience)
        if told["whole"]:
            self.seen.directory_s = round(told["at"] - began, 2)
        way = [(round(at - began, 1), kits, devices) for at, kits, devices in told["way"]]
        say(f"{self.brokers.name}: directory {told['kits']} kits, {told['devices']} devices: {way[-12:]}")
        self.seen.more["directory_way"] = way[-1]

    async def _orders(self) -> None:
        assert self.center is not None
        options = self._options
        await self._traffic(options.events, options.positions, options.changes)
        await asyncio.sleep(2.0)
        working = asyncio.create_task(self._load_of(options.seconds))
        told = await self.center.ask("orders", rate=options.orders, seconds=options.seconds)
        self._note("under load", await working)
        if told["orders"] and not told["wrong"]:
            self.seen.command_p99_ms = told["p99_ms"]
        self.seen.more["orders"] = told
        daemons = self.plan.daemon_names()
        if daemons:
            # A whole daemon without cameras answers that it has none: an answer all the same.
            whole = await self.center.ask("orders", rate=10.0, seconds=3.0, names=daemons)
            self.seen.more["orders_to_daemons"] = whole["wrong"]
        say(f"{self.brokers.name}: orders {told}")

    async def _outage(self) -> None:
        """A node dies while events flow."""
        assert self.center is not None
        options = self._options
        cut = sum(one["cut"] for one in await self._each("mark", victim=self.plan.brokers[0]))
        before = self._costs()
        since = time.time()
        began = time.monotonic()
        word = await self.brokers.kill()
        told = await self._each("held", seconds=options.patience)
        at = max(one["at"] for one in told)
        held = sum(one["held"] for one in told)
        back = await self.center.ask(
            "back", since=since, count=cut, kits=self.plan.expected[0], seconds=options.patience
        )
        after, took = self._costs(), max(at, back["at"]) - began
        cost = {name: round(after[name]["cpu_s"] - one["cpu_s"], 2) for name, one in before.items()}
        if held == self.plan.kits and back["here"] >= self.plan.expected[0] and back["anew"] >= cut:
            self.seen.reconnect_s = round(took, 2)
        self.seen.more |= {
            "killed": word,
            "cut": cut,
            "held_again_s": round(at - began, 2),
            "return_cpu_s": cost,
            "return_ms_per_kit": round(1000 * sum(cost.values()) / max(1, back["anew"]), 2),
            "codes": [one["codes"] for one in told],
        }
        say(
            f"{self.brokers.name}: {cut} kits cut ({word}), held {held}, center {back}; processor {cost}; "
            f"{self._names(told)}"
        )
        await asyncio.sleep(options.seconds / 2)
        await self._traffic(0, 0, 0)
        await self._drained()
        await self.brokers.mend()

    async def _drained(self) -> None:
        """Nothing new is raised: all that waits comes through, or does not within the time."""
        until = time.monotonic() + self._options.patience
        while (told := await self._each("stand")) and sum(one["waiting"] for one in told):
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.5)
        ids: list[str] = []
        for child in self.loads:
            path = self.plan.folder / f"{child.name}.ids"
            await child.ask("ids", path=str(path))
            ids += path.read_text().split()
        with closing(sqlite3.connect(prepare.center_state(self.plan.folder) / FILE)) as conn:
            kept = [str(row[0]) for row in conn.execute("SELECT id FROM kit_event")]
        self.seen.acked_lost = lost(ids, kept)
        self.seen.more |= {
            "raised": sum(one["raised"] for one in told),
            "acknowledged": len(ids),
            "waiting": sum(one["waiting"] for one in told),
            "sent_again": sum(one["sent"] for one in told) - sum(one["raised"] for one in told),
            "kept_twice": len(kept) - len(set(kept)),
        }

    # — within —

    async def _each(self, what: str, **more: Any) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(child.ask(what, **more) for child in self.loads)))

    async def _traffic(self, events: float, positions: float, changes: float) -> None:
        await self._each("rate", events=events / PARTS, positions=positions / PARTS, changes=changes / PARTS)

    async def _load_of(self, seconds: float) -> dict[str, Any]:
        """What everybody takes of a processor, and how many bytes kits send and get, over a while."""
        before, told = self._costs(), await self._each("stand")
        await asyncio.sleep(seconds)
        after, later = self._costs(), await self._each("stand")
        found: dict[str, Any] = {
            name: {
                "cores": round((after[name]["cpu_s"] - one["cpu_s"]) / seconds, 3),
                "rss_mb": round(after[name]["rss_mb"]),
            }
            for name, one in before.items()
        }
        for key in ("bytes_out", "bytes_in"):
            found[f"kits_{key}_s"] = round((sum(t[key] for t in later) - sum(t[key] for t in told)) / seconds)
        found["machine_load"] = os.getloadavg()[0]
        return found

    def _costs(self) -> dict[str, dict[str, float]]:
        found = {"broker": self.brokers.cost()} | {child.name: child.cost() for child in self.loads}
        if self.center is not None:
            found["center"] = self.center.cost()
        if self.kits:
            costs = [node.cost() for node in self.kits]
            found["daemons"] = {key: sum(one[key] for one in costs) for key in ("cpu_s", "rss_mb")}
        return found

    def _note(self, when: str, told: dict[str, Any]) -> None:
        self.seen.more[when.replace(" ", "_")] = told
        say(f"{self.brokers.name}, {when}: {told}")

    def _names(self, told: list[dict[str, Any]]) -> str:
        found: dict[str, int] = {}
        for one in told:
            for key in ("brokers", "codes"):
                for name, count in one[key].items():
                    found[name or "none"] = found.get(name or "none", 0) + count
        return ", ".join(f"{name} {count}" for name, count in sorted(found.items()))

    async def _stop(self) -> None:
        children = [*self.loads, *([self.center] if self.center is not None else [])]
        await asyncio.gather(*(child.stop() for child in children), *(node.stop() for node in self.kits))
        await self.brokers.stop()


async def bench(make: MakeBrokers, options: Options, keep: str = "") -> Seen:
    """`keep`: a folder that stays, for whoever looks for what went wrong."""
    if keep:
        Path(keep).mkdir(parents=True)
        return await Run(make, options, Path(keep)).run()
    with tempfile.TemporaryDirectory(prefix="bench-fleet-") as folder:
        return await Run(make, options, Path(folder)).run()
