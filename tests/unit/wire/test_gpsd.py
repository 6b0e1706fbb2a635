"""gpsd's lines: places, no places, and what is no line of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.gnss import NoFix, Seen
from gateway.wire.gpsd import MOST_LINE, GpsdReader

TPV: dict[str, Any] = {
    "class": "TPV", "device": "/dev/ttyS0", "mode": 3, "time": "2026-11-30T08:25:10.000Z", "lat": 30.67, "lon": 104.06,
    "altMSL": 505.3, "eph": 4.5, "speed": 5.0, "track": 270.0,
}  # fmt: skip


def line(**more: Any) -> bytes:
    return json.dumps(TPV | more).encode() + b"\r\n"


def test_a_place() -> None:
    made = Seen(
        104.06, 30.67, taken_at=1796027110.0, accuracy_m=4.5, altitude_m=505.3, speed_kmh=18.0, direction_deg=270.0
    )
    assert GpsdReader().receive(line()) == [made]
    (flat,) = GpsdReader().receive(line(mode=2, eph=None, epx=3.0, epy=7.0))
    assert isinstance(flat, Seen) and flat.altitude_m is None and flat.accuracy_m == 7.0


@pytest.mark.parametrize(
    "more", [{"mode": 1}, {"mode": 0}, {"mode": True}, {"lat": None}, {"lon": "104"}, {"lat": 1e999}]
)
def test_no_place(more: dict[str, Any]) -> None:
    assert GpsdReader().receive(line(**more)) == [NoFix()]


@pytest.mark.parametrize("time", [None, 5, "yesterday", "2026-11-30T08:25:10", "2" * 60])
def test_a_time_that_is_none_is_none(time: Any) -> None:
    (fix,) = GpsdReader().receive(line(time=time))
    assert isinstance(fix, Seen) and fix.taken_at is None


@pytest.mark.parametrize("much", ["9" * 400, "-" + "9" * 4000, "1e308", "1e999", "NaN", "-Infinity"])
def test_a_number_that_is_none_never_raises(much: str) -> None:
    told = line().decode().replace("270.0", much).replace("4.5", much).replace(": 5.0", f": {much}")
    (fix,) = GpsdReader().receive(told.encode())
    assert isinstance(fix, Seen) and (fix.direction_deg, fix.accuracy_m, fix.speed_kmh) == (None, None, None)
    assert GpsdReader().receive(line().replace(b"104.06", much.encode())) == [NoFix()]


def test_what_it_has() -> None:
    reader = GpsdReader()
    assert reader.receive(b'{"class":"VERSION","release":"3.22"}\n{"class":"DEVICES","devices":[]}\n') == [NoFix()]
    told = b'{"class":"DEVICES","devices":[{"class":"DEVICE","path":"/dev/pts/3"},5]}\n{"class":"SKY"}\n'
    assert reader.receive(told) == [] and reader.devices == ("/dev/pts/3",)
    assert reader.receive(b'{"class":"DEVICE","path":"/dev/pts/3","activated":0}\n') == [NoFix()]


def test_what_is_no_line_of_it() -> None:
    reader = GpsdReader()
    assert reader.receive(b"HTTP/1.1 400 Bad\r\n[1,2]\n" + b"[" * 5000 + b"\n") == [] and reader.bad == 3
    assert reader.receive(b"x" * (MOST_LINE + 1)) == [] and reader.bad == 4
    assert len(reader.receive(b"\n" + line())) == 1


@given(st.binary(max_size=300), st.integers(1, 40))
def test_cut_anywhere_and_garbage(data: bytes, cut: int) -> None:
    reader = GpsdReader()
    whole = line() + data + b"\n" + line()
    heard = [found for at in range(0, len(whole), cut) for found in reader.receive(whole[at : at + cut])]
    assert sum(isinstance(one, Seen) for one in heard) >= 2
