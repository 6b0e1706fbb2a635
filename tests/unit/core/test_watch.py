"""The daemon's look at itself."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.contract.device import ChannelReport
from gateway.core import watch as watch_module
from gateway.core.facts import BusEvent, Notice
from gateway.core.messages import Bus
from gateway.core.watch import Watch
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId
from gateway.model.principal import SYSTEM
from tests.fakes.device import FakeHandler
from tests.fakes.loop import advance, by_hand, settle
from tests.unit.core.house import House, a_house, housed


@dataclass
class Hand:
    mono: float = 0.0
    wall: float = 1e9
    alive: bool = True
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(lambda: self.mono, lambda: self.wall)

    async def answer(self) -> bool:
        return self.alive


async def notices(bus: Bus) -> list[tuple[str, bool]]:
    async with bus.subscribe(SYSTEM, cursor=0, types=["notice"]) as events:
        bus.close()
        told = [event.data async for event in events if isinstance(event, BusEvent)]
    return [(notice.code, notice.cleared) for notice in told if isinstance(notice, Notice)]


async def test_a_clock_jump_is_told_and_touches_no_timer(tmp_path: Path) -> None:
    hand, bus = Hand(), Bus()
    watch = Watch(hand.clock, bus, tmp_path, {})
    watch.look_at_clock()
    hand.mono, hand.wall = 1.0, hand.wall + 7200
    watch.look_at_clock()
    assert watch.jumps == 1 and watch.ok
    assert await notices(bus) == [("clock-jump", False)]


async def test_a_part_that_does_not_answer_gates_the_watchdog(tmp_path: Path) -> None:
    hand = Hand()
    watch = Watch(hand.clock, Bus(), tmp_path, {"media": hand.answer})
    hand.alive = False
    await watch._ask()
    assert not watch.ok and watch.parts["media"] == "internal"
    hand.alive = True
    await watch._ask()
    assert watch.ok


async def test_a_full_disk_is_told_once_and_kills_nobody(tmp_path: Path) -> None:
    bus = Bus()
    watch = Watch(Hand().clock, bus, tmp_path, {"store": Hand().answer})
    for code in ("disk-full", "disk-full", ""):
        watch.store_stands(code)
        assert watch.ok
    watch.store_stands("store-corrupt")
    assert not watch.ok, "only a new start can mend the file"
    assert await notices(bus) == [("disk-full", False), ("disk-full", True), ("store-corrupt", False)]


@housed
async def test_live_service_goes_on_with_a_full_disk_and_comes_back(house: House) -> None:
    """Devices are seen, people watch and move; what must be kept is refused in words; room again: all is kept."""
    db = house.core.store.db

    def limit(pages: int) -> None:
        db._writer.execute(f"PRAGMA max_page_count = {pages}")

    def alarm(key: str) -> Alarm:
        now = house.clock.wall()
        return Alarm(DeviceId("kit1/b"), "ch1", key, AlarmSeverity.MAJOR, "motion", "video", "x" * 900, now, now)

    limit(1)
    with pytest.raises(GatewayError) as full:
        for number in range(300):
            await house.core.alarms.report(alarm(f"k{number}"))
    assert full.value.code == "disk-full"
    await advance(0.1)
    assert house.core.watch.ok and house.core.watch.parts["store"] == "disk-full"
    with pytest.raises(GatewayError):
        await house.core.devices.admit("gb28181", "1" * 60, name="n" * 90, by="t" * 50_000)
    assert house.core.directory.devices(SYSTEM) == [], "what could not be kept was not half admitted"
    limit(1_000_000)
    await house.core.alarms.report(alarm("after"))
    await advance(0.1)
    assert house.core.watch.parts["store"] == "" and house.core.watch.notices == []


@by_hand
async def test_what_was_learned_while_the_disk_was_full_is_written_after(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        db, devices = house.core.store.db, house.core.devices
        hold = devices.attach(await devices.admit("gb28181", "1", slug="ball-1", by="t"), FakeHandler())
        db._writer.execute("PRAGMA max_page_count = 1")
        hold.channels([ChannelReport(str(number), "x" * 200) for number in range(300)])
        assert await house.core.store.alive()
        await advance(0.1)
        assert house.core.watch.parts["store"] == "disk-full"
        db._writer.execute("PRAGMA max_page_count = 1000000")
        assert await house.core.store.alive()
        await settle()
    async with a_house(tmp_path) as house:
        (device,) = house.core.directory.devices(SYSTEM)
        assert {c.external_id: c.key for c in device.channels} == {str(n): f"ch{n + 1}" for n in range(300)}


@by_hand
async def test_its_parts_are_asked_each_five_seconds_and_who_follows_them_hears_of_a_change(tmp_path: Path) -> None:
    loop, hand, asked, heard = asyncio.get_running_loop(), Hand(), list[float](), list[dict[str, str]]()

    async def answer() -> bool:
        asked.append(loop.time())
        return hand.alive

    watch = Watch(hand.clock, Bus(), tmp_path, {"media": answer})
    watch.on_parts = lambda: heard.append(dict(watch.parts))
    running = asyncio.create_task(watch.run())
    await advance(10.5)
    del asked[:]
    await advance(60.0)
    assert len(asked) == 12 and all(at % 5.0 == 0.0 for at in asked), "when others look too"
    assert heard == []
    hand.alive = False
    await advance(5.0)
    assert [parts["media"] for parts in heard] == ["internal"]
    hand.alive = True
    await advance(5.0)
    assert [parts["media"] for parts in heard] == ["internal", ""]
    watch.store_stands("store-fault")
    watch.store_stands("store-fault")
    assert len(heard) == 3
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_part_that_answers_in_a_thread_is_asked_there(tmp_path: Path) -> None:
    hand = Hand()
    watch = Watch(hand.clock, Bus(), tmp_path, {"store": hand.answer}, {"media": lambda: hand.alive})
    assert watch.parts == {"loop": "", "store": "", "media": ""}
    hand.alive = False
    await watch._ask()
    assert watch.parts == {"loop": "", "store": "internal", "media": "internal"}
    hand.alive = True
    await watch._ask()
    assert watch.ok


@by_hand
async def test_the_clock_is_looked_at_when_the_kernel_tells_and_each_second_where_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, looked, tells = asyncio.get_running_loop(), list[float](), [True]
    told: list[Callable[[], None]] = []

    class News:
        open = True

        def __init__(self, called: Callable[[], None]) -> None:
            if not tells[0]:
                raise OSError(errno.ENOSYS, "no such thing")
            told.append(called)

        def close(self) -> None:
            told.clear()

    monkeypatch.setattr(watch_module, "ClockNews", News)

    async def watched(seconds: float) -> list[float]:
        watch = Watch(Hand().clock, Bus(), tmp_path, {})
        look = watch.look_at_clock
        watch.look_at_clock = lambda: (looked.append(loop.time()), look())[0]  # type: ignore[method-assign]
        running = asyncio.create_task(watch.run())
        await advance(5.0)
        looked.clear()
        for called in told:
            called()
        await advance(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return [*looked]

    assert len(await watched(20.0)) == 1 + 4 and not told
    tells[0] = False
    assert len(await watched(20.0)) == 20
