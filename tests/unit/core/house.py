"""The core on a loop moved by hand, with the media plane in memory and a store on a real disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gateway import codecs
from gateway.base.clock import Clock
from gateway.config.root import Config
from gateway.core.core import Core
from gateway.core.mediaplane import MediaPlane
from gateway.core.secrets import Secrets
from gateway.model.principal import Principal, Role
from gateway.store.store import Store
from tests.fakes.engine import FakeEngine
from tests.fakes.loop import advance, by_hand, on_hand_time

VIEWER = Principal("vera", Role.VIEWER, "s-vera")
OPERATOR = Principal("otto", Role.OPERATOR, "s-otto")
OTHER = Principal("olga", Role.OPERATOR, "s-olga")
TECHNICIAN = Principal("tina", Role.TECHNICIAN, "s-tina")
ADMIN = Principal("ada", Role.ADMINISTRATOR, "s-ada")
AUDITOR = Principal("aude", Role.AUDITOR, "s-aude")


@dataclass
class House:
    core: Core
    engine: FakeEngine
    config: Config
    clock: Clock
    state_dir: Path
    jumps: list[float]


def hand_clock(jumped: list[float] | None = None) -> Clock:
    """Both clocks follow the loop's time; the wall clock jumps by what is put into `jumped`."""
    jumps = [] if jumped is None else jumped
    return Clock(
        monotonic=lambda: asyncio.get_running_loop().time(),
        wall=lambda: 1_790_000_000.0 + asyncio.get_running_loop().time() + sum(jumps),
    )


@asynccontextmanager
async def a_house(state_dir: Path, config: Config | None = None) -> AsyncIterator[House]:
    """Ends orderly, and leaves no task, stream or leg behind."""
    jumps: list[float] = []
    engine, clock, config = FakeEngine(), hand_clock(jumps), config or Config()
    secrets = Secrets(state_dir)
    store = Store(state_dir, secrets.audit_key())
    on_hand_time(store)
    before = asyncio.all_tasks()
    plane = MediaPlane(cast(codecs.Engine, engine), lambda: config.media.rtp_ports)
    core = Core(lambda: config, state_dir, store, secrets, plane, clock)
    # Looked at once: by hand an hour passes in a second, with 720 looks.
    machine = core.kit._read()
    core.kit._read = lambda: machine
    core.start()
    await asyncio.sleep(0)  # its tasks have begun theirs: of two houses neither takes the other's for its own
    yield House(core, engine, config, clock, state_dir, jumps)
    quiesce = asyncio.ensure_future(core.quiesce())
    while not quiesce.done():
        await advance(0.1)
    await core.close()
    left = asyncio.all_tasks() - before - {quiesce}
    assert not left, f"tasks were left behind: {left}"
    assert engine.streams == {} and engine.legs == {}


def housed(test: Callable[[House], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Give an async test a house, on a loop moved by hand."""

    @by_hand
    async def runs(tmp_path: Path) -> None:
        async with a_house(tmp_path) as house:
            await test(house)

    def named(tmp_path: Path) -> None:
        runs(tmp_path)

    named.__name__, named.__doc__ = test.__name__, test.__doc__
    return named
