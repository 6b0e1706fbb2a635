"""The beat of the links: probes by an interface's address, counters, history, quota on the disk."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.base.clock import Clock
from gateway.config.links import Links as LinksConfig
from gateway.config.links import LinkSection
from gateway.core import link_watch
from gateway.core.link_judge import Standing
from gateway.core.link_trails import LinkTrails
from gateway.core.link_watch import LinkWatch, state_of
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.model.kit import LinkUse
from gateway.net import rtnetlink
from gateway.net.rtnetlink import Interface
from gateway.store.store import Store
from tests.fakes.loop import advance, by_hand


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - states that have no event
            await asyncio.sleep(0.005)


LO = Interface(1, "lo", True, 1500, ["127.0.0.1"], [], True)


async def test_a_link_is_probed_counted_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    config = LinksConfig(probe=[f"udp://127.0.0.1:{port}"], interval="100ms", echo=f"127.0.0.1:{port}")
    store = Store(tmp_path, b"audit")
    clock = Clock()
    trails = LinkTrails(store.link_trails, clock)
    links = Links("kit1", Bus(), clock, lambda: config, lambda: {"lo": LinkSection(quota="1GB")}, store.link_use.all())
    counts = {"lo": (1000, 2000)}

    async def news() -> AsyncIterator[list[Interface]]:
        yield [LO]
        await asyncio.Event().wait()

    monkeypatch.setattr(rtnetlink, "changes", news)
    monkeypatch.setattr(rtnetlink, "counted", lambda: counts)
    monkeypatch.setattr(link_watch, "COUNT_S", 0.05)
    watch = LinkWatch("kit1", links, trails, store.link_use, clock)
    running = asyncio.create_task(watch.run())
    await until(lambda: "lo" in links.entries and links.entries["lo"].judge.standing is Standing.GOOD)
    entry = links.entries["lo"]
    assert entry.probe == f"udp://127.0.0.1:{port}" and entry.judge.srtt_s is not None
    await until(lambda: entry.counted is not None)
    counts["lo"] = (5000, 3000)
    await until(lambda: entry.use.used)
    assert entry.use.used == 5000 and entry.bytes_in == 4000
    assert entry.shown is not None and state_of(entry.shown, entry).state is LinkUse.IN
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not watch.routes.problem
    store.close()
    store = Store(tmp_path, b"audit")
    assert store.link_use.all()["lo"][1] == 5000
    store.close()


async def test_a_port_of_answers_that_was_taken_is_tried_again(tmp_path: Path) -> None:
    port, now = free_port(), [100.0]
    config = LinksConfig(echo=f"127.0.0.1:{port}")
    store, clock = Store(tmp_path, b"audit"), Clock(lambda: now[0])
    links = Links("kit1", Bus(), clock, lambda: config)
    watch = LinkWatch("kit1", links, LinkTrails(store.link_trails, clock), store.link_use, clock)
    told: list[str] = []
    watch.on_problem = lambda code, text: told.append(code)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        for _ in range(4):
            now[0] += 6
            watch._serve_echo()
    assert told == ["port-in-use"]
    now[0] += 6
    watch._serve_echo()
    assert watch._echo is not None
    watch._echo[1]()
    store.close()


@by_hand
async def test_links_that_rest_are_looked_at_now_and_then_and_at_once_when_something_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Queue[list[Interface]]()

    async def news() -> AsyncIterator[list[Interface]]:
        while True:
            yield await told.get()

    counted: list[float] = []
    monkeypatch.setattr(rtnetlink, "changes", news)
    monkeypatch.setattr(rtnetlink, "counted", lambda: counted.append(loop.time()) or {"eth0": (1, 1)})  # type: ignore[func-returns-value]
    clock, said = Clock(loop.time), dict[str, LinkSection]()
    store = Store(tmp_path, b"audit")
    links = Links("kit1", Bus(), clock, lambda: LinksConfig(), lambda: said)
    watch = LinkWatch("kit1", links, LinkTrails(store.link_trails, clock), store.link_use, clock)
    tended: list[float] = []
    monkeypatch.setattr(watch.probes, "tend", lambda _entry, now: tended.append(now))
    running = asyncio.create_task(watch.run())
    told.put_nowait([Interface(1, "eth0", True, 1500, ["192.0.2.7"], [], True)])
    await advance(10.0)
    del tended[:], counted[:]
    await advance(60.0)
    assert len(tended) == len(counted) == 12
    links.passed("eth0", 0.05)
    links.entries["eth0"].judge.silenced(loop.time())
    links.on_stir()
    await advance(20.0)
    del tended[:]
    await advance(10.0)
    assert len(tended) == 10, "one that is down may be tried again, or is asked to recover, any second"
    links.passed("eth0", 0.05)
    await advance(40.0)
    assert links.calm and links.entries["eth0"].judge.standing is Standing.GOOD
    # An address that a modem got anew is asked by within a second.
    await advance(0.4)
    del tended[:]
    began = loop.time()
    told.put_nowait([Interface(1, "eth0", True, 1500, ["192.0.2.8"], [], True)])
    await advance(1.0)
    assert tended and tended[0] <= began + 1.0
    said["eth0"] = LinkSection(quota="1GB")
    links.config_changed()
    await advance(2.0)
    del counted[:]
    await advance(10.0)
    assert len(counted) == 10, "a quota is counted each second"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()
