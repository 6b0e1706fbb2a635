from __future__ import annotations

import pytest

from adapters.gb28181.protocol.clock import beijing_to_unix, date_header

NOON = 1795406400.0  # 2026-11-23 12:00:00 in Beijing, 04:00:00 UTC


def test_the_header_is_beijing_time_without_zone() -> None:
    assert date_header(NOON + 0.25) == "2026-11-23T12:00:00.250"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00",
        "2026-11-23T12:00:00.000",
        "2026-11-23 12:00:00",
        "20261123T120000",
        "20261123120000",
        "2026-11-23T04:00:00Z",
        "2026-11-23T12:00:00+08:00",
        "2026-11-23T12:00:00+0800",
    ],
)
def test_spellings_of_devices(text: str) -> None:
    assert beijing_to_unix(text, NOON + 10) == NOON


@pytest.mark.parametrize("text", ["", "now", "2026-13-40T99:00:00", "2036-11-23T12:00:00", "0001-01-01T00:00:00"])
def test_what_is_no_time_is_the_time_of_arrival(text: str) -> None:
    assert beijing_to_unix(text, NOON) == NOON


def test_old_times_are_kept() -> None:
    assert beijing_to_unix("2026-11-20T12:00:00", NOON) == NOON - 3 * 86400
