"""NMEA sentences: by the letter, cut anywhere, damaged, of receivers that do not know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.gnss import NoFix, Seen
from gateway.wire.nmea import MOST_LINE, NmeaReader


def sentence(body: str) -> bytes:
    made = 0
    for byte in body.encode():
        made ^= byte
    return f"${body}*{made:02X}\r\n".encode()


GGA = sentence("GNGGA,082510.00,3040.2000,N,10403.6000,E,1,12,0.8,505.3,M,-37.2,M,,")
RMC = sentence("GNRMC,082510.00,A,3040.2000,N,10403.6000,E,10.0,270.0,301126,,,A")
FIX = Seen(
    104.06, 30.67, taken_at=1796027110.0, accuracy_m=4.0, altitude_m=505.3, speed_kmh=18.5, direction_deg=270.0,
    satellites=12,
)  # fmt: skip


def test_a_receiver_by_the_letter() -> None:
    reader = NmeaReader()
    assert reader.receive(RMC, 0.0) == [Seen(104.06, 30.67, taken_at=1796027110.0, speed_kmh=18.5, direction_deg=270.0)]
    assert reader.receive(GGA + RMC, 1.0) == [FIX] and reader.bad == 0


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_cut_anywhere_it_reads_the_same(cuts: list[int]) -> None:
    reader, heard, data, at = NmeaReader(), [], GGA + b"\x00\xff\n" + RMC, 0
    reader.receive(RMC, 0.0)
    for cut in cuts:
        heard += reader.receive(data[at : at + cut], 1.0)
        at += cut
    heard += reader.receive(data[at:], 1.0)
    assert heard == [FIX]


@pytest.mark.parametrize(
    "body",
    [
        "GNRMC,082510.00,V,,,,,,,301126,,,N",
        "GNRMC,082510.00,A,3040.2000,N,10403.6000,E,,,301126,,,E",
        "GNRMC,082510.00,A,3040.2000,N,10403.6000,E,,,301126,,,S",
    ],
)
def test_one_that_does_not_know_has_no_fix(body: str) -> None:
    assert NmeaReader().receive(sentence(body), 0.0) == [NoFix()]


def test_gga_alone_has_no_date() -> None:
    reader = NmeaReader()
    (fix,) = reader.receive(GGA, 0.0)
    assert isinstance(fix, Seen) and fix.taken_at is None and fix.accuracy_m == 4.0
    assert reader.receive(sentence("BDGGA,082511.00,,,,,0,00,,,M,,M,,"), 1.0) == [NoFix()]
    reader.receive(RMC, 2.0)
    assert reader.receive(GGA, 3.0) == [], "its RMC says it"


@pytest.mark.parametrize(
    "line",
    [
        RMC.replace(b"104", b"105", 1),  # checksum
        b"$GNRMC,082510.00*ZZ\r\n",
        b"GNRMC,0825\r\n",
        sentence("GNRMC,082510.00,A"),
        sentence("GNRMC,082510.00,A,99999.0,N,10403.6,E,,,301126,,,A"),
        sentence("GNRMC,082510.00,A,3061.0,N,10403.6,E,,,301126,,,A"),
        sentence("GNRMC,082510.00,A,3040.2,Q,10403.6,E,,,301126,,,A"),
        sentence("GNRMC,082510.00,A,nan,N,10403.6,E,,,301126,,,A"),
        sentence("GNRMC,082510.00,A,3040.2,N,10403.6,E,inf,,301126,,,A"),
        b"x" * (MOST_LINE + 1),
    ],
)
def test_what_is_wrong_is_counted_and_left(line: bytes) -> None:
    reader = NmeaReader()
    assert reader.receive(line, 0.0) == [] and reader.bad == 1
    assert len(reader.receive(b"\n" + RMC, 0.0)) == 1


@pytest.mark.parametrize(
    ("time", "date"),
    [("082510.00", ""), ("082510.00", "000000"), ("2510", "301326"), ("", ""), ("256199", "301126"), ("0825x0", "9")],
)
def test_a_receiver_that_does_not_know_the_date_knows_the_place(time: str, date: str) -> None:
    (fix,) = NmeaReader().receive(sentence(f"GNRMC,{time},A,3040.2,N,10403.6,E,,,{date},,,A"), 0.0)
    assert isinstance(fix, Seen) and (fix.taken_at, fix.longitude) == (None, 104.06)


@given(st.binary(max_size=600))
def test_garbage_never_raises(data: bytes) -> None:
    NmeaReader().receive(data, 0.0)
