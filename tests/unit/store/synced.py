"""A process that acknowledges one thing after the other, for a test that looks at its system calls.

Run as `python -m tests.unit.store.synced <folder> kit|center <count>`: at a kit alarms with what is sent on of them,
at a center events of a kit. A line on stdout is the acknowledgement.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from gateway.base.moment import Moment
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.forward import Batch, Event, EventKind, Rank
from gateway.model.ids import DeviceId
from tests.fakes.loop import by_hand
from tests.unit.core.house import a_house


def alarm(device: str, number: int) -> Alarm:
    now = time.time()
    return Alarm(
        DeviceId(device), "ch1", f"k{number}", AlarmSeverity.MINOR, "other", "device", "", now, now, id=f"A{number}"
    )


@by_hand
async def main(folder: Path, role: str, count: int) -> None:
    async with a_house(folder) as house:
        side = await house.core.outbox.join("mqtt/center1", "mqtt")
        for number in range(count):
            if role == "kit":
                kept = await house.core.alarms.report(alarm("kit1/b", number))
                assert [one.id for one in await side.waiting(1000)][-1] == kept.id
            else:
                one = alarm("kit7/b", number)
                moment = Moment("boot", 1.0, time.time())
                event = Event(one.id, EventKind.ALARM, Rank.EARLY, "minor", json.dumps(asdict(one)), moment, 1)
                taken = await house.core.inbox.take("kit7", Batch((event,), moment), "test")
                assert taken.kept == (one.id,)
            os.write(1, f"told {number}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
