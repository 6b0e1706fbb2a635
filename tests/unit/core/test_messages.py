"""The bus: replay from a cursor, slow listeners, scopes and roles."""

from __future__ import annotations

import pytest

from gateway.core.facts import BusEvent, Missed
from gateway.core.messages import Bus
from gateway.model.principal import Principal, Role

ALL = Principal("a", Role.ADMINISTRATOR, "s")
NARROW = Principal("n", Role.VIEWER, "s", scope="kit1/ball-1")


async def take(bus: Bus, who: Principal = ALL, cursor: int | None = None, types: tuple[str, ...] = ()) -> list[object]:
    """What a listener who comes now and stays until the end finds."""
    async with bus.subscribe(who, cursor=cursor, types=types) as subscription:
        bus.close()
        return [e.cursor if isinstance(e, BusEvent) else e async for e in subscription]


def filled(ring: int, events: int) -> Bus:
    bus = Bus(ring=ring)
    for number in range(events):
        bus.publish("device", f"kit1/ball-{number}", number)
    return bus


async def test_replay_from_a_cursor() -> None:
    assert await take(filled(10, 5), cursor=2) == [3, 4, 5]
    assert await take(filled(10, 5), cursor=5) == []
    assert await take(filled(10, 5)) == []


@pytest.mark.parametrize(("cursor", "expected"), [(0, [Missed(2), 3, 4, 5]), (1, [Missed(1), 3, 4, 5]), (2, [3, 4, 5])])
async def test_a_cursor_too_old_says_how_much_is_gone(cursor: int, expected: list[object]) -> None:
    assert await take(filled(3, 5), cursor=cursor) == expected


async def test_a_cursor_of_an_earlier_life_reads_all_anew() -> None:
    assert await take(filled(10, 2), cursor=900) == [Missed(0), 1, 2]


async def test_a_slow_listener_loses_its_own_and_is_told() -> None:
    bus = Bus(queue=4)
    async with bus.subscribe(ALL) as slow, bus.subscribe(ALL) as quick:
        events = aiter(quick)
        for number in range(10):
            bus.publish("device", "", number)
            assert (await anext(events)).data == number  # type: ignore[union-attr]
        bus.close()
        got = [e async for e in slow]
    missed = sum(e.events for e in got if isinstance(e, Missed))
    kept = [e.data for e in got if isinstance(e, BusEvent)]
    assert missed + len(kept) == 10 and kept == list(range(10 - len(kept), 10)) and isinstance(got[0], Missed)
    assert bus.listeners == 0


async def test_scopes_and_roles() -> None:
    bus = Bus()
    bus.publish("device", "kit1/ball-1", 0)
    bus.publish("stream", "kit1/ball-1/ch1", 0)
    bus.publish("device", "kit1/ball-10", 0)
    bus.publish("pending", "", 0)
    bus.publish("notice", "", 0)
    assert await take(bus, NARROW, 0) == [1, 2, 5]
    assert await take(bus, ALL, 0, ("pending", "stream")) == [2, 4]


async def test_live_figures_are_not_replayed() -> None:
    bus = Bus()
    async with bus.subscribe(ALL) as listener:
        bus.publish("stream", "kit1/b/ch1", 1)
        bus.publish("stream", "kit1/b/ch1", 2, transient=True)
        bus.close()
        assert [(e.cursor, e.data) async for e in listener] == [(1, 1), (1, 2)]  # type: ignore[union-attr]
    assert bus.cursor == 1
    assert await take(bus, cursor=0) == [1]


async def test_who_follows_a_type_is_called_and_who_listens_is_known() -> None:
    bus, called, came = Bus(), list[str](), list[int]()
    bus.heed(("link", "kit"), lambda: called.append("a"))
    bus.heed(("kit",), lambda: called.append("b"))
    bus.on_subscribed = lambda: came.append(bus.listeners)
    bus.publish("link", "", 1)
    bus.publish("kit", "", 1, transient=True)
    bus.publish("alarm", "", 1)
    assert called == ["a", "a", "b"]
    assert not bus.wanted("stream")
    async with bus.subscribe(ALL, types=("alarm",)):
        assert not bus.wanted("stream") and bus.wanted("alarm") and came == [1]
        async with bus.subscribe(ALL):
            assert bus.wanted("stream")
    assert not bus.wanted("alarm")
