"""Files that wait: whoever hands one in has it until its row is durable, and others' parting takes nothing along."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.base.errors import GatewayError, NotFound
from gateway.base.moment import Moment, TimeQuality
from gateway.model.forward import ForwardFile
from tests.fakes.loop import advance, by_hand
from tests.unit.core.house import a_house

FILE = ForwardFile("", "clip.mp4", "video/mp4", 0, "", device="kit1/ball-1")


def a_clip(folder: Path) -> Path:
    path = folder / "clip.mp4"
    path.write_bytes(b"moving picture")
    return path


@by_hand
async def test_parting_from_one_center_leaves_what_waits_for_another(tmp_path: Path) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox = house.core.outbox
        await outbox.join("a", "mqtt")
        b = await outbox.join("b", "uplink")
        both = await outbox.add_file(str(a_clip(tmp_path)), FILE)
        await outbox.leave("a")
        assert await b.read(both, 0, 6) == b"moving" and [one.file.id for one in await b.files()] == [both]
        await outbox.leave("b")
        assert list((tmp_path / "s" / "outbox").iterdir()) == []


@by_hand
async def test_what_gets_no_row_stays_with_whoever_handed_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox = house.core.outbox
        side = await outbox.join("a", "mqtt")
        path, put = a_clip(tmp_path), house.core.store.outbox.put_file
        there: list[bool] = []

        async def full(*args: Any) -> None:
            there.append(path.exists())
            raise GatewayError("the disk is full", code="disk-full")

        monkeypatch.setattr(house.core.store.outbox, "put_file", full)
        with pytest.raises(GatewayError):
            await outbox.add_file(str(path), FILE)
        assert there == [True] and path.read_bytes() == b"moving picture", "a power cut would have left it there too"
        assert list((tmp_path / "s" / "outbox").iterdir()) == []
        monkeypatch.setattr(house.core.store.outbox, "put_file", put)
        id_ = await outbox.add_file(str(path), FILE)
        assert not path.exists() and await side.read(id_, 7, 7) == b"picture"


@by_hand
async def test_the_sweep_at_start_spares_what_comes_in_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox, repo = house.core.outbox, house.core.store.outbox
        side = await outbox.join("a", "mqtt")
        put, begun, go = repo.put_file, asyncio.Event(), asyncio.Event()

        async def slow(*args: Any) -> None:
            begun.set()
            await go.wait()
            await put(*args)

        monkeypatch.setattr(repo, "put_file", slow)
        adding = asyncio.ensure_future(outbox.add_file(str(a_clip(tmp_path)), FILE))
        await begun.wait()
        sweeping = asyncio.ensure_future(outbox.stored.sweep())
        for _ in range(10):  # the store's threads are real: without a lock it is through by then
            await repo.file_bytes()
            await asyncio.to_thread(lambda: None)
            await advance(0)
        go.set()
        id_ = await adding
        await sweeping
        assert await side.read(id_, 0, 6) == b"moving"


@by_hand
async def test_what_will_not_get_there_is_dropped_and_said(tmp_path: Path) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox = house.core.outbox
        a, b = await outbox.join("a", "mqtt"), await outbox.join("b", "uplink")
        id_ = await outbox.add_file(str(a_clip(tmp_path)), FILE)
        assert await a.files(4, [id_]) == []
        await a.file_never(id_, "too-large", "at most 1 byte")
        assert await a.files() == [] and await b.read(id_, 0, 1) == b"m"
        with pytest.raises(NotFound):
            await b.read(id_, 14, 1)
        (told,) = house.core.watch.notices
        assert told.code == "file-given-up" and "too-large" in told.detail and id_ in told.detail
        for _ in range(20):  # the store's threads are real
            await advance(5.1)
            await house.core.store.db.read(lambda _conn: None)
        assert house.core.watch.notices == [] and (a.standing().dropped, b.standing().dropped) == (1, 0)


@by_hand
async def test_files_that_waited_too_long_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox = house.core.outbox
        a, b = await outbox.join("a", "mqtt"), await outbox.join("b", "uplink")
        kept = {}
        for name, moment in {
            "old": Moment("now", 1000.0, 2e9, TimeQuality.UNSYNCED),
            "young": Moment("now", 4000.0, 1.0, TimeQuality.UNSYNCED),
            "of before": Moment("earlier", 4990.0, 2e9 - 4000, TimeQuality.NTP),
            "nobody knows": Moment("earlier", 1.0, 1.0, TimeQuality.UNSYNCED),
        }.items():
            monkeypatch.setattr(outbox.stored, "_now", lambda moment=moment: moment)
            kept[name] = await outbox.add_file(str(a_clip(tmp_path)), FILE)
            await advance(0.01)
        monkeypatch.setattr(outbox.stored, "_now", lambda: Moment("now", 5000.0, 2e9, TimeQuality.NTP))
        await b.file_done(kept["old"])
        assert await outbox.stored.expire(3600.0) == {"a": 2, "b": 1}
        left = [kept["young"], kept["nobody knows"]]
        assert [one.file.id for one in await a.files()] == left == [one.file.id for one in await b.files()]
        assert sorted(one.name for one in (tmp_path / "s" / "outbox").iterdir()) == left


@by_hand
async def test_the_disk_is_looked_at_only_while_somebody_is_to_be_sent_to(tmp_path: Path) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox, repo, asked = house.core.outbox, house.core.store.outbox, list[float]()
        standing, loop = repo.standing, asyncio.get_running_loop()

        async def counted() -> Any:
            asked.append(loop.time())
            return await standing()

        repo.standing = counted  # type: ignore[method-assign]
        await advance(60.0)
        assert not asked
        await outbox.join("a", "mqtt")
        await advance(60.0)
        assert len(asked) == 12
