"""MISB ST 0601: the standard's own example values, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.wire.klv import UAS_LOCAL_SET, read_klv, write_klv

# The example of each tag's own page in MISB ST 0601.
EXAMPLES = [
    (2, bytes.fromhex("000459f4a6aa4aa8")),
    (3, b"MISSION01"),
    (5, bytes.fromhex("71c2")),
    (10, b"MQ1-B"),
    (13, bytes.fromhex("5595b66d")),
    (14, bytes.fromhex("5b5360c4")),
    (15, bytes.fromhex("c221")),
    (23, bytes.fromhex("f101a229")),
    (24, bytes.fromhex("14bc082b")),
    (25, bytes.fromhex("34f3")),
    (56, bytes.fromhex("8c")),
    (65, b"\x11"),
]


def test_the_standards_examples() -> None:
    report = read_klv(write_klv(EXAMPLES))
    assert report is not None and report.sensor is not None and report.frame_centre is not None
    assert report.taken_at == pytest.approx(datetime(2008, 10, 24, 0, 13, 29, 913000, UTC).timestamp(), abs=1e-3)
    assert (report.platform, report.mission, report.ground_speed_ms) == ("MQ1-B", "MISSION01", 140.0)
    assert report.heading_deg == pytest.approx(159.9744, abs=1e-4)
    assert report.sensor.latitude == pytest.approx(60.17682296662, abs=1e-8)
    assert report.sensor.longitude == pytest.approx(128.42675904204, abs=1e-8)
    assert report.sensor.altitude_m == pytest.approx(14190.7195, abs=1e-3)
    assert report.frame_centre.latitude == pytest.approx(-10.54238863315, abs=1e-8)
    assert report.frame_centre.longitude == pytest.approx(29.15789012292, abs=1e-8)
    assert report.frame_centre.altitude_m == pytest.approx(3216.0372, abs=1e-3)


def test_unknown_is_none_and_not_a_number() -> None:
    report = read_klv(write_klv([(13, b"\x80\0\0\0"), (14, bytes(4)), (5, b"\1")]))
    assert report is not None
    assert (report.sensor, report.heading_deg, report.taken_at, report.frame_centre) == (None, None, None, None)


def test_another_set_is_no_fault() -> None:
    security = UAS_LOCAL_SET[:4] + bytes.fromhex("020301010e01030302000000") + b"\x02\x01\x00"
    assert read_klv(security) is None


def test_every_broken_bit_is_refused() -> None:
    packet = write_klv(EXAMPLES)
    for at in range(16, len(packet)):
        broken = bytearray(packet)
        broken[at] ^= 0x04
        with pytest.raises(RemoteProtocolError):
            read_klv(bytes(broken))
    for cut in range(len(packet)):
        with pytest.raises(RemoteProtocolError):
            read_klv(packet[:cut])
