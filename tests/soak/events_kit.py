"""A kit's whole daemon (its media plane in memory) that raises alarms until it is killed or told to stop.

Run as `python -m tests.soak.events_kit <folder> <broker port>`. Numbers come in on stdin, one a line: raise that alarm.
Each that is durable goes out on stdout, with the id that the gateway gave it. Stdin's end: raise nothing more, stay.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId
from tests.paths.fleet_rig import Running, gateway, toml

AT_ONCE = 64


async def raised(kit: Running, number: int) -> None:
    now = time.time()
    severity = AlarmSeverity.MAJOR if number % 3 else AlarmSeverity.WARNING
    device = DeviceId("kit7/ball-1")
    alarm = Alarm(device, "ch1", f"k{number}", severity, "motion", "video", f"event {number}", now, now)
    kept = await kit.core.alarms.report(alarm)
    sys.stdout.write(f"{number} {kept.id}\n")
    sys.stdout.flush()


async def main(folder: Path, port: int) -> None:
    text = toml("kit7", "edge", f'brokers = ["mqtts://127.0.0.1:{port}"]\nkeep_alive = "5s"\n')
    loop = asyncio.get_running_loop()
    async with gateway(folder, text + '[forward]\nrows = 1000000\nsize = "1GB"\n') as kit:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        room = asyncio.Semaphore(AT_ONCE)
        tasks: set[asyncio.Task[None]] = set()

        async def one(number: int) -> None:
            async with room:
                await raised(kit, number)

        while line := await reader.readline():
            task = asyncio.create_task(one(int(line)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            while len(tasks) > 4 * AT_ONCE:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*tasks)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
