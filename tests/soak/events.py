"""`make soak-events`: 100,000 alarms of a kit through 200 cuts of its links and 50 SIGKILLs, each once at the center.

Whole daemons of kit and center (the media plane in memory), a real mosquitto between them, and before it a relay in
this process that is cut: connections are reset, or swallow everything for a while. The kit is killed at random moments
and started again. What counts is what the kit acknowledged as durable: each must stand in the center's store once, as
an event and as an alarm, and must have been told to people once. No power is cut: that the order on the disk is right
is shown by `tests/unit/store/test_synced.py` (nothing is answered before its fsync) and by these kills.

Ends with one line of JSON: events, exactly_once, lost, twice, kills, cuts, seconds, events_per_s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.base.authority import client_files
from gateway.core.pairings import KEY_FILE, read_key
from gateway.core.secrets import Secrets
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.store.store import FILE, Store
from tests.peers.mosquitto import CENTER, Mosquitto, a_mosquitto

ROOT = Path(__file__).parents[2]
STALL_S = 300.0
"""Nothing new at the center for so long: it will not come any more."""


class Relay:
    """A TCP relay to the broker that can be cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._open: set[asyncio.StreamWriter] = set()
        self._held = asyncio.Event()
        self._held.set()
        self.port = 0
        self.cuts = 0

    async def start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def cut(self, silent_s: float) -> None:
        """Reset everything at once; or swallow what is sent for a while, then reset."""
        self.cuts += 1
        if silent_s:
            self._held.clear()
            await asyncio.sleep(silent_s)
        for writer in list(self._open):
            writer.transport.abort()
        self._held.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._open -= ends

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._held.wait()
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError, RuntimeError):
            writer.close()


