"""PTZCmd as the device reads it, and the moves that follow."""

from __future__ import annotations

import pytest

from gateway.sim.head import Head, Instruction, read_ptz
from gateway.sim.panorama import TILT_MAX
from gateway.sim.scene import ZOOM_MAX, View


def command(op: int, data1: int = 0, data2: int = 0, data3: int = 0) -> str:
    body = bytes((0xA5, 0x0F, 0x01, op, data1, data2, data3 << 4))
    return (body + bytes((sum(body) % 256,))).hex().upper()


def after(head: Head, text: str, seconds: float) -> View:
    order = read_ptz(text)
    assert order is not None
    head.obey(order)
    for _ in range(round(seconds * 25)):
        head.advance(0.04)
    return head.view


def test_examples_of_the_field() -> None:
    assert read_ptz("A50F4D0190000092") == Instruction(0x01, 0x90, 0, 0)  # right, as a platform was seen to send
    assert read_ptz("a50f4d0190000092") == read_ptz("A50F4D0190000092")
    assert read_ptz("A50F4D0000000001") == Instruction(0, 0, 0, 0)


@pytest.mark.parametrize("text", ["", "A50F", "zz", "A50F4D0190000093", "A60F4D0190000093", "A50E4D0190000091"])
def test_garbage_is_no_instruction(text: str) -> None:
    assert read_ptz(text) is None


@pytest.mark.parametrize(
    ("op", "field", "sign"),
    [(1, "pan", 1), (2, "pan", -1), (8, "tilt", 1), (4, "tilt", -1), (16, "zoom", 1)],
)
def test_each_bit_moves_its_way(op: int, field: str, sign: int) -> None:
    head = Head(View(100.0, 0.0))
    moved = getattr(after(head, command(op, 64, 64, 8), 0.4), field) - getattr(View(100.0, 0.0), field)
    assert moved * sign > 0


def test_it_moves_until_told_to_stop_and_keeps_to_its_limits() -> None:
    head = Head(View(350.0, 0.0))
    assert after(head, command(0b001001, 255, 255), 4.0) == View(350.0, TILT_MAX)  # once round in 4 s
    assert head.moving
    stopped = after(head, command(0), 1.0)
    assert stopped == head.view and not head.moving
    assert after(head, command(0x10, 0, 0, 15), 5.0).zoom == ZOOM_MAX


def test_presets_are_set_called_and_deleted() -> None:
    head = Head(View(100.0, 10.0, 2.0))
    after(head, command(0x81, 0, 7), 0)
    after(head, command(0x02, 255), 1.0)
    assert head.view != View(100.0, 10.0, 2.0)
    back = after(head, command(0x82, 0, 7), 3.0)
    assert (back.pan, back.tilt, back.zoom) == pytest.approx((100.0, 10.0, 2.0))
    after(head, command(0x83, 0, 7), 0)
    assert 7 not in head.presets


def test_a_cruise_visits_its_points_and_a_stop_ends_it() -> None:
    head = Head(View(0.0, 0.0))
    head.presets = {1: ("A", View(30.0, 0.0)), 2: ("B", View(60.0, 0.0))}
    for text in (command(0x85, 1, 0), command(0x84, 1, 1), command(0x84, 1, 2), command(0x87, 1, 1)):
        after(head, text, 0)
    seen = {round(after(head, command(0x88, 1), 0.8).pan)}
    for _ in range(40):
        seen.add(round(head.advance(0.1).pan))
    assert {30, 60} <= seen
    after(head, command(0), 0)
    here = head.view
    head.advance(5.0)
    assert head.view == here


def test_home_is_called_after_idleness() -> None:
    head = Head(View(100.0, 0.0))
    head.presets[3] = ("HOME", View(110.0, 0.0))
    head.home = (3, 2.0)
    head.advance(1.9)
    assert head.view.pan == 100.0
    for _ in range(50):
        head.advance(0.04)
    assert head.view.pan == pytest.approx(110.0)
