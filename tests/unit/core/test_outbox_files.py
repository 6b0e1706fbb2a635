"""Files that wait: whoever hands one in has it until its row is durable, and others' parting takes nothing along."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.base.errors import Busy, Denied, GatewayError, NotFound
from gateway.base.moment import Moment, TimeQuality
from gateway.config.forward import Forward
from gateway.config.root import Config
from gateway.core.forward_view import ForwardView
from gateway.model.forward import ForwardFile
from gateway.model.principal import Principal, Role
from tests.fakes.loop import advance, by_hand
from tests.unit.core.house import OPERATOR, VIEWER, a_house

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


async def in_pieces(*pieces: bytes, broken: bool = False) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if broken:
        raise ConnectionError("whoever sent it went away")


@by_hand
async def test_a_recording_that_somebody_chose_waits_as_any_file(tmp_path: Path) -> None:
    folder, bounds = tmp_path / "s" / "outbox", Forward(largest_file=1_000_000, file_quota=1_000_000)
    async with a_house(tmp_path / "s", Config(forward=bounds)) as house:
        core = house.core
        view = ForwardView("kit1", core.outbox, core.inbox, core.audit, core.directory)
        await core.devices.admit("gb28181", "34020000001320000001", name="Ball", slug="ball-1", by="test")

        async def refused(code: str, *pieces: bytes, device: str = "ball-1", broken: bool = False) -> None:
            with pytest.raises(GatewayError) as told:
                await view.send(OPERATOR, "gate.mp4", device, in_pieces(*pieces, broken=broken))
            assert told.value.code == code

        await refused("outbox-nobody", b"x")
        side = await core.outbox.join("a", "uplink")
        kept = await view.send(OPERATOR, "gate.mp4", "ball-1", in_pieces(b"moving ", b"picture"))
        digest = hashlib.sha256(b"moving picture").hexdigest()
        assert (kept.name, kept.device, kept.size, kept.sha256) == ("gate.mp4", "kit1/ball-1", 14, digest)
        assert kept.media_type == "video/mp4" and kept.at == house.clock.wall()
        assert await side.read(kept.id, 7, 7) == b"picture" and [one.file for one in await side.files()] == [kept]
        # What comes to nothing leaves nothing.
        await refused("file-empty")
        await refused("too-large", *[b"x" * 500_001] * 2)
        await refused("outbox-full", b"x" * 999_999)
        await refused("not-found", b"x", device="ball-9")
        with pytest.raises(ConnectionError):
            await view.send(OPERATOR, "gate.mp4", "", in_pieces(b"x" * 1000, broken=True))
        part = Principal("sid", Role.OPERATOR, "s", scope="kit1/ball-2")
        for who, device in ((VIEWER, "ball-1"), (part, "ball-1"), (part, "")):
            with pytest.raises(Denied):
                await view.send(who, "gate.mp4", device, in_pieces(b"x"))
        assert [one.name for one in folder.iterdir()] == [kept.id]
        auditor = Principal("aude", Role.AUDITOR, "s")
        await core.store.db.write(lambda _conn: None)
        acts = [(row.name, row.target) for row in await core.audit.read(auditor) if row.act == "outbox.send"]
        assert acts == [("otto", "kit1/ball-1")]
        (folder / "01JABCDEFGHJKMNPQRSTVWXYZ9.in").write_bytes(b"of a crash")
        await core.outbox.stored.sweep()
        assert [one.name for one in folder.iterdir()] == [kept.id]


@by_hand
async def test_the_sweep_spares_a_recording_that_is_coming(tmp_path: Path) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox = house.core.outbox
        side = await outbox.join("a", "uplink")

        async def slow() -> AsyncIterator[bytes]:
            yield b"moving "
            await outbox.stored.sweep()
            yield b"picture"

        kept = await outbox.hand_in(replace(FILE, name="slow.mp4"), slow())
        assert await side.read(kept.id, 0, 14) == b"moving picture"


@by_hand
async def test_recordings_that_come_at_a_time_are_few(tmp_path: Path) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox, go, begun = house.core.outbox, asyncio.Event(), list[int]()
        await outbox.join("a", "uplink")

        async def slow() -> AsyncIterator[bytes]:
            begun.append(1)
            await go.wait()
            yield b"x"

        coming = [asyncio.ensure_future(outbox.hand_in(FILE, slow())) for _ in range(4)]
        while len(begun) < 4:
            await asyncio.to_thread(lambda: None)
            await advance(0)
        with pytest.raises(Busy) as busy:
            await outbox.hand_in(FILE, in_pieces(b"x"))
        assert busy.value.code == "busy"
        go.set()
        assert len({(await one).id for one in coming}) == 4
        assert (await outbox.hand_in(FILE, in_pieces(b"x"))).size == 1
