"""The outbox of a kit goes over a line: what is kept is let go, what fails waits, files go piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest

from adapters.uplink import forwarding
from adapters.uplink.batches import MOST_BODY_TEXT
from adapters.uplink.forwarding import Forwarding
from gateway.base.errors import GatewayError, NotFound, PeerError
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
        self.never: list[tuple[str, str]] = []
        self.unreadable: dict[str, GatewayError] = {}
        self.asked: list[int] = []

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

    async def files(self, limit: int = 4, without: Any = ()) -> list[WaitingFile]:
        return [one for one in self.waiting_files if one.file.id not in without][:limit]

    async def read(self, file: str, offset: int, length: int) -> bytes:
        if (failing := self.unreadable.get(file)) is not None:
            raise failing
        self.asked.append(length)
        return bytes(range(256))[offset : offset + length]

    def file_progress(self, file: str, sent: int) -> None:
        self.progress.append(sent)

    async def file_done(self, file: str) -> None:
        self.waiting_files = [one for one in self.waiting_files if one.file.id != file]

    async def file_never(self, file: str, code: str, detail: str = "") -> None:
        self.never.append((file, code))
        await self.file_done(file)

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
async def running(scope: str = "", room: float = 1e9) -> AsyncIterator[tuple[ASide, ALine]]:
    side, line = ASide(), ALine()
    line.answer = keeps
    task = asyncio.create_task(Forwarding(side, line, scope, lambda: room).run())  # type: ignore[arg-type]
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


@pytest.mark.parametrize(("room", "piece"), [(0.0, 2048), (16_000.0, 2048), (250_000.0, 7812), (1e9, 65_536)])
async def test_a_piece_does_not_hold_a_thin_link_up(room: float, piece: int) -> None:
    async with running(room=room) as (side, line):
        line.answer = lambda name, _args: {"received": 256 if name == "file-append" else 0}
        file = ForwardFile("01JFILE", "photo.jpg", "image/jpeg", 256, "ab" * 32)
        side.waiting_files.append(WaitingFile(file, "county", 0))
        await until("it is whole", lambda: not side.waiting_files)
        assert side.asked == [piece]


async def test_files_of_others_are_not_sent() -> None:
    async with running("kit7/ball-1") as (side, line):
        file = ForwardFile("01JFILE", "photo.jpg", "image/jpeg", 256, "ab" * 32, device="kit7/ball-10")
        side.waiting_files.append(WaitingFile(file, "county", 0))
        await until("it is let go", lambda: not side.waiting_files)
        assert line.asked == []


async def test_a_file_that_is_refused_keeps_no_other_back() -> None:
    async with running() as (side, line):
        files = {name: ForwardFile(name, name, "image/jpeg", 256, "ab" * 32) for name in ("1", "2", "3", "4", "5")}
        codes = {"1": "inbox-full", "2": "too-large", "5": ""}
        side.unreadable = {"3": NotFound("it is gone"), "4": GatewayError("reading", code="store-fault")}

        def answer(name: str, args: Mapping[str, Any]) -> Any:
            if name == "file-append":
                return {"received": 256}
            code = codes.get(args["file"]["id"], "")
            return PeerError("no", code=code) if code else {"received": 0}

        line.answer = answer
        side.waiting_files += [WaitingFile(one, "county", 0) for one in files.values()]
        await until("those behind get through", lambda: [one.file.id for one in side.waiting_files] == ["1", "4"])
        assert side.never == [("2", "too-large"), ("3", "not-found")], "lost for good, and it is said"


async def test_a_file_that_is_damaged_again_and_again_waits_too() -> None:
    async with running() as (side, line):
        bad, good = (ForwardFile(name, name, "image/jpeg", 256, "ab" * 32) for name in ("1", "2"))
        line.answer = lambda name, args: (
            PeerError("another hash", code="file-damaged")
            if name == "file-append" and args["file"] == "1"
            else {"received": 256 if name == "file-append" else 0}
        )
        side.waiting_files += [WaitingFile(bad, "county", 0), WaitingFile(good, "county", 0)]
        await until("the other gets through", lambda: [one.file.id for one in side.waiting_files] == ["1"])
        assert side.again == ["file-damaged"] * 3 and not side.never


async def test_a_store_that_fails_for_a_moment_ends_nothing() -> None:
    async with running() as (side, line):
        waiting, files, times = side.waiting, side.files, [0, 0]

        async def failing(limit: int, without: Any = ()) -> list[Event]:
            times[0] += 1
            if times[0] == 1:
                raise GatewayError("busy", code="store-busy")
            return await waiting(limit, without)

        async def failing_files(limit: int = 4, without: Any = ()) -> list[WaitingFile]:
            times[1] += 1
            if times[1] == 1:
                raise GatewayError("busy", code="store-busy")
            return await files(limit, without)

        side.waiting, side.files = failing, failing_files  # type: ignore[method-assign]
        line.answer = lambda name, args: keeps(name, args) if name == "events" else {"received": 256}
        side.waiting_files.append(WaitingFile(ForwardFile("1", "a", "image/jpeg", 256, "ab" * 32), "county", 0))
        side.put(event(1))
        await until("both go", lambda: side.acknowledged == [event(1).id] and not side.waiting_files)
