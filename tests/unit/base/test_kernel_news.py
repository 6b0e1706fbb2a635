"""What the kernel tells: folders that change, and the clock that is set."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.base import kernel_news
from gateway.base.kernel_news import ClockNews, FolderNews


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - told by the kernel, which has no event of ours
            await asyncio.sleep(0.005)


async def test_a_folder_tells_of_its_files_and_of_its_end(tmp_path: Path) -> None:
    folder, told = tmp_path / "users", list[int]()
    folder.mkdir()
    news = FolderNews(folder, lambda: told.append(1))
    acts: list[Callable[[], object]] = [
        lambda: (folder / "users.new").write_text("1"),
        lambda: (folder / "users.new").replace(folder / "users.json"),
        lambda: (folder / "users.json").unlink(),
    ]
    for act in acts:
        told.clear()
        act()
        await until(lambda: told)
    assert news.open
    told.clear()
    folder.rmdir()
    await until(lambda: told and not news.open)
    news.close()
    with pytest.raises(OSError, match="inotify_add_watch") as failed:
        FolderNews(folder, lambda: None)
    assert failed.value.errno == errno.ENOENT
    folder.mkdir()
    news = FolderNews(folder, lambda: told.append(2))
    news.close()
    news.close()
    assert not news.open


async def test_a_clock_that_was_set_is_told_and_waited_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the machine of the tests is not set: what the kernel answers then is."""
    told, answers = list[int](), list[int]()
    news = ClockNews(lambda: told.append(1))
    read, armed = os.read, list[float]()
    monkeypatch.setattr(ClockNews, "_arm", lambda self: armed.append(1.0))

    def reading(fd: int, size: int) -> bytes:
        if answers:
            raise OSError(answers.pop(), "read")
        return read(fd, size)

    monkeypatch.setattr(os, "read", reading)
    answers[:] = [errno.EAGAIN]
    news._readable()
    assert not told, "nothing yet"
    answers[:] = [errno.ECANCELED]
    news._readable()
    assert told == [1] and armed == [1.0] and news.open
    news.close()


async def test_a_timer_that_rings_after_all_tells_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(kernel_news, "_FAR_S", int(time.time()) + 1)
    news = ClockNews(lambda: told.append(1))
    await until(lambda: told)
    assert not news.open
    await asyncio.sleep(0)
    assert told == [1]
