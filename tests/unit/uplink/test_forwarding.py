"""The outbox of a kit goes over a line: what is kept is let go, what fails waits, files go piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest

from adapters.uplink import forwarding
from adapters.uplink.forwarding import Forwarding
from adapters.uplink.kit_here import MOST_BODY_TEXT
from gateway.base.errors import GatewayError, PeerError
from gateway.base.moment import Moment
from gateway.model.forward import Batch, Event, EventKind, ForwardFile, Rank, WaitingFile
from gateway.wire.records import record
from tests.unit.uplink.rig import until

MOMENT = Moment("boot", 5.0, 1.8e9)


def event(number: int, body: str = '{"device": "kit7/ball-1", "channel": "ch1"}') -> Event:
    return Event(f"01J{number:023d}", EventKind.ALARM, Rank.FIRST, "major", body, MOMENT, 1)


class ASide:
    """Fulfils `contract.forward.OutboxSide`."""

    name = "county"

    def __init__(self) -> None:
        self.rows: list[Event] = []
        self.acknowledged: list[str] = []
        self.wake = asyncio.Event()
        self.waiting_files: list[WaitingFile] = []
        self.progress: list[int] = []
        self.again: list[str] = []

    def put(self, *events: Event) -> None:
        self.rows += events
        self.wake.set()

    async def waiting(self, limit: int, without: Any = ()) -> list[Event]:
        return self.rows[:limit]

    def batch(self, events: list[Event]) -> Batch:
        return Batch(tuple(events), MOMENT)

    async def acknowledge(self, ids: list[str]) -> None:
        self.acknowledged += ids
        self.rows = [row for row in self.rows if row.id not in ids]

    async def more(self) -> None:
        await self.wake.wait()
        self.wake.clear()

    async def files(self, limit: int = 4) -> list[WaitingFile]:
        return self.waiting_files[:limit]

    async def read(self, file: str, offset: int, length: int) -> bytes:
        return bytes(range(256))[offset : offset + length]

    def file_progress(self, file: str, sent: int) -> None:
        self.progress.append(sent)

    async def file_done(self, file: str) -> None:
        self.waiting_files = [one for one in self.waiting_files if one.file.id != file]

    def file_again(self, file: str, code: str, detail: str = "") -> None:
        self.again.append(code)


class ALine:
    """What a center answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.answer: Callable[[str, Mapping[str, Any]], Any] = lambda _name, _args: {}

    async def ask(self, name: str, args: Mapping[str, Any], *, within_s: float = 1.0) -> Any:
        self.asked.append((name, args))
        answer = self.answer(name, args)
        if isinstance(answer, GatewayError):
            raise answer
        return answer


def told(args: Mapping[str, Any]) -> Batch:
    return record(Batch, msgpack.unpackb(args["batch"]), most_text=MOST_BODY_TEXT)


def keeps(name: str, args: Mapping[str, Any]) -> Any:
    return {"kept": [event.id for event in told(args).events], "refused": {}} if name == "events" else {"received": 0}


@asynccontextmanager
async def running(scope: str = "") -> AsyncIterator[tuple[ASide, ALine]]:
    side, line = ASide(), ALine()
    line.answer = keeps
    task = asyncio.create_task(Forwarding(side, line, scope, lambda: 1e9).run())  # type: ignore[arg-type]
    try:
        yield side, line
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "AGAIN_S", 0.02)


async def test_what_is_kept_is_let_go_and_what_is_not_is_sent_again() -> None:
    async with running() as (side, line):
        fails = [PeerError("disk full", code="disk-full"), {"kept": [], "refused": {}}, "nonsense"]
        line.answer = lambda name, args: fails.pop(0) if fails else keeps(name, args)
        side.put(event(1), event(2))
        await until("both are kept", lambda: len(side.acknowledged) == 2)
        assert [len(told(args).events) for name, args in line.asked] == [2, 2, 2, 2]


async def test_what_will_never_be_taken_is_let_go_too() -> None:
    async with running() as (side, line):
        line.answer = lambda _name, args: {
            "kept": [told(args).events[0].id, "01STRANGER"],
            "refused": {told(args).events[1].id: "event-damaged"},
        }
        side.put(event(1), event(2))
        await until("both go", lambda: side.acknowledged == [event(1).id, event(2).id])


async def test_a_center_gets_what_it_may_see() -> None:
    async with running("kit7/ball-1") as (side, line):
        mine, other = event(1), event(2, '{"device": "kit7/ball-2", "channel": ""}')
        result, broken = event(3, '{"id": "o-1", "outcome": "done"}'), event(4, "no json")
        side.put(mine, other, result, broken)
        await until("all go", lambda: len(side.acknowledged) == 4)
        ((_, args),) = line.asked
        assert [one.id for one in told(args).events] == [mine.id, result.id]


async def test_large_bodies_go_a_few_at_a_time() -> None:
    async with running() as (side, line):
        side.put(*(event(n, "x" * 60_000) for n in range(20)))
        await until("all go", lambda: len(side.acknowledged) == 20)
        assert len(line.asked) >= 3 and all(len(args["batch"]) < 900_000 for _, args in line.asked)


async def test_a_file_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "PIECE", 100)
    file = ForwardFile("01JFILE", "photo.jpg", "image/jpeg", 256, "ab" * 32, device="kit7/ball-1")
    async with running() as (side, line):
        there = bytearray(bytes(range(256))[:100])
        damaged = [PeerError("another hash", code="file-damaged")]

        def answer(name: str, args: Mapping[str, Any]) -> Any:
            if name == "file-append":
                if args["offset"] == len(there):
                    there.extend(args["data"])
                if len(there) == 256 and damaged:
                    there.clear()
                    return damaged.pop()
            return {"received": len(there)}

        line.answer = answer
        side.waiting_files.append(WaitingFile(file, "county", 0))
        await until("it is whole", lambda: not side.waiting_files)
        assert bytes(there) == bytes(range(256)) and side.again == ["file-damaged"]
        assert side.progress == [200, 100, 200, 256]


async def test_files_of_others_are_not_sent() -> None:
    async with running("kit7/ball-1") as (side, line):
        file = ForwardFile("01JFILE", "photo.jpg", "image/jpeg", 256, "ab" * 32, device="kit7/ball-10")
        side.waiting_files.append(WaitingFile(file, "county", 0))
        await until("it is let go", lambda: not side.waiting_files)
        assert line.asked == []
