"""What lies in a modem or phone: handed in once, taken off when it is kept, nobody held up."""

from __future__ import annotations

import pytest

from gateway.base.errors import GatewayError, PeerError, RemoteProtocolError
from gateway.model.texts import Arrived, Report, Stored
from gateway.net.texts_inbox import TextInbox


class Place:
    """Where messages lie; `fast` are places that can not be deleted."""

    def __init__(self, *what: Arrived | Report | None, fast: tuple[str, ...] = ()) -> None:
        self.lying = {str(at): one for at, one in enumerate(what)}
        self.fast = set(fast)

    async def stored(self) -> list[Stored]:
        return [Stored(place, what) for place, what in self.lying.items()]

    async def delete(self, place: str) -> None:
        if place in self.fast:
            raise PeerError("a message could not be deleted", status="+CMS ERROR: 302", code="modem-refused")
        del self.lying[place]


class Desk:
    """The seat; `wrong` are bodies that can be no message."""

    def __init__(self, wrong: str = "") -> None:
        self.came: list[str] = []
        self.reports: list[tuple[str, bool, str]] = []
        self.wrong, self.full = wrong, False

    async def take(self, text: Arrived) -> bool:
        if self.full:
            raise GatewayError("the disk is full", code="disk-full")
        if text.body == self.wrong:
            raise RemoteProtocolError("a part that can be none", code="text-damaged")
        self.came.append(text.body)
        return True

    async def report(self, reference: str, delivered: bool, code: str = "", detail: str = "") -> None:
        self.reports.append((reference, delivered, code))


def text(body: str) -> Arrived:
    return Arrived("10086", body)


async def test_one_that_can_not_be_deleted_is_handed_in_once_and_holds_up_nobody() -> None:
    place, desk = Place(text("a"), text("b"), None, text("c"), fast=("1",)), Desk()
    inbox = TextInbox("sat1", place.stored, place.delete)
    for _ in range(3):
        with pytest.raises(PeerError):
            await inbox.hand_in(desk)
    assert desk.came == ["a", "b", "c"] and list(place.lying) == ["1"]
    place.lying["1"] = text("d")  # another one in the same place
    place.fast.clear()
    await inbox.hand_in(desk)
    assert desk.came == ["a", "b", "c", "d"] and place.lying == {}


async def test_one_that_can_be_none_is_taken_away() -> None:
    place, desk = Place(text("a"), text("bad"), text("c")), Desk(wrong="bad")
    await TextInbox("sat1", place.stored, place.delete).hand_in(desk)
    assert desk.came == ["a", "c"] and place.lying == {}


async def test_a_full_disk_takes_nothing_off() -> None:
    place, desk = Place(Report("7", False, status=0x41), text("a"), Report("8", True, final=False)), Desk()
    desk.full = True
    inbox = TextInbox("sat1", place.stored, place.delete)
    with pytest.raises(GatewayError):
        await inbox.hand_in(desk)
    assert desk.reports == [("7", False, "text-undelivered")] and list(place.lying) == ["1", "2"]
    desk.full = False
    await inbox.hand_in(desk)
    assert desk.came == ["a"] and len(desk.reports) == 1 and place.lying == {}
