"""Events of wires: to their owner, kept for one who has yet to learn the handle, and never without bound."""

from __future__ import annotations

import asyncio
from typing import Literal, cast

from gateway import codecs
from gateway.config.units import PortRange
from gateway.core.mediaplane import MediaPlane
from gateway.core.wires import EVENTS, WIRES, Wires
from tests.fakes.engine import FakeEngine


def event(
    wire: int,
    number: int = 0,
    state: Literal["connected", "incoming", "message", "closed"] = "message",
    parent: int = 0,
) -> codecs.WireEvent:
    return codecs.WireEvent(
        wire=wire, parent=parent, state=state, code="", detail="", data=b"", number=number, stream_id=0, address=""
    )


def failed(event: codecs.WireEvent) -> None:
    raise AssertionError("no handler was to fail")


async def test_what_came_before_is_handed_over_in_order_after_the_call() -> None:
    wires, heard = Wires(failed), list[int]()
    for number in range(3):
        wires.give(event(7, number))
    wires.own(7, lambda e: heard.append(e.number))
    assert heard == [], "the caller has not returned yet"
    wires.give(event(7, 3))  # it must not overtake
    await asyncio.sleep(0)
    assert heard == [0, 1, 2, 3] and wires.kept == 0
    wires.give(event(7, 4))
    assert heard[-1] == 4


async def test_a_binding_between_two_events() -> None:
    """The wire's own owner forgets it and takes the leg's handle; what the leg said meanwhile is not lost."""
    wires, heard = Wires(failed), list[tuple[int, int]]()
    wires.own(7, lambda e: heard.append((7, e.number)))
    wires.give(event(7, 0))
    wires.give(event(8, 1))  # of the leg, before Python has its handle
    wires.forget(7)
    wires.give(event(7, 2))  # under way: nobody wants it
    wires.own(8, lambda e: heard.append((8, e.number)))
    await asyncio.sleep(0)
    assert heard == [(7, 0), (8, 1)] and wires.kept == 0


async def test_a_listener_hears_of_its_wires_and_they_are_kept_until_owned() -> None:
    wires, heard = Wires(failed), list[int]()
    wires.own(1, lambda e: heard.append(e.wire))
    wires.give(event(20, state="incoming", parent=1))
    wires.give(event(20, 5, state="closed", parent=1))
    assert heard == [20]
    wires.own(20, lambda e: heard.append(e.number))
    await asyncio.sleep(0)
    assert heard == [20, 5]


async def test_nobody_comes() -> None:
    wires = Wires(failed)
    for wire in range(10 * WIRES):
        for number in range(3):
            wires.give(event(wire, number))
    assert wires.kept == 3 * WIRES
    for number in range(2 * EVENTS):
        wires.give(event(99_999, number))
    assert wires.kept <= 3 * WIRES
    heard = list[int]()
    wires.own(99_999, lambda e: heard.append(e.number))
    await asyncio.sleep(0)
    assert heard == [], "half a dialogue is none"


async def test_a_handler_that_fails_or_forgets_within_harms_nobody() -> None:
    wrong = list[int]()
    wires, heard = Wires(lambda e: wrong.append(e.number)), list[int]()

    def bad(e: codecs.WireEvent) -> None:
        if e.number == 0:
            raise ZeroDivisionError
        heard.append(e.number)
        wires.forget(7)

    for number in range(3):
        wires.give(event(7, number))
    wires.own(7, bad)
    await asyncio.sleep(0)
    assert (wrong, heard, wires.kept) == ([0], [1], 0)


async def test_through_the_media_plane() -> None:
    engine = FakeEngine()
    media = MediaPlane(cast(codecs.Engine, engine), lambda: PortRange(1, 2))
    heard: asyncio.Queue[codecs.WireEvent] = asyncio.Queue()
    media.start()
    engine.tell(event(7, 1))
    engine.tell(codecs.EventsLost(count=1))
    lost: asyncio.Queue[int] = asyncio.Queue()
    media.on_lost = lost.put_nowait
    await asyncio.wait_for(lost.get(), 5)
    media.on_wire(7, heard.put_nowait)
    assert (await asyncio.wait_for(heard.get(), 5)).number == 1
    media.forget_wire(7)
    media.stop()