@dataclass
class Kit:
    """The kit's process, killed and started again. `durable`: number → id, as it acknowledged them."""

    folder: Path
    port: int
    durable: dict[int, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    kills: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.ready.clear()
        self.process = await started("tests.soak.events_kit", self.folder, self.port)
        self.reading = asyncio.create_task(self._read(self.process))
        await up_or_over(self.ready, self.reading, self.folder)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line == b"ready\n":
                self.ready.set()
            elif line.endswith(b"\n"):  # one cut short by the kill was not told
                number, _, id_ = line.decode().strip().partition(" ")
                self.durable[int(number)] = id_

    def order(self, number: int) -> None:
        if self.process is not None and self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(f"{number}\n".encode())

    async def kill(self) -> None:
        assert self.process is not None and self.reading is not None
        self.kills += 1
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self.reading
        await self.start()


async def started(module: str, folder: Path, port: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        str(folder),
        str(port),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=(folder.parent / f"{folder.name}.log").open("ab"),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


async def up_or_over(up: asyncio.Event, reading: asyncio.Task[None], folder: Path) -> None:
    """Raises RuntimeError with the end of its log where a process ends before it is up."""
    waiting = asyncio.create_task(up.wait())
    await asyncio.wait((waiting, reading), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not up.is_set():
        raise RuntimeError(f"{folder.name}: {(folder.parent / f'{folder.name}.log').read_text()[-2000:]}")


async def prepared(root: Path, broker: Mosquitto) -> None:
    """What pairing brings on both sides, and the kit's certificate."""
    broker.files(CENTER)
    files = broker.files("kit7")
    kit, center = root / "kit" / "state", root / "center" / "state"
    ca, shown, key = (path.read_bytes() for path in (files.ca, files.certificate, files.key))
    client_files(kit, CENTER).keep(ca=ca, certificate=shown, key=key)
    center.mkdir(parents=True)
    of_kit, of_center = (_public(read_key(state / KEY_FILE)) for state in (kit, center))
    store = Store(kit, Secrets(kit).audit_key())
    await store.pairings.put_center(PairedCenter(CENTER, of_center, hosts=("127.0.0.1",)))
    store.close()
    store = Store(center, Secrets(center).audit_key())
    await store.pairings.put_kit(PairedKit("kit7", of_kit, name="Kit7"))
    store.close()


def _public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


async def soak(events: int, cuts: int, kills: int, seconds: float, root: Path, seed: int) -> dict[str, float]:
    chance = random.Random(seed)
    (root / "broker").mkdir()
    async with a_mosquitto(root / "broker") as broker:
        relays = [Relay(broker.port), Relay(broker.port)]
        for relay in relays:
            await relay.start()
        await prepared(root, broker)
        told: Counter[str] = Counter()
        center = await started("tests.soak.events_center", root / "center", relays[1].port)
        up = asyncio.Event()
        listening = asyncio.create_task(listen(center, told, up))
        await up_or_over(up, listening, root / "center")
        kit = Kit(root / "kit", relays[0].port)
        await kit.start()
        began = time.monotonic()
        trouble = asyncio.create_task(troubled(relays, kit, cuts, kills, seconds, chance))
        await produce(kit, events, seconds, began)
        await trouble
        while len(kit.durable) < events:
            if kit.reading is not None and kit.reading.done():
                raise RuntimeError(f"the kit ended by itself: {(root / 'kit.log').read_text()[-2000:]}")
            for number in range(events):
                if number not in kit.durable:
                    kit.order(number)
            await asyncio.sleep(2.0)
        took = await drained(kit, told, began)
        assert kit.process is not None and center.stdin is not None
        kit.process.terminate()
        center.stdin.close()
        await asyncio.gather(kit.process.wait(), center.wait(), listening, return_exceptions=True)
    return judged(root, kit, told, sum(relay.cuts for relay in relays), took)


async def listen(center: asyncio.subprocess.Process, told: Counter[str], up: asyncio.Event) -> None:
    assert center.stdout is not None
    async for line in center.stdout:
        text = line.decode().strip()
        if text == "ready":
            up.set()
        else:
            told[text] += 1


async def troubled(relays: list[Relay], kit: Kit, cuts: int, kills: int, seconds: float, chance: random.Random) -> None:
    """Spread over the time, at random moments; three of four cuts are the kit's."""
    moments = [(chance.uniform(0.02, 0.95) * seconds, "cut") for _ in range(cuts)]
    moments += [(chance.uniform(0.02, 0.95) * seconds, "kill") for _ in range(kills)]
    began = time.monotonic()
    for at, what in sorted(moments):
        await asyncio.sleep(max(0.0, began + at - time.monotonic()))
        if what == "kill":
            await kit.kill()
        else:
            relay = relays[0] if chance.random() < 0.75 else relays[1]
            await relay.cut(chance.choice((0.0, 0.0, 0.5, 2.0)))


async def produce(kit: Kit, events: int, seconds: float, began: float) -> None:
    """Orders go out evenly; those that a killed kit had not acknowledged are given again."""
    asked, again_at = 0, began
    while len(kit.durable) < events and time.monotonic() - began < seconds * 1.2:
        now = time.monotonic()
        due = min(events, int(events * (now - began) / (seconds * 0.9)) + 1)
        for number in range(asked, due):
            kit.order(number)
        asked = max(asked, due)
        if now - again_at > 10.0:
            again_at = now
            for number in range(max(0, asked - int(15 * events / seconds))):
                if number not in kit.durable:
                    kit.order(number)
        await asyncio.sleep(0.05)
        if kit.process is not None and kit.process.stdin is not None:
            with suppress(ConnectionError):
                await kit.process.stdin.drain()


async def drained(kit: Kit, told: Counter[str], began: float) -> float:
    """All that is durable has been told at the center, or nothing new comes any more."""
    before, since = -1, time.monotonic()
    while True:
        left = sum(1 for id_ in kit.durable.values() if id_ not in told)
        if left == 0 or time.monotonic() - since > STALL_S:
            return time.monotonic() - began
        if left != before:
            before, since = left, time.monotonic()
        sys.stderr.write(f"\r{len(kit.durable)} durable, {left} on their way   ")
        await asyncio.sleep(1.0)


def judged(root: Path, kit: Kit, told: Counter[str], cuts: int, took: float) -> dict[str, float]:
    with closing(sqlite3.connect(root / "center" / "state" / FILE)) as conn:
        kept = Counter(str(row[0]) for row in conn.execute("SELECT id FROM kit_event WHERE gateway = 'kit7'"))
        alarms = Counter(str(row[0]) for row in conn.execute("SELECT id FROM alarm WHERE device LIKE 'kit7/%'"))
    ids = list(kit.durable.values())
    once = sum(1 for id_ in ids if kept[id_] == alarms[id_] == told[id_] == 1)
    lost = sum(1 for id_ in ids if not kept[id_] or not alarms[id_])
    twice = sum(1 for id_ in {*kept, *alarms, *told} if max(kept[id_], alarms[id_], told[id_]) > 1)
    return {
        "events": len(ids),
        "exactly_once": once,
        "lost": lost,
        "twice": twice,
        "kills": kit.kills,
        "cuts": cuts,
        "seconds": round(took, 1),
        "events_per_s": round(len(ids) / took, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600.0, help="over which events, cuts and kills are spread")
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-events-") as folder:
        result = asyncio.run(soak(given.events, given.cuts, given.kills, given.seconds, Path(folder), given.seed))
    sys.stderr.write("\n")
    print(json.dumps(result))
    good = result["exactly_once"] == result["events"] >= given.events and not result["lost"] and not result["twice"]
    return 0 if good and result["kills"] >= given.kills and result["cuts"] >= given.cuts else 1


if __name__ == "__main__":
    raise SystemExit(main())
