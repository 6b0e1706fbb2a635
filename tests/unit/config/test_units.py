"""Values that carry their unit, both ways."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import units
from gateway.config.example import toml


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5.0), ("200ms", 0.2), ("2m", 120.0), ("1m30s", 90.0), ("1.5s", 1.5), ("12h", 43200.0), ("1d", 86400.0)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds
    assert units.parse_duration(units.duration_text(seconds)) == seconds


@pytest.mark.parametrize("wrong", ["5", "", "s", "5 parsecs", "-5s", "5s!", "1s 2", 5, True, None, [], {"s": 5}])
def test_what_is_no_duration_says_how_to_write_one(wrong: object) -> None:
    with pytest.raises(ValueError, match='as "5s"'):
        units.parse_duration(wrong)


@given(st.integers(0, 10**7))
def test_any_milliseconds_round_trip(ms: int) -> None:
    assert units.parse_duration(units.duration_text(ms / 1000)) == pytest.approx(ms / 1000)


@given(st.integers(0, 2**40))
def test_any_size_round_trips(size: int) -> None:
    assert units.parse_size(units.size_text(size)) == size


@pytest.mark.parametrize("wrong", ["", "MB", "5XB", "1e9", True, None, -0.5])
def test_what_is_no_size(wrong: object) -> None:
    with pytest.raises(ValueError, match="64MB"):
        units.parse_size(wrong)


def test_ports_and_addresses() -> None:
    assert units.parse_ports(" 30000 - 30499 ") == units.PortRange(30000, 30499)
    assert str(units.parse_host_port("[::]:5060")) == "[::]:5060"
    assert units.parse_host_port("127.0.0.1:0") == units.HostPort("127.0.0.1", 0)


@pytest.mark.parametrize("wrong", ["30499-30000", "0-5", "1-70000", "30000", "a-b", 30000])
def test_what_is_no_range(wrong: object) -> None:
    with pytest.raises(ValueError, match="range of ports"):
        units.parse_ports(wrong)


@pytest.mark.parametrize("wrong", ["5060", "localhost:5060", "::5060", "1.2.3.4", "1.2.3.4:99999", "[1.2.3.4]:5", 5060])
def test_what_is_no_address(wrong: object) -> None:
    with pytest.raises(ValueError, match="address with port"):
        units.parse_host_port(wrong)


def test_keys_are_quoted_where_they_must_be() -> None:
    table = {"*97": "voicemail", "+8610": "a", "plain-key_1": "b"}
    assert tomllib.loads(f"x = {toml(table)}") == {"x": table}
