from __future__ import annotations

import pytest

from adapters.gb28181.protocol import ids
from gateway.base.errors import Busy


def test_domain_of_an_ssrc_is_digits_four_to_eight() -> None:
    assert ids.ssrc_domain("13010000002000000001") == "10000"
    assert ids.SsrcPool("13010000002000000001", start=7).take() == "0100000007"


def test_history_begins_with_one() -> None:
    assert ids.SsrcPool("34020000002000000001").take(history=True).startswith("120000")


def test_numbers_rotate_and_are_given_back() -> None:
    pool = ids.SsrcPool("34020000002000000001")
    first, second = pool.take(), pool.take()
    pool.give_back(first)
    assert len({first, second, pool.take()}) == 3, "a number just given back is not the next one given out"
    assert len(pool) == 2


def test_a_full_pool_refuses() -> None:
    pool = ids.SsrcPool("34020000002000000001")
    taken = {pool.take() for _ in range(ids.SSRC_SPACE)}
    assert len(taken) == ids.SSRC_SPACE
    with pytest.raises(Busy):
        pool.take()
    pool.give_back("0200001234")
    assert pool.take() == "0200001234"


@pytest.mark.parametrize(
    ("y", "value"),
    [
        ("0060205514", 60205514),
        (" 0200000001 ", 200000001),
        ("1999999999", 1999999999),
        ("01234567890123456789", None),
        ("9999999999", None),
        ("", None),
        ("abc", None),
        ("-1", None),
        ("١٢٣", None),
    ],
)
def test_ssrc_of_y(y: str, value: int | None) -> None:
    assert ids.ssrc_value(y) == value


def test_ids_of_old_platforms_have_18_digits() -> None:
    assert ids.is_device_id("340200000013200000") and ids.is_device_id("34020000001320000001")
    assert not ids.is_device_id("34020000") and not ids.is_device_id("3402000000132000000x")
    assert ids.type_code("34020000001320000001") == "132" and ids.type_code("3402") == ""
