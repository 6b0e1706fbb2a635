"""Short messages through a modem: kept before they are taken off, sent part by part."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.base.errors import GatewayError, LinkDown, PeerError, Unsupported
from gateway.model.link import LinkPhase
from gateway.model.texts import TextOut
from tests.fakes.loop import by_hand
from tests.fakes.modem import FakeModem
from tests.fakes.modem.pdus import deliver
from tests.fakes.modem.port import Asked, AtError
from tests.unit.modem.rig import BearerRig, bearer_rig, pass_time

LONG = "水位上涨，请求增派冲锋舟两艘。" * 12


async def none(done: int, parts: int) -> None:
    pass


async def sent(rig: BearerRig, text: TextOut, *, within_s: float = 90.0, progress=none):  # type: ignore[no-untyped-def]
    task = asyncio.ensure_future(rig.carrier.send(text, progress))
    for _ in range(round(within_s)):
        if task.done():
            break
        await pass_time(1.0)
    return await task


@by_hand
async def test_what_comes_is_kept_then_taken_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.seats.full = GatewayError("the disk is full", code="disk-full")
        rig.modem.text_in(deliver("+8613900001111", "hello"))
        await pass_time(5)
        assert rig.seats.taken == [] and len(rig.modem.texts.stored) == 1, "it stays where it lies"
        rig.seats.full = None
        rig.modem.text_in(deliver("10086", "您的余额", part=(7, 2, 2)))
        await pass_time(5)
        assert [(one.sender, one.body) for one in rig.seats.taken] == [
            ("+8613900001111", "hello"),
            ("10086", "您的余额"),
        ]
        assert (rig.seats.taken[1].reference, rig.seats.taken[1].part, rig.seats.taken[1].parts) == (7, 2, 2)
        assert rig.seats.taken[0].mark and rig.modem.texts.stored == {}


@by_hand
async def test_what_came_while_nobody_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        rig.modem.texts.stored = {at: (0, deliver("10086", f"number {at}")) for at in range(50)}
        rig.modem.texts.stored[7] = (0, "0791ZZ"[:4] + "00" * 3)  # garbage is taken off, lest the modem be full
        await rig.until(LinkPhase.UP)
        await pass_time(10)
        # It may have been the line: it was read by its place too before it went.
        assert len(rig.seats.taken) == 49 and rig.modem.texts.stored == {}


@by_hand
async def test_a_line_that_was_garbled_costs_no_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One PDU of the list was lost on the line, another cut: each is read again by its place."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        await pass_time(5)
        good = rig.modem.handlers["+CMGL"]

        def garbled(modem: FakeModem, asked: Asked) -> list[str]:
            lines = good(modem, asked)
            modem.handlers["+CMGL"] = good
            return [lines[0].partition("\n")[0], lines[1], lines[2][:-7], *lines[3:]]

        rig.modem.handlers["+CMGL"] = garbled
        rig.modem.texts.stored = {at: (0, deliver("10086", f"number {at}")) for at in range(5)}
        rig.carrier.on_text()
        await pass_time(5)
        assert [one.body for one in rig.seats.taken] == [f"number {at}" for at in range(5)]
        assert rig.modem.texts.stored == {}


@by_hand
async def test_one_that_can_not_be_deleted_holds_up_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        good = rig.modem.handlers["+CMGD"]

        def refuses(modem: FakeModem, asked: Asked) -> list[str]:
            if asked.args == "1":
                raise AtError("CMS", 302)
            return good(modem, asked)

        rig.modem.handlers["+CMGD"] = refuses
        rig.modem.texts.stored = {at: (0, deliver("10086", f"number {at}")) for at in range(4)}
        await rig.until(LinkPhase.UP)
        await pass_time(130)
        assert [one.body for one in rig.seats.taken] == [f"number {at}" for at in range(4)], "each, and once"
        assert list(rig.modem.texts.stored) == [1]


@by_hand
async def test_a_modem_that_stores_nothing_and_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.seats.full = GatewayError("the disk is full", code="disk-full")
        for number in range(3):
            pdu = deliver("10086", f"number {number}")
            rig.modem.urc(f"+CMT: ,{len(pdu) // 2 - 8}\r\n{pdu}")
            await pass_time(2)
        assert rig.seats.taken == []
        rig.seats.full = None
        await pass_time(62)
        assert [one.body for one in rig.seats.taken] == ["number 0", "number 1", "number 2"]


@by_hand
async def test_a_modem_full_of_messages_is_emptied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A full one says nothing of those that find no room: the next look makes room, and the network brings them."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        await pass_time(5)
        rig.seats.full = GatewayError("the disk is full", code="disk-full")
        for number in range(rig.modem.texts.capacity + 1):
            rig.modem.text_in(deliver("10086", f"number {number}"))
        await pass_time(5)
        assert len(rig.modem.texts.missed) == 1
        rig.seats.full = None
        await pass_time(62)
        assert rig.modem.texts.stored == {} and len(rig.seats.taken) == rig.modem.texts.capacity
        rig.modem.text_in(rig.modem.texts.missed.pop())
        await pass_time(5)
        assert len({one.body for one in rig.seats.taken}) == rig.modem.texts.capacity + 1


@by_hand
async def test_a_long_one_part_by_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        told: list[tuple[int, int]] = []

        async def progress(done: int, parts: int) -> None:
            told.append((done, parts))

        message = TextOut("1", "+8613800138000", LONG, number=0x1FF)
        result = await sent(rig, message, progress=progress)
        parts = [one.part for one in rig.modem.texts.sent]
        assert parts == [(0x1FF, 3, 1), (0x1FF, 3, 2), (0x1FF, 3, 3)] and told == [(1, 3), (2, 3)]
        assert "".join(one.text for one in rig.modem.texts.sent) == LONG
        assert result.parts == 3 and result.references == ("1", "2", "3")
        await pass_time(5)
        assert rig.seats.reports == [("1", True, ""), ("2", True, ""), ("3", True, "")]
        rig.modem.texts.sent.clear()
        await sent(rig, TextOut("1", "+8613800138000", LONG, number=0x1FF, parts=3, parts_done=2))
        assert [one.part for one in rig.modem.texts.sent] == [(0x1FF, 3, 3)], "what went before is not sent again"


@by_hand
async def test_the_answer_of_the_network_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.modem.texts.silent = 1
        with pytest.raises(LinkDown) as told:
            await sent(rig, TextOut("1", "10086", "x"))
        assert told.value.code == "text-unsure" and len(rig.modem.texts.sent) == 1


@by_hand
async def test_one_that_never_went_out_is_not_unsure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unplugged before, or the modem did not even ask for the text: it can not arrive twice."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.modem.faults.lost = 1.0
        with pytest.raises(LinkDown) as told:
            await sent(rig, TextOut("1", "10086", "x"))
        assert told.value.code == "modem-silent"
        rig.line.unplug()
        with pytest.raises(LinkDown) as gone:
            await rig.bearer.modem.send_text(TextOut("1", "10086", "x"), none)
        assert gone.value.code == "serial-lost" and rig.modem.texts.sent == []


@by_hand
async def test_refusals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        with pytest.raises(LinkDown):
            await rig.carrier.send(TextOut("0", "10086", "x"), none)
        await rig.until(LinkPhase.UP)
        rig.modem.texts.refuses = 1
        with pytest.raises(LinkDown) as told:  # "unknown error": it may be taken later
            await sent(rig, TextOut("1", "10086", "x"))
        assert told.value.code == "modem-refused"
        for text, code in (
            (TextOut("2", "bd:1", "x"), "text-address"),
            (TextOut("3", "1", "字" * 3000), "text-too-long"),
        ):
            with pytest.raises((Unsupported, PeerError)) as never:
                await sent(rig, text)
            assert never.value.code == code
