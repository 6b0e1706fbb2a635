"""A process that stores alarms and admits devices until it is killed, telling each that was acknowledged.

Run as `python -m tests.unit.store.acknowledger <folder>`; each line on stdout is the id of something durable.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId
from gateway.store.devices import DeviceRow
from gateway.store.store import Store


async def main(folder: Path) -> None:
    store = Store(folder, b"k" * 32)
    number = 0
    while True:
        number += 1
        now = time.time()
        device, severity = DeviceId("kit1/b"), AlarmSeverity.MINOR
        alarm = Alarm(device, "ch1", f"k{number}", severity, "other", "device", "", now, now, id=f"A{number}")
        row = DeviceRow(f"kit1/ball-{number}", "gb28181", str(number), "ball", now, "test")
        await asyncio.gather(store.alarms.keep(alarm, within_s=60), store.devices.admit(row))
        sys.stdout.write(f"A{number}\nkit1/ball-{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
