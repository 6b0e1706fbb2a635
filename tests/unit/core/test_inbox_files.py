"""Files of kits: a center says that it has one when it has verified it and says so on its own disk, not before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gateway.base.errors import Denied, GatewayError, NotFound, RemoteProtocolError
from gateway.core.forward_view import ForwardView
from gateway.model.forward import ForwardFile
from gateway.model.principal import SYSTEM
from tests.fakes.loop import by_hand
from tests.unit.core.house import ADMIN, OPERATOR, a_house

CONTENT = bytes(range(256)) * 4
FILE = ForwardFile("01JABCDEFGHJKMNPQRSTVWXYZ0", "a.jpg", "image/jpeg", 1024, hashlib.sha256(CONTENT).hexdigest())


def part(root: Path) -> Path:
    return root / "inbox" / "kit7" / f"{FILE.id}.part"


@by_hand
async def test_after_a_crash_before_its_row_a_file_is_verified_first(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.core.inbox.file_begin("kit7", FILE)
    part(tmp_path).write_bytes(CONTENT)
    async with a_house(tmp_path) as house:
        inbox = house.core.inbox
        assert await inbox.file_begin("kit7", FILE) == 1024
        kept, path = await inbox.file(SYSTEM, "kit7", FILE.id)
        assert path.read_bytes() == CONTENT and kept.complete_at is not None


@by_hand
async def test_all_its_bytes_and_one_of_them_wrong_is_not_whole(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        inbox = house.core.inbox
        await inbox.file_begin("kit7", FILE)
        part(tmp_path).write_bytes(CONTENT[:-1] + b"\x00")
        with pytest.raises(RemoteProtocolError) as damaged:
            await inbox.file_begin("kit7", FILE)
        assert damaged.value.code == "file-damaged"
        assert await inbox.file_begin("kit7", FILE) == 0, "from the beginning"
        assert await inbox.file_append("kit7", FILE.id, 0, CONTENT) == 1024


@by_hand
async def test_a_file_whose_row_the_disk_did_not_take_is_completed_when_it_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_house(tmp_path) as house:
        inbox, repo = house.core.inbox, house.core.store.inbox
        complete = repo.complete_file

        async def full(*_: Any) -> None:
            raise GatewayError("the disk is full", code="disk-full")

        monkeypatch.setattr(repo, "complete_file", full)
        await inbox.file_begin("kit7", FILE)
        with pytest.raises(GatewayError):
            await inbox.file_append("kit7", FILE.id, 0, CONTENT)
        with pytest.raises(GatewayError):
            await inbox.file_begin("kit7", FILE)
        with pytest.raises(NotFound):
            await inbox.file(SYSTEM, "kit7", FILE.id)
        monkeypatch.setattr(repo, "complete_file", complete)
        assert await inbox.file_begin("kit7", FILE) == 1024
        assert (await inbox.file(SYSTEM, "kit7", FILE.id))[1].read_bytes() == CONTENT


@by_hand
async def test_an_administrator_deletes_one_for_good_and_its_room_is_free(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        core = house.core
        view = ForwardView("county", core.outbox, core.inbox, core.audit, core.directory)
        await core.inbox.file_begin("kit7", FILE)
        with pytest.raises(NotFound):
            await view.remove(ADMIN, "kit7", FILE.id)  # on its way: the kit would begin anew
        await core.inbox.file_append("kit7", FILE.id, 0, CONTENT)
        _, path = await core.inbox.file(SYSTEM, "kit7", FILE.id)
        with pytest.raises(Denied):
            await view.remove(OPERATOR, "kit7", FILE.id)
        assert path.exists()
        await view.remove(ADMIN, "kit7", FILE.id)
        assert not path.exists() and await core.inbox.files(SYSTEM) == []
        assert await core.store.inbox.file_bytes("kit7") == (0, 0)
