"""A center's whole daemon (its media plane in memory) that counts what it tells people.

Run as `python -m tests.soak.events_center <folder> <broker port>`. Every alarm that its bus publishes is a line on
stdout; it ends when stdin does.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.core.facts import Missed
from gateway.model.principal import SYSTEM
from gateway.store import alarms
from tests.paths.fleet_rig import CENTER, Running, gateway, toml


async def count(center: Running) -> None:
    async with center.core.bus.subscribe(SYSTEM, types=["alarm"]) as events:
        async for event in events:
            if isinstance(event, Missed):
                sys.stdout.write(f"missed {event.events}\n")
            else:
                sys.stdout.write(f"{event.data.id}\n")
            sys.stdout.flush()


async def main(folder: Path, port: int) -> None:
    # A center keeps the newest alarms of a kit; here each one is looked for.
    alarms.MOST_OF_A_KIT = 10_000_000
    files = folder.parent / "broker" / "clients" / CENTER
    text = toml(
        CENTER,
        "center",
        f'brokers = ["mqtts://127.0.0.1:{port}"]\nkeep_alive = "5s"\nca = "{files}/ca.crt"\n'
        f'certificate = "{files}/client.crt"\nkey = "{files}/client.key"\n',
    )
    async with gateway(folder, text) as center:
        counting = asyncio.create_task(count(center))
        await asyncio.sleep(0)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
        counting.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
