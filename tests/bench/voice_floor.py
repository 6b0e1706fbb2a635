"""The child of bench-voice that presses keys: from a key to what the others hear, on the real core and media plane.

Members are PCM ports, so no jitter buffer is in the way. Three moments, each until a listener hears the speaker:
`bare`, mouth to ear with the floor held already; `key`, from a press on an idle floor by somebody who speaks;
`preempt`, from an emergency while another speaks. Prints one line of JSON, milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from gateway import codecs
from gateway.base.clock import Clock
from gateway.config.root import Config
from gateway.config.talk import Talk, TalkGroup
from gateway.config.units import PortRange
from gateway.contract.voice import Seat, SeatWish
from gateway.core.core import Core
from gateway.core.mediaplane import MediaPlane
from gateway.core.secrets import Secrets
from gateway.model.voice import GroupId, MemberKind
from gateway.store.store import Store

GROUP = GroupId("kit1/talk/ops")
RATE_HZ = 16000
LOUD = 2000
LEVELS = {"anna": 6000, "bert": 12000}


class Person:
    """A PCM port that plays a constant level while its mouth is open, and stamps when it hears another's level."""

    def __init__(self, engine: codecs.Engine, name: str) -> None:
        self.name = name
        self.open = False
        self.heard_at = 0.0
        self.level = 0
        self._engine = engine
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        self.voice = engine.open_voice_pcm(theirs.detach(), rate_hz=RATE_HZ)
        self._stop = threading.Event()
        wave = (round(LEVELS.get(name, 0) * math.sin(math.tau * 1000 * n / RATE_HZ)) for n in range(320))
        self._record = array("h", wave).tobytes()
        for work in (self._speak, self._listen):
            threading.Thread(target=work, daemon=True).start()

    def _speak(self) -> None:
        due = time.monotonic() + random.random() * 0.02
        while not self._stop.is_set():
            try:
                self._socket.send(self._record if self.open else bytes(640))
            except OSError:
                return
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                data = self._socket.recv(4096)
            except OSError:
                return
            now = time.monotonic()
            self.level = max(array("h", data), default=0)
            if self.level > LOUD and not self.heard_at:
                self.heard_at = now

    async def hears(self, from_: float, least: int = LOUD) -> float:
        """Milliseconds from `from_` until it hears that much."""
        async with asyncio.timeout(5):
            while self.level < least:  # noqa: ASYNC110  (another thread hears)
                await asyncio.sleep(0.001)
        return ((self.heard_at if least == LOUD else time.monotonic()) - from_) * 1000

    async def silent(self) -> None:
        async with asyncio.timeout(5):
            while self.level > 500:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        self.heard_at = 0.0

    def close(self) -> None:
        self._stop.set()
        self._engine.close_voice(self.voice)
        self._socket.close()


@asynccontextmanager
async def core_of(place: Path) -> AsyncIterator[Core]:
    config = Config(talk=Talk(group={"ops": TalkGroup(members=[], hang=0.0)}))
    secrets = Secrets(place)
    plane = MediaPlane(codecs.Engine(threads=1), lambda: PortRange(43900, 43999))
    core = Core(lambda: config, place, Store(place, secrets.audit_key()), secrets, plane, Clock())
    core.start()
    try:
        yield core
    finally:
        await core.quiesce()
        await core.close()


@asynccontextmanager
async def seated(core: Core, person: Person) -> AsyncIterator[Seat]:
    wish = SeatWish(person.name, MemberKind.PHONE, person.name, emergency=person.name == "bert")
    async with core.talk.seat(GROUP, wish) as seat:
        seat.voice(person.voice)
        yield seat
        seat.voice(None)


async def measure(rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"bare": [], "key": [], "preempt": []}
    with tempfile.TemporaryDirectory() as folder:
        async with core_of(Path(folder)) as core:
            people = [Person(core.plane.engine, name) for name in ("anna", "bert", "carl")]
            anna, bert, carl = people
            async with seated(core, anna) as first, seated(core, bert) as second, seated(core, carl):
                for _ in range(rounds):
                    await asyncio.sleep(random.uniform(0.1, 0.15))
                    await carl.silent()
                    first.press()
                    await asyncio.sleep(0.1)
                    carl.heard_at = 0.0
                    began, anna.open = time.monotonic(), True
                    found["bare"].append(await carl.hears(began))
                    first.release()
                    await carl.silent()
                    await asyncio.sleep(random.uniform(0.05, 0.1))
                    carl.heard_at = 0.0
                    began = time.monotonic()
                    first.press()
                    found["key"].append(await carl.hears(began))
                    bert.open = True
                    await asyncio.sleep(random.uniform(0.05, 0.1))
                    began = time.monotonic()
                    second.press(emergency=True)
                    found["preempt"].append(await carl.hears(began, LEVELS["bert"] - 2000))
                    second.release()
                    first.release()
                    anna.open = bert.open = False
            for person in people:
                person.close()
    return found


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    found = uvloop.run(measure(rounds))
    out = {}
    for name, values in found.items():
        values.sort()
        out[f"{name}_p50_ms"] = round(statistics.median(values), 1)
        out[f"{name}_p95_ms"] = round(values[math.ceil(len(values) * 0.95) - 1], 1)
        out[f"{name}_max_ms"] = round(values[-1], 1)
    sys.stdout.write(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
