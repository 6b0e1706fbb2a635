from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gb28181.protocol import ptz
from gateway.base.errors import RemoteProtocolError, Unsupported
from gateway.model.ptz import CruiseOp, LensMove, PresetOp, PtzMove


def test_examples_of_captures() -> None:
    """Right with speed 0x90, and stop, both with address 4D, as a vendor's platform sends them."""
    assert ptz.PtzBytes(0x01, 0x90, address=0x4D).hex() == "A50F4D0190000092"
    assert ptz.PtzBytes(0x00, address=0x4D).hex() == "A50F4D0000000001"
    assert ptz.parse("a50f4d0190000092") == ptz.PtzBytes(0x01, 0x90, address=0x4D)


@pytest.mark.parametrize(
    ("order", "instruction", "speeds"),
    [
        (PtzMove(pan=1), 0x01, (255, 0, 0)),
        (PtzMove(pan=-1), 0x02, (255, 0, 0)),
        (PtzMove(tilt=-0.5), 0x04, (0, 128, 0)),
        (PtzMove(tilt=0.5), 0x08, (0, 128, 0)),
        (PtzMove(zoom=1), 0x10, (0, 0, 15)),
        (PtzMove(zoom=-0.001), 0x20, (0, 0, 1)),
        (PtzMove(pan=1, tilt=1, zoom=-1), 0x29, (255, 255, 15)),
        (PtzMove(pan=7, tilt=float("nan")), 0x01, (255, 0, 0)),
        (PtzMove(), 0x00, (0, 0, 0)),
    ],
)
def test_moves(order: PtzMove, instruction: int, speeds: tuple[int, int, int]) -> None:
    made = ptz.move(order)
    assert (made.instruction, (made.data1, made.data2, made.data3)) == (instruction, speeds)


def test_lens_presets_and_cruises() -> None:
    assert ptz.lens(LensMove(focus=1)).instruction == 0x41
    assert ptz.lens(LensMove(focus=-1, iris=-1)).instruction == 0x4A
    assert ptz.lens(LensMove(iris=1)).hex() == ptz.PtzBytes(0x44, 0, 255).hex()
    assert ptz.lens(LensMove()) == ptz.LENS_STOP
    assert [ptz.preset(op, 3).instruction for op in PresetOp] == [0x81, 0x82, 0x83]
    assert ptz.cruise(CruiseOp.START, 2) == ptz.PtzBytes(0x88, 2)
    assert ptz.cruise(CruiseOp.STOP, 2) == ptz.STOP


@pytest.mark.parametrize("number", [0, -1, 256])
def test_presets_outside_are_refused(number: int) -> None:
    with pytest.raises(Unsupported):
        ptz.preset(PresetOp.CALL, number)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 15), st.integers(0, 4095))
def test_there_and_back(instruction: int, d1: int, d2: int, d3: int, address: int) -> None:
    made = ptz.PtzBytes(instruction, d1, d2, d3, address)
    assert ptz.parse(made.hex()) == made


@given(st.text(max_size=40))
def test_reading_raises_nothing_else(text: str) -> None:
    try:
        ptz.parse(text)
    except RemoteProtocolError:
        pass


def test_a_flipped_bit_is_found() -> None:
    with pytest.raises(RemoteProtocolError, match="sum"):
        ptz.parse("A50F4D0191000092")
