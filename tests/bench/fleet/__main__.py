"""`python -m tests.bench.fleet`: what it measures stands in docs/scale.md. `--kits` and `--seconds` for a small run,
`--brokers` for some of them."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from typing import Any

from tests.bench.common import finish, machine, say
from tests.bench.fleet import nats
from tests.bench.fleet.brokers import Mosquitto
from tests.bench.fleet.judge import Seen, worst
from tests.bench.fleet.run import MakeBrokers, Options, bench
from tests.peers.mosquitto import program

KINDS: dict[str, MakeBrokers] = {"mosquitto": Mosquitto, "nats": nats.Nats}
PROGRAMS = {"mosquitto": program, "nats": nats.program}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    given = Options()
    parser.add_argument("--kits", type=int, default=given.kits)
    parser.add_argument("--daemons", type=int, default=given.daemons)
    parser.add_argument("--seconds", type=float, default=given.seconds)
    parser.add_argument("--orders", type=float, default=given.orders, help="a second")
    parser.add_argument("--events", type=float, default=given.events, help="a second, of all kits")
    parser.add_argument("--starts", type=float, default=given.starts, help="kits that begin, a second")
    parser.add_argument("--limit", type=float, default=given.limit, help="seconds for each kind of broker")
    parser.add_argument("--brokers", default=",".join(KINDS))
    parser.add_argument("--keep", default="", help="a folder for what the processes left behind")
    told = parser.parse_args()
    names = told.brokers.split(",")
    options = Options(told.kits, told.daemons, told.seconds, told.orders, told.events, starts=told.starts)
    options = replace(options, limit=told.limit)
    seen: list[Seen] = []
    for name in names:
        if PROGRAMS[name]():
            keep = f"{told.keep}/{name}" if told.keep else ""
            seen.append(asyncio.run(bench(KINDS[name], options, keep)))
        else:
            say(f"{name} is not here (scripts/setup.sh peers, scripts/setup.sh bench): its figures are left out")
    result: dict[str, Any] = worst(seen)
    result |= {one.broker: one.shown() for one in seen} | {"kits": options.kits, "machine": machine()}
    finish(result)
    return 0 if seen and None not in worst(seen).values() else 1


if __name__ == "__main__":
    raise SystemExit(main())
